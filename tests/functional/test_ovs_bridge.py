# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ovs_bridge against a real Open vSwitch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import DATAPATH, Object, apply, column, output
from netlink_node import link

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, Failed, InvalidValue

REAL = {"datapath_type": DATAPATH}


@pytest.fixture
def bridge() -> Iterator[Object]:
    yield Object("ovs_bridge", name="nvtbr")
    output("ovs-vsctl", "--if-exists", "del-br", "nvtbr")


@pytest.mark.parametrize(
    ("option", "value", "table_column", "shown"),
    [
        ("fail_mode", "secure", "fail_mode", "secure"),
        ("protocols", ["OpenFlow14", "OpenFlow13"], "protocols", ["OpenFlow13", "OpenFlow14"]),
        ("datapath_id", "00000000000000AB", "other_config", {"datapath-id": "00000000000000ab"}),
        ("hwaddr", "52-54-00-00-00-01", "other_config", {"hwaddr": "52:54:00:00:00:01"}),
        ("mac_table_size", 50000, "other_config", {"mac-table-size": "50000"}),
        ("stp", True, "stp_enable", True),
        ("rstp", True, "rstp_enable", True),
        ("mcast_snooping", True, "mcast_snooping_enable", True),
        ("other_config", {"mac-aging-time": 30}, "other_config", {"mac-aging-time": "30"}),
    ],
)
def test_each_option_is_set_shown_and_taken_back(
    bridge: Object, option: str, value: Any, table_column: str, shown: Any
) -> None:
    original = bridge.present(**REAL)
    assert bridge.changes(**{option: value}) == {option}
    assert column("Bridge", "nvtbr", table_column) == shown
    assert bridge.present()[option] != original[option], "an option that is left out was not left alone"
    bridge.present(**original)
    assert column("Bridge", "nvtbr", table_column) != shown


def test_what_is_asked_for_from_the_start_is_there(bridge: Object) -> None:
    bridge.present(**REAL, fail_mode="secure", hwaddr="52:54:00:00:00:02", controllers=["tcp:127.0.0.1:6653"])
    assert column("Bridge", "nvtbr", "fail_mode") == "secure"
    assert output("ovs-vsctl", "get-controller", "nvtbr").split() == ["tcp:127.0.0.1:6653"]
    device = link("nvtbr")
    assert device is not None
    assert device["address"] == "52:54:00:00:00:02"


def test_controllers_are_an_exact_set(bridge: Object) -> None:
    bridge.present(**REAL, controllers=["tcp:127.0.0.1:6653", "tcp:127.0.0.1:6654"])
    assert bridge.changes(controllers=["tcp:127.0.0.1:6654"]) == {"controllers"}
    assert output("ovs-vsctl", "get-controller", "nvtbr").split() == ["tcp:127.0.0.1:6654"]
    bridge.present(controllers=[])
    assert output("ovs-vsctl", "get-controller", "nvtbr") == ""


def test_external_ids_are_exact_but_for_our_mark(bridge: Object) -> None:
    bridge.present(**REAL, external_ids={"a": 1, "b": "x=y, z"})
    output("ovs-vsctl", "br-set-external-id", "nvtbr", "by-hand", "1")
    assert bridge.changes(external_ids={"b": "x=y, z"}) == {"external_ids"}
    assert column("Bridge", "nvtbr", "external_ids") == {"b": "x=y, z", "netvirt-owner": "netvirt"}
    with pytest.raises(InvalidValue, match="netvirt-owner"):
        bridge.plan(external_ids={"netvirt-owner": "me"})


def test_a_bridge_made_by_hand_is_changed_but_not_marked(bridge: Object) -> None:
    output("ovs-vsctl", "add-br", "nvtbr", "--", "set", "bridge", "nvtbr", f"datapath_type={DATAPATH}")
    assert bridge.changes(fail_mode="secure") == {"fail_mode"}
    assert column("Bridge", "nvtbr", "external_ids") == {}


def test_no_change_writes_nothing(bridge: Object) -> None:
    bridge.present(**REAL)
    before = output("ovs-vsctl", "get", "Open_vSwitch", ".", "next_cfg")
    bridge.present(**REAL)
    assert output("ovs-vsctl", "get", "Open_vSwitch", ".", "next_cfg") == before


def test_absent_leaves_the_database_as_it_was(bridge: Object) -> None:
    before = output("ovs-vsctl", "list-br")
    bridge.present(**REAL, controllers=["tcp:127.0.0.1:6653"])
    bridge.absent()
    assert output("ovs-vsctl", "list-br") == before
    assert output("ovs-vsctl", "--bare", "--columns=_uuid", "find", "Controller") == ""


def test_the_vlan_of_a_fake_bridge_changes_and_its_ports_follow(bridge: Object) -> None:
    bridge.present(**REAL)
    fake = Object("ovs_bridge", name="nvtfake", parent="nvtbr")
    fake.present(vlan=10)
    port = Object("ovs_port_vlan", name="nvtp", bridge="nvtfake")
    port.present(type="internal")
    Object("ovs_port_vlan", name="nvtq", bridge="nvtbr").present(type="internal", tag=7)
    assert column("Port", "nvtp", "tag") == 10
    assert fake.changes(vlan=11) == {"vlan"}
    assert [column("Port", name, "tag") for name in ("nvtfake", "nvtp", "nvtq")] == [11, 11, 7]
    assert output("ovs-vsctl", "list-ports", "nvtfake").split() == ["nvtp"]
    assert port.plan(type="internal") == []
    with pytest.raises(Conflict, match="VLAN 11 and no other"):
        port.plan(type="internal", tag=12)
    fake.absent()
    assert output("ovs-vsctl", "list-ports", "nvtbr").split() == ["nvtq"]


@pytest.mark.parametrize("fake_first", [True, False])
@pytest.mark.parametrize("tag", [10, 20])
@pytest.mark.parametrize("change", [{"parent": "nvtbr", "vlan": 11}, {"state": "absent"}], ids=["moves", "goes"])
def test_a_declared_port_does_not_follow_a_fake_bridge(
    bridge: Object, change: dict[str, Any], tag: int, fake_first: bool
) -> None:
    bridge.present(**REAL)
    port = {"name": "nvtp", "bridge": "nvtbr", "type": "internal"}
    apply([{"ovs_bridge": {"name": "nvtfake", "parent": "nvtbr", "vlan": 10}}, {"ovs_port_vlan": {**port, "tag": 10}}])
    wanted = [{"ovs_bridge": {"name": "nvtfake", **change}}, {"ovs_port_vlan": {**port, "tag": tag}}]
    resources = wanted if fake_first else wanted[::-1]
    planned, done = apply(resources, check=True), apply(resources)
    assert planned.operations == done.operations
    assert column("Port", "nvtp", "tag") == tag
    assert output("ovs-vsctl", "port-to-br", "nvtp").strip() == "nvtbr"
    assert apply(resources).operations == []


def test_a_fake_bridge_goes_while_ports_are_made_on_its_parent(bridge: Object) -> None:
    bridge.present(**REAL)
    apply([{"ovs_bridge": {"name": "nvtfake", "parent": "nvtbr", "vlan": 10}}])
    resources = [
        {"ovs_port_vlan": {"name": "nvtp", "bridge": "nvtbr", "type": "internal", "tag": 10}},
        {"ovs_tunnel": {"name": "nvtt", "bridge": "nvtbr", "type": "vxlan", "remote": "192.0.2.2"}},
        {"ovs_bridge": {"name": "nvtfake", "state": "absent"}},
    ]
    apply(resources)
    assert output("ovs-vsctl", "list-ports", "nvtbr").split() == ["nvtp", "nvtt"]
    assert apply(resources).operations == []


def test_real_and_fake_do_not_turn_into_one_another(bridge: Object) -> None:
    bridge.present(**REAL)
    with pytest.raises(Conflict, match="real bridge and cannot become a fake bridge under nvtother"):
        apply(
            [{"ovs_bridge": {"name": "nvtother"}}, {"ovs_bridge": {"name": "nvtbr", "parent": "nvtother", "vlan": 3}}],
            True,
        )
    with pytest.raises(Conflict, match="bridge nvtnone does not exist; declare it with ovs_bridge"):
        Object("ovs_bridge", name="nvtfake").plan(parent="nvtnone", vlan=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parent": "nvtbr", "vlan": 4095}, "vlan must be a whole number from 1 to 4094, not 4095"),
        ({"parent": "nvtbr"}, "parent and vlan belong together"),
        ({"parent": "nvtbr", "vlan": 1, "stp": True}, "a fake bridge has no stp; set it on its parent nvtbr"),
        ({"stp": True, "rstp": True}, "exclude one another"),
        ({"protocols": ["OpenFlow9"]}, "not 'OpenFlow9'"),
        ({"controllers": ["127.0.0.1"]}, "not '127.0.0.1'"),
        ({"datapath_id": "12"}, "16 hexadecimal digits"),
        ({"hwaddr": "01:00:00:00:00:01"}, "unicast"),
        ({"other_config": {"hwaddr": "x"}}, "use the option hwaddr"),
        ({"mac_table_size": 9}, "must be 0, or from 10 to 1000000"),
        ({"mac_table_size": 1000001}, "from 0 to 1000000"),
        ({"colour": "blue"}, "unknown option colour"),
        ({"fail_mode": "open"}, "must be one of standalone, secure, not 'open'"),
    ],
)
def test_wrong_values_are_one_line_and_change_nothing(bridge: Object, options: dict[str, Any], message: str) -> None:
    before = output("ovs-vsctl", "show")
    with pytest.raises(InvalidValue, match="ovs_bridge nvtbr: ") as error:
        bridge.present(**options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert output("ovs-vsctl", "show") == before


@pytest.mark.parametrize("name", ["a" * 16, "a/b", "", "a b", "-a", "..", "a\nb"])
def test_a_name_that_is_no_interface_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="name must "):
        Object("ovs_bridge", name=name).plan()


def test_a_new_bridge_has_a_datapath_that_the_node_has(bridge: Object) -> None:
    there = Path("/sys/module/openvswitch").exists()
    assert bridge.present()["datapath_type"] == ("system" if there else "netdev")
    assert column("Interface", "nvtbr", "error") == []


def test_keys_are_merged_where_asked(bridge: Object) -> None:
    bridge.present(**REAL, external_ids={"a": "1"}, other_config={"x": "1"}, hwaddr="02:00:00:00:00:01")
    bridge.present(external_ids={"b": "2"}, other_config={"y": "2"}, merge=True)
    assert column("Bridge", "nvtbr", "external_ids") == {"a": "1", "b": "2", "netvirt-owner": "netvirt"}
    assert column("Bridge", "nvtbr", "other_config") == {"x": "1", "y": "2", "hwaddr": "02:00:00:00:00:01"}
    bridge.present(external_ids={"b": "2"})
    assert column("Bridge", "nvtbr", "external_ids") == {"b": "2", "netvirt-owner": "netvirt"}


def test_foreign_ports_that_go_with_a_bridge_are_told(bridge: Object) -> None:
    bridge.present(**REAL)
    output("ovs-vsctl", "add-port", "nvtbr", "nvtx", "--", "set", "Interface", "nvtx", "type=internal")
    for check in (True, False):
        (item,) = apply([{"ovs_bridge": {"name": "nvtbr", "state": "absent"}}], check).resources
        assert item.lost == ["port nvtx"]


def test_a_datapath_that_does_not_exist_is_told(bridge: Object) -> None:
    if Path("/sys/module/openvswitch").exists():
        pytest.skip("needs a kernel without the Open vSwitch datapath")
    with pytest.raises(Failed, match="set datapath_type: netdev"):
        bridge.present(datapath_type="system")
