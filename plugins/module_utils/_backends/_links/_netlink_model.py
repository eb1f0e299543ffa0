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

FORWARD_MARK = 78
"""Mark of packets that a filter of ours has seen come in by a router port (fwmark)."""

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

OF_KIND: Mapping[str, tuple[str, ...]] = {
    "bridge": ("br_stp_state", "br_forward_delay", "br_ageing_time", "br_vlan_filtering", "br_vlan_default_pvid"),
    "vlan": ("vlan_id", "vlan_protocol"),
    "bond": (
        "bond_mode",
        "bond_miimon",
        "bond_updelay",
        "bond_downdelay",
        "bond_ad_lacp_rate",
        "bond_xmit_hash_policy",
        "bond_primary",
        "bond_min_links",
    ),
    "vxlan": ("vxlan_port",),
    "geneve": ("geneve_port",),
}
"""What is read of a link beside what all links have: attributes of linux/if_link.h, in pyroute2's words."""

_MAIN_TABLE = 254  # RT_TABLE_MAIN
_UNICAST = 1  # RTN_UNICAST
_IFF_UP = 0x1
_IFF_LOOPBACK = 0x8
_IFA_F_DADFAILED = 0x08
_IFA_F_PERMANENT = 0x80
_RTNH_F_ONLINK = 0x4
_VLAN_PVID, _VLAN_UNTAGGED = 0x2, 0x4  # linux/if_bridge.h, BRIDGE_VLAN_INFO_*


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
    ipv6: Optional[bool] = None  # as tx_checksum
    upper: str = ""  # as master, and also when that is the device of Open vSwitch's kernel datapath
    isolated: bool = False  # as a port of a Linux bridge
    data: Mapping[str, Any] = field(default_factory=dict)  # the attributes of OF_KIND that the kernel shows

    @property
    def owner(self) -> str:
        """The owner whose mark the link bears, nothing for one without."""
        return self.alias[len(MARK) :] if self.alias.startswith(MARK) else ""

    def made_by(self, owner: str) -> bool:
        """Tell whether the link bears the owner's mark."""
        return self.alias == MARK + owner or self.unfinished(owner)

    def unfinished(self, owner: str) -> bool:
        """Tell whether a run of the owner made the link and did not get to mark it for good."""
        return self.group == unfinished_group(owner)


@dataclass(frozen=True)
class PortVlan:
    """A VLAN of a port of a Linux bridge: frames without a tag belong to the pvid; untagged ones leave without."""

    vid: int
    pvid: bool
    untagged: bool

    @property
    def flags(self) -> int:
        return (_VLAN_PVID if self.pvid else 0) | (_VLAN_UNTAGGED if self.untagged else 0)


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
    port_vlans: Optional[dict[str, list[PortVlan]]] = None


def links(messages: Iterable[Any]) -> dict[str, Link]:
    """Return the links of a dump by name."""
    decoded = []
    masters = {}
    for message in messages:
        info = message.get_attr("IFLA_LINKINFO")
        kind = (info.get_attr("IFLA_INFO_KIND") if info else None) or ""
        link = Link(
            name=message.get_attr("IFLA_IFNAME"),
            index=message["index"],
            kind=kind,
            mtu=message.get_attr("IFLA_MTU") or 0,
            mac="" if message["flags"] & _IFF_LOOPBACK else message.get_attr("IFLA_ADDRESS") or "",
            up=bool(message["flags"] & _IFF_UP),
            alias=message.get_attr("IFLA_IFALIAS") or "",
            group=message.get_attr("IFLA_GROUP") or 0,
            peer_index=message.get_attr("IFLA_LINK") or 0,
            peer_nsid=message.get_attr("IFLA_LINK_NETNSID"),
            isolated=_isolated(info),
            data=_of_kind(info, kind),
        )
        decoded.append(link)
        masters[link.index] = message.get_attr("IFLA_MASTER") or 0
    uppers = {link.index: link for link in decoded}
    return {link.name: _below(link, uppers.get(masters[link.index])) for link in decoded}


def _below(link: Link, upper: Optional[Link]) -> Link:
    if upper is None:
        return link
    return replace(link, upper=upper.name, master="" if upper.kind == "openvswitch" else upper.name)


def _of_kind(info: Any, kind: str) -> dict[str, Any]:
    """Return the attributes of OF_KIND in IFLA_LINKINFO; those that this kernel lacks are left out."""
    data = info.get_attr("IFLA_INFO_DATA") if kind in OF_KIND else None
    found = {name: data.get_attr(f"IFLA_{name.upper()}") for name in OF_KIND[kind]} if data else {}
    return {name: value for name, value in found.items() if value is not None}


def _isolated(info: Any) -> bool:
    if info is None or info.get_attr("IFLA_INFO_SLAVE_KIND") != "bridge":
        return False
    return bool(info.get_attr("IFLA_INFO_SLAVE_DATA").get_attr("IFLA_BRPORT_ISOLATED"))


def port_vlans(messages: Iterable[Any]) -> dict[str, list[PortVlan]]:
    """Return the VLANs of a dump of the family AF_BRIDGE by the name of the port, or of the bridge itself."""
    result = {}
    for message in messages:
        specification = message.get_attr("IFLA_AF_SPEC")
        found = specification.get_attrs("IFLA_BRIDGE_VLAN_INFO") if specification else ()
        result[message.get_attr("IFLA_IFNAME")] = [
            PortVlan(item["vid"], bool(item["flags"] & _VLAN_PVID), bool(item["flags"] & _VLAN_UNTAGGED))
            for item in found
        ]
    return result


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
