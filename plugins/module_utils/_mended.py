# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What is remembered of an owner's rebuilds: how often the node mended itself since the last run, and what was seen.

The count outlives a boot. What was seen of this boot is in /run: the Open vSwitch that was last found to be as told.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors, _node
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files

_SWITCH = "switch"


def stem(name: str) -> str:
    """Return what names of files and units have in place of an owner's name, which need not be fit for a unit."""
    try:
        return values.word(name)
    except ValueError:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        return f"{re.sub('[^A-Za-z0-9_.-]', '-', name)[:39]}-{digest}"


def unit(stem: str) -> str:
    """Return the name of the unit that rebuilds what an owner has told."""
    return f"netvirt-rebuild-{stem}.service"


def undone_path(stem: str) -> str:
    """Return the file that is there while a move of an uplink, wanted by the last run, is undone.

    No rebuild may then make the move again, which it would make without a guard.
    """
    return f"{_node.RUN_DIRECTORY}/undone-{stem}"


def count_path(stem: str) -> str:
    """Return the file that counts mendings; ``stem`` is what file names have for the owner."""
    return f"/var/lib/netvirt/mended-{stem}.json"


def seen_path(stem: str) -> str:
    """Return the file with what was seen of this boot; there is none before the first rebuild or run."""
    return f"{_node.RUN_DIRECTORY}/rebuild-{stem}.json"


def counted(files: _files.Files, stem: str) -> str:
    """Return what the next run says of the mendings since the last one, or nothing."""
    data = _read(files, count_path(stem))
    reasons = data.get("reasons", {})
    try:
        total = sum(reasons.values())
        listed = ", ".join(f"{reason}: {number}" for reason, number in sorted(reasons.items()))
        return f"{total} time{'s' if total > 1 else ''} since {data['since']} ({listed})" if total else ""
    except (AttributeError, KeyError, TypeError):
        return ""


def count(stem: str, owner: str, reason: str) -> None:
    """Count one more mending."""
    files = _files.Files()
    data = _read(files, count_path(stem))
    since = data.get("since") or datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    reasons = {**data.get("reasons", {})}
    reasons[reason] = reasons.get(reason, 0) + 1
    _write(files, count_path(stem), owner, {"since": since, "reasons": reasons})


def known_switch(stem: str) -> Any:
    """Return what identifies the Open vSwitch that was last seen during this boot; None before there was any look."""
    return _read(_files.Files(), seen_path(stem)).get(_SWITCH)


def know_switch(stem: str, owner: str, identity: str) -> None:
    """Remember the Open vSwitch that was found, or made, as told."""
    if known_switch(stem) != identity:
        _write(_files.Files(), seen_path(stem), owner, {_SWITCH: identity})


def switch(ovsdb: str) -> str:
    """Return what identifies the ovs-vswitchd that runs beside a database; nothing where none does."""
    try:
        with open(pid_path(ovsdb), encoding="ascii") as handle:
            process = int(handle.read())
            status = os.fstat(handle.fileno())
    except (OSError, ValueError):
        return ""
    return f"{process}-{status.st_mtime_ns}" if os.path.isdir(f"/proc/{process}") else ""


def pid_path(ovsdb: str) -> str:
    """Return the file in which ovs-vswitchd writes its process number each time that it starts."""
    path = ovsdb.partition(":")[2] if ovsdb.startswith("unix:") else "/run/openvswitch/db.sock"
    return os.path.join(os.path.realpath(os.path.dirname(path)), "ovs-vswitchd.pid")


def _read(files: _files.Files, path: str) -> dict[str, Any]:
    """Return what a file holds; nothing when it cannot be used, since no rebuild fails for what it remembers."""
    try:
        file = files.read(path)
        data = json.loads(file.text.partition("\n")[2]) if file is not None else {}
    except (_errors.NetvirtError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _write(files: _files.Files, path: str, owner: str, data: Mapping[str, Any]) -> None:
    files.write(path, _files.header(owner) + json.dumps(data, indent=1) + "\n", 0o600)
    files.commit()
