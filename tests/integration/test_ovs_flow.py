# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ovs_flow as a module, on a node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from contract import contract

from netvirt_testing.lab import Lab

NODE = "compute1"


@pytest.fixture
def bridge(lab: Lab) -> Iterator[str]:
    ports = [{"ovs_port_vlan": {"name": name, "bridge": "nvtof", "type": "internal"}} for name in ("nvtofa", "nvtofb")]
    lab.module(NODE, "apply", {"resources": [{"ovs_bridge": {"name": "nvtof", "datapath_type": "netdev"}}, *ports]})
    yield "nvtof"
    lab.module(NODE, "ovs_bridge", {"name": "nvtof", "state": "absent"})


def test_contract(lab: Lab, bridge: str) -> None:
    def probe() -> list[str]:
        argv = ["ovs-ofctl", "-O", "OpenFlow14", "--no-stats", "--names", "dump-flows", bridge, "cookie=0x11/-1"]
        return sorted(line.strip() for line in lab.run(NODE, argv).stdout.splitlines() if "actions=" in line)

    translate = "dl_vlan=100,in_port=nvtofa actions=mod_vlan_vid:1,output:nvtofb"
    contract(
        lab,
        NODE,
        "ovs_flow",
        {
            "bridge": bridge,
            "cookie": 0x11,
            "name": "test",
            "flows": [translate, "priority=5,in_port=nvtofa,actions=drop"],
        },
        change={"flows": [translate, "priority=6,in_port=nvtofa,actions=drop"]},
        probe=probe,
        expect=[
            "cookie=0x11, in_port=nvtofa,dl_vlan=100 actions=set_field:4097->vlan_vid,output:nvtofb",
            "cookie=0x11, priority=5,in_port=nvtofa actions=drop",
        ],
        expect_changed=[
            "cookie=0x11, in_port=nvtofa,dl_vlan=100 actions=set_field:4097->vlan_vid,output:nvtofb",
            "cookie=0x11, priority=6,in_port=nvtofa actions=drop",
        ],
    )


def test_a_wrong_flow_is_one_line(lab: Lab, bridge: str) -> None:
    flows = ["ip actions=drop", "ip6,nw_ttl=300 actions=drop"]
    result = lab.module(NODE, "ovs_flow", {"bridge": bridge, "cookie": "0x11", "flows": flows})
    assert "ovs_flow nvtof/0x11: the flow 'ip6,nw_ttl=300 actions=drop' is wrong: " in result["msg"]
    assert "\n" not in result["msg"]
    assert result["operations"] == []
