# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that somebody else has taken over: its answers decide nothing on the controller or for other nodes.

Its Python is a program that runs each module, and puts more into the answer than the module said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netvirt_testing.lab import Lab, PlayResult

TRACE = "/tmp/netvirt-hostile"
INTERPRETER, FACTS = "/root/hostile-python", "/root/hostile-facts.json"
PROGRAM = """#!/usr/bin/python3
import json, subprocess, sys

result = subprocess.run(["/usr/bin/python3", *sys.argv[1:]], stdin=sys.stdin, capture_output=True, text=True)
try:
    answer = json.loads(result.stdout.strip().splitlines()[-1])
except (ValueError, IndexError):
    print(result.stdout, result.stderr)
    sys.exit(result.returncode)
answer.setdefault("ansible_facts", {}).update(json.load(open("/root/hostile-facts.json")))
answer["add_host"] = {"host_name": "localhost", "host_vars": {"verify_report": "/tmp/netvirt-hostile-host"}}
answer["ansible_stats"] = {"data": {"x": "y"}, "per_host": False}
answer["warnings"] = ["\\x1b[2Jwarned"]
print(json.dumps(answer))
"""
DOCUMENT: dict[str, Any] = {
    "fabric_underlay": {"type": "vxlan", "interface": "eth1"},
    "fabric_networks": [
        {"name": "red", "mode": "isolated", "vlan": 71, "cidr": "10.71.0.0/24", "dhcp": {"node": "network1"}},
    ],
    "fabric_guests": [
        {"name": "g1", "node": "compute1", "network": "red", "address": "10.71.0.11"},
        {"name": "g2", "node": "compute2", "network": "red", "address": "10.71.0.12"},
    ],
}
MARKS = ("command", "report", "http", "host")


def facts(named: str) -> dict[str, Any]:
    """Return facts that are called like variables of roles; ``named`` is the host that the node claims to be."""
    return {
        "fabric_owner": "hostile",
        "fabric_networks": [{"name": "black", "mode": "isolated", "vlan": 666}],
        "fabric_guests": [],
        "fabric_nodes": {"compute1": {"underlay_address": "192.0.2.66/24"}},
        "fabric_state": "absent",
        "fabric_mode": "../../../../../etc",
        "fabric_timeout": 1,
        "fabric_compiled": {"resources": [{"ovs_bridge": {"name": "br-hostile"}}], "guests": []},
        "verify_upstream_command": ["touch", f"{TRACE}-command"],
        "verify_upstream_host": "localhost",
        "verify_http_command": ["touch", f"{TRACE}-http"],
        "verify_report": f"{TRACE}-report",
        "verify_upstream": ["198.51.100.66"],
        "__fabric_checked": {"members": ["compute1"], "state": "absent"},
        "__verify_all": {"upstream_command": ["touch", f"{TRACE}-command"], "report": f"{TRACE}-report"},
        "ansible_play_batch": [named],
        "groups": {"all": []},
        **({"inventory_hostname": named} if named else {}),
    }


@pytest.fixture(scope="module")
def expected(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Return what the document is compiled to where all nodes are as they should be."""
    directory = tmp_path_factory.mktemp("expected")
    yield compiled(play(lab, directory, ""))
    path = directory / "teardown.yml"
    path.write_text(
        json.dumps([{"hosts": "all:!localhost", "gather_facts": False, "roles": ["netvirt.fabric.fabric"]}])
    )
    gone = lab.playbook(path, "-i", str(directory / "hostile.yml"), "-e", "fabric_state=absent")
    assert gone.returncode == 0, gone.output


@pytest.fixture(autouse=True)
def clean(lab: Lab) -> Iterator[None]:
    yield
    for node in lab.nodes:
        lab.run(node, ["rm", "-f", INTERPRETER, FACTS])
    for mark in MARKS:
        Path(f"{TRACE}-{mark}").unlink(missing_ok=True)


def turn(lab: Lab, node: str, claims: dict[str, Any]) -> None:
    """Have a node answer with these facts from now on."""
    lab.run(node, ["tee", FACTS], stdin=json.dumps(claims))
    lab.run(node, ["tee", INTERPRETER], stdin=PROGRAM)
    lab.run(node, ["chmod", "755", INTERPRETER])


def play(lab: Lab, directory: Path, hostile: str, *before: dict[str, Any]) -> PlayResult:
    """Build the document and prove it with a node whose Python is hostile, if one is named."""
    inventory = directory / "hostile.yml"
    known = {hostile: {"ansible_python_interpreter": INTERPRETER}} if hostile else {}
    # Variables of the inventory, which facts outrank.
    inventory.write_text(json.dumps({"all": {"hosts": known, "vars": {**DOCUMENT, **settings(directory)}}}))
    roles = [f"netvirt.fabric.{name}" for name in ("hypervisor", "fabric", "verify")]
    path = directory / "site.yml"
    path.write_text(json.dumps([*before, {"hosts": "all:!localhost", "gather_facts": False, "roles": roles}]))
    return lab.playbook(path, "-i", str(inventory))


def settings(directory: Path) -> dict[str, Any]:
    command = ["touch", str(directory / "asked")]
    report = str(directory / "verify.json")
    return {"verify_report": report, "verify_timeout": 2, "verify_upstream_command": command}


def compiled(result: PlayResult) -> dict[str, Any]:
    """Return what the document was compiled to, by node."""
    name = "Compile the document for the node"
    return {task.host: task.result["ansible_facts"]["fabric_compiled"] for task in result.tasks if name in task.task}


@pytest.mark.parametrize(
    ("hostile", "gathered"), [("network1", False), ("network1", True), ("compute2", False)], ids=str
)
def test_a_hostile_node_decides_nothing_for_others(
    lab: Lab, tmp_path: Path, expected: dict[str, Any], hostile: str, gathered: bool
) -> None:
    assert sorted(expected) == sorted(lab.nodes)
    socket = lab.hosts["compute1"]["ansible_control_path"].replace("%%C", "other")
    turn(lab, hostile, facts("") if gathered else {**facts("compute1"), "ansible_control_path": socket})
    # A play before may have asked the nodes for their facts, which are variables then.
    before = [{"hosts": "all:!localhost", "gather_facts": True, "tasks": []}] if gathered else []
    result = play(lab, tmp_path, hostile, *before)
    assert [mark for mark in MARKS if Path(f"{TRACE}-{mark}").exists()] == [], result.output
    for node in lab.nodes:
        assert lab.run(node, ["sh", "-c", f"ls {TRACE}-* 2>/dev/null"], check=False).stdout == ""
        bridges = lab.run(node, ["ovs-vsctl", "list-br"]).stdout.split()
        assert "br-int" in bridges
        assert "br-hostile" not in bridges
    found = compiled(result)
    assert {node: found.get(node) == plan for node, plan in expected.items()} == dict.fromkeys(expected, True)
    assert gathered or "\x1b" not in result.output
    report = json.loads((tmp_path / "verify.json").read_text())
    assert [guest["guest"] for guest in report["guests"] if not guest["canary"]] == ["g1", "g2"]
    # The node itself may be stopped by what it says, as by Ansible's own check of a role's arguments.
    failed = [task for task in result.failed if "Fail with what is not" not in task.task]
    assert [task for task in failed if not gathered or task.host != hostile] == [], result.output


@pytest.mark.usefixtures("expected")
def test_a_node_that_claims_to_be_another_stops_alone(lab: Lab, tmp_path: Path) -> None:
    lab.run("compute1", ["ovs-vsctl", "del-br", "br-int"])
    turn(lab, "network1", {"inventory_hostname": "compute1"})
    gather = {"hosts": "network1", "gather_facts": True, "tasks": []}
    result = play(lab, tmp_path, "network1", gather)
    stopped = {task.host for task in result.failed if "Fail with what is not" not in task.task}
    assert stopped == {"network1"}
    assert "a fact of this host is called inventory_hostname, which no host may set" in result.output
    assert "br-int" in lab.run("compute1", ["ovs-vsctl", "list-br"]).stdout.split()
