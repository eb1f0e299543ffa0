# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ovs_port_vlan against a real Open vSwitch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from engine import DATAPATH, Object, apply, column, output
from netlink_node import link

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, Failed, InvalidValue

INTERNAL = {"bridge": "nvtbr", "type": "internal"}
LATER = {"bridge": "nvtbr", "device_required": False}


@pytest.fixture(autouse=True)
def _bridges() -> Iterator[None]:
    bridges = ("nvtbr", "nvtbr2")
    apply([{"ovs_bridge": {"name": name, "datapath_type": DATAPATH}} for name in bridges])
    yield
    for name in bridges:
        output("ovs-vsctl", "--if-exists", "del-br", name)


@pytest.fixture
def port() -> Object:
    return Object("ovs_port_vlan", name="nvtp")


def vlans() -> list[Any]:
    return [column("Port", "nvtp", name) for name in ("vlan_mode", "tag", "trunks", "cvlans")]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"tag": 10}, ["access", 10, [], []]),
        ({"mode": "access", "tag": 10}, ["access", 10, [], []]),
        ({"trunks": [20, 10, 20]}, ["trunk", [], [10, 20], []]),
        ({"trunks": ["30-32", 10]}, ["trunk", [], [10, 30, 31, 32], []]),
        ({"mode": "dot1q-tunnel", "tag": 5, "cvlans": ["6-7", 9]}, ["dot1q-tunnel", 5, [], [6, 7, 9]]),
        ({"mode": "trunk", "trunks": "all"}, [[], [], [], []]),
        ({"mode": "native-tagged", "tag": 5, "trunks": [5, 6]}, ["native-tagged", 5, [5, 6], []]),
        ({"mode": "native-untagged", "tag": 5, "trunks": "all"}, ["native-untagged", 5, [], []]),
        ({"mode": "dot1q-tunnel", "tag": 5, "cvlans": [7, 6]}, ["dot1q-tunnel", 5, [], [6, 7]]),
        ({}, [[], [], [], []]),
    ],
)
def test_modes_reach_the_database_from_scratch_and_from_any_other(
    port: Object, options: dict[str, Any], shown: list[Any]
) -> None:
    port.present(**INTERNAL, **options)
    assert vlans() == shown
    for other in ({"tag": 33}, {"mode": "trunk", "trunks": [1, 2]}, {"mode": "dot1q-tunnel", "tag": 2}):
        port.present(**INTERNAL, **other)
        if options:
            port.present(**INTERNAL, **{"mode": "access" if "tag" in options else "trunk", **options})
            assert vlans() == shown


def test_an_empty_trunk_list_never_means_all(port: Object) -> None:
    with pytest.raises(InvalidValue, match="use the word all"):
        port.plan(**INTERNAL, mode="trunk", trunks=[])
    with pytest.raises(InvalidValue, match="mode trunk needs trunks"):
        port.plan(**INTERNAL, mode="trunk")
    port.present(**INTERNAL, tag=10)
    with pytest.raises(InvalidValue, match="mode trunk needs trunks"):
        port.plan(**INTERNAL, mode="trunk")


def test_access_clears_what_a_trunk_had(port: Object) -> None:
    port.present(**INTERNAL, mode="native-tagged", tag=3, trunks=[3, 4])
    assert port.changes(**INTERNAL, mode="access", tag=3) == {"mode", "trunks"}
    assert vlans() == ["access", 3, [], []]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tag": 4095}, "tag must be a whole number from 1 to 4094, not 4095"),
        ({"tag": 0}, "from 1 to 4094"),
        ({"mode": "access"}, "mode access needs tag"),
        ({"mode": "access", "tag": 1, "trunks": [2]}, "mode access has no trunks"),
        ({"tag": 1, "trunks": [2]}, "need mode native"),
        ({"cvlans": [2]}, "mode trunk has no cvlans"),
        ({"trunks": [1, 5000]}, "not 5000"),
        ({"trunks": ["30-5000"]}, "not '5000'"),
        ({"trunks": ["32-30"]}, "must have ranges that begin with the lower VLAN id, not '32-30'"),
        ({"trunks": "some"}, "trunks must be a list of VLAN ids"),
        ({"type": "patch"}, "needs peer"),
        ({"peer": "x", "type": "system"}, "peer belongs to type patch"),
        ({"type": "system", "mac": "52:54:00:00:00:01"}, "type internal only"),
        ({"interfaces": [{"name": "a"}]}, "two different ones"),
        ({"interfaces": [{"name": "a"}, {"name": "a"}, {"name": "b"}]}, "twice"),
        ({"interfaces": [{"name": "a"}, {"name": "b", "mtu": 1}]}, "interfaces[1].mtu must be"),
        ({"interfaces": [{"name": "a"}, {"name": "b"}], "mtu": 1400}, "mtu belongs to an entry"),
        ({"bond_mode": "balance-slb"}, "belongs to a bond"),
        ({"interfaces": [{"name": "a"}, {"name": "b"}], "bond_mode": "balance-tcp", "lacp": "off"}, "needs lacp"),
        ({"mtu": 70000}, "mtu must be a whole number from 68 to 65535"),
        ({"bridge": "nvtnone"}, "bridge nvtnone does not exist; declare it with ovs_bridge"),
        ({"bridge": None}, "bridge is required"),
    ],
)
def test_wrong_values_are_one_line_and_change_nothing(port: Object, options: dict[str, Any], message: str) -> None:
    before = output("ovs-vsctl", "show")
    with pytest.raises((InvalidValue, Conflict), match="ovs_port_vlan nvtp: ") as error:
        port.present(**{"bridge": "nvtbr", **options})
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert output("ovs-vsctl", "show") == before


@pytest.mark.parametrize(
    ("option", "value", "table_column", "shown"),
    [
        ("mtu", 1400, "mtu_request", 1400),
        ("mac", "52:54:00:00:00:07", "mac", "52:54:00:00:00:07"),
        ("ofport_request", 77, "ofport", 77),
        ("ingress_policing_rate", 1000, "ingress_policing_rate", 1000),
        ("ingress_policing_burst", 100, "ingress_policing_burst", 100),
    ],
)
def test_options_of_the_interface(port: Object, option: str, value: Any, table_column: str, shown: Any) -> None:
    original = port.present(**INTERNAL)
    assert port.changes(**INTERNAL, **{option: value}) == {option}
    assert column("Interface", "nvtp", table_column) == shown
    assert port.changes(**original) == {option}


def test_mtu_and_mac_reach_the_device(port: Object) -> None:
    port.present(**INTERNAL, mtu=1400, mac="52:54:00:00:00:07")
    device = link("nvtp")
    assert device is not None
    assert (device["mtu"], device["address"]) == (1400, "52:54:00:00:00:07")


def test_options_of_the_port(port: Object) -> None:
    original = port.present(**INTERNAL)
    changed = {"protected": True, "external_ids": {"a": "b"}, "other_config": {"bond-hash-basis": 3}}
    assert port.changes(**INTERNAL, **changed) == set(changed)
    assert column("Port", "nvtp", "protected") is True
    assert column("Port", "nvtp", "external_ids") == {"a": "b", "netvirt-owner": "netvirt"}
    assert port.changes(**original) == set(changed)


def test_keys_are_merged_where_asked(port: Object) -> None:
    port.present(**INTERNAL, external_ids={"a": "1", "b": "2"}, other_config={"x": "1"})
    assert port.changes(**INTERNAL, external_ids={"b": "3"}, other_config={"y": "2"}, merge=True) == {
        "external_ids",
        "other_config",
    }
    assert column("Port", "nvtp", "external_ids") == {"a": "1", "b": "3", "netvirt-owner": "netvirt"}
    assert column("Port", "nvtp", "other_config") == {"x": "1", "y": "2"}
    assert port.plan(**INTERNAL, external_ids={"a": "1"}, merge=True) == []
    assert port.changes(**INTERNAL, external_ids={"b": "3"}) == {"external_ids"}


def test_what_open_vswitch_has_given_a_port_is_in_the_result(port: Object) -> None:
    (item,) = apply([{"ovs_port_vlan": {"name": "nvtp", **INTERNAL, "ofport_request": 77}}]).resources
    assert item.details == {"uuid": output("ovs-vsctl", "get", "Port", "nvtp", "_uuid").strip(), "ofport": 77}
    bond = {"bridge": "nvtbr", "interfaces": [{"name": name, "type": "internal"} for name in ("nvta", "nvtb")]}
    (item,) = apply([{"ovs_port_vlan": {"name": "nvtbond", **bond}}]).resources
    assert item.details["ofports"] == {name: column("Interface", name, "ofport") for name in ("nvta", "nvtb")}
    (item,) = apply([{"ovs_port_vlan": {"name": "nvtnone", **INTERNAL}}], check=True).resources
    assert item.details == {}


def test_a_port_on_another_bridge_is_an_error_unless_moved(port: Object) -> None:
    port.present(**INTERNAL, tag=10, mtu=1400)
    message = "port nvtp belongs to bridge nvtbr, not nvtbr2; set move: true to move it"
    with pytest.raises(Conflict, match=message):
        port.plan(bridge="nvtbr2")
    assert port.changes(bridge="nvtbr2", move=True) == {"bridge"}
    assert output("ovs-vsctl", "port-to-br", "nvtp").strip() == "nvtbr2"
    assert column("Interface", "nvtp", "mtu_request") == 1400


def test_a_patch_may_be_made_one_end_after_the_other(port: Object) -> None:
    port.present(bridge="nvtbr", type="patch", peer="nvtq")
    Object("ovs_port_vlan", name="nvtq").present(bridge="nvtbr2", type="patch", peer="nvtp")
    assert column("Interface", "nvtp", "error") == []
    with pytest.raises(Failed, match=r"Open vSwitch cannot use the interface nvtp: .*peer"):
        port.present(bridge="nvtbr", type="patch", peer="nvtbr2")


@pytest.mark.parametrize("both", [False, True])
def test_a_patch_that_moves_works(port: Object, both: bool) -> None:
    """Also after the next change of something else, upon which Open vSwitch looks through its ports."""
    ends = {"nvtp": {"bridge": "nvtbr", "peer": "nvtq"}, "nvtq": {"bridge": "nvtbr2", "peer": "nvtp"}}
    apply([{"ovs_port_vlan": {"name": name, "type": "patch", **end}} for name, end in ends.items()])
    output("ovs-vsctl", "set", "Port", "nvtp", "external_ids:other=kept")
    apply([{"ovs_bridge": {"name": "nvtbr3", "datapath_type": DATAPATH}}])
    try:
        moved = [{"name": "nvtp", "bridge": "nvtbr3"}, {"name": "nvtq", "bridge": "nvtbr"}]
        apply([{"ovs_port_vlan": {**end, "move": True}} for end in (moved if both else moved[:1])])
        for change in range(3):
            output("ovs-vsctl", "set", "Port", "nvtp", f"other_config:change={change}")
            assert [column("Interface", name, "error") for name in ends] == [[], []]
        start = ("nvtbr3", "in_port=LOCAL,dl_dst=ff:ff:ff:ff:ff:ff")
        other = "nvtbr" if both else "nvtbr2"
        assert f'bridge("{other}")' in output("ovs-appctl", "ofproto/trace", *start)
        assert column("Port", "nvtp", "external_ids")["other"] == "kept"
    finally:
        output("ovs-vsctl", "del-br", "nvtbr3")


def test_members_of_a_bond_change_in_place(port: Object) -> None:
    bond = {**LATER, "interfaces": [{"name": "nvta"}, {"name": "nvtb"}]}
    port.present(**bond)
    kept = column("Interface", "nvta", "_uuid")
    assert port.changes(**LATER, interfaces=[{"name": "nvtc"}, {"name": "nvta"}]) == {"interfaces"}
    assert column("Interface", "nvta", "_uuid") == kept
    assert port.changes(**LATER, bond_mode="balance-slb", bond_updelay=100) == {"bond_mode", "bond_updelay"}
    assert port.changes(**LATER, lacp="passive", bond_downdelay=200) == {"lacp", "bond_downdelay"}
    assert [column("Port", "nvtp", name) for name in ("bond_mode", "lacp", "bond_updelay", "bond_downdelay")] == [
        "balance-slb",
        "passive",
        100,
        200,
    ]
    with pytest.raises(Conflict, match="interface nvta belongs to port nvtp; remove it there first"):
        Object("ovs_port_vlan", name="nvta").plan(**LATER)
    port.absent()
    assert output("ovs-vsctl", "--bare", "--columns=name", "find", "Interface", "name=nvta") == ""


def test_a_missing_device_is_an_error_unless_it_may_come_later(port: Object) -> None:
    for options in ({"tag": 10}, {"interfaces": [{"name": "nvtp"}, {"name": "nvtq", "type": "internal"}]}):
        for check in (True, False):
            with pytest.raises(Conflict, match=r"interface nvtp does not exist; .* or set device_required: false if"):
                apply([{"ovs_port_vlan": {"name": "nvtp", "bridge": "nvtbr", **options}}], check)
    assert output("ovs-vsctl", "list-ports", "nvtbr") == ""
    assert port.present(**LATER, tag=10)["tag"] == 10


def test_a_device_may_be_made_by_the_same_run(port: Object) -> None:
    pair = {"veth_pair": {"name": "nvtp", "peer": {"name": "nvtq"}}}
    try:
        apply([{"ovs_port_vlan": {"name": "nvtp", "bridge": "nvtbr"}}, pair])
        assert column("Interface", "nvtp", "ofport") > 0
    finally:
        apply([{kind: {"name": "nvtp", "state": "absent"}} for kind in ("ovs_port_vlan", "veth_pair")])


def test_a_device_gets_another_number_also_after_a_run_that_was_killed(port: Object) -> None:
    """It is taken off before it comes back, and may be left so."""
    pair = {"veth_pair": {"name": "nvtp", "peer": {"name": "nvtq"}}}
    try:
        apply([pair])
        port.present(bridge="nvtbr", ofport_request=77)
        operations = port.plan(bridge="nvtbr", ofport_request=78)
        assert [operation["action"] for operation in operations] == ["detach", "update"]
        port.present(bridge="nvtbr", ofport_request=78)
        assert column("Interface", "nvtp", "ofport") == 78
        output("ovs-vsctl", "set", "Interface", "nvtp", "type=detached")
        assert column("Interface", "nvtp", "ofport") == -1
        assert "type" in port.changes(bridge="nvtbr", ofport_request=78)
        assert column("Interface", "nvtp", "ofport") == 78
    finally:
        apply([{kind: {"name": "nvtp", "state": "absent"}} for kind in ("ovs_port_vlan", "veth_pair")])


def test_a_tag_changed_by_hand_is_a_difference_and_is_repaired(port: Object) -> None:
    port.present(**INTERNAL, tag=10)
    output("ovs-vsctl", "set", "Port", "nvtp", "tag=11")
    (operation,) = port.plan(**INTERNAL, tag=10)
    assert operation["changes"] == {"tag": {"before": 11, "after": 10}}
    port.present(**INTERNAL, tag=10)
    assert column("Port", "nvtp", "tag") == 10


def test_a_bridge_and_its_ports_in_any_order_are_one_transaction() -> None:
    names = [f"nvtm{number}" for number in range(20)]
    ports = [{"ovs_port_vlan": {"name": name, "bridge": "nvtbr3", "type": "internal", "tag": 9}} for name in names]
    before = int(output("ovs-vsctl", "get", "Open_vSwitch", ".", "next_cfg"))
    try:
        apply([*ports, {"ovs_bridge": {"name": "nvtbr3", "datapath_type": DATAPATH}}])
        assert int(output("ovs-vsctl", "get", "Open_vSwitch", ".", "next_cfg")) == before + 1
        assert sorted(output("ovs-vsctl", "list-ports", "nvtbr3").split()) == sorted(names)
    finally:
        output("ovs-vsctl", "--if-exists", "del-br", "nvtbr3")


def test_what_is_removed_makes_room_for_what_is_made(port: Object) -> None:
    port.present(**LATER, interfaces=[{"name": "nvta"}, {"name": "nvtb"}])
    apply([{"ovs_port_vlan": {"name": "nvta", **LATER}}, {"ovs_port_vlan": {"name": "nvtp", "state": "absent"}}])
    assert output("ovs-vsctl", "list-ports", "nvtbr").split() == ["nvta"]


def test_a_bridges_own_port_stays() -> None:
    with pytest.raises(Conflict, match="it is a bridge's own port; remove the bridge with ovs_bridge"):
        Object("ovs_port_vlan", name="nvtbr").absent()


def test_one_object_declared_twice_is_refused() -> None:
    entry = {"ovs_port_vlan": {"name": "nvtp", **INTERNAL}}
    with pytest.raises(InvalidValue, match="ovs_port_vlan nvtp is declared twice"):
        apply([entry, entry])
