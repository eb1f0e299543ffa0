# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases and MAC addresses that stay when a router, a DHCP server or a network's name is another."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_samples import NODES, build, changed, facts_of, faults_of, named, sample

MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"
RANGE = ["10.0.10.100", "10.0.10.200"]
LEASE = {"mac": MAC, "address": "10.0.10.150", "seconds": 600}
RESERVED = named(build(sample(), "network1"), "dnsmasq_netns", "blue")["hosts"][0]["mac"]
MOVED = changed(sample(), {"fabric_routers[0].node": "compute1"})


def facts(*leases: dict[str, Any], node: str = "network1", name: str = "blue", **server: Any) -> dict[str, Any]:
    """Return facts in which a node has a DHCP server with these leases."""
    found = facts_of(NODES)
    for item in found.values():
        item["dhcp_servers"] = {}
    owner = "fabric"
    found[node]["dhcp_servers"][name] = {"owner": owner, "ranges": [RANGE], "leases": list(leases), **server}
    return found


def leases(document: Any, found: dict[str, Any], node: str = "compute1", name: str = "blue") -> Any:
    """Return what the server of the network is to start with on a node."""
    return named(build(document, node, found), "dnsmasq_netns", name).get("leases")


def renamed(name: str) -> Any:
    document = changed(sample(), {"fabric_networks[0].name": name})
    for guest in document["fabric_guests"]:
        guest["network"] = name
    return document


def test_leases_go_along_to_another_node() -> None:
    assert leases(MOVED, facts(LEASE)) == [LEASE]
    assert leases(MOVED, facts(LEASE, node="compute1")) is None, "it is there already"
    assert leases(MOVED, facts(LEASE, owner="other")) is None
    assert leases(sample(), facts(LEASE), "network1") is None


def test_leases_go_along_to_another_owner() -> None:
    taken_over = changed(MOVED, {"fabric_owner": "mall", "fabric_owner_was": "shop"})
    assert leases(taken_over, facts(LEASE, owner="shop")) == [LEASE]
    assert leases(taken_over, facts(LEASE, owner="mall")) == [LEASE]
    assert leases(taken_over, facts(LEASE)) is None


def test_leases_go_along_to_another_name() -> None:
    assert leases(renamed("azure"), facts(LEASE), "network1", "azure") == [LEASE]
    both = changed(renamed("azure"), {"fabric_routers[0].node": "compute1"})
    assert leases(both, facts(LEASE), "compute1", "azure") == [LEASE]
    assert leases(renamed("azure"), facts(LEASE, ranges=[["10.0.10.100", "10.0.10.199"]]), "network1", "azure") is None


def test_leases_of_networks_that_cannot_be_told_apart_stay_behind() -> None:
    found = facts(LEASE)
    found["network1"]["dhcp_servers"]["green"] = found["network1"]["dhcp_servers"]["blue"]
    assert leases(renamed("azure"), found, "network1", "azure") is None


@pytest.mark.parametrize(
    "lease",
    [
        {**LEASE, "address": "10.0.10.201"},
        {**LEASE, "address": "10.9.9.9"},
        {**LEASE, "mac": RESERVED},
    ],
)
def test_a_lease_that_the_server_would_not_give_is_left_out(lease: dict[str, Any]) -> None:
    assert leases(MOVED, facts(lease, LEASE)) == [LEASE]


def test_each_address_and_client_counts_once_and_no_lease_is_longer_than_a_new_one() -> None:
    told = facts(LEASE, {**LEASE, "mac": OTHER}, {**LEASE, "address": "10.0.10.151"})
    assert leases(MOVED, told) == [LEASE]
    for seconds in (0, 10**9):
        assert leases(MOVED, facts({**LEASE, "seconds": seconds})) == [{**LEASE, "seconds": 86400}]


@pytest.mark.parametrize(
    ("server", "line"),
    [
        ({"leases": "x"}, "leases must be a list of at most 4096 leases, each with mac, address and seconds, not 'x'"),
        ({"leases": [{**LEASE, "mac": "x"}]}, "leases must be a list of at most 4096 leases"),
        ({"leases": [{**LEASE, "mac": "52-54-00-00-00-01"}]}, "leases must be a list of at most 4096 leases"),
        ({"leases": [{**LEASE, "address": 7}]}, "leases must be a list of at most 4096 leases"),
        ({"leases": [{**LEASE, "seconds": True}]}, "leases must be a list of at most 4096 leases"),
        ({"leases": [{**LEASE, "more": 1}]}, "leases must be a list of at most 4096 leases"),
        ({"leases": [LEASE] * 4097}, "leases must be a list of at most 4096 leases"),
        ({"ranges": [["10.0.10.100"]]}, "ranges must be a list of pairs of IPv4 addresses"),
        ({"ranges": [["10.0.10.100", {}]]}, "ranges must be a list of pairs of IPv4 addresses"),
        ({"owner": []}, "owner must be text, not []"),
    ],
)
def test_a_node_that_tells_something_else_is_named(server: dict[str, Any], line: str) -> None:
    (fault,) = faults_of(sample(), "network1", facts(**server))
    assert fault.startswith(f"network1: its fact dhcp_servers.blue.{line}")


def test_the_gateway_has_its_mac_address_on_each_node_and_under_each_name() -> None:
    def mac(document: Any, node: str, port: str) -> str:
        found: str = named(build(document, node), "veth_pair", port)["peer"]["mac"]
        return found

    first = mac(sample(), "network1", "rl-blue")
    assert mac(MOVED, "compute1", "rl-blue") == first
    assert mac(renamed("azure"), "network1", "rl-azure") == first
    router = changed(sample(), {"fabric_routers[0].name": "edge", "fabric_networks[0].router": "edge"})
    assert mac(router, "network1", "rl-blue") == first
    assert mac(changed(sample(), {"fabric_networks[0].vlan": 11}), "network1", "rl-blue") != first
    assert mac(changed(sample(), {"fabric_owner": "other"}), "network1", "rl-blue") != first
    taken_over = changed(sample(), {"fabric_owner": "other", "fabric_owner_was": "fabric"})
    assert mac(taken_over, "network1", "rl-blue") == first
