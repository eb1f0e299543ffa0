# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of br-int through which packets pass between port security and their way out.

Each MAC address of guests has a zone of connection tracking of its own, so that a packet between two guests of a node
is judged twice, by what either side has seen of the connection. Neighbour discovery, DHCP and the like are not tracked
and always pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._port_security._flows import FORWARD, ORIGIN
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups._rules import BEGUN, POLICY

SENT, SENT_TRACKED, RULES, ALLOWED, TO, RECEIVED, RECEIVED_TRACKED, COPY, OUT = 30, 31, 40, 41, 50, 51, 52, 53, 60
NETWORK, ZONE, STAGE, PORT = "reg5", "reg6", "reg9", "reg10"
"""The registers that hold the VLAN of a NIC's network, its zone, whether it sends (0) or receives (1), and the port to
which a copy goes."""
_MULTICAST = "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"
_TRACKED = "ct_state=+trk-inv"
# ARP; of ICMPv6 router and neighbour solicitation, advertisements (RFC 4861), and listeners (RFC 2710, 3810).
_NEIGHBOURS = ("arp", *(f"icmp6,icmp_type={kind},nw_ttl=255" for kind in (133, 135, 136)))
_ROUTERS = ("icmp6,icmp_type=134,nw_ttl=255",)
_LISTENERS = tuple(f"icmp6,icmp_type={kind},nw_ttl=1" for kind in (130, 131, 132, 143))
_ASK, _ASK6 = "udp,tp_src=68,tp_dst=67", "udp6,tp_src=546,tp_dst=547"
_ANSWER, _ANSWER6 = "udp,tp_src=67,tp_dst=68", "udp6,tp_src=547,tp_dst=546,ipv6_src=fe80::/10"
_BROADCAST, _SERVERS6, _LINK_LOCAL = "255.255.255.255", "ff02::1:2", "fe80::/10"


@dataclass(frozen=True)
class Port:
    """A NIC by one of its MAC addresses, which it may share with others of its network."""

    number: int
    mac: str
    vlan: int
    zone: int
    policy: int


@dataclass(frozen=True)
class Server:
    """Where DHCP answers come from in a network; without an address, somebody else's server."""

    vlan: int
    address: Optional[Address]


def allowed() -> str:
    """Return the actions for what a rule allows."""
    return to(ALLOWED)


def put(register: str, value: int) -> str:
    """Return the action that puts a number into a register."""
    return f"set_field:{value:#x}->{register}"


def to(table: int) -> str:
    """Return the action that goes on in a table."""
    return f"resubmit(,{table})"


def flows(ports: Sequence[Port], servers: Sequence[Server]) -> Iterator[str]:
    """Yield all flows but those of the rules."""
    # What has the number of a guest's port here has not come by port security, and goes no further.
    yield f"table={FORWARD},priority=5,{ORIGIN}=0/{_names.SECURED:#x} actions={to(TO)}"
    yield from _sent(ports, servers)
    yield from _judged()
    yield from _addressed(ports, servers)
    yield from _received(servers)


def _sent(ports: Sequence[Port], servers: Sequence[Server]) -> Iterator[str]:
    for port in ports:
        own = f"table={FORWARD},priority=10,in_port={port.number},dl_src={port.mac}"
        yield f"{own} actions={_about(port)},{put(STAGE, 0)},{to(SENT)}"
    asks = [
        *(f"{_ASK},nw_dst={item}" for item in [_BROADCAST]),
        *(f"{_ASK},{NETWORK}={item.vlan}{_match('nw_dst', item.address)}" for item in servers),
        *(f"{_ASK6},ipv6_dst={item}" for item in (_SERVERS6, _LINK_LOCAL)),
    ]
    yield from _let_on(SENT, 20, [*_NEIGHBOURS, *_multicast(_LISTENERS), *asks], to(TO))
    yield from _track(SENT, SENT_TRACKED)


def _judged() -> Iterator[str]:
    """Find out who began a connection. What a rule allows is committed if it is new, and goes on."""
    for table, forwards, backwards in ((SENT_TRACKED, 0, 1), (RECEIVED_TRACKED, 1, 0)):
        yield f"table={table},priority=10,{_TRACKED}-rpl actions={put(BEGUN, forwards)},{to(RULES)}"
        yield f"table={table},priority=10,{_TRACKED}+rpl actions={put(BEGUN, backwards)},{to(RULES)}"
    for stage, action in enumerate((to(TO), to(OUT))):
        new = [f"{version},ct_state=+trk+new,{STAGE}={stage}" for version in ("ip", "ipv6")]
        yield from _let_on(ALLOWED, 20, new, f"ct(commit,zone={ZONE}[0..15]),{action}")
        yield f"table={ALLOWED},priority=10,{STAGE}={stage} actions={action}"
    yield f"table={OUT},priority=10,{PORT}=0 actions=NORMAL"
    yield f"table={OUT},priority=0 actions=output:{PORT}[0..15]"


def _addressed(ports: Sequence[Port], servers: Sequence[Server]) -> Iterator[str]:
    """Find out to whom a frame goes. One to all passes where it is of the sort that always does, or see ``to_all``."""
    for mac, port in {port.mac: port for port in ports}.items():
        yield f"table={TO},priority=30,dl_dst={mac} actions={_about(port)},{put(STAGE, 1)},{to(RECEIVED)}"
    always = [*_NEIGHBOURS, *_ROUTERS, *_LISTENERS, _ASK, _ASK6, *dict.fromkeys(_answers(servers))]
    yield from _let_on(TO, 20, _multicast(always), "NORMAL")
    yield f"table={TO},priority=11,vlan_tci=0x1000/0x1000,{_MULTICAST} actions=NORMAL"  # of other networks
    yield f"table={TO},priority=10,{_MULTICAST} actions=drop"
    yield f"table={TO},priority=0 actions=NORMAL"


def _answers(servers: Sequence[Server]) -> Iterator[str]:
    """Yield matches for DHCP answers to all, of the networks' own servers, or of anybody's where there is none."""
    for item in servers:
        if item.address:
            yield f"{_ANSWER},nw_src={item.address}"
        else:
            yield from (f"{_ANSWER},{place}={item.vlan}" for place in (NETWORK, "dl_vlan"))


def _received(servers: Sequence[Server]) -> Iterator[str]:
    answers = [f"{_ANSWER},{NETWORK}={item.vlan}{_match('nw_src', item.address)}" for item in servers]
    yield from _let_on(RECEIVED, 20, [*_NEIGHBOURS, *_ROUTERS, *answers, _ANSWER6], "NORMAL")
    yield from _track(RECEIVED, RECEIVED_TRACKED)


def to_all(vlan: int, here: Sequence[str], away: Sequence[str]) -> Iterator[str]:
    """Yield the flows for other frames to all in a VLAN: ``here`` untagged, and ``away`` too if they begin here."""
    begun = f"table={TO},priority=15,{NETWORK}={vlan},vlan_tci=0x0000/0x1fff,{_MULTICAST}"
    yield f"{begun} actions={','.join([*here, *away])}"
    yield f"table={TO},priority=15,dl_vlan={vlan},{_MULTICAST} actions={','.join(['strip_vlan', *here])}"


def copy(number: int) -> str:
    """Return the actions that have a copy judged for a port."""
    return f"{put(PORT, number)},{to(COPY)}"


def judge(number: int, port: Port) -> Iterator[str]:
    """Yield the flows that judge a copy for a port."""
    actions = f"{_about(port)},{put(STAGE, 1)},ct(table={RECEIVED_TRACKED},zone={ZONE}[0..15])"
    yield from _let_on(COPY, 10, (f"{version},{PORT}={number}" for version in ("ip", "ipv6")), actions)


def _track(table: int, then: int) -> Iterator[str]:
    yield from _let_on(table, 10, ("ip", "ipv6"), f"ct(table={then},zone={ZONE}[0..15])")


def _let_on(table: int, priority: int, matches: Iterable[str], action: str) -> Iterator[str]:
    yield from (f"table={table},priority={priority},{match} actions={action}" for match in matches)


def _multicast(matches: Iterable[str]) -> list[str]:
    return [f"{match},{_MULTICAST}" for match in matches]


def _about(port: Port) -> str:
    return f"{put(NETWORK, port.vlan)},{put(ZONE, port.zone)},{put(POLICY, port.policy)}"


def _match(field: str, value: Optional[Address]) -> str:
    return f",{field}={value}" if value else ""
