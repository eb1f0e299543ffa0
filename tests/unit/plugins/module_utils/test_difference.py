# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The difference and the summary that a module shows."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _module
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import parse


def test_a_removal_shows_what_of_others_goes_along() -> None:
    (item,) = parse([{"ovs_bridge": {"name": "br0", "state": "absent"}}])
    item.have, item.lost = {"name": "br0", "stp": False}, ["port vnet0"]
    assert _module.difference(item) == (
        {"name": "br0", "stp": False, "foreign objects that go with it": ["port vnet0"]},
        {"name": "br0", "state": "absent"},
    )


def test_a_new_object_is_shown_by_what_was_asked() -> None:
    pair = {"name": "v0", "up": True, "peer": {"name": "v1", "namespace": "r1"}}
    (item,) = parse([{"veth_pair": pair}])
    item.after = {**item.want, "mtu": 1500, "mac": "02:00:00:00:00:01", "peer": {**item.want["peer"], "mtu": 1500}}
    item.desired = item.after
    before, after = _module.difference(item)
    assert before == {"name": "v0", "state": "absent"}
    assert after == {"state": "present", **pair}


def test_a_line_for_each_object() -> None:
    operations = [
        {"kind": "kvm_guest", "name": "vm1", "action": "stop"},
        {"kind": "ovs_port_vlan", "name": "p", "action": "update", "changes": {"tag": {}, "mode": {}}},
        {"kind": "ip_interface", "name": "eth0", "namespace": "r1", "action": "update", "changes": {"mtu": {}}},
        {"kind": "kvm_guest", "name": "vm1", "action": "restart", "changes": {"memory": {}}},
        {"kind": "netns_router", "name": "r1", "action": "create"},
        {"kind": "netns_router", "name": "r1", "action": "set addresses of eth0", "changes": {"addresses": {}}},
        {"kind": "netns_router", "name": "r2", "action": "set addresses of eth0", "changes": {"addresses": {}}},
    ]
    assert _module.summary(_engine.Result(operations, [], [])) == [
        "kvm_guest vm1: stop; restart memory",
        "ovs_port_vlan p: update tag, mode",
        "ip_interface eth0 in namespace r1: update mtu",
        "netns_router r1: create",
        "netns_router r2: set addresses of eth0",
    ]
