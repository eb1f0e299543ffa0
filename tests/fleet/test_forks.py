# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten nodes at once come out as ten nodes one after the other."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netvirt_testing.lab import Lab, PlayResult

PLAYBOOK = Path(__file__).with_name("fabric.yml")
CONVERGE = "Converge the node"
# What the configuration says. Left out is what the switch reports, and what is drawn by lot: UUIDs and MAC addresses.
COLUMNS = {
    "Bridge": "name,datapath_type,fail_mode,protocols,external_ids",
    "Port": "name,tag,trunks,vlan_mode,external_ids",
    "Interface": "name,type,options,mtu_request,external_ids",
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Return the lab that ./test has brought up and names in NETVIRT_LAB."""
    running = Lab.attach(os.environ["NETVIRT_LAB"])
    yield running
    running.close()


def document(nodes: list[str]) -> dict[str, Any]:
    """Return a routed network with a port on each node."""
    return {
        "fabric_underlay": {"type": "vxlan", "interface": "eth1"},
        "fabric_physical_networks": [{"name": "public", "interface": "eth2"}],
        "fabric_networks": [
            {"name": "blue", "mode": "nat", "vlan": 10, "cidr": "10.0.10.0/24", "router": "r1", "dhcp": {}},
            {"name": "red", "mode": "isolated", "vlan": 20, "cidr": "10.0.20.0/24"},
        ],
        "fabric_routers": [
            {
                "name": "r1",
                "node": nodes[0],
                "external": {"network": "public", "address": "203.0.113.10/24", "gateway": "203.0.113.1"},
            }
        ],
        "fabric_guests": [
            {"name": f"{network}{number}", "node": node, "network": network}
            for number, node in enumerate(nodes, 1)
            for network in ("blue", "red")
        ],
    }


def play(lab: Lab, forks: int, **variables: Any) -> PlayResult:
    values = json.dumps({**document(lab.nodes), **variables})
    result = lab.playbook(PLAYBOOK, "--forks", str(forks), "-e", values)
    assert result.returncode == 0, result.output
    return result


def state(lab: Lab, node: str) -> dict[str, Any]:
    """Return what a node has, in a form that is the same for the same configuration."""
    found: dict[str, Any] = {}
    for table, columns in COLUMNS.items():
        listing = lab.json(node, ["ovs-vsctl", "--format=json", f"--columns={columns}", "list", table])
        found[table] = sorted(json.dumps(row) for row in listing["data"])
    for namespace in ("", *sorted(item["name"] for item in lab.json(node, ["ip", "-j", "netns", "list"]))):
        inside = ["-n", namespace] if namespace else []
        links = lab.json(node, ["ip", *inside, "-j", "address"])
        found[f"addresses in {namespace!r}"] = {
            link["ifname"]: sorted(
                f"{item['local']}/{item['prefixlen']}" for item in link["addr_info"] if item["scope"] != "link"
            )
            for link in links
        }
        routes = lab.json(node, ["ip", *inside, "-j", "route", "show", "table", "all"])
        found[f"routes in {namespace!r}"] = sorted(
            f"{route['dst']} {route.get('gateway')} {route.get('dev')}"
            for route in routes
            if ":" not in route["dst"] and route.get("type") != "multicast"
        )
        words = ["ip", "netns", "exec", namespace] if namespace else []
        tables = lab.run(node, [*words, "nft", "--stateless", "list", "ruleset"]).stdout
        found[f"nft in {namespace!r}"] = tables
    return found


def test_ten_at_once(lab: Lab, record_property: Callable[[str, object], None]) -> None:
    empty = {node: state(lab, node) for node in lab.nodes}
    reached, seconds = {}, {}
    for forks in (1, 10):
        start = time.monotonic()
        built = play(lab, forks)
        seconds[forks] = round(time.monotonic() - start, 1)
        assert {task.host for task in built.changed if CONVERGE in task.task} == set(lab.nodes)
        reached[forks] = {node: state(lab, node) for node in lab.nodes}
        assert not play(lab, 10).changed
        play(lab, 10, fabric_state="absent")
        assert {node: state(lab, node) for node in lab.nodes} == empty
    assert reached[1] != empty
    assert reached[10] == reached[1]
    record_property("seconds to build ten nodes, by forks", seconds)
