# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""bridge_uplink: a NIC moves into a bridge and back, with everything that makes it useful."""

from __future__ import annotations

from typing import Any

import pytest
from engine import DATAPATH, Spec, apply, output
from netlink_node import addresses, ip, shown_before
from uplink_node import BRIDGE, KEPT, NIC, everything, moved, reached, uplink

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import NetvirtError


def converges(*resources: Spec) -> list[Spec]:
    """Check, run, check, run; return the operations."""
    state = everything()
    planned = apply(resources, check=True).operations
    assert everything() == state
    assert apply(resources).operations == planned
    state = everything()
    for check in (True, False):
        assert apply(resources, check).operations == []
    assert everything() == state
    return planned


def test_there_and_back(bridge: str) -> None:
    before = everything()
    mac = before[NIC]["address"]
    operations = converges(uplink())
    assert [operation["action"] for operation in operations] == ["move"]
    assert moved()
    there = everything()
    assert (there[BRIDGE]["address"], there[BRIDGE]["mtu"], there[BRIDGE]["up"]) == (mac, 1400, True)
    stripped = [{key: value for key, value in item.items() if key != "label"} for item in before[NIC]["addresses"]]
    kept = [item for item in stripped if item["scope"] != "link"]
    assert [
        {key: value for key, value in item.items() if key != "label"} for item in there[BRIDGE]["addresses"]
    ] == kept
    assert f"{BRIDGE}:1" in [item.get("label") for item in there[BRIDGE]["addresses"]]
    for family in (0, 1):
        expected = {
            line.replace(f"dev {NIC}", f"dev {BRIDGE}") for line in before["routes"][family] if "fe80" not in line
        }
        assert {line for line in expected if "ff00::" not in line} <= set(there["routes"][family])
    assert reached("10.99.0.2")
    assert reached("-6", "2001:db8:99::2")
    assert reached("-s", "1372", "-M", "do", "10.99.0.3")
    assert [operation["action"] for operation in converges(uplink(state="absent"))] == ["move back"]
    assert everything() == before
    assert not KEPT.exists()
    assert reached("10.99.0.2")


def test_what_was_there_before_can_be_fed_back(bridge: str) -> None:
    before = everything()
    result = apply([uplink()])
    apply(shown_before(result))
    assert everything() == before


def test_bridge_of_the_same_run_and_its_own_address(nic: None) -> None:
    before = everything()
    own = {"name": BRIDGE, "addresses": ["10.50.0.1/24"], "purge_addresses": False, "up": True}
    resources = [uplink(), {"ip_interface": own}, {"ovs_bridge": {"name": BRIDGE, "datapath_type": DATAPATH}}]
    converges(*resources)
    assert "10.50.0.1/24" in addresses(BRIDGE)
    assert reached("10.99.0.2")
    converges(uplink(state="absent"))
    assert addresses(BRIDGE) == ["10.50.0.1/24"], "what the bridge has of its own stays"
    output("ovs-vsctl", "del-br", BRIDGE)
    assert everything() == before


def test_what_comes_back_to_the_nic_is_moved_again(bridge: str) -> None:
    apply([uplink()])
    ip("address", "add", "10.99.0.9/24", "dev", NIC)
    (operation,) = converges(uplink())
    assert operation["action"] == "update"
    assert "10.99.0.9/24" in addresses(BRIDGE)
    apply([uplink(state="absent")])
    assert "10.99.0.9/24" in addresses(NIC)
    assert addresses(BRIDGE) == []


def test_routes_made_later_go_with_the_addresses_that_they_need(bridge: str) -> None:
    apply([uplink()])
    ip("route", "add", "10.200.0.0/16", "via", "10.99.0.1")
    ip("address", "add", "10.51.0.1/24", "dev", BRIDGE)
    ip("route", "add", "10.201.0.0/16", "via", "10.51.0.2")
    apply([uplink(state="absent")])
    assert ip("route", "show", "10.200.0.0/16")[0]["dev"] == NIC
    assert ip("route", "show", "10.201.0.0/16")[0]["dev"] == BRIDGE


def test_vlan(nic: None) -> None:
    output("ovs-vsctl", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, f"datapath_type={DATAPATH}")
    output("ovs-vsctl", "set", "port", BRIDGE, "tag=10")
    converges(uplink(vlan=10))
    assert output("ovs-vsctl", "get", "port", NIC, "tag").strip() == "10"
    assert reached("10.99.0.2")
    converges(uplink(vlan=20))
    assert not reached("10.99.0.2")
    converges(uplink(vlan=0))
    assert output("ovs-vsctl", "get", "port", NIC, "tag").strip() == "[]"


def test_port_that_somebody_else_made(nic: None) -> None:
    output("ovs-vsctl", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, f"datapath_type={DATAPATH}")
    output("ovs-vsctl", "add-port", BRIDGE, NIC)
    converges(uplink())
    assert moved()
    assert reached("10.99.0.2")
    assert output("ovs-vsctl", "get", "port", NIC, "external_ids").strip() == "{}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "nvtnone"}, "interface nvtnone does not exist; declare it with veth_pair, linux_bridge, "),
        ({"name": "lo"}, "lo cannot be a port of a bridge"),
        ({"bridge": NIC}, "bridge must be another interface than nvtnic itself"),
        ({"bridge": "nvtother"}, "bridge nvtother does not exist; declare it with ovs_bridge or linux_bridge"),
        ({"bridge": "nvtdummy"}, "nvtdummy is an interface, but no bridge"),
        ({"name": BRIDGE, "bridge": "nvtbr2"}, "it is a bridge or a port of one itself"),
        ({"name": "nvtslave"}, "it is in bridge nvtbr2, not nvtbr; take it out there first"),
        ({"vlan": 10}, "vlan is for bridges of Open vSwitch, and nvtbr is a Linux bridge"),
        ({"vlan": 4095}, "vlan must be a whole number from 0 to 4094, not 4095"),
        ({"confirm_timeout": 1}, "confirm_timeout must be a whole number from 5 to 3600, not 1"),
        ({"name": "nvtslave", "bridge": None, "state": "absent"}, "was not moved there by bridge_uplink"),
    ],
)
def test_refused(nic: None, options: dict[str, Any], message: str) -> None:
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("link", "add", "nvtbr2", "type", "bridge")
    ip("link", "add", "nvtdummy", "type", "veth", "peer", "name", "nvtslave")
    ip("link", "set", "nvtslave", "master", "nvtbr2")
    before = everything()
    for check in (True, False):
        with pytest.raises(NetvirtError) as caught:
            apply([uplink(**options)], check)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    assert everything() == before


def test_two_uplinks_are_refused(nic: None) -> None:
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("link", "add", "nvtnic2", "type", "veth", "peer", "name", "nvtdummy")
    second = uplink(name="nvtnic2")
    with pytest.raises(NetvirtError, match=f"bridge {BRIDGE} has the uplink nvtnic.*; put both into a bond"):
        apply([uplink(), second])
    assert not moved()
    apply([uplink()])
    with pytest.raises(NetvirtError, match=f"bridge {BRIDGE} has the uplink {NIC}, and two of them"):
        apply([second])


def test_nexthop_objects_are_refused(nic: None) -> None:
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("nexthop", "add", "id", "78", "via", "10.99.0.1", "dev", NIC)
    ip("route", "add", "10.77.0.0/16", "nhid", "78")
    with pytest.raises(NetvirtError, match="uses a nexthop object, which cannot be moved"):
        apply([uplink()])
    assert not moved()
