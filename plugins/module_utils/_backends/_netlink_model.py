# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What the kernel knows of links, addresses and routes, and how it says so (rtnetlink(7))."""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils._backends import _rtnetlink

ROUTE_PROTOCOL = 78
"""Mark of the collection's routes (rtm_protocol): free in linux/rtnetlink.h, in /etc/iproute2/rt_protos and at IANA."""

MARK = "netvirt:"
"""Prefix of the alias (ifalias) of links that the collection made; the owner follows. On lo it marks the namespace."""

# linux/if_link.h, linux/if_addr.h, linux/rtnetlink.h
_IFINFOMSG = struct.Struct("=BxHiII")  # family, type, index, flags, change
_IFADDRMSG = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_RTMSG = struct.Struct("=BBBBBBBBI")  # family, destination and source length, TOS, table, protocol, scope, type, flags
_RTNEXTHOP = struct.Struct("=HBBi")  # length, flags, hops, index
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER = 1, 3, 4, 5, 10
_IFLA_LINKINFO, _IFLA_IFALIAS, _IFLA_EXT_MASK, _IFLA_LINK_NETNSID, _IFLA_INFO_KIND = 18, 20, 29, 37, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_MULTIPATH, _RTA_TABLE = 1, 4, 5, 6, 7, 9, 15
_NETNSA_NSID, _NETNSA_FD = 1, 3  # linux/net_namespace.h
_SKIP_STATISTICS = struct.pack("=I", 1 << 3)  # RTEXT_FILTER_SKIP_STATS
_IFF_UP = 0x1
_IFA_F_DADFAILED, _IFA_F_PERMANENT = 0x08, 0x80
_MAIN_TABLE = 254  # RT_TABLE_MAIN
_UNICAST = 1  # RTN_UNICAST
_CLONED = 0x200  # RTM_F_CLONED: what the kernel learnt of one destination, such as its path MTU
_RTNH_F_ONLINK = 0x4


@dataclass(frozen=True)
class Link:
    """An interface. ``index`` is 0 for one that is only predicted; ``mac`` is empty where it has none or is unknown."""

    name: str
    index: int = 0
    kind: str = ""  # IFLA_INFO_KIND; empty for a physical device
    mtu: int = 1500
    mac: str = ""
    up: bool = False
    master: str = ""  # "" also for a port of Open vSwitch
    alias: str = ""
    peer_index: int = 0
    peer_nsid: Optional[int] = None  # where peer_index counts; None: in the same namespace
    peer: Optional[tuple[Optional[str], str]] = None  # namespace and name, of a predicted link
    tx_checksum: Optional[bool] = None  # None: not read yet


@dataclass(frozen=True)
class Address:
    """An address on an interface; ``peer`` is the other end of a point-to-point address, otherwise ``local``."""

    local: str
    prefix: int
    peer: str
    permanent: bool
    duplicate: bool  # duplicate address detection failed (RFC 4862)

    @property
    def cidr(self) -> str:
        return f"{self.local}/{self.prefix}"


@dataclass(frozen=True)
class Route:
    """A unicast route of the main table. Several next hops are one route per hop."""

    destination: str
    metric: int
    interface: str
    protocol: int = ROUTE_PROTOCOL
    via: Optional[str] = None
    source: Optional[str] = None
    onlink: bool = False

    @property
    def ours(self) -> bool:
        """Whether the collection made it."""
        return self.protocol == ROUTE_PROTOCOL


@dataclass
class Snapshot:
    """One namespace as it was read, with what is predicted laid over it."""

    links: dict[str, Link] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)  # by index, of links that were there
    addresses: Optional[dict[str, list[Address]]] = None
    routes: Optional[list[Route]] = None


def read_links() -> dict[str, Link]:
    """Return the links of the namespace that the calling thread is in, by name; raises OSError."""
    header = _IFINFOMSG.pack(0, 0, 0, 0, 0)
    found = _rtnetlink.dump(_rtnetlink.RTM_GETLINK, header, {_IFLA_EXT_MASK: _SKIP_STATISTICS})
    kinds = {_IFINFOMSG.unpack(message.header)[2]: _kind(message.attributes) for message in found}
    names = {_IFINFOMSG.unpack(message.header)[2]: _text(message.attributes[_IFLA_IFNAME]) for message in found}
    result = {}
    for message in found:
        _family, _type, index, flags, _change = _IFINFOMSG.unpack(message.header)
        attributes = message.attributes
        address = attributes.get(_IFLA_ADDRESS, b"")
        master = _number(attributes.get(_IFLA_MASTER))
        result[names[index]] = Link(
            name=names[index],
            index=index,
            kind=kinds[index],
            mtu=_number(attributes.get(_IFLA_MTU)),
            mac=address.hex(":") if len(address) == 6 and any(address) else "",
            up=bool(flags & _IFF_UP),
            master="" if kinds.get(master) == "openvswitch" else names.get(master, ""),
            alias=_text(attributes.get(_IFLA_IFALIAS, b"")),
            peer_index=_number(attributes.get(_IFLA_LINK)),
            peer_nsid=_nsid(attributes.get(_IFLA_LINK_NETNSID)),
        )
    return result


def read_nsid(namespace: int) -> Optional[int]:
    """Return the number by which this namespace refers to that of a descriptor, None for none; raises OSError."""
    header, descriptor = struct.pack("=B", socket.AF_UNSPEC), struct.pack("=I", namespace)
    answer = _rtnetlink.get(_rtnetlink.RTM_GETNSID, header, {_NETNSA_FD: descriptor})
    return _nsid(answer.attributes.get(_NETNSA_NSID))


def _nsid(value: Optional[bytes]) -> Optional[int]:
    number = int.from_bytes(value, sys.byteorder, signed=True) if value else -1
    return None if number < 0 else number  # NETNSA_NSID_NOT_ASSIGNED is -1


def read_addresses(names: Mapping[int, str]) -> dict[str, list[Address]]:
    """Return the addresses of the namespace by name of their interface; raises OSError. ``names`` are by index."""
    result: dict[str, list[Address]] = {}
    for message in _rtnetlink.dump(_rtnetlink.RTM_GETADDR, _IFADDRMSG.pack(0, 0, 0, 0, 0)):
        family, prefix, flags, _scope, index = _IFADDRMSG.unpack(message.header)
        if family not in (socket.AF_INET, socket.AF_INET6):
            continue
        flags = _number(message.attributes.get(_IFA_FLAGS)) or flags
        peer = message.attributes[_IFA_ADDRESS]
        address = Address(
            local=_ip(message.attributes.get(_IFA_LOCAL, peer)),
            prefix=prefix,
            peer=_ip(peer),
            permanent=bool(flags & _IFA_F_PERMANENT),
            duplicate=bool(flags & _IFA_F_DADFAILED),
        )
        result.setdefault(names.get(index, ""), []).append(address)
    return result


def read_routes(names: Mapping[int, str]) -> list[Route]:
    """Return the unicast routes of the namespace's main table; raises OSError. ``names`` are by index."""
    result: list[Route] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        header = _RTMSG.pack(family, 0, 0, 0, _MAIN_TABLE, 0, 0, 0, 0)
        try:
            messages = _rtnetlink.dump(_rtnetlink.RTM_GETROUTE, header)
        except FileNotFoundError:  # a new namespace has no main table
            continue
        for message in messages:
            result.extend(_routes(message, names))
    return result


def _routes(message: _rtnetlink.Message, names: Mapping[int, str]) -> Iterator[Route]:
    family, length, source, tos, table, protocol, _scope, kind, flags = _RTMSG.unpack(message.header)
    attributes = message.attributes
    table = _number(attributes.get(_RTA_TABLE)) or table
    if table != _MAIN_TABLE or kind != _UNICAST or source or tos or flags & _CLONED:
        return
    network = attributes.get(_RTA_DST, bytes(16 if family == socket.AF_INET6 else 4))
    for index, hop_flags, hop in _hops(attributes, flags):
        yield Route(
            destination=f"{_ip(network)}/{length}",
            metric=_number(attributes.get(_RTA_PRIORITY)),
            interface=names.get(index, ""),
            protocol=protocol,
            via=_ip(hop[_RTA_GATEWAY]) if _RTA_GATEWAY in hop else None,
            source=_ip(attributes[_RTA_PREFSRC]) if _RTA_PREFSRC in attributes else None,
            onlink=bool(hop_flags & _RTNH_F_ONLINK),
        )


def _hops(attributes: dict[int, bytes], flags: int) -> Iterator[tuple[int, int, dict[int, bytes]]]:
    """Return interface index, flags and attributes of each next hop."""
    data = attributes.get(_RTA_MULTIPATH)
    if data is None:
        yield _number(attributes.get(_RTA_OIF)), flags, attributes
        return
    while len(data) >= _RTNEXTHOP.size:
        length, hop_flags, _hops, index = _RTNEXTHOP.unpack_from(data)
        yield index, hop_flags, _rtnetlink.parse(data[_RTNEXTHOP.size : length])
        data = data[max(length, _RTNEXTHOP.size) :]


def _kind(attributes: dict[int, bytes]) -> str:
    return _text(_rtnetlink.parse(attributes.get(_IFLA_LINKINFO, b"")).get(_IFLA_INFO_KIND, b""))


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _number(value: Optional[bytes]) -> int:
    return int.from_bytes(value, sys.byteorder) if value else 0


def _ip(value: bytes) -> str:
    return str(ipaddress.ip_address(value))
