# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunnel packets get into a host by the interfaces of the underlay alone: packet_filter, tunnel_endpoints.

Packets are sent from the other ends of the host's interfaces. A raw socket of the host gets what its IP stack takes in,
as the kernel's datapath of Open vSwitch does.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest
from engine import Object, apply
from netlink_node import inside, ip
from wire_frames import ethernet, ipv4, ipv6, send

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import InvalidValue

HOST, WIRES = "nvthost", "nvtwires"
NICS = ("eth1", "eth2")  # of the host; the other ends are in WIRES, as eth1p and eth2p
MAC = "02:00:00:00:77:01"
HERE, PEER = "192.0.2.1", "192.0.2.2"
HERE6, PEER6 = "2001:db8:77::1", "2001:db8:77::2"
BEHIND, INNER = "198.51.100.2", "198.51.100.1"  # a peer beyond routers, and this host's address on a dummy interface
ENDS = [
    {"address": address, "interface": interface, **how}
    for address, interface in ((HERE, "eth1"), (INNER, "dummy1"), (HERE6, "eth1"))
    for how in ({"protocol": "gre"}, {"protocol": "udp", "port": 4789})
]


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    """Have a host with two NICs: the underlay's address is on the first, another one is on the second."""
    names = (HOST, WIRES)
    try:
        for name in names:
            ip("netns", "add", name)
        inside(HOST, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        for nic in NICS:
            ip("link", "add", nic, "address", MAC, "type", "veth", "peer", f"{nic}p", "netns", WIRES, namespace=HOST)
            for namespace, end in ((HOST, nic), (WIRES, f"{nic}p")):
                ip("link", "set", end, "up", namespace=namespace)
        ip("link", "add", "dummy1", "type", "bridge", namespace=HOST)  # as good a place for an address as a dummy
        ip("link", "set", "dummy1", "up", namespace=HOST)
        for nic, *addresses in (
            ("eth1", f"{HERE}/24", f"{HERE6}/64"),
            ("eth2", "203.0.113.1/24", "2001:db8:88::1/64"),
            ("dummy1", f"{INNER}/32"),
        ):
            for address in addresses:
                ip("address", "add", address, "dev", nic, *(["nodad"] if ":" in address else []), namespace=HOST)
        ip("route", "add", "default", "via", "203.0.113.254", namespace=HOST)
        yield
    finally:
        for name in names:
            ip("netns", "delete", name, check=False)


@pytest.fixture
def item() -> Object:
    return Object("packet_filter", name="nvt", namespace=HOST)


def packet(source: str, destination: str, protocol: str, port: int = 4789) -> bytes:
    """Return a frame with a tunnel packet, with next to nothing inside."""
    udp = protocol == "udp"
    content = struct.pack("!HHHH", 50000, port, 16, 0) if udp else b"\0\0\x65\x58"
    make, kind = (ipv6, 0x86DD) if ":" in source else (ipv4, 0x0800)
    number = socket.IPPROTO_UDP if udp else socket.IPPROTO_GRE
    return ethernet("02:00:00:00:77:02", MAC, kind, make(source, destination, number, content + bytes(8)))


def taken(nic: str, source: str, destination: str, protocol: str, port: int = 4789) -> bool:
    """Tell whether the host's IP stack takes a packet that comes in by a NIC."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    number = socket.IPPROTO_UDP if protocol == "udp" else socket.IPPROTO_GRE
    with _namespaces.entered(HOST):
        raw = socket.socket(family, socket.SOCK_RAW, number)
    with raw:
        raw.setblocking(False)
        send((WIRES, f"{nic}p"), [packet(source, destination, protocol, port)])
        time.sleep(0.05)  # the veth delivers at once, by the softirq of the sender
        try:
            return bool(raw.recv(100))
        except BlockingIOError:
            return False


def converge(**options: Any) -> None:
    apply([{"packet_filter": {"name": "nvt", "namespace": HOST, **options}}])


CASES = [
    # NIC, source, destination, whether it may come in
    ("eth1", PEER, HERE, True),
    ("eth2", PEER, HERE, False),
    ("eth1", BEHIND, HERE, True),  # by the underlay's NIC, while the route to it leads elsewhere
    ("eth2", BEHIND, HERE, True),  # the host would send to it by this NIC: the underlay leads there, too
    ("eth2", HERE, HERE, False),
    ("eth2", BEHIND, INNER, True),
    ("eth1", BEHIND, INNER, False),
    ("eth1", PEER6, HERE6, True),
    ("eth2", PEER6, HERE6, False),
    ("eth2", PEER, "203.0.113.1", True),  # no end of a tunnel
]


@pytest.mark.parametrize("protocol", ["udp", "gre"])
def test_packets_come_in_by_the_underlay_alone(item: Object, protocol: str) -> None:
    passing = [case[:3] for case in CASES if case[1] != case[2]]  # the kernel takes none from itself, see ip-sysctl
    assert [case for case in passing if not taken(*case, protocol)] == []
    item.present(tunnel_endpoints=ENDS)
    assert [case for case in CASES if taken(*case[:3], protocol) != case[3]] == []
    assert taken("eth2", PEER, HERE, "udp", 4790)
    item.absent()
    assert [case for case in passing if not taken(*case, protocol)] == []


def test_each_path_of_a_multipath_route_is_the_underlay(item: Object) -> None:
    paths = ("nexthop", "via", PEER, "nexthop", "via", "203.0.113.254")
    ip("route", "add", "198.51.100.0/24", *paths, namespace=HOST)
    item.present(tunnel_endpoints=ENDS)
    for protocol in ("udp", "gre"):
        assert [taken(nic, BEHIND, INNER, protocol) for nic in NICS] == [True, True]
        assert not taken("eth2", PEER, INNER, protocol)


def test_its_form(item: Object) -> None:
    shown = item.present(tunnel_endpoints=[*reversed(ENDS), ENDS[0]])["tunnel_endpoints"]
    assert shown == [{"port": None, **end} for end in ENDS]
    assert item.changes(tunnel_endpoints=ENDS[1:2]) == {"tunnel_endpoints"}
    assert item.present(isolated_interfaces=["eth9"])["tunnel_endpoints"] == ENDS[1:2]
    item.present(isolated_interfaces=[])
    item.present(tunnel_endpoints=[])


@pytest.mark.parametrize("protocol", ["udp", "gre"])
def test_what_was_changed_by_hand_is_repaired(item: Object, protocol: str) -> None:
    item.present(tunnel_endpoints=ENDS)
    table = ["inet", "netvirtfilter_nvt"]
    listed = json.loads(inside(HOST, "nft", "-j", "list", "table", *table))["nftables"]
    rules = [found["rule"] for found in listed if "fib" in json.dumps(found)]
    assert len(rules) == len(ENDS)
    handle = next(str(rule["handle"]) for rule in rules if protocol in json.dumps(rule["expr"]))
    inside(HOST, "nft", "delete", "rule", *table, "prerouting", "handle", handle)
    assert [operation["changes"].keys() for operation in item.plan(tunnel_endpoints=ENDS)] == [{"tunnel_endpoints"}]
    item.present(tunnel_endpoints=ENDS)
    inside(HOST, "nft", "insert", "rule", *table, "prerouting", "accept")
    assert [operation["changes"].keys() for operation in item.plan()] == [{"edits"}]
    converge(tunnel_endpoints=ENDS)
    assert item.plan() == []
    assert not taken("eth2", PEER, HERE, protocol)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ({"address": HERE, "interface": "a", "protocol": "udp"}, "must have a port where the protocol is udp"),
        ({"address": HERE, "interface": "a", "protocol": "gre", "port": 4789}, "and none where it is gre"),
        ({"address": "192.0.2.0/24", "interface": "a", "protocol": "gre"}, r"tunnel_endpoints\[0\].address"),
        ({"address": HERE, "protocol": "gre"}, r"tunnel_endpoints\[0\].interface is required"),
        ({"address": HERE, "interface": "a", "protocol": "vxlan"}, "protocol must be one of"),
    ],
)
def test_wrong_values_change_nothing(end: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        converge(tunnel_endpoints=[end])
    assert inside(HOST, "nft", "list", "ruleset") == ""
