# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input and a node that is not ready: one clear line each, and nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from netvirt_testing.lab import Lab
from netvirt_testing.paths import ROOT

NODE = "compute1"


def state(lab: Lab) -> list[str]:
    commands = (["ovs-vsctl", "show"], ["ip", "-o", "link"], ["ip", "netns", "list"], ["nft", "list", "ruleset"])
    return [lab.run(NODE, argv, check=False).stdout for argv in commands]


def refused(lab: Lab, module: str, options: dict[str, Any]) -> str:
    """Run a module that must fail; return its message, which must be one line, with no traceback beside it."""
    result = lab.module(NODE, module, options)
    assert result.get("failed"), result
    assert not result.get("changed")
    assert "Traceback" not in json.dumps(result)
    message = str(result["msg"])
    assert "\n" not in message.strip()
    assert message.endswith("; nothing was changed")
    return message


PORT = {"name": "p", "bridge": "br"}


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (
            "ovs_port_vlan",
            {**PORT, "tag": 4095},
            "ovs_port_vlan p: tag must be a whole number from 1 to 4094, not 4095",
        ),
        ("ip_interface", {"name": "eth2", "addresses": ["10.0.0.1/33"]}, "such as 10.0.0.1/24, not '10.0.0.1/33'"),
        ("ovs_bridge", {"name": "a" * 16}, "name must have at most 15 characters, not 16"),
        ("ovs_port_vlan", PORT, "bridge br does not exist; declare it with ovs_bridge"),
        ("apply", {"resources": [], "purge": True}, "purge would remove what single modules made"),
        ("apply", {"resources": [{"ovs_brigde": {"name": "br"}}]}, "unknown kind 'ovs_brigde' (known: ovs_bridge"),
        ("netns_router", {"name": "../x"}, "name must "),
        ("nat_masquerade", {"namespace": "nvtnone", "sources": ["10.0.0.0/24"]}, "namespace"),
        ("dnsmasq_netns", {"name": "n", "namespace": "nvtnone", "interface": "i"}, "netns_router"),
    ],
)
def test_wrong_values(lab: Lab, module: str, options: dict[str, Any], message: str) -> None:
    before = state(lab)
    assert message in refused(lab, module, options)
    assert state(lab) == before


@pytest.fixture
def no_open_vswitch(lab: Lab) -> Iterator[None]:
    lab.run(NODE, ["systemctl", "stop", "openvswitch-switch", "ovs-vswitchd", "ovsdb-server"])
    yield
    lab.run(NODE, ["systemctl", "start", "openvswitch-switch"])


@pytest.mark.usefixtures("no_open_vswitch")
def test_open_vswitch_does_not_run(lab: Lab) -> None:
    message = refused(lab, "ovs_bridge", {"name": "br"})
    assert "database does not answer at unix:" in message
    assert "start it with: systemctl start openvswitch-switch" in message


@pytest.fixture
def hidden(lab: Lab) -> Iterator[Any]:
    """A function that hides a Python library on the node until the test is over."""
    moved: list[str] = []

    def hide(name: str) -> None:
        path = f"/usr/lib/python3/dist-packages/{name}"
        lab.run(NODE, ["mv", path, f"{path}.hidden"])
        moved.append(path)

    yield hide
    for path in moved:
        lab.run(NODE, ["mv", f"{path}.hidden", path])


@pytest.mark.parametrize(
    ("library", "module", "options"),
    [
        ("ovsdbapp", "ovs_bridge", {"name": "br"}),
        ("ovs", "ovs_bridge", {"name": "br"}),
        ("pyroute2", "veth_pair", {"name": "nvtv", "peer": {"name": "nvtw"}}),
    ],
)
def test_a_library_is_missing(lab: Lab, hidden: Any, library: str, module: str, options: dict[str, Any]) -> None:
    before = state(lab)
    hidden(library)
    message = refused(lab, module, options)
    assert f"library {library} is missing" in message
    assert f"python3-{'openvswitch' if library == 'ovs' else library}" in message
    assert state(lab) == before


def test_not_root(lab: Lab) -> None:
    before = state(lab)
    result = lab.module(NODE, "ansible.builtin.user", {"name": "nobody", "state": "present"}, check=True)
    assert not result.get("failed")
    path = "/tmp/netvirt-as-nobody.yml"
    tasks = [{"netvirt.fabric.ovs_bridge": {"name": "br"}, "become": True, "become_user": "nobody"}]
    Path(path).write_text(json.dumps([{"hosts": NODE, "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    try:
        outcome = lab.playbook(path, "-e", "ansible_become_method=su", "-e", "ansible_become_flags='-s /bin/sh'")
    finally:
        Path(path).unlink()
    result = outcome.of(NODE, "netvirt.fabric.ovs_bridge")
    assert (
        result["msg"]
        == "root is needed on the node, not uid 65534; run the task with become: true; nothing was changed"
    )
    assert not result["changed"]
    assert "Traceback" not in outcome.output
    assert state(lab) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["fabric_guests"][0].update(node="compute9"), "fabric_guests[0].node"),
        (lambda d: d["fabric_networks"][0].update(vlan=4095), "fabric_networks[0].vlan"),
        (lambda d: d["fabric_networks"][0].update(cidr="10.0.10.0/33"), "fabric_networks[0].cidr"),
        (lambda d: d["fabric_networks"][0]["dhcp"].update(range=["10.9.0.1", "10.9.0.9"]), "fabric_networks[0].dhcp"),
        (lambda d: d["fabric_guests"][1].update(mac=d["fabric_guests"][0]["mac"]), "fabric_guests[1]"),
    ],
)
def test_a_fault_in_the_document_stops_before_any_node_is_touched(
    lab: Lab, tmp_path: Path, change: Any, message: str
) -> None:
    document = lab_document()
    change(document)
    path = tmp_path / "fabric.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    before = state(lab)
    result = lab.playbook("playbooks/site.yml", "-e", f"@{path}")
    assert result.returncode != 0
    assert result.changed == []
    (failed,) = result.failed
    assert message in " ".join(failed.result["faults"])
    assert result.output.count(message) == len([fault for fault in failed.result["faults"] if message in fault])
    assert "Finalization" not in result.output
    assert "Traceback" not in result.output
    assert state(lab) == before


def lab_document() -> dict[str, Any]:
    """Return the sample document."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "examples/nat/fabric.yml").read_text(encoding="utf-8"))
    return document
