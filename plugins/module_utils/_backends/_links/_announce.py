# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Tell the neighbours of an interface which addresses it has: an address that moved is followed at once.

Gratuitous ARP as request and as reply, since neighbours heed the one or the other (RFC 5227, section 3), and
unsolicited neighbour advertisements that override (RFC 4861, section 7.2.6). Switches on the way learn the place, too.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces, _sysctl

Interface = tuple[Optional[str], str]
"""The namespace, None for the root one, and the name."""

_TIMES, _PAUSE = 3, 0.1  # seconds between them: the first one may be lost on a link that just came up
_ARP, _IPV6 = 0x0806, 0x86DD
_REQUEST, _REPLY = 1, 2
_BROADCAST, _ALL_NODES = b"\xff" * 6, bytes.fromhex("333300000001")
_ADVERTISEMENT, _ROUTER, _OVERRIDE, _TARGET_MAC = 136, 0x80, 0x20, 2


def announce(addresses: Mapping[Interface, Iterable[str]]) -> None:
    """Announce the addresses of each interface three times; what cannot send is passed over."""
    if not any(addresses.values()):
        return
    for attempt in range(_TIMES):
        time.sleep(_PAUSE if attempt else 0)
        for (namespace, name), found in addresses.items():
            with contextlib.suppress(OSError):
                _send(namespace, name, [ipaddress.ip_address(address) for address in found])


def _send(
    namespace: Optional[str], name: str, addresses: Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address]
) -> None:
    with _namespaces.entered(namespace):
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        router = _sysctl.read(_sysctl.for_interface("ipv6", name, "forwarding")) == "1"
    with sender:
        sender.bind((name, 0))
        mac = sender.getsockname()[4]
        for address in addresses:
            if len(mac) != 6:  # no Ethernet
                continue
            if isinstance(address, ipaddress.IPv4Address):
                for operation in (_REQUEST, _REPLY):
                    sender.send(_gratuitous_arp(mac, address.packed, operation))
            else:
                sender.send(_advertisement(mac, address.packed, router))


def _gratuitous_arp(mac: bytes, address: bytes, operation: int) -> bytes:
    target = mac if operation == _REPLY else bytes(6)
    header = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return _BROADCAST + mac + struct.pack("!H", _ARP) + header + mac + address + target + address


def _advertisement(mac: bytes, address: bytes, router: bool) -> bytes:
    """Return a neighbour advertisement. One that did not say it is a router's would make hosts forget the router."""
    group = ipaddress.IPv6Address("ff02::1").packed
    flags = _OVERRIDE | (_ROUTER if router else 0)
    body = struct.pack("!B3x", flags) + address + struct.pack("!BB", _TARGET_MAC, 1) + mac
    length = 4 + len(body)
    pseudo = address + group + struct.pack("!I3xB", length, socket.IPPROTO_ICMPV6)
    words = struct.pack("!BBH", _ADVERTISEMENT, 0, 0) + body
    checked = struct.pack("!BBH", _ADVERTISEMENT, 0, checksum(pseudo + words)) + body
    header = struct.pack("!IHBB", 6 << 28, length, socket.IPPROTO_ICMPV6, 255) + address + group
    return _ALL_NODES + mac + struct.pack("!H", _IPV6) + header + checked


def checksum(data: bytes) -> int:
    """Return the checksum of RFC 1071 over an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
