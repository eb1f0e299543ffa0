# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role nat builds the same network as the document that it stands for."""

from __future__ import annotations

import json
from pathlib import Path

from netvirt_testing.lab import Lab

VARIABLES = {
    "nat_name": "green",
    "nat_vlan": 30,
    "nat_cidr": "10.0.30.0/24",
    "nat_gateway": "10.0.30.254",
    "nat_dhcp": {"range": ["10.0.30.100", "10.0.30.200"]},
    "nat_node": "network1",
    "nat_external": {"interface": "eth2", "address": "203.0.113.30/24", "gateway": "203.0.113.1"},
    "nat_underlay": {"type": "vxlan", "interface": "eth1"},
    "nat_guests": [{"name": "vm7", "node": "compute1", "address": "10.0.30.7"}],
}


def test_role_nat_builds_rests_and_leaves(lab: Lab, tmp_path: Path) -> None:
    play = {"hosts": "all:!localhost", "gather_facts": False, "roles": ["netvirt.fabric.nat"], "vars": VARIABLES}
    path = tmp_path / "nat.yml"
    path.write_text(json.dumps([play]), encoding="utf-8")
    built = lab.playbook(path)
    assert built.returncode == 0, built.output
    try:
        ping = ["ip", "netns", "exec", "nv-green", "ping", "-c1", "-W3", "-I", "10.0.30.254", "198.51.100.1"]
        assert lab.run("network1", ping, check=False).returncode == 0
        assert lab.run("compute1", ["ovs-vsctl", "get", "Port", "tap-vm7", "tag"]).stdout.strip() == "30"
        assert lab.playbook(path).changed == []
    finally:
        gone = lab.playbook(path, "-e", "nat_state=absent")
    assert gone.returncode == 0, gone.output
    assert lab.run("network1", ["ovs-vsctl", "list-br"]).stdout == ""
    assert lab.playbook(path, "-e", "nat_state=absent").changed == []
