# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames made by hand, sent on one interface and looked for on others."""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces

Place = tuple[Optional[str], str]
"""Namespace, None for the root one, and name of an interface."""

MARKED = 0x88B5  # IEEE 802, local experimental
BROADCAST = "ff:ff:ff:ff:ff:ff"
TUNNEL_PORTS = {"vxlan": 4789, "geneve": 6081}
_ALL = 0x0003  # ETH_P_ALL
_SETTLE_SECONDS = 0.5
_IPV4, _IPV6, _VLAN, _BRIDGING = 0x0800, 0x86DD, 0x8100, 0x6558


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ethernet(source: str, destination: str, kind: int, payload: bytes, *vlans: int) -> bytes:
    """Return a frame, with a tag for each of the VLANs."""
    tags = b"".join(struct.pack("!HH", _VLAN, vlan) for vlan in vlans)
    return mac(destination) + mac(source) + tags + struct.pack("!H", kind) + payload


def checksum(data: bytes) -> int:
    """RFC 1071."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0, 64, protocol, 0) + addresses
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def ipv6(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + addresses + payload


def icmpv6(source: str, destination: str, kind: int, body: bytes) -> bytes:
    """Return an IPv6 packet with a message; ``body`` is what follows the checksum."""
    message = struct.pack("!BBH", kind, 0, 0) + body
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    summed = checksum(addresses + struct.pack("!II", len(message), socket.IPPROTO_ICMPV6) + message)
    return ipv6(source, destination, socket.IPPROTO_ICMPV6, message[:2] + struct.pack("!H", summed) + message[4:])


def tunnelled(kind: str, key: int, source: str, destination: str, frame: bytes) -> bytes:
    """Return an IPv4 packet that carries a frame (RFC 7348, RFC 8926, RFC 2890)."""
    if kind == "gre":
        header = struct.pack("!HHI", 0x2000, _BRIDGING, key)
        return ipv4(source, destination, socket.IPPROTO_GRE, header + frame)
    first = struct.pack("!I", 0x08000000) if kind == "vxlan" else struct.pack("!BBH", 0, 0, _BRIDGING)
    content = first + struct.pack("!I", key << 8) + frame
    udp = struct.pack("!HHHH", 50000, TUNNEL_PORTS[kind], 8 + len(content), 0)
    return ipv4(source, destination, socket.IPPROTO_UDP, udp + content)


def advertisement(source: str, prefix: str, mtu: int) -> bytes:
    """Return a router advertisement to all nodes: a default route, a prefix for addresses, an MTU (RFC 4861)."""
    network = ipaddress.ip_network(prefix)
    on_link = struct.pack("!BBBBIII", 3, 4, network.prefixlen, 0xC0, 86400, 14400, 0)
    options = on_link + network.network_address.packed + struct.pack("!BBHI", 5, 1, 0, mtu)
    return icmpv6(source, "ff02::1", 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + options)


@contextmanager
def opened(places: Iterable[Place]) -> Iterator[dict[Place, socket.socket]]:
    """Have a packet socket on each interface."""
    with ExitStack() as stack:
        sockets = {}
        for namespace, name in places:
            with _namespaces.entered(namespace):
                one = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)))
                one.bind((name, _ALL))
                one.setblocking(False)
            sockets[namespace, name] = one
        yield sockets


def send(place: Place, frames: Iterable[bytes]) -> None:
    """Send frames by an interface, unhurriedly."""
    with opened([place]) as sockets:
        for frame in frames:
            sockets[place].send(frame.ljust(60, b"\0"))
            time.sleep(0.002)


def delivered(sends: Mapping[Place, Iterable[bytes]], places: Iterable[Place]) -> dict[Place, set[bytes]]:
    """Send frames and return, by interface, what the marked frames hold that come in there meanwhile."""
    found: dict[Place, set[bytes]] = {}
    with opened(places) as sockets:
        for place, frames in sends.items():
            send(place, frames)
        by_socket = {one: place for place, one in sockets.items()}
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            for one in select.select(list(by_socket), [], [], 0.1)[0]:
                frame, address = one.recvfrom(65535)
                content = _marked(frame) if address[2] != socket.PACKET_OUTGOING else None
                if content is not None:
                    found.setdefault(by_socket[one], set()).add(content)
    return found


def _marked(frame: bytes) -> Optional[bytes]:
    place = 12
    while struct.unpack_from("!H", frame, place)[0] == _VLAN:
        place += 4
    return frame[place + 2 :].rstrip(b"\0") if struct.unpack_from("!H", frame, place)[0] == MARKED else None
