# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is found on the nodes: underlay addresses, MTU, interfaces."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_samples import NODES, build, changed, facts_of, faults_of, named, of_kind, sample

from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import notes
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._mtu import inner_mtu

UNDERLAY = "fabric_nodes.compute1.underlay_address"


def with_interface(name: str, **values: Any) -> dict[str, Any]:
    """Return facts in which an interface of compute1 is different."""
    facts = facts_of(NODES)
    facts["compute1"]["interfaces"][name] = {**facts["compute1"]["interfaces"].get(name, {}), **values}
    return facts


@pytest.mark.parametrize(
    ("encapsulation", "version", "expected"),
    [
        ("vxlan", 4, 1446),
        ("gre", 4, 1454),
        ("geneve", 4, 1438),
        ("vxlan", 6, 1426),
        ("gre", 6, 1434),
        ("geneve", 6, 1418),
    ],
)
def test_inner_mtu(encapsulation: str, version: int, expected: int) -> None:
    assert inner_mtu(1500, encapsulation, version) == expected


@pytest.mark.parametrize(("encapsulation", "expected"), [("vxlan", 1446), ("gre", 1454), ("geneve", 1438)])
def test_the_mtu_reaches_legs_guests_and_dhcp(encapsulation: str, expected: int) -> None:
    resources = build(changed(sample(), {"fabric_underlay.type": encapsulation}), "network1")
    assert named(resources, "veth_pair", "rl-blue")["mtu"] == expected
    assert named(resources, "dnsmasq_netns", "blue")["mtu"] == expected


def test_the_least_mtu_of_all_nodes_counts() -> None:
    resources = build(sample(), "network1", with_interface("eth1", mtu=1400))
    assert named(resources, "dnsmasq_netns", "blue")["mtu"] == 1346


def test_a_network_may_have_a_smaller_mtu() -> None:
    resources = build(changed(sample(), {"fabric_networks[0].mtu": 1300}), "network1")
    assert named(resources, "dnsmasq_netns", "blue")["mtu"] == 1300


def test_ipv6_underlay() -> None:
    nodes = {node: {"underlay_address": f"2001:db8::{number}/64"} for number, node in enumerate(NODES, 1)}
    (mesh,) = of_kind(build(changed(sample(), {"fabric_nodes": nodes}), "network1"), "ovs_tunnel")
    assert (mesh["local_ip"], set(mesh["remotes"])) == ("2001:db8::1", {"2001:db8::2", "2001:db8::3"})
    assert named(build(changed(sample(), {"fabric_nodes": nodes}), "network1"), "dnsmasq_netns", "blue")["mtu"] == 1426


@pytest.mark.parametrize(
    ("changes", "facts", "fault"),
    [
        (
            {"fabric_networks[0].mtu": 1447},
            {},
            "fabric_networks[0].mtu: 1447 is more than the 1446 that the underlay leaves for guests",
        ),
        ({"fabric_underlay.mtu": 9000}, {}, "fabric_underlay.mtu: 9000 is more than the MTU 1500 of eth1 on network1"),
        (
            {
                "fabric_networks[0].cidr6": "2001:db8:10::/64",
                "fabric_routers[0].external.address6": "2001:db8:ffff::10/64",
                "fabric_underlay.mtu": 1333,
            },
            {},
            "fabric_networks[0].cidr6: the underlay leaves an MTU of 1279, IPv6 needs 1280",
        ),
        (
            {},
            with_interface("eth1", addresses=[]),
            f"compute1: the address of its underlay interface eth1 is not known, since it is not there; set {UNDERLAY}",
        ),
        (
            {},
            with_interface("eth1", addresses=["192.0.2.2/24", "192.0.2.22/24"]),
            f"{UNDERLAY}: is required, since eth1 has several addresses: 192.0.2.2/24, 192.0.2.22/24",
        ),
        (
            {},
            with_interface("eth1", addresses=["192.0.2.1/24"]),
            "fabric_nodes.network1.underlay_address: 192.0.2.1 is already the address of compute1",
        ),
        (
            {},
            with_interface("eth1", addresses=["198.51.100.2/24"]),
            f"{UNDERLAY}: 198.51.100.2 is not in 192.0.2.0/24 of network1, whose userspace datapath reaches no other",
        ),
        (
            {"fabric_nodes": {"network1": {"datapath_type": "system"}}},
            {},
            "fabric_nodes.network1.datapath_type: network1 offers netdev only, not system",
        ),
        (
            {"fabric_physical_networks[0].interface": "eth9"},
            {},
            "fabric_physical_networks[0].interface: network1 has no interface eth9",
        ),
        (
            {"fabric_physical_networks[0].interface": "eth0"},
            {},
            "fabric_physical_networks[0].interface: eth0 of network1 carries 198.18.0.1/24; remove it, or name another",
        ),
    ],
)
def test_fault(changes: dict[str, Any], facts: dict[str, Any], fault: str) -> None:
    (found,) = faults_of(changed(sample(), changes), facts=facts or facts_of(NODES))
    assert found.startswith(fault)


def test_nodes_of_one_fabric_talk_one_ip_version() -> None:
    facts = with_interface("eth1", addresses=["2001:db8::2/64"])
    for types in (facts[node]["datapath_types"] for node in NODES):
        types[:] = ["system"]
    (fault,) = faults_of(sample(), facts=facts)
    assert fault == (
        "fabric_underlay: addresses are of different IP versions (compute1 2001:db8::2/64, compute2 192.0.2.3/24, "
        "network1 192.0.2.1/24); set underlay_address in fabric_nodes"
    )


def test_the_underlay_address_is_known_after_a_boot_whose_rebuild_failed() -> None:
    """Network managers leave the interface alone, so that nobody has the address that br-phy had."""
    expected = named(build(sample(), "compute1"), "ip_interface", "br-phy")["addresses"]
    facts = with_interface("eth1", addresses=[])
    facts["compute1"]["kept"] = {"fabric": {"addresses": {"br-phy": expected}}}
    assert named(build(sample(), "compute1", facts), "ip_interface", "br-phy")["addresses"] == expected
    for kept in (None, 1, {"fabric": 1}, {"fabric": {"addresses": {"br-phy": ["x", None]}}}, {"other": facts}):
        facts["compute1"]["kept"] = kept
        assert any("is not known" in fault for fault in faults_of(sample(), facts=facts))


def test_a_node_that_could_not_be_asked_is_named() -> None:
    facts = facts_of(NODES)
    del facts["compute2"]
    address, mtu = faults_of(sample(), facts=facts)
    unknown = "is not known, since the node could not be asked"
    assert address.startswith(f"compute2: the address of its underlay interface eth1 {unknown}; set fabric_nodes.comp")
    assert mtu == f"compute2: the MTU of its underlay interface eth1 {unknown}; set fabric_underlay.mtu"


def test_a_node_that_is_pinned_need_not_be_asked() -> None:
    facts = facts_of(NODES)
    pinned = {"fabric_nodes": {"compute2": {"underlay_address": "192.0.2.3/24"}}, "fabric_underlay.mtu": 1500}
    expected = build(sample(), "network1", facts)
    del facts["compute2"]
    assert build(changed(sample(), pinned), "network1", facts) == expected


def test_the_node_itself_has_to_be_asked() -> None:
    facts = facts_of(NODES)
    del facts["network1"]
    faults = faults_of(sample(), facts=facts)
    assert faults[0] == "network1: there are no facts of this node; it has to be reached before it can be built"


MALFORMED = [
    ("datapath_types", ["a"], "datapath_types must be a list out of system, netdev, not ['a']"),
    ("datapath_types", "netdev", "datapath_types must be a list out of"),
    ("datapath_types", [["x"]], "datapath_types must be a list out of"),
    ("interfaces", [1], "interfaces must be a dictionary by name, not [1]"),
    ("interfaces", {"eth1": "x"}, "interfaces.eth1 must be a dictionary, not 'x'"),
    ("interfaces.eth1.mtu", "abc", "interfaces.eth1.mtu must be a whole number from 0 to 2147483647, not 'abc'"),
    ("interfaces.eth1.mtu", -1, "interfaces.eth1.mtu must be"),
    ("interfaces.eth1.mtu", 10**400, "interfaces.eth1.mtu must be"),
    ("interfaces.eth1.mtu", True, "interfaces.eth1.mtu must be"),
    ("interfaces.eth1.mac", ["x"], "interfaces.eth1.mac must be text"),
    ("interfaces.eth1.mac", "\x1b[2J", "interfaces.eth1.mac must be text, not '\\x1b[2J'"),
    ("interfaces.eth1.addresses", "192.0.2.1", "interfaces.eth1.addresses must be a list of addresses"),
    ("interfaces.eth1.addresses", ["x"], "interfaces.eth1.addresses must be a list of addresses"),
    ("interfaces.eth1.addresses", [7], "interfaces.eth1.addresses must be a list of addresses"),
    ("interfaces.eth1.addresses", ["127.0.0.1/8"], "interfaces.eth1.addresses must be addresses by which a host"),
    ("interfaces.eth1.addresses", ["224.0.0.1/8"], "interfaces.eth1.addresses must be addresses by which a host"),
    ("bridges", "x", "bridges must be a dictionary by name"),
    ("bridges", {"br-phy": 7}, "bridges.br-phy must be a dictionary, not 7"),
    ("bridges", {"br-phy": {"owner": "fabric", "ports": 7}}, "bridges.br-phy.ports must be a list of names, not 7"),
    ("bridges", {"br-phy": {"owner": ["fabric"], "ports": []}}, "bridges.br-phy.owner must be text"),
]


@pytest.mark.parametrize(("path", "value", "line"), MALFORMED)
def test_a_malformed_fact_is_a_fault_of_its_node_alone(path: str, value: Any, line: str) -> None:
    facts = facts_of(NODES)
    *parents, last = path.split(".")
    place: Any = facts["compute1"]
    for parent in parents:
        place = place[parent]
    place[last] = value
    (fault,) = faults_of(sample(), "compute1", facts)
    assert fault.startswith(f"compute1: its fact {line}")
    assert fault.isprintable()
    for node, number in (("network1", 3), ("compute2", 1)):
        (mesh,) = of_kind(build(sample(), node, facts), "ovs_tunnel")
        assert mesh["remotes"] == [f"192.0.2.{number}"]
        (note,) = notes(sample(), node, facts)
        assert note.startswith(fault)
    pinned = changed(sample(), {"fabric_nodes": {"compute1": {"underlay_address": "192.0.2.2/24"}}})
    (mesh,) = of_kind(build(pinned, "compute2", facts), "ovs_tunnel")
    assert sorted(mesh["remotes"]) == ["192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize("value", [7, "x", [1]])
def test_facts_that_are_none(value: Any) -> None:
    facts = {**facts_of(NODES), "compute1": value}
    assert faults_of(sample(), "compute1", facts)[0].startswith("compute1: its fact set must be a dictionary")
    assert faults_of(sample(), "compute2", facts) == []


def test_a_small_mtu_is_a_fault_of_its_node_and_shrinks_nothing() -> None:
    facts = with_interface("eth1", mtu=700)
    (fault,) = faults_of(sample(), "compute1", facts)
    assert fault == (
        "compute1: its eth1 has an MTU of 700; networks are not made smaller than 1280 for it: give it at least 1334, "
        "or set fabric_underlay.mtu"
    )
    assert named(build(sample(), "network1", facts), "dnsmasq_netns", "blue")["mtu"] == 1446
    assert notes(sample(), "network1", facts) == [fault]
    pinned = changed(sample(), {"fabric_underlay.mtu": 1400})
    assert faults_of(pinned, "compute1", facts)[0].startswith("fabric_underlay.mtu: 1400 is more than the MTU 700 of")
    assert named(build(pinned, "network1", facts), "dnsmasq_netns", "blue")["mtu"] == 1346
    asked = changed(sample(), {"fabric_underlay.mtu": 700})
    assert named(build(asked, "compute1", facts), "ovs_tunnel", "vxlan")


def test_a_lesser_mtu_is_told_with_its_node() -> None:
    (note,) = notes(sample(), "network1", with_interface("eth1", mtu=1400))
    assert note.startswith("compute1: its eth1 has an MTU of 1400, others have up to 1500; all networks that tunnels")
    assert notes(sample(), "network1", facts_of(NODES)) == []


@pytest.mark.parametrize("pinned", [{}, {"fabric_underlay.mtu": 1500}])
def test_an_underlay_interface_that_is_not_there(pinned: dict[str, Any]) -> None:
    document = changed(sample(), {"fabric_underlay.interface": "eth7", **pinned})
    for node in NODES:
        assert f"fabric_underlay.interface: {node} has no interface eth7" in faults_of(document, node)


def test_a_leased_underlay_address_is_a_fault_where_it_would_move() -> None:
    facts = with_interface("eth1", leased=["192.0.2.2/24"])
    (fault,) = faults_of(sample(), "compute1", facts)
    assert fault == (
        "fabric_underlay.interface: compute1 has 192.0.2.2/24 of eth1 by a lease (DHCP), and nobody would renew it on "
        "br-phy; give the host this address statically where eth1 is configured now"
    )
    facts["compute1"]["datapath_types"] = ["system"]
    assert named(build(sample(), "compute1", facts), "ovs_tunnel", "vxlan")["local_ip"] == "192.0.2.2"
