# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floating IPs, port forwards and rules of routers: what they make, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_samples import build, changed, faults_of, named, of_kind, sample

from ansible_collections.netvirt.fabric.plugins.module_utils._registry import parse

FLOATING = {"address": "203.0.113.20", "router": "r1", "guest": "vm1"}
FORWARD = {"port": "80", "guest": "vm2", "to_port": 8080}
RULE = {"name": "web", "action": "drop", "from": ["blue"], "to": ["outside"], "protocol": "tcp", "ports": [80, "90-91"]}
ROUTER = "fabric_routers[0]"
RED = {"name": "red", "mode": "nat", "vlan": 20, "cidr": "10.0.20.0/24", "router": "r1"}
VM3 = {"name": "vm3", "node": "compute1", "networks": [{"network": "blue"}, {"network": "red", "address": "10.0.20.9"}]}


def made(changes: dict[str, Any], node: str = "network1") -> list[dict[str, Any]]:
    """Return the resources of a node; the kinds take them."""
    resources = build(changed(sample(), changes), node)
    assert parse(resources)
    return resources


def test_a_floating_ip_is_an_address_of_the_router_and_leads_to_the_guest() -> None:
    resources = made({"fabric_floating_ips": [FLOATING]})
    inbound = named(resources, "nat_inbound", "inbound")
    assert inbound["floating_ips"] == [{"address": "203.0.113.20", "to": "10.0.10.11"}]
    assert (inbound["namespace"], inbound["out_interface"]) == ("nv-r1", "ex-r1")
    interfaces = named(resources, "netns_router", "nv-r1")["interfaces"]
    (outer,) = [item for item in interfaces if item["name"] == "ex-r1"]
    assert outer["addresses"] == ["203.0.113.10/24", "203.0.113.20/32"]
    assert of_kind(made({"fabric_floating_ips": [FLOATING]}, "compute1"), "nat_inbound") == []


def test_port_forwards_are_of_the_routers_own_address() -> None:
    forwards = [FORWARD, {"port": "9000-9009", "to": "10.0.10.77", "protocol": "udp"}]
    inbound = named(made({f"{ROUTER}.port_forwards": forwards}), "nat_inbound", "inbound")
    assert inbound["port_forwards"] == [
        {"protocol": "tcp", "address": "203.0.113.10", "port": "80", "to": "10.0.10.12", "to_port": 8080},
        {"protocol": "udp", "address": "203.0.113.10", "port": "9000-9009", "to": "10.0.10.77", "to_port": 9000},
    ]


def test_rules_name_the_routers_ports() -> None:
    (rule,) = named(made({f"{ROUTER}.rules": [RULE]}), "packet_filter", "router")["rules"]
    assert (rule["from"], rule["to"], rule["ports"]) == (["gw-blue"], ["ex-r1"], ["80", "90-91"])


def test_a_guest_with_several_nics_is_reached_on_the_one_that_is_named() -> None:
    changes = {"fabric_networks[1]": RED, "fabric_guests[2]": VM3}
    floating = {**FLOATING, "guest": "vm3", "network": "red"}
    inbound = named(made({**changes, "fabric_floating_ips": [floating]}), "nat_inbound", "inbound")
    assert inbound["floating_ips"] == [{"address": "203.0.113.20", "to": "10.0.20.9"}]


def test_without_them_there_is_no_table() -> None:
    resources = made({})
    assert of_kind(resources, "nat_inbound") == []
    assert "rules" not in named(resources, "packet_filter", "router")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"router": "r9"}, "fabric_floating_ips[0].router: there is no router 'r9' in fabric_routers"),
        ({"guest": "vm9"}, "fabric_floating_ips[0].guest: guest 'vm9' is not on any network of router 'r1'"),
        ({"network": "red"}, "fabric_floating_ips[0].guest: guest 'vm1' is not on network 'red'"),
        ({"guest": None, "to": "10.9.9.9"}, "fabric_floating_ips[0].to: 10.9.9.9 is in no network of router 'r1'"),
        ({"guest": None}, "fabric_floating_ips[0].guest: is required, or to"),
        ({"to": "10.0.10.11"}, "fabric_floating_ips[0].to: cannot be combined with guest"),
        ({"guest": None, "to": "10.0.10.254"}, "fabric_floating_ips[0].to: 10.0.10.254 is the address of router 'r1'"),
        ({"address": "203.0.113.10"}, "fabric_floating_ips[0].address: 203.0.113.10 is already used by fabric_routers"),
        ({"address": "203.0.113.1"}, "fabric_floating_ips[0].address: 203.0.113.1 is already used by fabric_routers"),
        ({"address": "203.0.113.255"}, "fabric_floating_ips[0].address: 203.0.113.255 is the broadcast address"),
        ({"address": "10.0.10.40"}, "fabric_floating_ips[0].address: 10.0.10.40 is in 10.0.10.0/24 of 'blue', inside"),
        ({"address": "2001:db8::1"}, "fabric_floating_ips[0].address: must be an IPv4 address"),
    ],
)
def test_faults_of_floating_ips(changes: dict[str, Any], fault: str) -> None:
    (found,) = faults_of(changed(sample(), {"fabric_floating_ips": [{**FLOATING, **changes}]}))
    assert found.startswith(fault)


def test_a_floating_ip_is_for_one_guest_and_a_guest_has_one() -> None:
    twice = [FLOATING, {**FLOATING, "guest": "vm2"}]
    assert faults_of(changed(sample(), {"fabric_floating_ips": twice})) == [
        "fabric_floating_ips[1].address: 203.0.113.20 is already used by fabric_floating_ips[0]"
    ]
    two = [FLOATING, {**FLOATING, "address": "203.0.113.21"}]
    (found,) = faults_of(changed(sample(), {"fabric_floating_ips": two}))
    assert found.startswith("fabric_floating_ips[1]: 10.0.10.11 has a floating IP already, in fabric_floating_ips[0]")


def test_a_guest_needs_an_address_in_the_document() -> None:
    changes = {"fabric_networks[1]": RED, "fabric_guests[2]": VM3}
    (found,) = faults_of(
        changed(sample(), {**changes, "fabric_floating_ips": [{**FLOATING, "guest": "vm3", "network": "blue"}]})
    )
    assert found.endswith("guest 'vm3' has no address in fabric_guests[2].networks[0]; give it one")
    (found,) = faults_of(changed(sample(), {**changes, "fabric_floating_ips": [{**FLOATING, "guest": "vm3"}]}))
    assert found.endswith("guest 'vm3' has several NICs behind router 'r1'; say by network which is meant")


@pytest.mark.parametrize(
    ("forwards", "fault"),
    [
        ([{**FORWARD, "port": "0"}], "[0].port: must be a whole number from 1 to 65535"),
        ([{**FORWARD, "port": "90-80"}], "[0].port: must begin with the lower port"),
        ([{**FORWARD, "port": "80-81", "to_port": 65535}], "[0].to_port: 80-81 would end beyond port 65535"),
        ([{**FORWARD, "port": "1-2000", "to_port": 2}], "[0].to_port: a range that becomes another one has at most"),
        ([FORWARD, {**FORWARD, "port": "70-90", "to_port": 70}], "[0].port: tcp 80 is already forwarded, as 70-90 by"),
        ([{**FORWARD, "protocol": "icmp"}], "[0].protocol: must be one of tcp, udp, sctp"),
        ([{**FORWARD, "guest": "vm9"}], "[0].guest: guest 'vm9' is not on any network of router 'r1'"),
    ],
)
def test_faults_of_port_forwards(forwards: list[dict[str, Any]], fault: str) -> None:
    (found,) = faults_of(changed(sample(), {f"{ROUTER}.port_forwards": forwards}))
    assert found.startswith(f"{ROUTER}.port_forwards{fault}")


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ([RULE, RULE], "[1].name: 'web' is used twice"),
        ([{**RULE, "to": ["red"]}], "[0].to: network 'red' is not on router 'r1'"),
        ([{**RULE, "protocol": None}], "[0]: has ports, and needs the protocol tcp, udp, sctp"),
        ([{**RULE, "source": "fd00::/8", "destination": "10.0.0.0/8"}], "[0]: mixes IPv4 and IPv6"),
        ([{**RULE, "source": "0.0.0.0/0"}], "[0].source: must be left out to mean any, instead of 0.0.0.0/0"),
        ([{**RULE, "log": "often"}], "[0].log: must be true or false"),
        ([{**RULE, "action": "forbid"}], "[0].action: must be one of accept, drop, reject"),
    ],
)
def test_faults_of_rules(rules: list[dict[str, Any]], fault: str) -> None:
    (found,) = faults_of(changed(sample(), {f"{ROUTER}.rules": rules}))
    assert found.startswith(f"{ROUTER}.rules{fault}")
