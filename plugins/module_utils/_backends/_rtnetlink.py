# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Questions to the kernel by rtnetlink(7), in the network namespace that the calling thread is in.

pyroute2 asks them, too, but its import alone takes 0.2 s and a dump of a thousand links a second and much memory. A run
that finds nothing to change should not pay for that.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Optional

RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNSID = 18, 22, 26, 90  # linux/rtnetlink.h

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence number, port
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length, type
_ALIGN = 4
_NLM_F_REQUEST, _NLM_F_DUMP, _NLM_F_DUMP_INTR = 0x001, 0x300, 0x010
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLA_TYPE_MASK = 0x3FFF
_SOL_NETLINK, _NETLINK_GET_STRICT_CHK = 270, 12
_BUFFER = 1 << 16  # a part of a dump has at most 32 KiB
_ATTEMPTS = 10


class Message(NamedTuple):
    """An answer: its fixed header, which is as long as that of the question, and its attributes by type."""

    header: bytes
    attributes: dict[int, bytes]


def dump(question: int, header: bytes, attributes: Optional[Mapping[int, bytes]] = None) -> list[Message]:
    """Return all answers; raises OSError. A dump during which the table changed is made again."""
    for _attempt in range(_ATTEMPTS):
        answers = _exchange(question, _NLM_F_DUMP, header, attributes or {})
        if answers is not None:
            return answers
        time.sleep(0.02)
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def get(question: int, header: bytes, attributes: Mapping[int, bytes]) -> Message:
    """Return the one answer; raises OSError."""
    answers = _exchange(question, 0, header, attributes)
    if not answers:
        raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
    return answers[0]


def _exchange(question: int, flags: int, header: bytes, attributes: Mapping[int, bytes]) -> Optional[list[Message]]:
    """Return the answers, or None when the kernel says that they are inconsistent."""
    body = _padded(header) + b"".join(map(_attribute, attributes.items()))
    message = _HEADER.pack(_HEADER.size + len(body), question, _NLM_F_REQUEST | flags, 1, 0) + body
    answers: list[Message] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as handle:
        _ask_strictly(handle)
        handle.send(message)
        while True:
            for kind, found, payload in _messages(handle.recv(_BUFFER)):
                if found & _NLM_F_DUMP_INTR:
                    return None
                code = _code(payload) if kind in (_NLMSG_ERROR, _NLMSG_DONE) else 0
                if code:
                    raise OSError(code, os.strerror(code))
                if kind in (_NLMSG_ERROR, _NLMSG_DONE):
                    return answers
                answers.append(Message(payload[: len(header)], parse(payload[len(_padded(header)) :])))
            if not flags:
                return answers


def _ask_strictly(handle: socket.socket) -> None:
    """Have the kernel heed what a dump is asked to leave out (Linux 4.20); before, the caller must do it."""
    try:
        handle.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Return type, flags and payload of each message in a datagram."""
    start = 0
    while start + _HEADER.size <= len(data):
        length, kind, flags, _sequence, _port = _HEADER.unpack_from(data, start)
        yield kind, flags, data[start + _HEADER.size : start + length]
        start += _aligned(length)


def _code(payload: bytes) -> int:
    """Return the errno with which a message of type error or done begins."""
    return -int(struct.unpack_from("=i", payload)[0]) if len(payload) >= 4 else 0


def parse(data: bytes) -> dict[int, bytes]:
    """Return attributes by type."""
    result = {}
    start = 0
    while start + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < _ATTRIBUTE.size:
            break
        result[kind & _NLA_TYPE_MASK] = data[start + _ATTRIBUTE.size : start + length]
        start += _aligned(length)
    return result


def _attribute(item: tuple[int, bytes]) -> bytes:
    kind, value = item
    return _padded(_ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value)


def _aligned(length: int) -> int:
    return (length + _ALIGN - 1) // _ALIGN * _ALIGN


def _padded(data: bytes) -> bytes:
    return data.ljust(_aligned(len(data)), b"\0")
