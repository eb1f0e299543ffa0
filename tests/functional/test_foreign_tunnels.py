# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An interface of the host that has the UDP port of tunnels."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from engine import DATAPATH, apply, output
from netlink_node import ip

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict

BRIDGE, FOREIGN, GRE = "nvtbr", "nvtvx", "nvtgre"


@pytest.fixture(autouse=True)
def vxlan() -> Iterator[None]:
    """Have a VXLAN interface of somebody else."""
    ip("link", "add", FOREIGN, "type", "vxlan", "id", "42", "dstport", "4789", "remote", "192.0.2.9", "dev", "lo")
    try:
        yield
    finally:
        ip("link", "delete", FOREIGN)
        output("ovs-vsctl", "--if-exists", "del-br", BRIDGE)


def tunnels(**options: Any) -> list[dict[str, Any]]:
    mesh = {"name": "nvtvxl", "bridge": BRIDGE, "type": "vxlan", "remotes": ["192.0.2.2"], **options}
    return [{"ovs_bridge": {"name": BRIDGE, "datapath_type": DATAPATH}}, {"ovs_tunnel": mesh}]


def test_the_port_is_refused_with_the_name_of_who_has_it() -> None:
    for check in (True, False):
        with pytest.raises(Conflict) as caught:
            apply(tunnels(), check)
        assert str(caught.value) == (
            "ovs_tunnel nvtvxl: the interface nvtvx of the host has the UDP port 4789 (vxlan) already; remove it, or "
            "give one of them another port: dst_port, in a document fabric_underlay.dst_port"
        )
    assert BRIDGE not in output("ovs-vsctl", "list-br").split()


@pytest.mark.parametrize("other", [{"dst_port": 4790}, {"type": "geneve"}])
def test_another_port_is_free(other: dict[str, Any]) -> None:
    apply(tunnels(**other))
    assert apply(tunnels(**other), check=True).operations == []
    with pytest.raises(Conflict, match="the interface nvtvx of the host has the UDP port 4789"):
        apply(tunnels(type="vxlan", dst_port=4789))


def test_tunnels_that_are_there_stay() -> None:
    """A rebuild at boot cannot ask anybody."""
    ip("link", "set", FOREIGN, "down")
    ip("link", "delete", FOREIGN)
    apply(tunnels())
    ip("link", "add", FOREIGN, "type", "vxlan", "id", "42", "dstport", "4789", "remote", "192.0.2.9", "dev", "lo")
    apply(tunnels(remotes=["192.0.2.2", "192.0.2.3"]))


def test_gre_has_no_port_to_be_taken() -> None:
    """The kernel has a device gre0 wherever its module for GRE is loaded."""
    ends = ("local", "192.0.2.1", "remote", "192.0.2.9")
    if subprocess.run(["ip", "link", "add", GRE, "type", "gre", *ends], check=False, capture_output=True).returncode:
        pytest.skip("needs GRE of the kernel, whose module containers lack")
    try:
        apply(tunnels(type="gre"))
        assert apply(tunnels(type="gre"), check=True).operations == []
    finally:
        ip("link", "delete", GRE)
