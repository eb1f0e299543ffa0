# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The network connections that this process may have been started over.

sshd(8) tells of a connection in SSH_CONNECTION. Where that is out of reach, since sudo(8) took it from the environment
and the task runs asynchronously, without a parent, the processes of the same session tell: the control group stays
with a process whatever becomes of its parents. Sources: proc(5), cgroups(7).
"""

from __future__ import annotations

import glob
import ipaddress
import os
import re
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Optional

_VARIABLE = "SSH_CONNECTION"
_ESTABLISHED = "01"  # TCP_ESTABLISHED in /proc/net/tcp
_SOCKET = re.compile(r"socket:\[([0-9]+)\]")
_OF_SESSIONS = re.compile(r"(session-[^/]*\.scope|ssh[^/]*\.(service|scope|slice)|user@[0-9]+\.service)")
"""Control groups whose processes were started by somebody who had logged in."""


@dataclass(frozen=True)
class Ends:
    """The addresses of the two ends of a connection; an IPv6 link-local one may have a zone, as in fe80::1%eth0."""

    peer: str
    own: str


def connections() -> Optional[list[Ends]]:
    """Return the connections of which one started this process.

    None is returned where somebody was connected and it cannot be told how; the list is empty where nobody was, as in
    a unit of systemd, at a console, or in a container that is entered from its host.
    """
    parents = list(_parents())
    found = _told(parents) or _held(parents)
    if found:
        return found
    group = _control_group(os.getpid())
    others = _members(group)
    found = _told(others) or _held(others)
    if found:
        return found
    return None if _OF_SESSIONS.search(group) else []


def _parents() -> Iterator[int]:
    """Return this process and those above it but the first of all."""
    process = os.getpid()
    while process > 1:
        yield process
        parent = re.search(r"^PPid:\s*([0-9]+)$", _text(f"/proc/{process}/status"), re.MULTILINE)
        process = int(parent[1]) if parent else 0


def _told(processes: Iterable[int]) -> list[Ends]:
    """Return what sshd told the processes; of this process's own parents, the nearest decides."""
    found = []
    for process in processes:
        items = _text(f"/proc/{process}/environ").split("\0")
        words = next((item.partition("=")[2] for item in items if item.startswith(_VARIABLE + "=")), "").split()
        if process == os.getpid():
            words = os.environ.get(_VARIABLE, "").split()
        if len(words) == 4:
            found.append(Ends(words[0], words[2]))
    return list(dict.fromkeys(found))


def _held(processes: Iterable[int]) -> list[Ends]:
    """Return the established TCP connections that the processes hold."""
    inodes = {inode for process in processes for inode in _sockets(process)}
    return [ends for inode, ends in _established() if inode in inodes] if inodes else []


def _sockets(process: int) -> Iterator[str]:
    for path in glob.glob(f"/proc/{process}/fd/*"):
        try:
            found = _SOCKET.fullmatch(os.readlink(path))
        except OSError:  # it has just ended
            continue
        if found:
            yield found[1]


def _established() -> Iterator[tuple[str, Ends]]:
    """Return inode and ends of the established TCP connections of this namespace."""
    for path in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        for line in _text(path).splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == _ESTABLISHED:
                yield words[9], Ends(_address(words[2]), _address(words[1]))


def _address(text: str) -> str:
    """Return the address of ``ADDRESS:PORT``, whose words of 32 bits are in the order of the host."""
    data = bytes.fromhex(text.partition(":")[0])
    if sys.byteorder == "little":
        data = b"".join(data[start : start + 4][::-1] for start in range(0, len(data), 4))
    if len(data) == struct.calcsize("4s"):
        return socket.inet_ntoa(data)
    address = ipaddress.IPv6Address(data)
    return str(address.ipv4_mapped or address)


def _control_group(process: int) -> str:
    """Return the path of a process's control group in the hierarchy of systemd."""
    for line in _text(f"/proc/{process}/cgroup").splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers in ("", "name=systemd"):
            return path
    return ""


def _members(group: str) -> list[int]:
    """Return the other processes of a control group."""
    if group in ("", "/"):
        return []
    processes = (int(name) for name in os.listdir("/proc") if name.isdecimal())
    return [process for process in processes if process != os.getpid() and _control_group(process) == group]


def _text(path: str) -> str:
    try:
        with open(path, "rb") as handle:
            return handle.read().decode(errors="replace")
    except OSError:  # it has just ended
        return ""
