# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Tap devices that outlive the program which uses them, and who may use them (tuntap in the kernel's documentation)."""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors

_TUNSETIFF, _TUNSETPERSIST, _TUNSETOWNER = 0x400454CA, 0x400454CB, 0x400454CC  # linux/if_tun.h
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_IFREQ = struct.Struct("16sH22x")


def owner(name: str) -> Optional[int]:
    """Return the user that may use a device, -1 for root alone, or None where no tap device has that name."""
    try:
        with open(f"/sys/class/net/{name}/owner", encoding="ascii") as handle:
            return int(handle.read())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def make(name: str, uid: int) -> None:
    """Make a tap device that this user may use, or give it the one that is there; no program may be using that."""
    try:
        handle = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(handle, _TUNSETIFF, _IFREQ.pack(name.encode(), _IFF_TAP | _IFF_NO_PI))
            fcntl.ioctl(handle, _TUNSETOWNER, uid)
            fcntl.ioctl(handle, _TUNSETPERSIST, 1)
        finally:
            os.close(handle)
    except OSError as error:
        raise _errors.Unavailable(f"cannot make the tap device {name}: {os.strerror(error.errno or 0)}") from error
