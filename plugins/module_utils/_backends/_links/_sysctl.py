# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kernel parameters of the network namespace that the calling thread is in: files below /proc/sys/net.

Keys are those of sysctl(8), such as ``net.ipv4.conf.eth0/10.rp_filter``: a dot separates, and a slash stands for a dot
inside a name.
"""

from __future__ import annotations

import os
import re
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values

_KEY = re.compile(r"net(\.[A-Za-z0-9_@:+/-]+)+")
_TO_PATH = str.maketrans("./", "/.")


def key(value: object) -> str:
    """Return a valid key; raises ValueError. No key leads out of /proc/sys/net."""
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        example = "net.ipv4.conf.all.arp_ignore"
        raise ValueError(f"must hold parameters of the network such as {example}, not {values.shown(value)}")
    if any(not name.strip("/") for name in value.split(".")):  # "/" and "//" would be the directories "." and ".."
        raise ValueError(f"must hold parameters of the network, and {values.shown(value)} is none")
    return value


def for_interface(family: str, interface: str, name: str) -> str:
    """Return a key of an interface: ``net.<family>.conf.<interface>.<name>``."""
    return f"net.{family}.conf.{interface.replace('.', '/')}.{name}"


def _path(name: str) -> str:
    return os.path.join("/proc/sys", key(name).translate(_TO_PATH))


def read(name: str) -> Optional[str]:
    """Return the value, with single blanks between its words, or None when there is no such parameter."""
    try:
        with open(_path(name), encoding="utf-8") as handle:
            return " ".join(handle.read().split())
    except (FileNotFoundError, NotADirectoryError):
        return None


def write(name: str, value: str) -> None:
    """Set the value; raises OSError."""
    with open(_path(name), "w", encoding="utf-8") as handle:
        handle.write(value)
