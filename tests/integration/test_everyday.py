# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes of everyday use: a typo, a host too many, an interface that is not there. Nothing may come of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from netvirt_testing.lab import Lab, PlayResult

DOCUMENT: dict[str, Any] = {
    "fabric_underlay": {"type": "vxlan", "interface": "eth1"},
    "fabric_networks": [
        {"name": "cell", "mode": "isolated", "vlan": 302, "cidr": "172.31.8.0/26", "dhcp": {"node": "compute2"}}
    ],
    "fabric_nodes": {"compute1": {}},
}


def state(lab: Lab) -> dict[str, list[str]]:
    commands = (["ovs-vsctl", "show"], ["ip", "-o", "address"], ["ip", "netns", "list"], ["nft", "list", "ruleset"])
    commands += (["sh", "-c", "ls -lR /etc/netvirt /etc/sysctl.d /etc/systemd/system"],)
    return {node: [lab.run(node, argv, check=False).stdout for argv in commands] for node in lab.nodes}


def site(lab: Lab, directory: Path, document: dict[str, Any], *arguments: str, check: bool = False) -> PlayResult:
    path = directory / "document.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return lab.playbook("playbooks/site.yml", "-e", f"@{path}", *arguments, check=check)


def refused(lab: Lab, directory: Path, document: dict[str, Any], *arguments: str) -> list[str]:
    """Return the faults of a run that must change nothing, the same in check mode."""
    before = state(lab)
    told = []
    for check in (True, False):
        result = site(lab, directory, document, *arguments, check=check)
        assert result.returncode != 0, result.output
        assert result.changed == []
        told.append(sorted({fault for task in result.failed for fault in task.result["faults"]}))
    assert state(lab) == before
    assert told[0] == told[1]
    return told[0]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("fabric_guest", [], "is no variable of the role fabric; did you mean fabric_guests?"),
        ("fabric_network", [], "is no variable of the role fabric; did you mean fabric_networks?"),
        ("fabric_guest_default", {}, "is no variable of the role fabric; did you mean fabric_guest_defaults?"),
        ("fabric_ownr", "me", "is no variable of the role fabric; did you mean fabric_owner?"),
        ("hypervisor_package", [], "is no variable of the role hypervisor; did you mean hypervisor_packages?"),
        ("guest_acelerator", "tcg", "is no variable of the role guest; did you mean guest_accelerator?"),
        ("verify_upsteam", [], "is no variable of the role verify; did you mean verify_upstream?"),
        ("fabric_quux_zzz_yyy", "red", "is no variable of the role fabric; known are fabric_address_groups"),
    ],
)
def test_a_typo_in_a_variable(lab: Lab, tmp_path: Path, name: str, value: Any, line: str) -> None:
    result = site(lab, tmp_path, {**DOCUMENT, name: value}, check=True)
    (failed,) = result.failed
    (fault,) = failed.result["faults"]
    assert fault.startswith(f"{name}: {line}")
    assert [task.task for task in result.tasks if task.host in lab.nodes] == [failed.task]


@pytest.mark.parametrize(
    ("role", "name", "line"),
    [
        ("hypervisor", "hypervisor_package", "did you mean hypervisor_packages?"),
        ("guest", "guest_guest", "did you mean guest_guests?"),
        ("isolated", "isolated_guest", "did you mean isolated_guests?"),
        ("verify", "verify_upsteam", "did you mean verify_upstream?"),
    ],
)
def test_a_typo_in_a_variable_of_a_role_alone(lab: Lab, tmp_path: Path, role: str, name: str, line: str) -> None:
    path = tmp_path / "play.yml"
    mode = {"fabric_mode": "nat"} if role == "verify" else {}
    play = {"hosts": "all:!localhost", "gather_facts": False, "roles": [f"netvirt.fabric.{role}"], "vars": mode}
    path.write_text(json.dumps([play]), encoding="utf-8")
    result = lab.playbook(path, "-e", json.dumps({name: []}), check=True)
    assert result.returncode != 0
    assert {tuple(task.result["faults"]) for task in result.failed} == {
        (f"{name}: is no variable of the role {role}; {line}",)
    }
    assert result.changed == []
    assert result.tasks[-1] in result.failed


@pytest.mark.parametrize("playbook", ["lab_up", "lab_down"])
def test_a_typo_in_a_variable_of_a_lab(lab: Lab, playbook: str) -> None:
    variables = {"lab_name": "testnone", "lab_nam": "mine"}
    result = lab.playbook(f"playbooks/{playbook}.yml", "-e", json.dumps(variables), check=True)
    (failed,) = result.failed
    assert failed.result["faults"] == ["lab_nam: is no variable of the role lab; did you mean lab_name?"]
    assert result.tasks[-1] == failed
    assert result.changed == []


@pytest.fixture(scope="module")
def ready(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have nodes with the packages and kernel parameters, which come before the document is compiled."""
    path = tmp_path_factory.mktemp("ready") / "play.yml"
    play = {"hosts": "all:!localhost", "gather_facts": False, "roles": ["netvirt.fabric.hypervisor"]}
    path.write_text(json.dumps([play]), encoding="utf-8")
    made = lab.playbook(path)
    assert made.returncode == 0, made.output


@pytest.mark.usefixtures("ready")
def test_an_underlay_interface_that_is_not_there(lab: Lab, tmp_path: Path) -> None:
    underlay = {"type": "vxlan", "interface": "eth7", "mtu": 1500}
    faults = refused(lab, tmp_path, {**DOCUMENT, "fabric_underlay": underlay})
    assert {f"fabric_underlay.interface: {node} has no interface eth7" for node in ("compute1", "compute2")} <= {
        *faults
    }


def test_only_the_hosts_that_the_document_names_are_touched(lab: Lab, tmp_path: Path) -> None:
    before = state(lab)["network1"]
    built = site(lab, tmp_path, DOCUMENT)
    assert built.returncode == 0, built.output
    try:
        assert "network1" not in {task.host for task in built.changed}
        assert state(lab)["network1"] == before
        left = {**DOCUMENT, "fabric_nodes": {}}
        assert not [task for task in site(lab, tmp_path, left).changed if task.host == "compute1"]
        assert "br-int" in lab.run("compute1", ["ovs-vsctl", "list-br"]).stdout.split()
        cleaned = site(lab, tmp_path, {**left, "fabric_clean": True})
        assert cleaned.returncode == 0, cleaned.output
        assert "br-int" not in lab.run("compute1", ["ovs-vsctl", "list-br"]).stdout.split()
    finally:
        gone = site(lab, tmp_path, {**DOCUMENT, "fabric_state": "absent"})
        assert gone.returncode == 0, gone.output


def test_check_mode_with_a_node_that_has_no_packages_and_one_whose_switch_is_stopped(lab: Lab, tmp_path: Path) -> None:
    there = ["openvswitch-switch"]
    lacking = "{{ ['netvirt-lacking'] if inventory_hostname == 'compute2' else " + json.dumps(there) + " }}"
    networks = [{**DOCUMENT["fabric_networks"][0], "dhcp": {"node": "network1"}}]
    nodes = {"compute1": {}, "compute2": {}}
    library = "/usr/lib/python3/dist-packages/ovs"
    lab.run("compute1", ["systemctl", "stop", "openvswitch-switch"])
    lab.run("compute2", ["mv", library, f"{library}.hidden"])
    try:
        document = {**DOCUMENT, "fabric_networks": networks, "fabric_nodes": nodes, "hypervisor_packages": lacking}
        result = site(lab, tmp_path, document, check=True)
    finally:
        lab.run("compute2", ["mv", f"{library}.hidden", library])
        lab.run("compute1", ["systemctl", "start", "openvswitch-switch"])
    assert result.returncode == 0, result.output
    assert "stopped, and a run starts it" in result.of("compute1", "Say that Open vSwitch would be started")["msg"]
    assert "lacks netvirt-lacking" in result.of("compute2", "Say which packages would be installed")["msg"]
    planned = result.of("network1", "Converge the node")
    (tunnels,) = [spec["ovs_tunnel"] for spec in planned["after"] if "ovs_tunnel" in spec]
    assert len(tunnels["remotes"]) == 2


def test_a_new_guest_waits_for_the_node_with_its_dhcp_server(lab: Lab, tmp_path: Path) -> None:
    guest = {"name": "vm1", "node": "compute1", "network": "cell", "address": "172.31.8.11"}
    document = {**DOCUMENT, "fabric_guests": [guest]}
    result = site(lab, tmp_path, document, "--limit", "compute1", check=True)
    assert result.returncode != 0, result.output
    (fault,) = result.failed[-1].result["faults"]
    assert fault == (
        "fabric_guests[0]: vm1 is new, and the DHCP server of cell on compute2 does not keep its address yet; "
        "add compute2 to the hosts of the run"
    )


def test_no_host_matches(lab: Lab, tmp_path: Path) -> None:
    result = site(lab, tmp_path, DOCUMENT, "-e", "fabric_hosts=nobody", check=True)
    assert result.returncode != 0
    (failed,) = result.failed
    assert failed.result["msg"].startswith("no host of the inventory matches nobody; name an inventory by -i")


@pytest.mark.parametrize("strategy", ["free", "host_pinned"])
def test_hosts_that_do_not_wait_for_one_another(lab: Lab, tmp_path: Path, strategy: str) -> None:
    path = tmp_path / "play.yml"
    play = {"hosts": "all:!localhost", "gather_facts": False, "strategy": strategy, "roles": ["netvirt.fabric.fabric"]}
    path.write_text(json.dumps([{**play, "vars": DOCUMENT}]), encoding="utf-8")
    result = lab.playbook(path, check=True)
    assert result.returncode != 0
    line = f"strategy {strategy}: nodes need what was found on the others; use linear"
    assert {task.result["msg"] for task in result.failed} == {line}


def test_a_start_in_the_middle(lab: Lab, tmp_path: Path) -> None:
    result = site(lab, tmp_path, DOCUMENT, "--start-at-task", "netvirt.fabric.fabric : Converge the node", check=True)
    assert result.returncode != 0
    assert "the document was not compiled in this run; leave out --start-at-task" in " ".join(result.output.split())
    assert result.changed == []


def test_tags(lab: Lab, tmp_path: Path) -> None:
    def roles(tag: str) -> set[str]:
        result = site(lab, tmp_path, DOCUMENT, "--tags", tag, check=True)
        assert result.returncode == 0, result.output
        played = [task.task for task in result.tasks if " : " in task.task and "Validating arguments" not in task.task]
        return {task.split(" : ")[0].rpartition(".")[2] for task in played}

    assert roles("packages") == {"fabric", "hypervisor"}
    assert "hypervisor" not in roles("network")
