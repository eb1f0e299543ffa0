# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The raw socket that dnsmasq needs for IPv6, without the rights to open it. It runs without the collection.

usage: dnsmasq-NAME.py open [INTERFACE]    as root: open the socket, bound to the interface, and leave it with systemd
       dnsmasq-NAME.py run COMMAND...      start dnsmasq; when it opens such a socket, it gets the one from systemd

dnsmasq has no option for a socket that is already open, and its user may not open one in the namespace that it serves.
So a seccomp filter reports this one call to the process that started dnsmasq, which answers it (seccomp(2),
SECCOMP_FILTER_FLAG_NEW_LISTENER; seccomp_unotify(2), SECCOMP_IOCTL_NOTIF_ADDFD).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import sys
from collections.abc import Sequence

_ICMPV6 = (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
_STORED = 3  # the descriptor that a unit has of systemd (sd_listen_fds(3))
_NAME = b"FDNAME=icmpv6"
_STORE_SECONDS = 10
_MACHINES = {"x86_64": (0xC000003E, 41, 317), "aarch64": (0xC00000B7, 198, 277)}
"""The machine in filters (linux/audit.h), and the numbers of the system calls socket and seccomp."""

_LOAD, _AND, _EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06  # linux/bpf_common.h
_NOTIFY, _ALLOW = 0x7FC00000, 0x7FFF0000  # linux/seccomp.h, as all of the following
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_NR, _ARCH, _ARGUMENTS = 0, 4, (16, 24, 32)  # where they are in struct seccomp_data, in little-endian
_RECEIVE, _ADD = 0xC0502100, 0x40182103
_REQUEST_SIZE = 80
_ANSWER = struct.Struct("=QIIII")  # struct seccomp_notif_addfd
_ADD_AND_SEND = 2


def store(interface: str) -> None:
    """Open the socket and leave it with systemd in the place of a former one (sd_pid_notify_with_fds(3))."""
    with socket.socket(*_ICMPV6) as raw:
        if interface:  # Without CAP_NET_RAW nobody can bind it to another one.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        _notify(b"FDSTOREREMOVE=1\n" + _NAME)
        _notify(b"FDSTORE=1\n" + _NAME, raw.fileno())
        taken, given = os.pipe()
        _notify(b"BARRIER=1", given)
        os.close(given)
        waiting = select.poll()
        waiting.register(taken, 0)
        waiting.poll(_STORE_SECONDS * 1000)


def _notify(message: bytes, *descriptors: int) -> None:
    address = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect("\0" + address[1:] if address.startswith("@") else address)
        socket.send_fds(manager, [message], descriptors)


def run(argv: Sequence[str]) -> int:
    """Start a command, give it the socket when it opens one, and return its status; what it forks goes on."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        ours.close()
        os.close(_STORED)
        socket.send_fds(theirs, [b"filter"], [_filter()])  # both of them are closed by exec
        os.execvp(argv[0], list(argv))
    theirs.close()
    _message, listeners, _flags, _address = socket.recv_fds(ours, 16, 1)
    if listeners:  # none where the child has ended
        _give(listeners[0], os.pidfd_open(child))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _filter() -> int:
    """Report socket() for ICMPv6 from now on; return the descriptor that hears of it."""
    if platform.machine() not in _MACHINES:
        raise OSError(errno.ENOSYS, f"IPv6 is served on {' and '.join(_MACHINES)} only, not on {platform.machine()}")
    machine, call, seccomp = _MACHINES[platform.machine()]
    whole = 0xFFFFFFFF
    family, kind, protocol = _ARGUMENTS
    tests = [(_ARCH, whole, machine), (_NR, whole, call), (family, whole, socket.AF_INET6)]
    tests += [(kind, 0xF, socket.SOCK_RAW), (protocol, whole, socket.IPPROTO_ICMPV6)]  # beside flags of the kind
    code = b""
    for index, (offset, mask, value) in enumerate(tests):
        to_the_last = 3 * (len(tests) - index - 1) + 1
        code += _instruction(_LOAD, offset) + _instruction(_AND, mask) + _instruction(_EQUAL, value, to_the_last)
    code += _instruction(_RETURN, _NOTIFY) + _instruction(_RETURN, _ALLOW)
    instructions = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    listener = ctypes.CDLL(None, use_errno=True).syscall(seccomp, _SET_MODE_FILTER, _NEW_LISTENER, program)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "the kernel does not report system calls (seccomp)")
    return int(listener)


def _instruction(code: int, value: int, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, 0, otherwise, value)


def _give(listener: int, process: int) -> None:
    """Answer the first call with the socket, unless the process ends before; later calls fail, as nobody listens."""
    waiting = select.poll()
    for descriptor in (listener, process):
        waiting.register(descriptor, select.POLLIN)
    if dict(waiting.poll()).get(listener, 0) & select.POLLIN:
        request = bytearray(_REQUEST_SIZE)
        fcntl.ioctl(listener, _RECEIVE, request)
        (identifier,) = struct.unpack_from("=Q", request)
        fcntl.ioctl(listener, _ADD, _ANSWER.pack(identifier, _ADD_AND_SEND, _STORED, 0, os.O_CLOEXEC))
    os.close(listener)


def main(arguments: Sequence[str]) -> int:
    """Run one command."""
    try:
        if arguments[:1] == ["open"] and len(arguments) <= 2:
            store("".join(arguments[1:]))
            return 0
        if arguments[:1] == ["run"] and len(arguments) > 1:
            return run(arguments[1:])
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(__doc__ or "")
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
