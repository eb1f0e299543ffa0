# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs of a linux_bridge, also on a kernel that does not filter them; bridge(8) and packets are the judge."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from engine import apply
from netlink_node import clean_node, converges, ip, link, needs, refused, settled, shown_before, state
from test_linux_bridge import bridge, data, host, ports, reaches, wire

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Failed, Missing

__all__ = ["clean_node"]
pytestmark = pytest.mark.usefixtures("clean_node")

filtering = needs("VLAN filtering in Linux bridges", "bridge", "vlan_filtering", "1")


def vlans(port: str) -> dict[int, list[str]]:
    """Return the flags of a port's VLANs by their ids."""
    command = ["bridge", "-j", "vlan", "show", "dev", port]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {vlan["vlan"]: vlan.get("flags", []) for item in json.loads(output) for vlan in item["vlans"]}


ACCESS = ["PVID", "Egress Untagged"]


def test_a_kernel_without_it_says_so_and_makes_nothing() -> None:
    if filtering.args[0] is False:
        pytest.skip("needs a kernel without VLAN filtering in Linux bridges")
    before = state()
    with pytest.raises(Failed, match=r"Operation not supported; this kernel has no Linux bridge, or one without"):
        apply([bridge(vlan_filtering=True)])
    assert state() == before
    ip("link", "add", "nvtbr", "type", "bridge")
    refused(Missing, "this kernel cannot filter VLANs on a Linux bridge", bridge(vlan_filtering=True))


@filtering
def test_access_ports_trunk_and_native() -> None:
    for number in (1, 2, 3):
        wire(number)
    wanted = bridge(
        {"name": "nvtp1", "pvid": 10},
        {"name": "nvtp2", "tagged": [20, 10]},
        {"name": "nvtp3", "pvid": 1, "tagged": [30]},
        vlan_filtering=True,
    )
    converges(wanted)
    assert data()["vlan_filtering"] == 1
    assert vlans("nvtp1") == {10: ACCESS}
    assert vlans("nvtp2") == {10: [], 20: []}
    assert vlans("nvtp3") == {1: ACCESS, 30: []}


@filtering
def test_vlans_keep_hosts_apart() -> None:
    near = [host(number) for number in (1, 2, 3)]
    converges(
        bridge(
            {"name": near[0], "pvid": 10}, {"name": near[1], "pvid": 10}, {"name": near[2], "pvid": 20},
            vlan_filtering=True,
        )
    )  # fmt: skip
    assert reaches(1, 2)
    assert not reaches(1, 3)
    result = converges(bridge({"name": near[2], "pvid": 10}))
    assert reaches(1, 3)
    converges(*shown_before(result))
    assert not reaches(1, 3)
    assert vlans("nvtp3") == {20: ACCESS}


@filtering
def test_a_port_of_which_no_vlans_are_said_has_the_default_and_keeps_others() -> None:
    converges(bridge(wire(1), vlan_filtering=True, vlan_default_pvid=7))
    assert vlans("nvtp1") == {7: ACCESS}
    command = ["bridge", "vlan", "add", "dev", "nvtp1", "vid", "9"]
    subprocess.run(command, check=True)
    settled(bridge("nvtp1"))
    converges(bridge({"name": "nvtp1", "isolated": True}))
    assert vlans("nvtp1") == {7: ACCESS, 9: []}


@filtering
@pytest.mark.parametrize(("pvid", "shown"), [(5, {5: ACCESS}), (0, {})])
def test_ports_follow_the_default_pvid(pvid: int, shown: dict[int, Any]) -> None:
    wire(1)
    converges(bridge("nvtp1", {"name": wire(2), "pvid": 10}, vlan_filtering=True))
    result = converges(bridge(vlan_default_pvid=pvid))
    assert vlans("nvtp1") == shown
    assert vlans("nvtp2") == {10: ACCESS}
    assert "ports" in result.operations[0]["changes"]
    settled(bridge("nvtp1", {"name": "nvtp2", "pvid": 10}))


@filtering
def test_filtering_goes_on_and_off() -> None:
    converges(bridge(wire(1)))
    converges(bridge(vlan_filtering=True))
    assert vlans("nvtp1") == {1: ACCESS}
    converges(bridge({"name": "nvtp1", "tagged": [5]}, vlan_filtering=True))
    converges(bridge(vlan_filtering=False))
    assert data()["vlan_filtering"] == 0
    assert ports() == ["nvtp1"]


@filtering
def test_a_thousand_vlans_of_a_trunk() -> None:
    wanted = bridge({"name": wire(1), "tagged": list(range(2, 1002))}, vlan_filtering=True)
    converges(wanted)
    assert list(vlans("nvtp1")) == list(range(2, 1002))
    assert link("nvtbr") is not None
