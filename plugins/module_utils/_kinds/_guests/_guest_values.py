# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The options of a guest, and what a running one has to be restarted for."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _options
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

ACCELERATORS = ("auto", "kvm", "tcg")
NEW: Spec = {
    "image": "",
    "kernel": "",
    "initrd": "",
    "cmdline": "",
    "accelerator": "auto",
    "stop_timeout": 30,
}
REQUIRED = ("uuid", "memory", "vcpus", "interfaces")
RESTARTING = ("uuid", "memory", "vcpus", "interfaces", "image", "kernel", "initrd", "cmdline", "accelerator")
"""What QEMU learns when it starts. Of the interfaces that is all but the MTU, which the tap device has at once."""

INTERFACE = {
    "tap": _options.Option(required=True, canonical=values.interface_name),
    "mac": _options.Option(required=True, canonical=values.mac),
    "mtu": _options.Option(type="int", canonical=values.mtu, default=1500),
    "offload": _options.Option(type="bool", default=False),
}

_ACCOUNT_MAX = 31  # useradd(8)


def guest_uuid(value: str) -> str:
    """Return a UUID in its usual form."""
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise ValueError(f"must be a UUID, not {values.shown(value)}") from None


def interfaces(items: list[Spec]) -> list[Spec]:
    """Return the interfaces; no two share a device."""
    names = [item["tap"] for item in items]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"must have a tap device each, and {twice[0]} is there twice")
    return items


def file_path(value: str) -> str:
    """Return the absolute path of a file, or nothing for none."""
    return value and values.file_path(value)


def account(name: str) -> str:
    """Return the user that a guest runs as; a long name ends in eight digits of a hash."""
    full = f"nvg-{name}"
    if len(full) <= _ACCOUNT_MAX:
        return full
    return f"{full[: _ACCOUNT_MAX - 8]}{hashlib.sha256(full.encode()).hexdigest()[:8]}"


def comment(name: str) -> str:
    """Return the comment (GECOS) that marks the user of a guest as ours."""
    return f"netvirt.fabric guest {name}"


def at_start(option: str, value: Any) -> Any:
    """Return what QEMU learns of an option's value when it starts."""
    if option != "interfaces" or value is None:
        return value
    return [{key: part for key, part in item.items() if key != "mtu"} for item in value]


def reasons(have: Spec, desired: Spec) -> Iterator[str]:
    """Give what a guest that runs as ``have`` would have to be restarted for."""
    if "uuid" not in have:
        if "uuid" in desired:
            yield "an earlier release started it, by a user that all guests shared"
        return
    for option in RESTARTING:
        before, after = (at_start(option, spec[option]) for spec in (have, desired))
        if before != after:
            yield f"{option} is {values.shown(before)} and should be {values.shown(after)}"
    if have["lost"] != desired["lost"]:
        yield f"its user cannot open {', '.join(have['lost'])} any more"
    if have["user"] != desired["user"]:
        yield f"it runs as {have['user']} and should run as {desired['user']}"
