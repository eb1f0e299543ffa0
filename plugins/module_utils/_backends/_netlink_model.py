# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What the kernel knows of links, addresses and routes, decoded from pyroute2's messages."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values

ROUTE_PROTOCOL = 78
"""Mark of the collection's routes (rtm_protocol): free in linux/rtnetlink.h, in /etc/iproute2/rt_protos and at IANA."""

MARK = "netvirt:"
"""Prefix of the alias (ifalias) of links that the collection made; the owner follows. On lo it marks the namespace."""


def unfinished_group(owner: str) -> int:
    """Return the group that a link is in from its making until it gets its alias, which is a second request.

    It marks the link of a run that was killed in between.
    """
    return 0x40000000 | zlib.crc32(owner.encode()) & 0x3FFFFFFF


FALLBACK = frozenset(
    (
        *("tunl0", "gre0", "gretap0", "erspan0", "ip_vti0"),
        *("sit0", "ip6tnl0", "ip6gre0", "ip6_vti0", "ip6gretap0", "ip6erspan0"),
    )
)
"""Links that the kernel makes in each namespace by itself (net.core.fb_tunnels_only_for_init_net)."""

_MAIN_TABLE = 254  # RT_TABLE_MAIN
_UNICAST = 1  # RTN_UNICAST
_IFF_UP = 0x1
_IFF_LOOPBACK = 0x8
_IFA_F_DADFAILED = 0x08
_IFA_F_PERMANENT = 0x80
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
    group: int = 0
    peer_index: int = 0
    peer_nsid: Optional[int] = None  # where peer_index counts; None: in the same namespace
    peer: Optional[tuple[Optional[str], str]] = None  # namespace and name, of a predicted link
    tx_checksum: Optional[bool] = None  # None: not read yet

    def made_by(self, owner: str) -> bool:
        """Tell whether the link bears the owner's mark."""
        return self.alias == MARK + owner or self.unfinished(owner)

    def unfinished(self, owner: str) -> bool:
        """Tell whether a run of the owner made the link and did not get to mark it for good."""
        return self.group == unfinished_group(owner)


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


def links(messages: Iterable[Any]) -> dict[str, Link]:
    """Return the links of a dump by name."""
    decoded = []
    masters = {}
    for message in messages:
        info = message.get_attr("IFLA_LINKINFO")
        link = Link(
            name=message.get_attr("IFLA_IFNAME"),
            index=message["index"],
            kind=(info.get_attr("IFLA_INFO_KIND") if info else None) or "",
            mtu=message.get_attr("IFLA_MTU") or 0,
            mac="" if message["flags"] & _IFF_LOOPBACK else message.get_attr("IFLA_ADDRESS") or "",
            up=bool(message["flags"] & _IFF_UP),
            alias=message.get_attr("IFLA_IFALIAS") or "",
            group=message.get_attr("IFLA_GROUP") or 0,
            peer_index=message.get_attr("IFLA_LINK") or 0,
            peer_nsid=message.get_attr("IFLA_LINK_NETNSID"),
        )
        decoded.append(link)
        masters[link.index] = message.get_attr("IFLA_MASTER") or 0
    names = {link.index: "" if link.kind == "openvswitch" else link.name for link in decoded}
    return {
        link.name: replace(link, master=names.get(masters[link.index], "")) if masters[link.index] else link
        for link in decoded
    }


def addresses(messages: Iterable[Any], names: Mapping[int, str]) -> dict[str, list[Address]]:
    """Return the addresses of a dump by the name of their interface."""
    result: dict[str, list[Address]] = {}
    for message in messages:
        flags = message.get_attr("IFA_FLAGS") or message["flags"]
        peer = message.get_attr("IFA_ADDRESS")
        address = Address(
            local=values.address(message.get_attr("IFA_LOCAL") or peer),
            prefix=message["prefixlen"],
            peer=values.address(peer),
            permanent=bool(flags & _IFA_F_PERMANENT),
            duplicate=bool(flags & _IFA_F_DADFAILED),
        )
        result.setdefault(names.get(message["index"], ""), []).append(address)
    return result


def routes(messages: Iterable[Any], names: Mapping[int, str]) -> list[Route]:
    """Return the unicast routes of the main table in a dump."""
    result = []
    for message in messages:
        if (message.get_attr("RTA_TABLE") or message["table"]) != _MAIN_TABLE or message["type"] != _UNICAST:
            continue
        network = message.get_attr("RTA_DST") or ("::" if message["family"] == socket.AF_INET6 else "0.0.0.0")
        hops = message.get_attr("RTA_MULTIPATH") or [message]
        for hop in hops:
            flags = message["flags"] if hop is message else hop["flags"]
            index = message.get_attr("RTA_OIF") if hop is message else hop["oif"]
            result.append(
                Route(
                    destination=f"{network}/{message['dst_len']}",
                    metric=message.get_attr("RTA_PRIORITY") or 0,
                    interface=names.get(index or 0, ""),
                    protocol=message["proto"],
                    via=hop.get_attr("RTA_GATEWAY"),
                    source=message.get_attr("RTA_PREFSRC"),
                    onlink=bool(flags & _RTNH_F_ONLINK),
                )
            )
    return result
