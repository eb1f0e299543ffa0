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


def blocked(routes_between: Any) -> dict[str, list[str]]:
    """Return what each leg of the router may not reach."""
    document = changed(sample(), {**THREE, "fabric_routers[0].routes_between": routes_between})
    filters = [item for item in of_kind(build(document, "network1"), "packet_filter") if "namespace" in item]
    assert len(filters) <= 1
    return {entry["interface"]: entry["destinations"] for item in filters for entry in item["blocked"]}


def test_a_router_routes_between_all_its_networks() -> None:
    assert blocked(None) == {}
    assert blocked([["blue", "red", "green"]]) == {}


def test_a_router_may_route_between_none_of_its_networks() -> None:
    assert blocked([]) == {
        "gw-blue": ["10.0.20.0/24", "fd00:20::/64", "10.0.30.0/24"],
        "gw-red": ["10.0.10.0/24", "10.0.30.0/24"],
        "gw-green": ["10.0.10.0/24", "10.0.20.0/24", "fd00:20::/64"],
    }


def test_a_router_routes_between_the_networks_of_a_group() -> None:
    assert blocked([["blue", "red"], ["red", "green"]]) == {"gw-blue": ["10.0.30.0/24"], "gw-green": ["10.0.10.0/24"]}


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
    assert interfaces["tk-r1"] == {"name": "tk-r1", "addresses": [], "up": True}
    assert interfaces["gw-red"]["addresses"] == ["10.0.20.1/24", "fd00:20::1/64"]
    assert [item["name"] for item in of_kind(resources, "veth_pair")] == ["rt-r1", "xl-r1"]


def test_the_nodes_own_stack_is_kept_off_every_port() -> None:
    resources = build(sample(), "network1")
    isolated = named(resources, "packet_filter", "fabric")["isolated_interfaces"]
    assert isolated == ["eth1", "eth2", "rl-blue", "xl-r1"]
    assert named(build(sample(), "compute1"), "packet_filter", "fabric")["isolated_interfaces"] == ["eth1", "tap-vm1"]
    bond = {"name": "public", "interfaces": ["eth2", "eth3"]}
    facts = facts_of(NODES)
    facts["network1"]["interfaces"]["eth3"] = facts["network1"]["interfaces"]["eth2"]
    resources = build(changed(sample(), {"fabric_physical_networks[0]": bond}), "network1", facts)
    isolated = named(resources, "packet_filter", "fabric")["isolated_interfaces"]
    assert isolated == ["eth1", "eth2", "eth3", "rl-blue", "xl-r1"]
