# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that a physical network carries between two nodes: what is on one segment meets, and nothing else does.

Namespaces stand for guests. They all have addresses of the upstream's subnet: only segments keep them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

import pytest
import yaml

from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node
from netvirt_testing.lab import Lab
from netvirt_testing.paths import ROOT

NODES = ("compute1", "compute2")
UPSTREAM = "203.0.113.1"
NAMES = ("a", "b", "c", "f")
ADDRESSES = {
    f"{name}{number}": f"203.0.113.{40 + 10 * number + place}" for number in (1, 2) for place, name in enumerate(NAMES)
}
TOGETHER = {(f"{name}1", f"{name}2") for name in NAMES}


def network(name: str, vlan: int, wire: Optional[int]) -> dict[str, Any]:
    """Return a bridged network, which is untagged on the wire without a number there."""
    how = {"network_type": "vlan", "segmentation_id": wire} if wire else {"network_type": "flat"}
    return {"name": name, "mode": "bridged", "vlan": vlan, "physical_network": "office", **how}


def document(networks: list[dict[str, Any]], **uplink: Any) -> dict[str, Any]:
    """Return a document with a guest of each network on each node."""
    return {
        "fabric_physical_networks": [{"name": "office", **uplink}],
        "fabric_networks": networks,
        "fabric_guests": [
            {"name": f"{item['name']}{number}", "node": node, "network": item["name"]}
            for number, node in enumerate(NODES, 1)
            for item in networks
        ],
    }


SAME = [network("a", 10, 10), network("b", 20, 20), network("c", 30, 30), network("f", 7, None)]


def example(name: str) -> dict[str, Any]:
    """Return the document of an example."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "examples" / name / "fabric.yml").read_text(encoding="utf-8"))
    return document


class Fleet:
    """Two nodes that a document is applied to, with a namespace for each of its guests."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def apply(self, variables: dict[str, Any], state: str = "present") -> dict[str, bool]:
        """Bring the nodes to the document; return which of them changed. Segments alone keep the guests apart."""
        guests = [{**guest, "port_security": False} for guest in variables["fabric_guests"]]
        variables = {**variables, "fabric_guests": guests}
        facts = {node: self.lab.module(node, "node_info", {"timeout": 60}) for node in NODES}
        changed = {}
        for node in NODES:
            resources = compile_node(variables, node, facts, NODES, state)["resources"]
            result = self.lab.module(node, "apply", {"owner": "fabric", "resources": resources, "purge": True})
            assert not result["failed"], result
            changed[node] = bool(result["changed"])
        return changed

    def script(self, node: str, text: str, check: bool = True) -> int:
        return self.lab.run(node, ["sh", "-ec" if check else "-c", text], check=check).returncode

    def guests_up(self) -> None:
        for number, node in enumerate(NODES, 1):
            script = "".join(
                f"ip netns add nvt-{name}; ip link add tap-{name} type veth peer name eth0 netns nvt-{name};"
                f"ip link set tap-{name} up; ip -n nvt-{name} address add {address}/24 dev eth0;"
                f"ip -n nvt-{name} link set eth0 up; ip netns exec nvt-{name} ethtool -K eth0 tx off >/dev/null;"
                for name, address in ADDRESSES.items()
                if name.endswith(str(number))
            )
            self.script(node, script)

    def guests_down(self) -> None:
        for number, node in enumerate(NODES, 1):
            names = [name for name in ADDRESSES if name.endswith(str(number))]
            script = "".join(f"ip netns del nvt-{name}; ip link del tap-{name};" for name in names)
            self.script(node, f"({script}) 2>/dev/null", check=False)

    def reached(self, *names: str) -> dict[str, set[str]]:
        """Return whom each of these guests reaches, of the other guests and the upstream.

        Those of one node ask all at the same time.
        """
        found: dict[str, set[str]] = {name: set() for name in names}
        for number, node in enumerate(NODES, 1):
            script = ""
            for name in (name for name in names if name.endswith(str(number))):
                script += f"ip -n nvt-{name} neighbour flush all; "
                for other, address in {**ADDRESSES, "upstream": UPSTREAM}.items():
                    if other != name:
                        ping = f"ip netns exec nvt-{name} ping -q -n -c 3 -i 0.5 -W 3 {address} >/dev/null"
                        script += f"({ping} && echo {name} {other}) & "
            answers = self.lab.run(node, ["sh", "-c", f"{script}wait"]).stdout.splitlines() if script else []
            for name, other in map(str.split, answers):
                found[name].add(other)
        return found


def partners(upstream: tuple[str, ...] = ("f1", "f2")) -> dict[str, set[str]]:
    """Return who reaches whom where each network is a segment of both nodes."""
    both = TOGETHER | {(second, first) for first, second in TOGETHER}
    return {first: {second, *(["upstream"] if first in upstream else [])} for first, second in both}


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    """Return the nodes with the guests, which the documents of the tests give ports, one after the other."""
    result = Fleet(lab)
    result.guests_up()
    yield result
    result.guests_down()
    result.apply(example("trunk_uplink"), "absent")
    for node in NODES:
        assert lab.run(node, ["ovs-vsctl", "list-br"]).stdout == ""


def test_a_trunk_uplink_carries_vlans_and_an_untagged_network(fleet: Fleet) -> None:
    variables = document(SAME, interface="eth2")
    fleet.apply(variables)
    assert fleet.reached(*ADDRESSES) == partners()
    assert fleet.apply(variables) == dict.fromkeys(NODES, False)


def test_an_access_uplink_carries_one_network(fleet: Fleet) -> None:
    fleet.apply(example("access_uplink"))
    assert fleet.reached("f1") == {"f1": {"f2", "upstream"}}
    trunks = fleet.lab.run(NODES[0], ["ovs-vsctl", "get", "Port", "eth2", "trunks"]).stdout.strip()
    assert trunks == "[0]"


def test_vlans_are_translated_and_nothing_passes_without_the_flows(fleet: Fleet) -> None:
    """VLAN 1 inside is 100 on the wire and the other way round, so a missed translation would show."""
    variables = example("trunk_uplink")
    fleet.apply(variables)
    assert fleet.reached(*ADDRESSES) == partners()
    assert fleet.apply(variables) == dict.fromkeys(NODES, False)
    fleet.script(NODES[0], "ovs-ofctl del-flows br-ex")
    assert fleet.reached("a1", "c1", "f1") == {"a1": set(), "c1": set(), "f1": set()}
    assert fleet.apply(variables) == {NODES[0]: True, NODES[1]: False}
    assert fleet.reached("a1") == {"a1": {"a2"}}


def test_a_linux_bridge_joins_the_segment(fleet: Fleet) -> None:
    variables = document(SAME, linux_bridge="nvtbr0")
    fleet.apply(variables, "absent")  # the NIC, which is in a bridge of the test before
    try:
        for node in NODES:
            fleet.script(node, "ip link add nvtbr0 type bridge; ip link set eth2 master nvtbr0; ip link set nvtbr0 up")
        fleet.apply(variables)
        assert fleet.reached(*ADDRESSES) == partners()
        assert fleet.apply(variables) == dict.fromkeys(NODES, False)
    finally:
        fleet.apply(variables, "absent")
        for node in NODES:
            fleet.script(node, "ip link del nvtbr0", check=False)


def test_a_local_network_stays_on_its_node(fleet: Fleet) -> None:
    here = example("local")
    fleet.apply(here)
    assert fleet.reached("a1", "a2") == {"a1": {"b1"}, "a2": set()}
    fleet.apply(here, "absent")
