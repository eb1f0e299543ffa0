# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs over tunnels: GRE, then VXLAN, then a node that joins and leaves. The tests build on one another."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from netvirt_testing.guests import Guests, stand_ins
from netvirt_testing.lab import Lab, PlayResult
from netvirt_testing.paths import ROOT

FIRST = ("compute1", "compute2")
THIRD = "network1"
NEWCOMER = {"name": "vm5", "node": THIRD, "network": "blue", "address": "10.0.0.15"}
LOST_MAX = 5  # of an echo request every 0.2 s
Record = Callable[[str, object], None]


def example(name: str) -> dict[str, Any]:
    """Return the document of an example."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples" / name / "fabric.yml").read_text(encoding="utf-8"))
    return found


def joined(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with a guest on a third node."""
    return {**document, "fabric_guests": [*document["fabric_guests"], NEWCOMER]}


class Fleet:
    """The nodes, and the guests that stand on them."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.directory = directory
        self.guests: dict[str, Guests] = {}  # by node

    def converge(self, document: Mapping[str, Any], *roles: str, state: str = "present") -> PlayResult:
        """Bring all nodes of the inventory to a document; it must work."""
        path = self.directory / "fabric.yml"
        play = {"hosts": "all:!localhost", "gather_facts": False, "roles": [*roles, "netvirt.fabric.fabric"]}
        path.write_text(json.dumps([{**play, "vars": {**document, "fabric_state": state}}]), encoding="utf-8")
        result = self.lab.playbook(path)
        assert result.returncode == 0, result.output
        return result

    def stand_in(self, document: Mapping[str, Any], built: PlayResult, *nodes: str) -> None:
        """Put a namespace in the place of each guest of some nodes."""
        compiled = stand_ins(self.lab, built, document["fabric_networks"]).compiled
        for node in nodes:
            self.guests[node] = Guests(self.lab, {node: compiled[node]})
            self.guests[node].up()

    def leave(self, *nodes: str) -> None:
        """Remove the namespaces of some nodes."""
        for node in nodes:
            self.guests.pop(node).down()

    def reachable(self) -> set[frozenset[str]]:
        """Return the pairs of guests that reach each other; every guest asks for every other one."""
        address = {name: guests.address(name) for guests in self.guests.values() for name in guests.nodes}
        found: dict[tuple[str, str], bool] = {}
        for node, guests in self.guests.items():
            pairs = [(one, other) for one in guests.nodes for other in address if one != other]
            ping = ["ping", "-n", "-c", "5", "-i", "0.5", "-W", "5"]
            commands = [{"guest": one, "command": [*ping, address[other]]} for one, other in pairs]
            for one in guests.nodes:
                guests.run(one, "ip", "neighbour", "flush", "dev", "eth0")
            for pair, answer in zip(pairs, guests.run_all(node, commands)):
                found[pair] = answer.get("rc") == 0
        assert all(found[other, one] == answer for (one, other), answer in found.items()), found
        return {frozenset(pair) for pair, answer in found.items() if answer}

    def rows(self, node: str, table: str, *columns: str) -> dict[str, dict[str, Any]]:
        """Return the rows of a table of Open vSwitch by name, as ovs-vsctl shows them."""
        shown = self.lab.json(
            node, ["ovs-vsctl", "--format=json", f"--columns=name,{','.join(columns)}", "list", table]
        )
        found = [dict(zip(shown["headings"], row)) for row in shown["data"]]
        return {row["name"]: row for row in found}

    def switch(self, node: str) -> dict[str, dict[str, dict[str, Any]]]:
        """Return what must stay as it is when other nodes come and go: bridges, ports, port numbers."""
        return {
            "Bridge": self.rows(node, "Bridge", "_uuid", "datapath_id", "datapath_type", "fail_mode"),
            "Port": self.rows(node, "Port", "_uuid", "tag", "trunks", "vlan_mode", "other_config"),
            "Interface": self.rows(node, "Interface", "_uuid", "ofport", "type", "options", "error"),
        }

    def next_cfg(self, node: str) -> str:
        return self.lab.run(node, ["ovs-vsctl", "get", "Open_vSwitch", ".", "next_cfg"]).stdout.strip()


def operations(result: PlayResult, node: str) -> set[tuple[str, str, str]]:
    """Return what a run did to a node, but for keeping what it was told."""
    done = result.of(node, "Converge the node")["operations"]
    found = {(item["kind"], item["name"], item["action"]) for item in done}
    return {item for item in found if item[0] != "rebuild"}


@contextmanager
def echoes(fleet: Fleet, what: str, record: Record) -> Iterator[None]:
    """Send echo requests from vm1 to vm3 and from vm4 to vm2 meanwhile; record how many are lost, and bound them."""
    lab, asking = fleet.lab, {"vm1": ("compute1", "10.0.0.13"), "vm4": ("compute2", "10.0.0.12")}
    for guest, (node, target) in asking.items():
        assert fleet.guests[node].reaches(guest, target)
        unit = ["systemd-run", "--quiet", "--collect", f"--unit=echo-{guest}", "--property=KillSignal=SIGINT"]
        unit += [f"--property=StandardOutput=truncate:/run/echo-{guest}", "ip", "netns", "exec", f"guest-{guest}"]
        lab.run(node, [*unit, "ping", "-n", "-i", "0.2", target])
    try:
        yield
    finally:
        for guest, (node, _target) in asking.items():
            lab.run(node, ["systemctl", "stop", f"echo-{guest}"], check=False)
    for guest, (node, _target) in asking.items():
        summary = lab.run(node, ["tail", "-n", "4", f"/run/echo-{guest}"]).stdout
        counts = re.search(r"(\d+) packets transmitted, (\d+) received", summary)
        assert counts, summary
        sent, received = map(int, counts.groups())
        record(f"echo requests of {guest} lost while {what}", f"{sent - received} of {sent}")
        assert sent > 10
        assert sent - received <= LOST_MAX, summary


PAIRS = {frozenset({"vm1", "vm3"}), frozenset({"vm2", "vm4"})}


@pytest.fixture(scope="module")
def fleet(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    result = Fleet(lab, tmp_path_factory.mktemp("classic"))
    yield result
    result.leave(*result.guests)
    result.converge(example("classic_gre"), state="absent")


@pytest.fixture(scope="module")
def gre(fleet: Fleet) -> PlayResult:
    document = example("classic_gre")
    built = fleet.converge(document, "netvirt.fabric.hypervisor")
    fleet.stand_in(document, built, *FIRST)
    return built


def tunnels(switch: Mapping[str, Mapping[str, Any]], kind: str) -> set[str]:
    """Return the names of the tunnel ports of a type."""
    return {name for name, row in switch["Interface"].items() if row["type"] == kind}


def without(switch: Mapping[str, Mapping[str, Any]], names: set[str]) -> dict[str, dict[str, Any]]:
    return {table: {name: row for name, row in rows.items() if name not in names} for table, rows in switch.items()}


@pytest.mark.vm
def test_gre_carries_two_vlans_that_have_one_subnet(fleet: Fleet, gre: PlayResult) -> None:
    for node in FIRST:
        assert len(tunnels(fleet.switch(node), "gre")) == 1
        assert fleet.lab.uses_best_datapath(node)
    assert fleet.reachable() == PAIRS


def test_a_second_run_leaves_the_database_alone(fleet: Fleet, gre: PlayResult) -> None:
    before = [fleet.next_cfg(node) for node in FIRST]
    assert fleet.converge(example("classic_gre")).changed == []
    assert [fleet.next_cfg(node) for node in FIRST] == before


@pytest.mark.vm
def test_vxlan_replaces_the_tunnels_and_nothing_else(fleet: Fleet, gre: PlayResult) -> None:
    before = {node: fleet.switch(node) for node in FIRST}
    done = fleet.converge(example("classic_vxlan"))
    for node in FIRST:
        assert operations(done, node) == {("ovs_tunnel", "gre", "delete"), ("ovs_tunnel", "vxlan", "create")}
        after = fleet.switch(node)
        assert (len(tunnels(after, "vxlan")), tunnels(after, "gre")) == (1, set())
        assert without(after, tunnels(after, "vxlan")) == without(before[node], tunnels(before[node], "gre"))
    assert fleet.reachable() == PAIRS


def test_a_node_joins_and_leaves_beside_the_others(fleet: Fleet, gre: PlayResult, record_property: Record) -> None:
    """The nodes that stay get one tunnel port more, and lose just that again."""
    document = example("classic_vxlan")
    before = {node: fleet.switch(node) for node in FIRST}
    with echoes(fleet, "a node joined", record_property):
        done = fleet.converge(joined(document))
    for node in FIRST:
        assert operations(done, node) == {("ovs_tunnel", "vxlan", "update")}
        after = fleet.switch(node)
        added = tunnels(after, "vxlan") - tunnels(before[node], "vxlan")
        assert len(added) == 1
        assert without(after, added) == before[node]
    fleet.stand_in(document, done, THIRD)
    assert fleet.reachable() == PAIRS | {frozenset({"vm1", "vm5"}), frozenset({"vm3", "vm5"})}
    fleet.leave(THIRD)
    with echoes(fleet, "a node left", record_property):
        done = fleet.converge(document)
    for node in FIRST:
        assert operations(done, node) == {("ovs_tunnel", "vxlan", "update")}
        assert fleet.switch(node) == before[node]
    assert fleet.lab.run(THIRD, ["ovs-vsctl", "list-br"]).stdout == ""
    assert fleet.reachable() == PAIRS
    assert fleet.converge(document).changed == []
