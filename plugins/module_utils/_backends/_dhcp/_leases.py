# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The leases that a dnsmasq keeps in a directory of its own user, into which root follows no link.

A line of the file is the end of the lease, the MAC address (for IPv6 a number), the address, the name and the client's
identifier (lease_update_file() in dnsmasq's lease.c).
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import stat
import time
from collections.abc import Container, Iterable, Iterator
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors, _values

_FILE, _BESIDE = "leases", ".leases.netvirt"
_LARGEST = 16 << 20  # bytes, of some 65536 leases; a larger file is none of dnsmasq's


def read(directory: str) -> list[list[str]]:
    """Return the leases as lists of words; none where there is no such file, or another sort of thing."""
    with _opened(directory) as place:
        text = _text(place)
    return [words for words in map(str.split, text.splitlines()) if len(words) == 5]


def current(directory: str) -> Iterator[dict[str, Any]]:
    """Yield the IPv4 leases that have not ended: ``mac``, ``address``, ``seconds`` that are left, 0 for no end."""
    now = int(time.time())
    for end, holder, address, _name, _client in read(directory):
        with contextlib.suppress(ValueError):
            lease = {"mac": _values.mac(holder), "address": str(ipaddress.IPv4Address(address))}
            if int(end) == 0 or int(end) > now:
                yield {**lease, "seconds": int(end) and int(end) - now}


def begin(directory: str, leases: Iterable[dict[str, Any]]) -> None:
    """Have a service that is yet to start know these leases, unless there is a file of leases already.

    systemd gives the directory and all in it to the service's user when it starts (StateDirectory=).
    """
    now = int(time.time())
    lines = [
        f"{now + item['seconds'] if item['seconds'] else 0} {item['mac']} {item['address']} * *" for item in leases
    ]
    with _opened(directory) as place:
        if place is None or not lines:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_BESIDE, dir_fd=place)
        with os.fdopen(os.open(_BESIDE, flags, 0o644, dir_fd=place), "w", encoding="ascii") as handle:
            handle.write("".join(line + "\n" for line in lines))
            handle.flush()
            os.fchmod(handle.fileno(), 0o644)
            os.fsync(handle.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(_BESIDE, _FILE, src_dir_fd=place, dst_dir_fd=place)
        os.unlink(_BESIDE, dir_fd=place)
        os.fsync(place)


def drop(directory: str, addresses: Container[str]) -> None:
    """Remove the leases of these addresses from the file. The service must be stopped."""
    with _opened(directory) as place:
        lines = _text(place).splitlines(keepends=True)
        kept = "".join(line for line in lines if not (len(line.split()) == 5 and line.split()[2] in addresses))
        if place is None or kept == "".join(lines):
            return
        owner = os.fstat(place)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_BESIDE, dir_fd=place)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(_BESIDE, flags, 0o600, dir_fd=place), "wb") as handle:
            handle.write(kept.encode("utf-8", "surrogateescape"))
            handle.flush()
            os.fchmod(handle.fileno(), 0o644)
            os.fchown(handle.fileno(), owner.st_uid, owner.st_gid)
            os.fsync(handle.fileno())
        os.replace(_BESIDE, _FILE, src_dir_fd=place, dst_dir_fd=place)
        os.fsync(place)


@contextlib.contextmanager
def _opened(directory: str) -> Iterator[Optional[int]]:
    """Have the directory open, or nothing where there is none."""
    place = None
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        yield place
    except OSError as error:
        raise _errors.Unavailable(f"cannot use {directory}/{_FILE}: {os.strerror(error.errno or 0)}") from error
    finally:
        if place is not None:
            os.close(place)


def _text(place: Optional[int]) -> str:
    if place is None:
        return ""
    try:
        descriptor = os.open(_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    except OSError:  # no file, or a link
        return ""
    with os.fdopen(descriptor, "rb") as handle:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            return ""
        return handle.read(_LARGEST).decode("utf-8", "surrogateescape")
