# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every fault of a document is reported, with its path, and does not draw others after it."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_samples import ABSENT, changed, faults_of, sample

RED = {"name": "red", "mode": "isolated", "vlan": 20}
ROUTED = {"name": "red", "mode": "routed", "vlan": 20, "router": "r1", "cidr": "10.0.20.0/24"}
R2 = {
    "name": "r2",
    "node": "network1",
    "external": {"network": "public", "address": "203.0.113.11/24", "gateway": "203.0.113.1"},
}
NET, ROUTER, GUEST = "fabric_networks[0]", "fabric_routers[0]", "fabric_guests[0]"

# Changes to the sample document, and the only fault that they make.
CASES: list[tuple[dict[str, Any], str]] = [
    # Types, ranges, unknown and missing keys
    (
        {"fabric_network": []},
        "fabric_network: is not known here; known are fabric_address_groups, fabric_floa",
    ),
    ({"fabric_networks": {}}, "fabric_networks: must be a list, not {}"),
    ({"fabric_networks[1]": "red"}, "fabric_networks[1]: must be a dictionary, not 'red'"),
    ({"fabric_nodes": []}, "fabric_nodes: must be a dictionary, not []"),
    ({f"{NET}.colour": "blue"}, "fabric_networks[0].colour: is not known here; known are cidr, cidr6, dhcp, "),
    ({f"{NET}.vlan": ABSENT}, "fabric_networks[0].vlan: is required"),
    ({f"{NET}.vlan": 4095}, "fabric_networks[0].vlan: must be a whole number from 1 to 4094, not 4095"),
    ({f"{NET}.vlan": 0}, "fabric_networks[0].vlan: must be a whole number from 1 to 4094, not 0"),
    ({f"{NET}.vlan": True}, "fabric_networks[0].vlan: must be a whole number from 1 to 4094, not True"),
    ({f"{NET}.mode": "bridge"}, "fabric_networks[0].mode: must be one of isolated, routed, nat, bridged, not"),
    ({f"{NET}.dhcp.lease": "soon"}, "fabric_networks[0].dhcp.lease: must be a number of seconds, a time such as 24h"),
    ({f"{NET}.dhcp.range": ["10.0.10.100"]}, "fabric_networks[0].dhcp.range: must be a list of the first and the last"),
    ({f"{NET}.dhcp.dns_servers": ["x"]}, "fabric_networks[0].dhcp.dns_servers[0]: must be an IPv4 or IPv6 address"),
    ({f"{NET}.dhcp.options": [{"option": 42}]}, "fabric_networks[0].dhcp.options[0].value: is required"),
    (
        {f"{NET}.dhcp.options": [{"option": "router", "value": "10.0.10.1"}]},
        "fabric_networks[0].dhcp.options: must not hold router; use the option router",
    ),
    (
        {f"{NET}.dhcp.options": [{"option": 42, "value": "10.0.10.1#"}]},
        "fabric_networks[0].dhcp.options[0].value: must be plain ASCII text",
    ),
    (
        {f"{NET}.dhcp.options": [{"option": 42, "value": "x", "family": 5}]},
        "fabric_networks[0].dhcp.options[0].family: must be one of 4, 6, not '5'",
    ),
    ({f"{NET}.mtu": 70000}, "fabric_networks[0].mtu: must be a whole number from 576 to 65535, not 70000"),
    ({f"{GUEST}.mac": "52:54"}, "fabric_guests[0].mac: must be a MAC address such as 52:54:00:12:34:56, not '52:54'"),
    ({f"{GUEST}.mac": "53:54:00:00:00:01"}, "fabric_guests[0].mac: must be a unicast MAC address"),
    ({f"{GUEST}.name": "VM_1"}, "fabric_guests[0].name: must be 1 to 63 lower-case letters, digits or '-'"),
    ({f"{GUEST}.name": "24h"}, "fabric_guests[0].name: must not be a number or a lease time, not '24h'"),
    ({f"{GUEST}.memory": "much"}, "fabric_guests[0].memory: must be a whole number from 16 to"),
    ({"fabric_guest_defaults.cpus": 2}, "fabric_guest_defaults.cpus: is not known here"),
    ({"fabric_underlay.type": "ipip"}, "fabric_underlay.type: must be one of vxlan, gre, geneve, not 'ipip'"),
    ({"fabric_underlay.key": 2**24}, "fabric_underlay.key: must be a whole number from 0 to 16777215, not 16777216"),
    (
        {"fabric_underlay": {"type": "gre", "interface": "eth1", "dst_port": 4789}},
        "fabric_underlay.dst_port: GRE has no ports",
    ),
    ({"fabric_nodes": {"compute1": {"datapath_type": "dpdk"}}}, "fabric_nodes.compute1.datapath_type: must be one of"),
    (
        {"fabric_nodes": {"compute1": {"underlay_address": "192.0.2.2"}}},
        "fabric_nodes.compute1.underlay_address: must be an address such as 192.0.2.1/24, not '192.0.2.2'",
    ),
    # Interface names
    (
        {"fabric_underlay.interface": "abcdefghijklmnop"},
        "fabric_underlay.interface: must have at most 15 characters, not 16 ('abcdefghijklmnop')",
    ),
    (
        {"fabric_physical_networks[0].interface": "eth 2"},
        "fabric_physical_networks[0].interface: must consist of letters, digits",
    ),
    (
        {"fabric_physical_networks[0].bridge": "br-tun"},
        "fabric_physical_networks[0].bridge: br-tun is the fabric's own; choose another",
    ),
    (
        {"fabric_physical_networks[0].interface": "eth1"},
        "fabric_physical_networks[0].interface: eth1 is the underlay's interface",
    ),
    (
        {"fabric_physical_networks[1]": {"name": "dmz", "interface": "eth3"}},
        "fabric_physical_networks[1].bridge: br-ex is already the bridge of 'public'; name another",
    ),
    # Names, VLANs and MAC addresses that occur twice
    ({"fabric_networks[1]": {**RED, "name": "blue"}}, "fabric_networks[1].name: 'blue' is used twice"),
    ({"fabric_networks[1]": {**RED, "vlan": 10}}, "fabric_networks[1].vlan: 10 is already used by 'blue'"),
    ({"fabric_routers[1]": {"name": "r1", "node": "network1"}}, "fabric_routers[1].name: 'r1' is used twice"),
    ({"fabric_guests[1].name": "vm1"}, "fabric_guests[1].name: 'vm1' is used twice"),
    (
        {"fabric_guests[1].mac": "52-54-00-AA-BB-01"},
        "fabric_guests[1].mac: 52:54:00:aa:bb:01 is already used by 'vm1'",
    ),
    (
        {f"{NET}.dhcp.hosts": [{"mac": "52:54:00:aa:bb:02", "address": "10.0.10.20"}]},
        "fabric_networks[0].dhcp.hosts[0].mac: 52:54:00:aa:bb:02 is already used by 'vm2'",
    ),
    ({"fabric_guests[1].address": "10.0.10.11"}, "fabric_guests[1].address: 10.0.10.11 is already used by 'vm1'"),
    (
        {"fabric_routers[1]": changed(R2, {"external.address": "203.0.113.10/24"})},
        "fabric_routers[1].external.address: 203.0.113.10 is already used by router 'r1'",
    ),
    # What is named must be there
    ({f"{GUEST}.node": "compute9"}, "fabric_guests[0].node: 'compute9' is not a host of the inventory"),
    ({f"{ROUTER}.node": "compute9"}, "fabric_routers[0].node: 'compute9' is not a host of the inventory"),
    ({"fabric_nodes": {"compute9": {}}}, "fabric_nodes.compute9: 'compute9' is not a host of the inventory"),
    ({f"{GUEST}.network": "green"}, "fabric_guests[0].network: there is no network 'green' in fabric_networks"),
    ({f"{NET}.router": "r9"}, "fabric_networks[0].router: there is no router 'r9' in fabric_routers"),
    (
        {f"{ROUTER}.external.network": "dmz"},
        "fabric_routers[0].external.network: there is no physical network 'dmz' in fabric_physical_networks",
    ),
    ({"fabric_underlay": {}}, "fabric_underlay: is required, since the document has several nodes (compute1, "),
    # Modes
    ({"fabric_networks[1]": {**RED, "router": "r1"}}, "fabric_networks[1].router: an isolated network has no router"),
    ({f"{NET}.router": ABSENT}, "fabric_networks[0].router: is required in mode nat"),
    (
        {"fabric_networks[1]": {"name": "red", "mode": "routed", "vlan": 20, "router": "r1"}},
        "fabric_networks[1].cidr: is required in mode routed, or cidr6",
    ),
    ({f"{ROUTER}.external": ABSENT}, "fabric_routers[0].external: is required: network 'blue' is translated to its"),
    (
        {f"{NET}.cidr6": "2001:db8:10::/64"},
        "fabric_routers[0].external.address6: is required: 2001:db8:10::/64 of 'blue' is translated to it",
    ),
    # Subnets and gateways
    ({f"{NET}.cidr": "10.0.10.1/24"}, "fabric_networks[0].cidr: must be an IPv4 network such as 10.0.0.0/24, not"),
    ({"fabric_networks[1]": {**RED, "cidr": "10.0.20.0/31"}}, "fabric_networks[1].cidr: must have a prefix of at most"),
    ({"fabric_networks[1]": {**RED, "cidr": "10.0.20.0"}}, "fabric_networks[1].cidr: must be an IPv4 network such as"),
    ({"fabric_networks[1]": {**RED, "cidr6": "2001:db8::/56"}}, "fabric_networks[1].cidr6: must have a prefix of /64"),
    ({f"{NET}.gateway": "10.0.11.1"}, "fabric_networks[0].gateway: 10.0.11.1 is not in 10.0.10.0/24"),
    ({f"{NET}.gateway": "10.0.10.255"}, "fabric_networks[0].gateway: 10.0.10.255 is the broadcast address of"),
    ({"fabric_networks[1]": {**RED, "gateway": "10.0.20.1"}}, "fabric_networks[1].gateway: needs cidr"),
    (
        {"fabric_networks[1]": {**ROUTED, "cidr": "10.0.0.0/16"}},
        "fabric_networks[1].cidr: 10.0.0.0/16 overlaps 10.0.10.0/24 of 'blue', on the same router 'r1'",
    ),
    (
        {"fabric_networks[1]": {**ROUTED, "cidr": "203.0.113.0/25"}},
        "fabric_networks[1].cidr: 203.0.113.0/25 overlaps 203.0.113.0/24 of router 'r1', on the same router 'r1'",
    ),
    (
        {f"{ROUTER}.external.gateway": "203.0.114.1"},
        "fabric_routers[0].external.gateway: 203.0.114.1 is not in 203.0.113.0/24",
    ),
    (
        {f"{ROUTER}.external.gateway": "203.0.113.10"},
        "fabric_routers[0].external.gateway: 203.0.113.10 is the router's",
    ),
    ({f"{ROUTER}.external.gateway6": "2001:db8::1"}, "fabric_routers[0].external.gateway6: needs address6"),
    (
        {f"{ROUTER}.external.address": "203.0.113.255/24"},
        "fabric_routers[0].external.address: 203.0.113.255 is the broadcast address of 203.0.113.0/24",
    ),
    # DHCP
    (
        {f"{NET}.dhcp.range": ["10.0.11.100", "10.0.11.200"]},
        "fabric_networks[0].dhcp.range: 10.0.11.100 is not in 10.0.10.0/24",
    ),
    (
        {f"{NET}.dhcp.range": ["10.0.10.200", "10.0.10.254"]},
        "fabric_networks[0].dhcp.range: 10.0.10.200-10.0.10.254 contains the gateway 10.0.10.254",
    ),
    (
        {f"{NET}.dhcp.range": ["10.0.10.200", "10.0.10.100"]},
        "fabric_networks[0].dhcp.range: must not end (10.0.10.100) before it starts (10.0.10.200)",
    ),
    (
        {f"{NET}.dhcp.ranges": [["10.0.10.20", "10.0.10.30"], ["10.0.10.30", "10.0.10.40"]]},
        "fabric_networks[0].dhcp.ranges[1]: 10.0.10.30-10.0.10.40 overlaps 10.0.10.20-10.0.10.30",
    ),
    (
        {f"{NET}.dhcp.ranges": [["2001:db8::1", "2001:db8::9"]]},
        "fabric_networks[0].dhcp.ranges[0]: 2001:db8::1-2001:db8::9 needs cidr6 of the network",
    ),
    (
        {f"{NET}.dhcp.ranges": [["10.0.10.1", "2001:db8::9"]]},
        "fabric_networks[0].dhcp.ranges[0]: must not mix IPv4 and IPv6 (10.0.10.1, 2001:db8::9)",
    ),
    ({f"{NET}.dhcp.node": "network1"}, "fabric_networks[0].dhcp.node: the server runs beside router 'r1'; leave the"),
    (
        {"fabric_networks[1]": {**RED, "cidr": "10.0.20.0/24", "dhcp": {}}},
        "fabric_networks[1].dhcp.node: is required in a network without a router",
    ),
    (
        {"fabric_networks[1]": {**RED, "dhcp": {"node": "network1"}}},
        "fabric_networks[1].dhcp: needs cidr or cidr6 of the network",
    ),
    # Reservations
    (
        {f"{NET}.dhcp.hosts": [{"mac": "52:54:00:aa:bb:09", "hostname": "vm1"}]},
        "fabric_networks[0].dhcp.hosts[0].hostname: 'vm1' is already used in 'blue'",
    ),
    ({f"{GUEST}.address": "10.0.11.11"}, "fabric_guests[0].address: 10.0.11.11 is not in 10.0.10.0/24"),
    ({f"{GUEST}.address": "10.0.10.0"}, "fabric_guests[0].address: 10.0.10.0 is the address of 10.0.10.0/24 itself"),
    ({f"{GUEST}.address": "10.0.10.254"}, "fabric_guests[0].address: 10.0.10.254 is the gateway of 'blue'"),
    ({f"{GUEST}.address6": "2001:db8:10::11"}, "fabric_guests[0].address6: network 'blue' has no cidr6"),
    (
        {f"{GUEST}.networks": [{"network": "blue"}]},
        "fabric_guests[0].networks: cannot be combined with network, mac, address",
    ),
    (
        {
            f"{NET}.cidr6": "2001:db8:10::/64",
            f"{ROUTER}.external.address6": "2001:db8:ffff::10/64",
            f"{GUEST}.address6": "2001:db8:10::11",
        },
        "fabric_guests[0].address6: needs a DHCPv6 range in fabric_networks[0].dhcp.ranges; without one guests use",
    ),
    (
        {
            f"{NET}.cidr6": "2001:db8:10::/64",
            f"{NET}.mtu": 1279,
            f"{ROUTER}.external.address6": "2001:db8:ffff::10/64",
        },
        "fabric_networks[0].mtu: 1279 is too small for IPv6, which needs 1280",
    ),
]


@pytest.mark.parametrize(("changes", "fault"), CASES, ids=[fault.partition(" ")[0] for _changes, fault in CASES])
def test_fault(changes: dict[str, Any], fault: str) -> None:
    (found,) = faults_of(changed(sample(), changes))
    assert found.startswith(fault)


def test_the_sample_has_no_fault() -> None:
    assert faults_of(sample()) == []


def test_all_faults_are_reported_at_once() -> None:
    document = changed(
        sample(),
        {
            f"{NET}.vlan": 4095,
            f"{ROUTER}.external.gateway": "x",
            f"{GUEST}.node": "compute9",
            "fabric_guests[1].mac": 7,
        },
    )
    assert [fault.partition(":")[0] for fault in faults_of(document)] == [
        "fabric_networks[0].vlan",
        "fabric_routers[0].external.gateway",
        "fabric_guests[1].mac",
        "fabric_guests[0].node",
    ]


@pytest.mark.parametrize("document", [None, [], "text", 7])
def test_a_document_is_a_dictionary(document: Any) -> None:
    (fault,) = faults_of(document)
    assert fault == f"the document: must be a dictionary, not {document!r}"


def test_two_interfaces_of_one_name_are_refused() -> None:
    clash = changed(sample(), {"fabric_physical_networks[0].bridge": "rl-blue"})
    assert faults_of(clash) == [
        "fabric_networks[0].name: interface name rl-blue is already used by bridge rl-blue; choose another name"
    ]
