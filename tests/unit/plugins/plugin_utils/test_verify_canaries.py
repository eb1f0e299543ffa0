# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canaries: where they stand, what they are made of, and what they ask."""

from __future__ import annotations

from typing import Any

import pytest
from answering_fleet import OTHER_NETWORK, Fleet, as_it_should_be, proof, told
from fabric_samples import NODES, changed, facts_of, sample

from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node

WEB = {"direction": "ingress", "protocol": "tcp", "ports": ["80", "8000-8010"], "remote_group": "web"}
GROUPS = {"fabric_security_groups": [{"name": "web", "rules": [{"direction": "egress"}, WEB]}]}
GROUP_RULES = [
    {"direction": "ingress", "protocol": "icmp", "icmp_type": 8},
    {"direction": "ingress", "protocol": "icmp", "icmp_type": 13},
]
FILTERED = changed(sample(), {**GROUPS, **{f"fabric_guests[{index}].security_groups": ["web"] for index in (0, 1)}})


def of(fleet: Fleet, kind: str, node: str) -> list[dict[str, Any]]:
    return [item[kind] for item in fleet.canaries[node] if kind in item]


def flows(resources: list[dict[str, Any]]) -> dict[str, str]:
    """Return the actions of all flows by their matches."""
    found = [flow for item in resources if "ovs_flow" in item for flow in item["ovs_flow"]["flows"]]
    return {flow.partition(" actions=")[0]: flow.partition(" actions=")[2] for flow in found}


def test_one_is_a_port_with_a_namespace_behind_it() -> None:
    fleet = Fleet(sample())
    fleet.run()
    (port,), (pair,), (namespace,) = (
        of(fleet, kind, "compute1") for kind in ("ovs_port_vlan", "veth_pair", "netns_router")
    )
    assert (port["name"], port["tag"], pair["peer"]["namespace"]) == (pair["name"], 10, namespace["name"])
    assert (namespace["ip_forward"], namespace["routes"][0]["via"]) == (False, "10.0.10.254")
    assert [fleet.canaries[node] for node in ("network1", "compute2")] == [[], []]


@pytest.mark.parametrize("document", [sample(), FILTERED])
def test_no_flow_of_a_guest_is_touched(document: dict[str, Any]) -> None:
    fleet = Fleet(document)
    fleet.run()
    for node in NODES:
        built = flows(compile_node(document, node, facts_of(NODES), NODES)["resources"])
        assert not built.keys() & flows(fleet.canaries[node]).keys()


def test_members_of_a_group_have_one_on_two_nodes() -> None:
    fleet = Fleet(FILTERED)
    fleet.run()
    assert [len(of(fleet, "netns_router", node)) for node in NODES] == [0, 1, 1]
    alone = changed(FILTERED, {"fabric_guests[1].node": "compute1"})
    fleet = Fleet(alone)
    fleet.run()
    assert [len(of(fleet, "netns_router", node)) for node in NODES] == [0, 2, 0]


def test_a_network_without_guests_has_one() -> None:
    fleet = Fleet(changed(sample(), {"fabric_networks[1]": OTHER_NETWORK["fabric_networks[1]"]}))
    fleet.run()
    assert [len(of(fleet, "netns_router", node)) for node in NODES] == [1, 1, 0]


def test_the_ports_of_rules_are_asked_and_those_beside_them() -> None:
    fleet = Fleet(FILTERED)
    fleet.canary = lambda probe, *known: {"rc": 1} if "connect" in probe else as_it_should_be(probe, *known)
    report = fleet.run()
    ports = {probe["connect"]["port"] for probe in fleet.canary_checks["compute1"] if "connect" in probe}
    assert ports == {80, 81, 8000, 8010, 8011}
    shown = [check["what"] for item in report["guests"] if item["canary"] for check in item["checks"]]
    wanted = [line for line in shown if "port" in line]
    assert [line.rpartition(" ")[2] for line in wanted if not line.startswith("not")] == ["80", "8000", "8010"] * 2


@pytest.mark.parametrize(
    ("kind", "answer", "found"),
    [
        ("dhcp", told("10.0.10.9", "10.0.10.254"), "DHCP server: expected 10.0.10.254, found 10.0.10.9, 10.0.10.254"),
        ("dhcp", told(), "DHCP server: expected 10.0.10.254, found none"),
        ("arp", told("52:54:00:00:00:01", "52:54:00:aa:bb:01"), "address of vm1: expected 52:54:00:aa:bb:01, found "),
        ("arp", told("52:54:00:aa:bb:01"), "not vm1 by another MAC address: expected none, found 52:54:00:aa:bb:01"),
        ("arp", {"rc": 0, "stdout": "[[[", "stderr": ""}, "address of vm1: expected 52:54:00:aa:bb:01, found the node"),
    ],
)
def test_what_they_notice(kind: str, answer: dict[str, Any], found: str) -> None:
    fleet = Fleet(sample())
    fleet.canary = lambda probe, *known: answer if kind in probe else as_it_should_be(probe, *known)
    lines = [line for line in fleet.run()["failures"] if line.startswith("canary canary1 on compute1, network blue: ")]
    assert any(found in line for line in lines), lines


def test_what_nobody_tried_is_told() -> None:
    fleet = Fleet(sample())
    fleet.options = {}
    assert fleet.run()["unproven"] == [
        "network blue: what it reaches outside: set verify_upstream to an address there",
    ]


def test_rules_that_nobody_can_try_are_told() -> None:
    rules = [WEB, {**WEB, "protocol": "sctp"}, {"direction": "ingress", "remote_cidr": "192.0.2.0/24"}, *GROUP_RULES]
    fleet = Fleet(changed(FILTERED, {"fabric_security_groups[0].rules": [{"direction": "egress"}, *rules]}))
    assert [line for line in fleet.run()["unproven"] if "rules" in line] == [
        f"fabric_security_groups[0].rules[{index}]: no canary can try this rule" for index in (2, 3, 5)
    ]


def test_canaries_in_check_mode_are_not_there() -> None:
    fleet = Fleet(sample())
    fleet.canary = lambda *_known: {"error": "there is no namespace netvirt-canary1"}
    report = fleet.run()
    assert report["failures"] == []
    assert len(report["unproven"]) == len(fleet.canary_checks["compute1"])


def test_no_node_was_asked() -> None:
    """A network without guests then has no place for a canary."""
    document = changed(sample(), {"fabric_networks[1]": OTHER_NETWORK["fabric_networks[1]"]})
    assert proof(document, {})["canaries"] == {}
