# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uplinks of two legs, in every mode of bonding: guests talk over them, a leg is pulled, and they still do.

Each leg goes to a switch of its own, a bridge of the lab. The switches are joined, but with LACP, which wants wires
between the two nodes: there the switches pass its frames on, and a wire that is cut is dead at both ends.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from netvirt_testing.guests import Guests, stand_ins
from netvirt_testing.lab import Lab, PlayResult
from netvirt_testing.paths import ROOT
from netvirt_testing.wires import NICS, busy_leg, joined, passing_lacp, pulled, wait_for

NODES = ("compute1", "compute2")
pytestmark = pytest.mark.vm
MODES: dict[str, dict[str, str]] = {
    "active-backup": {"bond_mode": "active-backup", "lacp": "off"},
    "balance-slb": {"bond_mode": "balance-slb", "lacp": "off"},
    "lacp": {"bond_mode": "balance-tcp", "lacp": "active"},
}
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "examples/bond/fabric.yml").read_text(encoding="utf-8"))
FIRST = "active-backup"
PORT = "bond-office"
INTERVAL = 0.05  # seconds between echo requests
FAILOVER_MAX = 10.0  # seconds; it takes a fraction of one where processors are at hand
Build = Callable[[str], PlayResult]


@contextmanager
def switches(lab: Lab, mode: str) -> Iterator[None]:
    """Join the switches, or let them pass LACP on."""
    with passing_lacp(lab, NODES) if mode == "lacp" else joined(lab):
        yield


def column(lab: Lab, node: str, table: str, record: str, name: str) -> Any:
    """Return one value of the database of Open vSwitch."""
    shown = lab.json(node, ["ovs-vsctl", "--format=json", f"--columns={name}", "list", table, record])
    ((value,),) = shown["data"]
    return value


def legs(lab: Lab, name: str) -> list[Any]:
    """Return what Open vSwitch says of all legs."""
    return [column(lab, node, "Interface", nic, name) for node in NODES for nic in NICS]


def failover(lab: Lab, guests: Guests, mode: str) -> float:
    """Pull the leg that carries a guest's echo requests; return the longest silence, in seconds."""
    words = f"echo $$; exec ip netns exec guest-vm1 ping -n -D -i {INTERVAL} -w 600 {guests.address('vm2')}"
    command = [*lab.ssh(NODES[0]), words]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as ping:
        assert ping.stdout
        pid = ping.stdout.readline().strip()
        nic = busy_leg(lab, NODES[0])
        with pulled(lab, nic, NODES if mode == "lacp" else NODES[:1]):
            wait_for(lambda: guests.reaches("vm1", guests.address("vm2")), "talk by the other leg")
            assert busy_leg(lab, NODES[0]) != nic
            lab.run(NODES[0], ["kill", "-INT", pid])
            output = ping.communicate(timeout=60)[0]
    wait_for(lambda: legs(lab, "link_state") == ["up"] * 4, "have the leg back")
    answers = [float(stamp) for stamp in re.findall(r"^\[([0-9.]+)\] .*bytes from", output, re.MULTILINE)]
    assert len(answers) > 1 / INTERVAL, output
    return max(later - earlier for earlier, later in zip(answers, answers[1:]))


@pytest.fixture(scope="module")
def build(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Return what brings the nodes to the document with a mode of bonding; what was made goes at the end."""
    directory: Path = tmp_path_factory.mktemp("bonds")

    def run(mode: str, *arguments: str) -> PlayResult:
        variables = copy.deepcopy(DOCUMENT)
        variables["fabric_physical_networks"][0].update(MODES[mode])
        path = directory / f"{mode}.yml"
        roles = ["netvirt.fabric.fabric"]
        path.write_text(
            json.dumps([{"hosts": ",".join(NODES), "gather_facts": False, "roles": roles, "vars": variables}])
        )
        result = lab.playbook(path, *arguments)
        assert result.returncode == 0, result.output
        return result

    yield run
    run("lacp", "-e", "fabric_state=absent")
    for node in NODES:
        assert lab.run(node, ["ovs-vsctl", "list-br"]).stdout == ""


@pytest.fixture(scope="module")
def guests(lab: Lab, build: Build) -> Iterator[Guests]:
    """Return stand-ins for the guests; they take their addresses over the bond."""
    with switches(lab, FIRST):
        present = stand_ins(lab, build(FIRST), DOCUMENT["fabric_networks"])
        try:
            present.up()
            assert {name: present.address(name) for name in present.nodes} == {
                guest["name"]: guest["address"] for guest in DOCUMENT["fabric_guests"]
            }
        except BaseException:
            present.down()
            raise
    yield present
    present.down()


@pytest.mark.parametrize("mode", MODES)
def test_guests_talk_on_when_a_leg_is_pulled(
    lab: Lab, build: Build, guests: Guests, mode: str, record_property: Callable[[str, object], None]
) -> None:
    made = {node: column(lab, node, "Port", PORT, "_uuid") for node in NODES}
    with switches(lab, mode):
        changed = {task.host for task in build(mode).changed}
        assert changed == (set() if mode == FIRST else set(NODES))
        for node in NODES:
            assert column(lab, node, "Port", PORT, "bond_mode") == MODES[mode]["bond_mode"]
            assert column(lab, node, "Port", PORT, "_uuid") == made[node], "the bond was made anew"
        partner = [True if mode == "lacp" else ["set", []]] * 4
        wait_for(lambda: legs(lab, "lacp_current") == partner, "find the partner by LACP, where it is spoken")
        assert guests.reaches("vm1", guests.address("vm2"))
        seconds = failover(lab, guests, mode)
        record_property(f"failover of {mode}", f"{seconds:.2f} s")
        assert seconds < FAILOVER_MAX
