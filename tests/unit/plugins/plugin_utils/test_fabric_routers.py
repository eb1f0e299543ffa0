# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which networks a router joins, by what legs, and what keeps the node's own stack off them."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_samples import NODES, build, changed, facts_of, faults_of, named, of_kind, sample

from ansible_collections.netvirt.fabric.plugins.module_utils._registry import parse

RED = {"name": "red", "mode": "routed", "vlan": 20, "cidr": "10.0.20.0/24", "cidr6": "fd00:20::/64", "router": "r1"}
GREEN = {"name": "green", "mode": "nat", "vlan": 30, "cidr": "10.0.30.0/24", "router": "r1"}
THREE = {"fabric_networks[1]": RED, "fabric_networks[2]": GREEN}


def filtered(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the filter of the router."""
    document = changed(sample(), {**THREE, **changes})
    return named(build(document, "network1"), "packet_filter", "router")


def admitted(routes_between: Any) -> list[tuple[list[str], list[str]]]:
    """Return from which of the router's ports to which others connections may be begun."""
    found = filtered({"fabric_routers[0].routes_between": routes_between})
    return [(entry["from"], entry["to"]) for entry in found["admitted"]]


INSIDE, OUT = ["gw-blue", "gw-red", "gw-green"], ["ex-r1"]
OUTWARD = [(["gw-blue", "gw-green"], OUT), (["gw-red"], OUT), (OUT, ["gw-red"])]


def test_a_router_routes_between_all_its_networks() -> None:
    assert admitted(None) == [(INSIDE, INSIDE), *OUTWARD]


def test_a_router_may_route_between_none_of_its_networks() -> None:
    assert admitted([]) == [*(([port], [port]) for port in INSIDE), *OUTWARD]


def test_a_router_routes_between_the_networks_of_a_group() -> None:
    groups = [["gw-blue", "gw-red"], ["gw-red", "gw-green"]]
    found = admitted([["blue", "red"], ["red", "green"]])
    assert found == [*((group, group) for group in groups), *(([port], [port]) for port in INSIDE), *OUTWARD]


def test_only_what_leaves_networks_of_mode_nat_is_translated() -> None:
    assert [entry["from"] for entry in filtered({})["admitted"] if entry.get("translated")] == [["gw-blue", "gw-green"]]


def test_each_port_of_a_router_has_the_sources_of_its_network() -> None:
    assert filtered({})["ports"] == [
        {"interface": "gw-blue", "sources": ["10.0.10.0/24"]},
        {"interface": "gw-red", "sources": ["10.0.20.0/24", "fd00:20::/64"]},
        {"interface": "gw-green", "sources": ["10.0.30.0/24"]},
        {"interface": "ex-r1"},
    ]


@pytest.mark.parametrize(
    ("groups", "fault"),
    [
        ("none", "fabric_routers[0].routes_between: must be a list, not 'none'"),
        ([["blue"]], "fabric_routers[0].routes_between[0]: must be a list of two networks or more, not ['blue']"),
        ([["blue", "pink"]], "fabric_routers[0].routes_between[0]: there is no network 'pink' in fabric_networks"),
        ([["blue", "lone"]], "fabric_routers[0].routes_between[0]: network 'lone' is not on router 'r1'"),
    ],
)
def test_faults_of_groups(groups: Any, fault: str) -> None:
    lone = {"name": "lone", "mode": "isolated", "vlan": 40}
    document = changed(sample(), {"fabric_networks[1]": lone, "fabric_routers[0].routes_between": groups})
    assert faults_of(document) == [fault]


def test_one_leg_may_carry_all_networks() -> None:
    changes = {**THREE, "fabric_networks[2].mtu": 1400, "fabric_routers[0].legs": "trunk"}
    resources = build(changed(sample(), changes), "network1")
    assert parse(resources)
    port = named(resources, "ovs_port_vlan", "rt-r1")
    assert (port["bridge"], port["mode"], port["trunks"]) == ("br-int", "trunk", [10, 20, 30])
    pair = named(resources, "veth_pair", "rt-r1")
    assert (pair["peer"]["name"], pair["peer"]["namespace"], pair["mtu"]) == ("tk-r1", "nv-r1", 1446)
    links = {item["name"]: (item["parent"], item["vlan"], item["mtu"]) for item in of_kind(resources, "link_vlan")}
    assert links == {"gw-blue": ("tk-r1", 10, 1446), "gw-red": ("tk-r1", 20, 1446), "gw-green": ("tk-r1", 30, 1400)}
    interfaces = {item["name"]: item for item in named(resources, "netns_router", "nv-r1")["interfaces"]}
    assert interfaces["tk-r1"] == {"name": "tk-r1", "addresses": [], "up": True, "ipv6": False}
    assert interfaces["gw-red"]["addresses"] == ["10.0.20.1/24", "fd00:20::1/64"]
    assert [item["name"] for item in of_kind(resources, "veth_pair")] == ["rt-r1", "xl-r1"]


def test_the_nodes_own_stack_is_kept_off_every_port_and_bridge() -> None:
    def isolated(resources: Any) -> Any:
        return named(resources, "packet_filter", "fabric")["isolated_interfaces"]

    assert isolated(build(sample(), "network1")) == ["br-ex", "br-int", "br-tun", "eth1", "eth2", "rl-blue", "xl-r1"]
    assert isolated(build(sample(), "compute1")) == ["br-int", "br-tun", "eth1", "tap-vm1"]
    bond = {"name": "public", "interfaces": ["eth2", "eth3"]}
    facts = facts_of(NODES)
    facts["network1"]["interfaces"]["eth3"] = facts["network1"]["interfaces"]["eth2"]
    resources = build(changed(sample(), {"fabric_physical_networks[0]": bond}), "network1", facts)
    assert isolated(resources) == ["br-ex", "br-int", "br-tun", "eth1", "eth2", "eth3", "rl-blue", "xl-r1"]
    facts["network1"]["interfaces"]["br-ex"] = {
        **facts["network1"]["interfaces"]["eth2"],
        "addresses": ["203.0.113.9/24"],
    }
    assert "br-ex" not in isolated(build(sample(), "network1", facts)), "the host itself is there"
