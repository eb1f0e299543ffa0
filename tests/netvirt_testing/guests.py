# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces in place of guests, where not the guest but its network is the point: no boot, no memory.

A stand-in sits on the guest's port and has its MAC address and MTU. It takes its address by DHCP or router
advertisements where the network offers them, else it has the one that the document gives it.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netvirt_testing.lab import Lab, LabError, PlayResult

PROGRAM = Path(__file__).with_name("stand_in.py").read_text(encoding="utf-8")
COMPILE = "Compile the document for the node"


class Guests:
    """The stand-ins of a fabric's guests."""

    def __init__(self, lab: Lab, compiled: Mapping[str, Sequence[dict[str, Any]]]) -> None:
        self.lab = lab
        self.compiled = compiled
        self.nodes = {guest["name"]: node for node, guests in compiled.items() for guest in guests}
        self.interfaces: dict[str, list[dict[str, Any]]] = {}
        """By node, what the guest agent would tell of the interfaces of its guests."""

    def up(self) -> None:
        """Make them; returns when they have their addresses, or had time enough."""
        for node, guests in self.compiled.items():
            self.interfaces[node] = self._call(node, "up", guests)

    def down(self) -> None:
        """Remove them."""
        for node, guests in self.compiled.items():
            self._call(node, "down", guests)

    def run(self, guest: str, *command: str) -> dict[str, Any]:
        """Run a command in a guest and return rc, stdout and stderr, or error."""
        (answer,) = self.run_all(self.nodes[guest], [{"guest": guest, "command": command}])
        return answer

    def run_all(self, node: str, commands: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Run commands in guests of a node, several at a time."""
        answers: list[dict[str, Any]] = self._call(node, "run", commands)
        return answers

    def address(self, guest: str, version: int = 4) -> str:
        """Return a guest's address; raise LabError if it has none."""
        answers = [answer for answer in self.interfaces[self.nodes[guest]] if answer["guest"] == guest]
        found = [ipaddress.ip_interface(text) for item in answers[0]["interfaces"] for text in item["addresses"]]
        for address in found:
            if address.version == version:
                return str(address.ip)
        raise LabError(f"{guest} has no IPv{version} address: {answers}")

    def reaches(self, guest: str, target: str, tries: int = 3) -> bool:
        """Tell whether one of several echo requests is answered: the first is lost while switches learn."""
        return bool(self.run(guest, "ping", "-n", "-c", str(tries), "-W", "2", target)["rc"] == 0)

    def seen_as(self, guest: str, server: str = "198.51.100.1") -> str:
        """Return the address by which the upstream host sees a guest, or what kept the guest from it."""
        answer = self.run(guest, "curl", "-s", "--max-time", "20", f"http://{server}/")
        return str(json.loads(answer["stdout"])["client"]) if answer.get("rc") == 0 else f"{answer}"

    def _call(self, node: str, action: str, data: Any) -> Any:
        if not data:
            return []
        command = ["python3", "-c", PROGRAM, action]
        return json.loads(self.lab.run(node, command, stdin=json.dumps(data), timeout=300).stdout)


def stand_ins(lab: Lab, built: PlayResult, networks: Sequence[Mapping[str, Any]]) -> Guests:
    """Return the guests that a run of the role fabric has made ports for; ``networks`` are those of its document."""
    by_name = {network["name"]: network for network in networks}
    compiled = {}
    for task in built.tasks:
        if COMPILE in task.task and "ansible_facts" in task.result:
            guests = task.result["ansible_facts"]["fabric_compiled"]["guests"]
            compiled[task.host] = [
                {**guest, "interfaces": [_nic(nic, by_name[nic["network"]]) for nic in guest["interfaces"]]}
                for guest in guests
            ]
    return Guests(lab, compiled)


def _nic(nic: dict[str, Any], network: Mapping[str, Any]) -> dict[str, Any]:
    """Return a NIC that knows how it gets its addresses."""
    subnets = {4: network.get("cidr"), 6: network.get("cidr6")}
    if network.get("dhcp") is not None:
        expected = [version for version, subnet in subnets.items() if subnet]
        return {**nic, "expect": expected, "dhcp6": ":" in json.dumps(network["dhcp"].get("range"))}
    given = {4: nic.get("address"), 6: nic.get("address6")}
    lengths = {4: "24", 6: "64"} | {version: subnet.split("/")[1] for version, subnet in subnets.items() if subnet}
    return {**nic, "static": [f"{address}/{lengths[version]}" for version, address in given.items() if address]}


@contextmanager
def standing_in(guests: Guests) -> Iterator[Guests]:
    """Have the stand-ins for a while; they go whatever happens."""
    try:
        guests.up()
        yield guests
    finally:
        guests.down()


def fabric_play(document: Mapping[str, Any], directory: Path) -> Path:
    """Write a play that brings all nodes to a document."""
    path = directory / "fabric.yml"
    play = {"hosts": "all:!localhost", "gather_facts": False, "roles": ["netvirt.fabric.fabric"], "vars": document}
    path.write_text(json.dumps([play]), encoding="utf-8")
    return path


@contextmanager
def in_fabric(lab: Lab, document: Mapping[str, Any], directory: Path) -> Iterator[Guests]:
    """Build a document by the role fabric and yield stand-ins for its guests; a second run must change nothing."""
    path = fabric_play(document, directory)
    built = lab.playbook(path)
    try:
        assert built.returncode == 0, built.output
        with standing_in(stand_ins(lab, built, document["fabric_networks"])) as present:
            yield present
        again = lab.playbook(path)
        assert (again.returncode, again.changed) == (0, []), again.output
    finally:
        gone = lab.playbook(path, "-e", "fabric_state=absent")
    assert gone.returncode == 0, gone.output
