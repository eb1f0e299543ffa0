# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces that Open vSwitch makes in the same run, and veths that are its ports."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engine import DATAPATH, column, output
from netlink_node import actions, addresses, clean_node, converges, ip, link, refused, routes

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import InvalidValue

__all__ = ["clean_node"]
BRIDGE = {"ovs_bridge": {"name": "nvtbr", "datapath_type": DATAPATH}}


@pytest.fixture(autouse=True)
def without_bridge(clean_node: None) -> Iterator[None]:
    yield
    output("ovs-vsctl", "--if-exists", "del-br", "nvtbr")


def test_address_of_a_bridge_that_the_same_run_makes() -> None:
    routed = {"destination": "10.0.10.0/24", "via": "192.0.2.10"}
    address = {"name": "nvtbr", "up": True, "addresses": ["192.0.2.1/24"], "mtu": 1500, "routes": [routed]}
    result = converges({"ip_interface": address}, BRIDGE)
    assert actions(result) == ["create", "configure", "set addresses", "set routes"]
    assert addresses("nvtbr") == ["192.0.2.1/24"]
    assert [route["dev"] for route in routes()] == ["nvtbr"]
    text = "ip_interface nvtbr: routes need an interface that is up; set up: true"
    output("ovs-vsctl", "del-br", "nvtbr")
    del address["up"]
    refused(InvalidValue, text, {"ip_interface": address}, BRIDGE)


def test_internal_port_of_the_same_run_becomes_a_leg() -> None:
    converges(
        BRIDGE,
        {"ovs_port_vlan": {"name": "nvti", "bridge": "nvtbr", "type": "internal", "tag": 10}},
        {"netns_router": {"name": "nvtr", "interfaces": [{"name": "nvti", "addresses": ["10.0.10.1/24"], "up": True}]}},
    )
    assert addresses("nvti", "nvtr") == ["10.0.10.1/24"]
    assert link("nvti") is None


def test_pair_made_anew_is_a_port_again_and_whole_again_in_one_run() -> None:
    resources = (
        BRIDGE,
        {"ovs_port_vlan": {"name": "nvt0", "bridge": "nvtbr", "tag": 10}},
        {"veth_pair": {"name": "nvt0", "mtu": 1446, "peer": {"name": "nvt1", "namespace": "nvtr", "mtu": 1446}}},
        {
            "netns_router": {
                "name": "nvtr",
                "interfaces": [{"name": "nvt1", "addresses": ["10.0.10.1/24"]}],
                "routes": [{"destination": "default", "via": "10.0.10.2"}],
            }
        },
    )
    converges(*resources)
    before = column("Interface", "nvt0", "ofport")
    ip("link", "delete", "nvt0")
    assert actions(converges(*resources)) == ["create", "reattach", "set addresses of nvt1", "set routes"]
    assert column("Interface", "nvt0", "ofport") == before
    assert addresses("nvt1", "nvtr") == ["10.0.10.1/24"]
