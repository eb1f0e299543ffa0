# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rebooted nodes of the sample document: packets prove the network, and only then site.yml runs and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netvirt_testing.lab import Lab, PlayResult
from netvirt_testing.reboot import UNIT, reboot, show

DOCUMENT = "@examples/nat/fabric.yml"
REBOOTED = ("network1", "compute1")
LIST = "/etc/netvirt/rebuild/fabric.json"
CONVERGE = "Converge the node"


def play(lab: Lab, name: str) -> PlayResult:
    return lab.playbook(f"playbooks/{name}.yml", "-e", DOCUMENT)


@pytest.fixture(scope="module")
def fabric(lab: Lab) -> Iterator[Lab]:
    """Return the lab with the sample document on it, and its guests running."""
    built = play(lab, "site")
    assert built.returncode == 0, built.output
    yield lab
    gone = play(lab, "teardown")
    assert gone.returncode == 0, gone.output
    for node in lab.nodes:
        assert lab.run(node, ["find", "/etc", "/usr/local/lib", "-name", "*rebuild*"]).stdout == ""


def test_rebooted_nodes_need_no_run(fabric: Lab) -> None:
    for node in REBOOTED:
        assert reboot(fabric, node) == "active"
    ansible = ["/usr/bin/python3", "-I", "-c", "import ansible"]
    assert fabric.run("network1", ansible, check=False).returncode != 0, "the node has Ansible"
    verified = play(fabric, "verify")
    assert verified.returncode == 0, verified.output
    again = play(fabric, "site")
    assert again.returncode == 0, again.output
    assert [f"{task.host}: {task.task}: {task.result.get('operations')}" for task in again.changed] == []


def test_the_rebuild_starts_the_guests(fabric: Lab) -> None:
    guest = "netvirt-guest-vm1.service"
    assert fabric.run("compute1", ["systemctl", "is-enabled", guest], check=False).stdout.strip() != "enabled"
    begun = int(show(fabric, "compute1", UNIT, "InactiveExitTimestampMonotonic"))
    assert 0 < begun < int(show(fabric, "compute1", guest, "InactiveExitTimestampMonotonic"))


def test_a_rebuild_that_fails_is_seen_on_the_node_and_in_the_next_run(fabric: Lab) -> None:
    fabric.run("network1", ["sed", "-i", "s/netns_router/netns_ruoter/", LIST])
    assert reboot(fabric, "network1") == "failed"
    status = fabric.run("network1", ["systemctl", "status", "--no-pager", "--lines=5", UNIT], check=False).stdout
    assert "failed" in status
    assert f"{LIST} cannot be used" in status
    repaired = play(fabric, "site")
    assert repaired.returncode == 0, repaired.output
    (warning,) = repaired.of("network1", CONVERGE)["warnings"]
    assert warning.startswith(f"{UNIT} failed: ")
    assert show(fabric, "network1", UNIT, "ActiveState") != "failed"
    ping = {"guest": "vm1", "command": ["ping", "-c3", "-W2", "198.51.100.1"], "timeout": 20}
    assert fabric.module("compute1", "guest_agent", ping)["rc"] == 0
    again = play(fabric, "site")
    assert again.changed == []
    assert not again.of("network1", CONVERGE).get("warnings")
