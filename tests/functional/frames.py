# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets byte by byte, also such as no host would send: IPv4 and IPv6 (RFC 791, RFC 8200) and what is in them."""

from __future__ import annotations

import ipaddress
import socket
import struct

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
_ETHERTYPE = {4: 0x0800, 6: 0x86DD}


def ethernet(destination: str, source: str, packet: bytes, address: str) -> bytes:
    """Return a frame with a packet for an IPv4 or IPv6 address."""
    macs = bytes.fromhex((destination + source).replace(":", ""))
    return macs + struct.pack("!H", _ETHERTYPE[ipaddress.ip_address(address).version]) + packet


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(source: str, destination: str, protocol: int, payload: bytes, fragment: int = 0) -> bytes:
    """Return a packet of the version of its addresses; ``fragment`` is the word of flags and offset of IPv4."""
    ends = [ipaddress.ip_address(address).packed for address in (source, destination)]
    if len(ends[0]) == 16:
        return struct.pack("!IHBB", 0x60000000, len(payload), protocol, 255) + b"".join(ends) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, fragment, 64, protocol, 0)
    return head[:10] + struct.pack("!H", checksum(head + b"".join(ends))) + b"".join(ends) + payload


def _pseudo(source: str, destination: str, protocol: int, length: int) -> bytes:
    ends = b"".join(ipaddress.ip_address(address).packed for address in (source, destination))
    return ends + (struct.pack("!II", length, protocol) if len(ends) == 32 else struct.pack("!HH", protocol, length))


def udp(source: str, destination: str, text: bytes, wrong: int = 0, ports: tuple[int, int] = (4000, 4001)) -> bytes:
    """Return a UDP datagram; ``wrong`` is added to its checksum."""
    head = struct.pack("!HHHH", *ports, 8 + len(text), 0)
    total = checksum(_pseudo(source, destination, socket.IPPROTO_UDP, 8 + len(text)) + head + text)
    return head[:6] + struct.pack("!H", (total + wrong) & 0xFFFF) + text


def tcp(source: str, destination: str, flags: int, text: bytes = b"", wrong: int = 0, port: int = 4002) -> bytes:
    """Return a TCP segment; ``wrong`` is added to its checksum."""
    head = struct.pack("!HHIIBBHHH", port, 4003, 1000, 2000 if flags & ACK else 0, 0x50, flags, 1000, 0, 0)
    total = checksum(_pseudo(source, destination, socket.IPPROTO_TCP, len(head + text)) + head + text)
    return head[:16] + struct.pack("!H", (total + wrong) & 0xFFFF) + head[18:] + text


def icmp(source: str, destination: str, kind: int, code: int = 0, rest: bytes = b"\0\0\0\0", wrong: int = 0) -> bytes:
    """Return a whole packet with a message of ICMP, or of ICMPv6 (RFC 4443) for IPv6 addresses."""
    version = ipaddress.ip_address(source).version
    protocol = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
    head = struct.pack("!BBH", kind, code, 0)
    pseudo = _pseudo(source, destination, protocol, 4 + len(rest)) if version == 6 else b""
    total = (checksum(pseudo + head + rest) + wrong) & 0xFFFF
    return ip(source, destination, protocol, struct.pack("!BBH", kind, code, total) + rest)


def echo_reply(source: str, destination: str, text: bytes) -> bytes:
    """Return an echo reply for which nobody asked."""
    return icmp(source, destination, 0 if ":" not in source else 129, rest=b"\0\7\0\7" + text)


def unusual(source: str, destination: str) -> dict[str, bytes]:
    """Return packets by name, most of which connection tracking does not follow or takes for invalid."""
    return {f"{'IPv6' if ':' in source else 'IPv4'} {name}": packet for name, packet in _unusual(source, destination)}


def _unusual(source: str, destination: str) -> list[tuple[str, bytes]]:
    ends, six = (source, destination), ":" in source
    flags = {
        "null": 0, "FIN": FIN, "SYN": SYN, "RST": RST, "PSH": PSH, "ACK": ACK, "URG": URG, "SYN ACK": SYN | ACK,
        "RST ACK": RST | ACK, "FIN ACK": FIN | ACK, "PSH ACK": PSH | ACK, "SYN FIN": SYN | FIN, "SYN RST": SYN | RST,
        "FIN RST": FIN | RST, "xmas": FIN | PSH | URG, "all": 63,
    }  # fmt: skip
    found = [
        (f"TCP {name}", ip(*ends, socket.IPPROTO_TCP, tcp(*ends, value, port=5000 + number)))
        for number, (name, value) in enumerate(flags.items())
    ]
    inner = ip(destination, source, socket.IPPROTO_UDP, udp(destination, source, b"unasked"))[: 48 if six else 28]
    types = (1, 2, 3, 4, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 141, 143, 148, 151, 160, 200)
    if not six:
        types = (0, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 30, 40, 42, 43, 200)
    found += [(f"ICMP type {kind}", icmp(*ends, kind, rest=b"\0\0\0\0" + inner)) for kind in types]
    unreachable = 1 if six else 3
    found += [(f"ICMP unreachable {code}", icmp(*ends, unreachable, code, b"\0\0\0\0" + inner)) for code in (1, 3, 4)]
    found += [
        ("ICMP bad checksum", icmp(*ends, 128 if six else 8, rest=b"\0\1\0\1text", wrong=7)),
        ("UDP", ip(*ends, socket.IPPROTO_UDP, udp(*ends, b"text"))),
        ("UDP bad checksum", ip(*ends, socket.IPPROTO_UDP, udp(*ends, b"text", 7, (4010, 4011)))),
        ("UDP short", ip(*ends, socket.IPPROTO_UDP, b"\x0f\xa0\x0f")),
        ("TCP bad checksum", ip(*ends, socket.IPPROTO_TCP, tcp(*ends, SYN, wrong=7, port=5100))),
        ("TCP short", ip(*ends, socket.IPPROTO_TCP, b"\x0f\xa0\x0f\xa1")),
        ("TCP bad offset", ip(*ends, socket.IPPROTO_TCP, tcp(*ends, SYN, port=5101).replace(b"\x50\x02", b"\xf0\x02"))),
    ]
    for name, chunk in (("DATA", 0), ("INIT", 1), ("INIT ACK", 2), ("ABORT", 6), ("COOKIE ECHO", 10)):
        found.append((f"SCTP {name}", ip(*ends, 132, struct.pack("!HHIIBBH", 6000, 6001, 9, 0, chunk, 0, 4))))
    for protocol in (2, 4, 33, 41, 47, 50, 51, 89, 103, 112, 115, 136, 253, 254, 255):
        found.append((f"protocol {protocol}", ip(*ends, protocol, b"\x12\x34\x56\x78" * 6)))
    if six:
        options = struct.pack("!BB", socket.IPPROTO_UDP, 0) + b"\1\4\0\0\0\0"
        for name, header in (("hop-by-hop", 0), ("destination options", 60)):
            found.append((name, ip(*ends, header, options + udp(*ends, b"text", 0, (4020, header + 1)))))
        found.append(("later fragment", ip(*ends, 44, struct.pack("!BBHI", 17, 0, 0x0101, 5) + b"later" * 5)))
    else:
        found.append(("first fragment", ip(*ends, 17, udp(*ends, b"x" * 24, 0, (4030, 1)), 0x2000)))
        found.append(("later fragment", ip(*ends, 17, b"later" * 5, 0x0003)))
    return found
