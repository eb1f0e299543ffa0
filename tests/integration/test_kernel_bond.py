# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bond of the kernel becomes the uplink of a Linux bridge, address and all, and outlives the loss of a leg."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from netvirt_testing.lab import Lab
from netvirt_testing.wires import NICS, joined, pulled, wait_for

pytestmark = pytest.mark.vm
NODES = ("compute1", "compute2")
ADDRESSES = {node: f"10.77.0.{number}" for number, node in enumerate(NODES, 1)}
BOND, BRIDGE = "nvtbond", "nvtbr0"
OWNER = "kernel-bond"


def apply(lab: Lab, node: str, *resources: dict[str, Any]) -> bool:
    result = lab.module(node, "apply", {"owner": OWNER, "resources": list(resources)})
    assert not result["failed"], result
    return bool(result["changed"])


def bond(node: str) -> list[dict[str, Any]]:
    return [
        {"link_bond": {"name": BOND, "mode": "active-backup", "members": list(NICS)}},
        {"ip_interface": {"name": BOND, "addresses": [f"{ADDRESSES[node]}/24"]}},
    ]


BRIDGED = [{"linux_bridge": {"name": BRIDGE}}, {"bridge_uplink": {"name": BOND, "bridge": BRIDGE}}]


@pytest.fixture
def nodes(lab: Lab) -> Iterator[Lab]:
    for node in NODES:
        if lab.run(node, ["modprobe", "bonding"], check=False).returncode != 0:
            pytest.skip("needs a kernel with bonding")
    with joined(lab):
        yield lab
        for node in NODES:
            apply(lab, node, {"bridge_uplink": {"name": BOND, "state": "absent"}})
            gone = [{"linux_bridge": {"name": BRIDGE}}, {"link_bond": {"name": BOND}}]
            apply(lab, node, *[{kind: {**options, "state": "absent"}} for one in gone for kind, options in one.items()])
            assert not {BOND, BRIDGE} & {link["ifname"] for link in lab.json(node, ["ip", "-j", "link"])}


def answers(lab: Lab) -> bool:
    command = ["ping", "-n", "-c", "3", "-W", "2", ADDRESSES[NODES[1]]]
    return lab.run(NODES[0], command, check=False).returncode == 0


def test_a_bond_is_the_uplink_of_a_linux_bridge(nodes: Lab) -> None:
    for node in NODES:
        assert apply(nodes, node, *bond(node))
    assert answers(nodes)
    for node in NODES:
        assert apply(nodes, node, *BRIDGED)
        assert not apply(nodes, node, *BRIDGED)
        (bridge,) = nodes.json(node, ["ip", "-j", "-4", "address", "show", "dev", BRIDGE])
        assert [item["local"] for item in bridge["addr_info"]] == [ADDRESSES[node]]
    assert answers(nodes)
    active = nodes.run(NODES[0], ["cat", f"/sys/class/net/{BOND}/bonding/active_slave"]).stdout.strip()
    with pulled(nodes, active, NODES[:1]):
        wait_for(lambda: answers(nodes), "talk by the other leg")
    wait_for(lambda: answers(nodes), "talk when the leg is back")
