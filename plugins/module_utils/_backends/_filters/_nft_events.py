# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Notice that an nft table of ours was removed or edited, without a process that waits for it.

systemd holds a netlink socket of the group NFNLGRP_NFTABLES (systemd.socket(5), ListenNetlink=) and starts a service
when the kernel reports a change of any table. Once this is asked for (netlink(7), NETLINK_LISTEN_ALL_NSID), the socket
also hears of the namespaces to which a link leads from the root one, for as long as systemd holds it.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
from dataclasses import dataclass

GROUP_MASK = 1 << 6  # NFNLGRP_NFTABLES is 7 (linux/netfilter/nfnetlink.h)

_SOL_NETLINK, _LISTEN_ALL_NSID = 270, 8  # linux/socket.h, linux/netlink.h
_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_NEW_TABLE, _NEW_GENERATION = 0, 15  # linux/netfilter/nf_tables.h
_TABLE_NAME = 1  # number of the attribute with the table's name, alike in all messages
_HEADER, _FAMILY_HEADER, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBH"), struct.Struct("=HH")
_MESSAGE_BYTES = 1 << 16

_OURS = b"netvirt"  # names of our tables begin so


@dataclass(frozen=True)
class News:
    """What was reported: anything at all, something of a table of ours that no load replaced, more than fits."""

    any: bool = False
    lost: bool = False
    overflow: bool = False


class Listener:
    """The socket that systemd hands over."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        with contextlib.suppress(OSError):  # not permitted: only the root namespace is heard
            self._socket.setsockopt(_SOL_NETLINK, _LISTEN_ALL_NSID, 1)

    def wait(self, seconds: float) -> None:
        """Return when something was reported, or after these seconds."""
        select.select([self._socket], [], [], max(seconds, 0))

    def drain(self) -> News:
        """Take what was reported since the last time."""
        heard = overflow = False
        messages: list[tuple[bytes, bytes]] = []
        while True:
            try:
                data, namespace, _flags, sender = self._socket.recvmsg(_MESSAGE_BYTES, 64)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                heard = overflow = True
                continue
            heard = True
            if sender[0] == 0:  # the kernel
                messages.append((b"".join(item[2] for item in namespace), data))
        return News(heard, lost(messages), overflow)


def lost(messages: list[tuple[bytes, bytes]]) -> bool:
    """Tell whether these leave a table of ours removed, or edited by somebody; each comes with its namespace's number.

    Our own loads replace a table as a whole, so that its making is reported after its removal, and all of its content
    after its making, before the generation that ends the load.
    """
    missing: set[tuple[bytes, int, bytes]] = set()
    made: set[tuple[bytes, int, bytes]] = set()
    for namespace, data in messages:
        offset = 0
        while offset + _HEADER.size + _FAMILY_HEADER.size <= len(data):
            length, kind, _flags, _sequence, _port = _HEADER.unpack_from(data, offset)
            if length < _HEADER.size + _FAMILY_HEADER.size:
                break
            family, _version, _resource = _FAMILY_HEADER.unpack_from(data, offset + _HEADER.size)
            content = data[offset + _HEADER.size + _FAMILY_HEADER.size : offset + length]
            offset += -(-length // 4) * 4
            if kind >> 8 != _SUBSYSTEM:
                continue
            if kind & 0xFF == _NEW_GENERATION:
                made.clear()
                continue
            table = (namespace, family, _table_name(content))
            if not table[2].startswith(_OURS):
                continue
            if kind & 0xFF == _NEW_TABLE:
                made.add(table)
                missing.discard(table)
            elif table not in made:
                missing.add(table)
    return bool(missing)


def _table_name(content: bytes) -> bytes:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(content):
        length, kind = _ATTRIBUTE.unpack_from(content, offset)
        if length < _ATTRIBUTE.size:
            break
        if kind & 0x3FFF == _TABLE_NAME:
            return content[offset + _ATTRIBUTE.size : offset + length].rstrip(b"\0")
        offset += -(-length // 4) * 4
    return b""
