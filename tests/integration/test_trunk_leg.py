# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example trunk_leg: a router whose single leg carries all its networks, where the kernel has VLAN interfaces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from netvirt_testing.guests import stand_ins, standing_in
from netvirt_testing.lab import Lab
from netvirt_testing.paths import ROOT

NODES = ("compute1", "compute2")
pytestmark = pytest.mark.vm


def test_a_router_with_one_leg_routes_between_its_networks(lab: Lab, tmp_path: Path) -> None:
    if lab.lacks_link(NODES[0], "link", "leg0", "name", "leg2", "type", "vlan", "id", "9"):
        pytest.skip("needs a kernel with VLAN interfaces (8021q)")
    document = yaml.safe_load((ROOT / "examples/trunk_leg/fabric.yml").read_text(encoding="utf-8"))
    path = tmp_path / "fabric.yml"
    roles = ["netvirt.fabric.hypervisor", "netvirt.fabric.fabric"]
    path.write_text(json.dumps([{"hosts": ",".join(NODES), "gather_facts": False, "roles": roles, "vars": document}]))
    built = lab.playbook(path)
    try:
        assert built.returncode == 0, built.output
        with standing_in(stand_ins(lab, built, document["fabric_networks"])) as guests:
            assert [guests.address(name) for name in ("left1", "right1")] == ["10.0.61.11", "10.0.62.11"]
            assert guests.reaches("left1", "10.0.62.11")
            assert guests.reaches("right1", "10.0.61.11")
        links = lab.json(NODES[0], ["ip", "-n", "nv-stick", "-j", "-d", "link", "show", "type", "vlan"])
        found = {link["ifname"]: (link["link"], link["linkinfo"]["info_data"]["id"]) for link in links}
        assert found == {"gw-left": ("tk-stick", 61), "gw-right": ("tk-stick", 62)}
        again = lab.playbook(path)
        assert (again.returncode, again.changed) == (0, []), again.output
    finally:
        gone = lab.playbook(path, "-e", "fabric_state=absent")
    assert gone.returncode == 0, gone.output
    assert lab.run(NODES[0], ["ip", "netns", "list"]).stdout == ""
