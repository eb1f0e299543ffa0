# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flows of br-int by which a guest sends with its own addresses only (ovs-fields(7)).

A port is matched by its number, since its device may not be there yet. Table 0 lets on what has the port's own MAC
address, untagged. Table 10 lets on what has addresses of the port in ARP (RFC 826, 5227), IPv4, IPv6 and neighbour
discovery (RFC 4861), and answers of DHCP servers and routers never. Table 20 forwards, but nothing that comes to it
straight from a port with a number of such ports: that one is in the database, and its flows are yet to come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Subnet
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names

ADDRESSES, FORWARD = 10, 20
"""The tables behind table 0."""
ORIGIN = "reg0"
"""The register that holds the number of a port of which table 0 knows nothing."""

_NEXT = f"resubmit(,{ADDRESSES})"
_PASS = f"resubmit(,{FORWARD})"
# Of routers and servers: advertisements, redirects, DHCP (RFC 2131), DHCPv6 (RFC 8415).
_NEVER = ("icmp6,icmp_type=134", "icmp6,icmp_type=137", "udp,tp_src=67", "udp6,tp_src=547")
_NO_OPTION = "00:00:00:00:00:00"


@dataclass(frozen=True)
class Pair:
    """A MAC address, and the networks with addresses of which it may be used; ``None`` for a family is any."""

    mac: str
    networks4: Sequence[Subnet] | None
    networks6: Sequence[Subnet] | None


def common() -> Iterator[str]:
    """Yield the flows for all ports."""
    yield f"priority=0 actions=move:NXM_OF_IN_PORT[]->{ORIGIN}[0..15],{_PASS}"
    yield f"table={FORWARD},priority=1,{ORIGIN}={_names.SECURED:#x}/{_names.SECURED:#x} actions=drop"
    yield f"table={FORWARD},priority=0 actions=NORMAL"


def classify(port: int, macs: Sequence[str]) -> Iterator[str]:
    """Yield the flows of table 0 for a port."""
    yield f"priority=110,in_port={port},vlan_tci=0x1000/0x1000 actions=drop"
    yield f"priority=110,in_port={port},dl_dst=01:80:c2:00:00:00/ff:ff:ff:00:00:00 actions=drop"
    for mac in macs:
        yield f"priority=100,in_port={port},dl_src={mac} actions={_NEXT}"
    yield f"priority=90,in_port={port} actions=drop"


def addresses(port: int, pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield the flows of the table ADDRESSES for a port; what meets none of them is dropped."""
    for flow in _addresses(port, pairs):
        yield f"table={ADDRESSES},{flow}"


def _addresses(port: int, pairs: Sequence[Pair]) -> Iterator[str]:
    for match in _NEVER:
        yield f"priority=40,{match},in_port={port} actions=drop"
    for pair in pairs:
        own = f"in_port={port},dl_src={pair.mac}"
        yield from _ipv4(own, pair)
        yield from _ipv6(own, pair)
    for kind in (135, 136):  # a neighbour solicitation or advertisement that none of the flows above has let on
        yield f"priority=20,icmp6,icmp_type={kind},in_port={port} actions=drop"


def _ipv4(own: str, pair: Pair) -> Iterator[str]:
    asks = f"udp,{own},nw_src=0.0.0.0,nw_dst=255.255.255.255,tp_src=68,tp_dst=67"
    yield f"priority=30,{asks} actions={_PASS}"
    yield f"priority=30,arp,{own},arp_op=1,arp_sha={pair.mac},arp_spa=0.0.0.0 actions={_PASS}"  # is it free?
    for network in (None,) if pair.networks4 is None else pair.networks4:
        arp, ip = (f",arp_spa={network}", f",nw_src={network}") if network else ("", "")
        yield f"priority=30,arp,{own},arp_sha={pair.mac}{arp} actions={_PASS}"
        yield f"priority=10,ip,{own}{ip} actions={_PASS}"


def _ipv6(own: str, pair: Pair) -> Iterator[str]:
    # Duplicate address detection (RFC 4862), router solicitation, membership reports (RFC 3810).
    for kind in (135, 133, 143):
        link = f",nd_sll={_NO_OPTION}" if kind == 135 else ""
        yield f"priority=30,icmp6,icmp_type={kind},{own},ipv6_src=::{link} actions={_PASS}"
    for network in (None,) if pair.networks6 is None else pair.networks6:
        source, target = (f",ipv6_src={network}", f",nd_target={network}") if network else ("", "")
        for mac in (pair.mac, _NO_OPTION):
            yield f"priority=30,icmp6,icmp_type=135,{own}{source},nd_sll={mac} actions={_PASS}"
            yield f"priority=30,icmp6,icmp_type=136,{own}{source}{target},nd_tll={mac} actions={_PASS}"
        yield f"priority=10,ipv6,{own}{source} actions={_PASS}"
