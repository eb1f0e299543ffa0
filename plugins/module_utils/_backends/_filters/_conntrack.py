# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Tracked connections in the namespaces of the node, by the kernel's netlink (linux/netfilter/nfnetlink_conntrack.h).

A table holds up to some hundred thousand entries, of which some addresses each matter here. So the messages are read by
their few attributes: pyroute2 takes all of them apart, in 7 to 10 times the time. An entry is deleted by the very bytes
by which the kernel named it, whatever its protocol is.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Callable, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces

_NETLINK_NETFILTER = 12
_GET, _DELETE = 0x101, 0x102  # IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE of NFNL_SUBSYS_CTNETLINK
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
_ORIGINAL, _REPLY, _ID, _ZONE = 1, 2, 12, 18  # CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ID, CTA_ZONE
_IP, _PROTOCOL = 1, 2  # CTA_TUPLE_IP, CTA_TUPLE_PROTO
_SOURCES, _DESTINATIONS = (1, 3), (2, 4)  # CTA_IP_V4_SRC, CTA_IP_V6_SRC; CTA_IP_V4_DST, CTA_IP_V6_DST
_PROTOCOL_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3  # CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NESTED = 0x8000  # NLA_F_NESTED
_BUFFER = 2**20


@dataclass(frozen=True)
class Flow:
    """A connection by the tuples of who began it and of the answers, as netlink gives them.

    Addresses are in network byte order. They are taken out when they are asked for: a table holds many flows, of which
    few matter.
    """

    original: bytes
    reply: bytes

    @cached_property
    def source(self) -> bytes:
        """Who began it."""
        return _address(self.original, _SOURCES)

    @cached_property
    def destination(self) -> bytes:
        """Whom it reached, after translation."""
        return _address(self.reply, _SOURCES)

    @cached_property
    def aimed_at(self) -> bytes:
        """To whom it was sent, before translation."""
        return _address(self.original, _DESTINATIONS)

    @cached_property
    def answered_at(self) -> bytes:
        """The address that the one who began it has to whom it reached, after translation."""
        return _address(self.reply, _DESTINATIONS)

    @cached_property
    def protocol(self) -> int:
        """The number of the IP protocol."""
        return (_part(self.original, _PROTOCOL, _PROTOCOL_NUMBER) or b"\0")[0]

    @cached_property
    def port(self) -> int:
        """The port to which it was sent, before translation; 0 where the protocol has none."""
        return int.from_bytes(_part(self.original, _PROTOCOL, _DESTINATION_PORT), "big")

    @cached_property
    def port_reached(self) -> int:
        """The port that it reached, after translation; 0 where the protocol has none."""
        return int.from_bytes(_part(self.reply, _PROTOCOL, _SOURCE_PORT), "big")


Concerned = Callable[[Flow], bool]


class Conntrack:
    """The connections that the node's namespaces track; None is the root one."""

    def __init__(self) -> None:
        self._flushes: list[tuple[Optional[str], Concerned]] = []

    def flush(self, namespace: Optional[str], concerned: Concerned) -> None:
        """Forget the connections that are concerned with the coming commit, after rules were loaded."""
        self._flushes.append((namespace, concerned))

    def commit(self) -> None:
        """Forget what was collected; raises Missing where the kernel cannot."""
        flushes, self._flushes = self._flushes, []
        for namespace, concerned in flushes:
            if _namespaces.exists(namespace):
                _flush(namespace, concerned)

    def forget(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""


def _flush(namespace: Optional[str], concerned: Concerned) -> None:
    with _namespaces.entered(namespace):
        channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    with channel:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        for family in (socket.AF_INET, socket.AF_INET6):
            doomed = []
            for message in _ask(channel, _GET, _REQUEST | _DUMP, family, b"", namespace):
                attributes = dict(_attributes(message))
                flow = Flow(attributes[_ORIGINAL], attributes[_REPLY])
                if concerned(flow):
                    doomed.append(attributes)
            for attributes in doomed:
                name = b"".join(
                    _written(kind, attributes[kind]) for kind in (_ORIGINAL, _ZONE, _ID) if kind in attributes
                )
                for _nothing in _ask(channel, _DELETE, _REQUEST | _ACK, family, name, namespace):
                    pass


def _ask(
    channel: socket.socket, kind: int, flags: int, family: int, attributes: bytes, namespace: Optional[str]
) -> Iterator[bytes]:
    """Send a request and yield the attributes of each answer."""
    content = struct.pack("=BBH", family, 0, 0) + attributes
    channel.send(_HEADER.pack(_HEADER.size + len(content), kind, flags, 0, 0) + content)
    while True:
        data, position = channel.recv(_BUFFER), 0
        while position < len(data):
            length, answer, _flags, _sequence, _port = _HEADER.unpack_from(data, position)
            body = data[position + _HEADER.size : position + length]
            if answer in (_ERROR, _DONE):
                code = -struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
                if code and code != errno.ENOENT:  # an entry that has ended meanwhile
                    raise _errors.Missing(
                        f"the connections{_namespaces.where(namespace)} cannot be flushed: {os.strerror(code)}; "
                        "is the kernel module nf_conntrack_netlink missing?"
                    )
                return
            yield body[4:]
            position += (length + 3) & ~3


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        yield kind & ~_NESTED & 0x3FFF, data[position + _ATTRIBUTE.size : position + length]
        position += (length + 3) & ~3


def _address(flow: bytes, kinds: tuple[int, int]) -> bytes:
    return next(filter(None, (_part(flow, _IP, kind) for kind in kinds)), b"")


def _part(flow: bytes, group: int, wanted: int) -> bytes:
    """Return an attribute of a group of a tuple, nothing where it has none."""
    for kind, content in _attributes(flow):
        if kind == group:
            return next((part for number, part in _attributes(content) if number == wanted), b"")
    return b""


def _written(kind: int, content: bytes) -> bytes:
    nested = _NESTED if kind == _ORIGINAL else 0
    padding = b"\0" * (-len(content) % 4)
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(content), kind | nested) + content + padding
