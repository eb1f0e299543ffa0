# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two documents on the same hosts: the second is refused with both owners, or takes the first one over wholly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netvirt_testing.lab import Lab, PlayResult

NODES = ("compute1", "compute2")
DOCUMENT: dict[str, Any] = {
    "fabric_underlay": {"type": "vxlan", "interface": "eth1"},
    "fabric_networks": [
        {"name": "cell", "mode": "isolated", "vlan": 303, "cidr": "172.31.9.0/26", "dhcp": {"node": "compute2"}}
    ],
    "fabric_guests": [
        {
            "name": "vm1",
            "node": "compute1",
            "network": "cell",
            "address": "172.31.9.11",
            "memory": 96,
            "kernel": "/var/lib/netvirt/images/lab/vmlinuz",
            "initrd": "/var/lib/netvirt/images/lab/initrd.img",
        }
    ],
    "fabric_run_guests": True,
}
Run = Callable[..., PlayResult]


@pytest.fixture
def run(lab: Lab, tmp_path: Path) -> Iterator[Run]:
    """Return a function that plays roles with variables on the two nodes; what they build goes again."""

    def play(*roles: dict[str, Any], check: bool = False, **variables: Any) -> PlayResult:
        path = tmp_path / "play.yml"
        played = {"hosts": ",".join(NODES), "gather_facts": False, "roles": list(roles)}
        path.write_text(json.dumps([played]), encoding="utf-8")
        return lab.playbook(path, "-e", json.dumps(variables), check=check)

    yield play
    marks = (
        lab.run(node, ["ovs-vsctl", "get", "Bridge", "br-int", "external_ids:netvirt-owner"], check=False).stdout
        for node in NODES
    )
    for owner in sorted({mark.strip().strip('"') for mark in marks} - {""}):
        gone = play({"role": "netvirt.fabric.fabric"}, fabric_owner=owner, fabric_state="absent")
        assert gone.returncode == 0, gone.output


def built(lab: Lab) -> dict[str, list[str]]:
    """Return what a run that is refused must leave as it is."""
    commands = (["ovs-vsctl", "list", "Bridge", "Port"], ["ip", "-o", "link"], ["nft", "list", "ruleset"])
    commands += (["sh", "-c", "ls -lR /etc/netvirt /etc/systemd/system"],)
    return {node: [lab.run(node, argv, check=False).stdout for argv in commands] for node in NODES}


def faults(result: PlayResult) -> set[str]:
    assert result.returncode != 0, result.output
    return {fault for task in result.failed for fault in task.result["faults"]}


def owners(lab: Lab, node: str) -> set[str]:
    """Return the owners that the system shows on a node."""
    script = """
    ovs-vsctl --bare --columns=external_ids list Bridge
    ovs-vsctl --bare --columns=external_ids list Port
    ovs-vsctl --bare --columns=external_ids list Open_vSwitch .
    """
    rows = lab.run(node, ["sh", "-c", script]).stdout.split()
    found = {word.partition("=")[2] for word in rows if word.startswith("netvirt-") and "tunnel" not in word}
    for namespace in ("", *lab.run(node, ["sh", "-c", "ip netns list | cut -d' ' -f1"]).stdout.split()):
        enter = ["ip", "netns", "exec", namespace] if namespace else []
        links = lab.json(node, [*enter, "ip", "-j", "link"])
        found |= {
            link["ifalias"].removeprefix("netvirt:") for link in links if link.get("ifalias", "").startswith("netvirt:")
        }
        rules = lab.run(node, [*enter, "nft", "list", "ruleset"]).stdout
        found |= {part.partition('"')[0] for part in rules.split('comment "owner ')[1:]}
    files = "find /etc/netvirt /etc/systemd/system /usr/local/lib/netvirt -type f -exec head -aqn1 {} + 2>/dev/null"
    first = lab.run(node, ["sh", "-c", files], check=False).stdout.splitlines()
    return found | {line.rpartition(" ")[2] for line in first if "Managed by netvirt.fabric, owner" in line}


def test_a_new_owner_is_refused_or_takes_the_fabric_over(lab: Lab, run: Run) -> None:
    fabric = {"role": "netvirt.fabric.fabric"}
    first = run(fabric, **DOCUMENT, fabric_owner="shop")
    assert first.returncode == 0, first.output
    process = lab.run("compute1", ["systemctl", "show", "--property=MainPID", "netvirt-guest-vm1"]).stdout
    assert {node: owners(lab, node) for node in NODES} == {node: {"shop"} for node in NODES}

    before = built(lab)
    for check in (True, False):
        told = faults(run(fabric, check=check, **DOCUMENT, fabric_owner="mall"))
        assert len(told) == len(NODES)
        assert all("of the owner shop," in line and "part of mall" in line for line in told), told
    assert built(lab) == before

    taken = {**DOCUMENT, "fabric_owner": "mall", "fabric_owner_was": "shop"}
    planned, done = run(fabric, check=True, **taken), run(fabric, **taken)
    assert done.returncode == 0, done.output
    operations = [
        {task.host: task.result["operations"] for task in result.tasks if "Converge the node" in task.task}
        for result in (planned, done)
    ]
    assert operations[0] == operations[1]
    actions = {item["action"] for node in operations[1].values() for item in node if item["kind"] != "rebuild"}
    assert actions == {"adopt"}
    assert {node: owners(lab, node) for node in NODES} == {node: {"mall"} for node in NODES}
    units = lab.run("compute1", ["systemctl", "list-unit-files", "--no-legend", "netvirt-rebuild-*"]).stdout
    assert "mall" in units
    assert "shop" not in units
    assert lab.run("compute1", ["systemctl", "show", "--property=MainPID", "netvirt-guest-vm1"]).stdout == process
    again = run(fabric, **taken)
    assert (again.returncode, again.changed) == (0, []), again.output

    lost = {**taken, "fabric_guests": [], "fabric_nodes": {"compute1": {}}, "fabric_allow_removal": False}
    assert faults(run(fabric, check=True, **lost)) == {
        "fabric_allow_removal: this run would remove 1 of 1 guests (vm1); set it to true if that is meant"
    }


def test_a_second_network_role_in_one_play_is_refused(lab: Lab, run: Run) -> None:
    """Check mode knows it before anything is there; a second run of the play changes nothing."""
    underlay = {"type": "vxlan", "interface": "eth1"}
    roles = [
        {
            "role": "netvirt.fabric.isolated",
            "vars": {
                "isolated_name": name,
                "isolated_vlan": vlan,
                "isolated_cidr": "172.31.10.0/26",
                "isolated_underlay": underlay,
            },
        }
        for name, vlan in (("red", 304), ("blue", 305))
    ]
    for number, check in enumerate((True, False, False)):
        result = run(*roles, check=check)
        told = faults(result)
        assert len(told) == len(NODES)
        assert all("of the owner isolated-red," in line and "part of isolated-blue" in line for line in told), told
        if number == 2:
            assert result.changed == []
    tags = lab.run("compute1", ["ovs-vsctl", "get", "Port", "patch-tun", "trunks"]).stdout
    assert tags.strip() == "[304]"
