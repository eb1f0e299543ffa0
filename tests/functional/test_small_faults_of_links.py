# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and tags that were taken for something else."""

from __future__ import annotations

import pytest
from engine import DATAPATH, Spec, apply, column, output
from netlink_node import addresses, ip, link
from uplink_node import BRIDGE, NIC

from ansible_collections.netvirt.fabric.plugins.module_utils import _node_facts
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings


@pytest.mark.usefixtures("nic")
def test_ipv4_link_local_addresses_are_no_exception() -> None:
    ip("address", "add", "169.254.7.7/16", "dev", NIC)
    apply([{"ip_interface": {"name": NIC, "addresses": ["10.99.0.2/24"]}}])
    assert addresses(NIC) == ["10.99.0.2/24"]


@pytest.mark.usefixtures("nic")
def test_a_tag_of_0_is_no_trunk_of_all_vlans() -> None:
    output("ovs-vsctl", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, f"datapath_type={DATAPATH}")
    output("ovs-vsctl", "add-port", BRIDGE, NIC, "tag=0")
    (before,) = apply([{"ovs_port_vlan": {"name": NIC, "bridge": BRIDGE}}], check=True).resources
    assert before.have is not None
    assert (before.have["mode"], before.have["trunks"]) == ("trunk", [0])
    assert apply([{"ovs_port_vlan": {"name": NIC, "bridge": BRIDGE, "mode": "trunk", "trunks": "all"}}]).operations
    assert column("port", NIC, "tag") == []


@pytest.mark.usefixtures("nic")
def test_addresses_from_router_advertisements_are_no_facts() -> None:
    ip("address", "add", "2001:db8:99::77/64", "dev", NIC, "valid_lft", "600", "preferred_lft", "600")
    node = Node(Settings())
    found = _node_facts.interfaces(node)[NIC]["addresses"]
    assert "2001:db8:99::2/64" in found
    assert "2001:db8:99::77/64" not in found


@pytest.mark.usefixtures("nic")
def test_a_bridge_keeps_its_addresses_and_routes_under_another_mac_address() -> None:
    """As br-phy has them when the node's NIC was replaced."""
    held = ["10.99.7.2/24", "2001:db8:7::2/64"]

    def wanted(mac: str) -> list[Spec]:
        return [
            {"ovs_bridge": {"name": BRIDGE, "datapath_type": DATAPATH, "hwaddr": mac}},
            {"ip_interface": {"name": BRIDGE, "addresses": held, "up": True}},
        ]

    apply(wanted("52:54:00:00:07:01"))
    ip("route", "add", "198.51.100.0/24", "via", "10.99.7.1")
    output("ip", "-6", "route", "add", "2001:db8:8::/64", "via", "2001:db8:7::1")
    apply(wanted("52:54:00:00:07:02"))
    found = link(BRIDGE)
    assert found is not None
    assert (found["address"], addresses(BRIDGE)) == ("52:54:00:00:07:02", held)
    assert ip("route", "show", "198.51.100.0/24") != []
    assert output("ip", "-6", "route", "show", "2001:db8:8::/64") != ""
    assert apply(wanted("52:54:00:00:07:02"), check=True).operations == []
