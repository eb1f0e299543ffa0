# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ovs_db against a real Open vSwitch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from engine import DATAPATH, Object, apply, column, output

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, InvalidValue

BRIDGE = {"ovs_bridge": {"name": "nvtbr", "datapath_type": DATAPATH}}
PORT = {"ovs_port_vlan": {"name": "nvtp", "bridge": "nvtbr", "type": "internal"}}


@pytest.fixture(autouse=True)
def _bridge() -> Iterator[None]:
    apply([BRIDGE, PORT])
    yield
    output("ovs-vsctl", "--if-exists", "del-br", "nvtbr", "--", "remove", "Open_vSwitch", ".", "other_config", "nvt")


def row(table: str, record: str = "nvtbr") -> Object:
    return Object("ovs_db", table=table, record=record)


@pytest.fixture
def root() -> Object:
    return Object("ovs_db", table="Open_vSwitch")


@pytest.mark.parametrize(
    ("table", "name", "value", "shown"),
    [
        ("Bridge", "flood_vlans", [7, "5", 7], [5, 7]),
        ("Bridge", "mcast_snooping_enable", True, True),
        ("Bridge", "fail_mode", "secure", "secure"),
        ("Bridge", "protocols", ["OpenFlow15", "OpenFlow14"], ["OpenFlow14", "OpenFlow15"]),
        ("Bridge", "other_config", {"mac-aging-time": 30, "x": True}, {"mac-aging-time": "30", "x": "true"}),
        ("Port", "tag", "10", 10),
        ("Port", "bond_updelay", 5, 5),
        ("Interface", "ingress_policing_rate", 1000, 1000),
        ("Interface", "mtu_request", [1400], 1400),
        ("Interface", "lldp", {"enable": "true"}, {"enable": "true"}),
    ],
)
def test_a_column_of_each_type_is_set_and_taken_back(table: str, name: str, value: Any, shown: Any) -> None:
    item = row(table, "nvtbr" if table == "Bridge" else "nvtp")
    (planned,) = item.plan(columns={name: value})
    before = {name: planned["changes"]["columns"]["before"][name]}
    assert item.changes(columns={name: value}) == {"columns"}
    assert column(table, item.identity["record"], name) == shown
    assert item.changes(columns=before) == {"columns"}
    assert column(table, item.identity["record"], name) in (before[name], [])
    item.present(columns={name: value})
    item.absent(columns={name: value})
    assert column(table, item.identity["record"], name) in (0, False, [], {})


def test_single_keys_leave_the_others_alone(root: Object) -> None:
    output("ovs-vsctl", "set", "Open_vSwitch", ".", "other_config:nvt-foreign=1")
    try:
        assert root.changes(keys={"other_config": {"nvt": 5, "nvt-none": None}}) == {"keys"}
        assert column("Open_vSwitch", ".", "other_config")["nvt"] == "5"
        assert root.changes(keys={"other_config": {"nvt": 6}}) == {"keys"}
        after = root.present(keys={"other_config": {"nvt": None}})
        assert after == {
            "table": "Open_vSwitch",
            "record": ".",
            "state": "absent",
            "keys": {"other_config": {"nvt": None}},
        }
        assert "nvt" not in column("Open_vSwitch", ".", "other_config")
        root.present(keys={"other_config": {"nvt": "a=b, c"}, "external_ids": {"nvt": 1}})
        root.absent(keys={"other_config": {"nvt": None}, "external_ids": {"nvt": 7}})
        assert "nvt" not in column("Open_vSwitch", ".", "external_ids")
        assert column("Open_vSwitch", ".", "other_config")["nvt-foreign"] == "1"
    finally:
        output("ovs-vsctl", "remove", "Open_vSwitch", ".", "other_config", "nvt-foreign")


def test_a_row_is_found_by_its_uuid_and_others_by_theirs() -> None:
    uuid = output("ovs-vsctl", "get", "Bridge", "nvtbr", "_uuid").strip()
    row("Bridge", uuid).present(columns={"fail_mode": "secure"})
    assert column("Bridge", "nvtbr", "fail_mode") == "secure"
    queue = output("ovs-vsctl", "create", "Queue", "dscp=10").strip()
    qos = output("ovs-vsctl", "create", "QoS", "type=linux-noop").strip()
    try:
        assert row("QoS", qos).changes(columns={"queues": {0: queue, 2: queue.upper()}}) == {"columns"}
        assert output("ovs-vsctl", "get", "QoS", qos, "queues") == f"{{0={queue}, 2={queue}}}\n"
        row("QoS", qos).present(keys={"queues": {2: None}})
        assert output("ovs-vsctl", "get", "QoS", qos, "queues") == f"{{0={queue}}}\n"
        row("Port", "nvtp").present(columns={"qos": qos})
        assert output("ovs-vsctl", "get", "Port", "nvtp", "qos").strip() == qos
        row("Port", "nvtp").absent(columns={"qos": qos})
    finally:
        output("ovs-vsctl", "destroy", "QoS", qos, "--", "destroy", "Queue", queue)


def test_the_mark_of_ownership_stays() -> None:
    row("Bridge").present(columns={"external_ids": {"a": "b"}})
    assert column("Bridge", "nvtbr", "external_ids") == {"a": "b", "netvirt-owner": "netvirt"}
    row("Bridge").absent(columns={"external_ids": {}})
    assert column("Bridge", "nvtbr", "external_ids") == {"netvirt-owner": "netvirt"}
    for options in (
        {"columns": {"external_ids": {"netvirt-owner": "x"}}},
        {"keys": {"external_ids": {"netvirt-x": 1}}},
    ):
        with pytest.raises(InvalidValue, match="the collection's own"):
            row("Bridge").plan(**options)


def test_it_joins_the_transaction_that_makes_the_row() -> None:
    output("ovs-vsctl", "del-br", "nvtbr")
    before = int(output("ovs-vsctl", "get", "Open_vSwitch", ".", "next_cfg"))
    resources = [
        {"ovs_db": {"table": "Port", "record": "nvtp", "keys": {"other_config": {"rstp-path-cost": 9}}}},
        {"ovs_db": {"table": "Bridge", "record": "nvtbr", "columns": {"flood_vlans": [3]}}},
        {"ovs_db": {"table": "Open_vSwitch", "keys": {"other_config": {"nvt": 1}}}},
        PORT,
        BRIDGE,
    ]
    planned = apply(resources, check=True)
    done = apply(resources)
    assert done.operations == planned.operations
    assert int(output("ovs-vsctl", "get", "Open_vSwitch", ".", "next_cfg")) == before + 1
    assert column("Bridge", "nvtbr", "flood_vlans") == 3
    assert column("Port", "nvtp", "other_config") == {"rstp-path-cost": "9"}
    assert apply(resources).operations == []


def test_a_value_changed_by_hand_is_a_difference_and_is_repaired() -> None:
    row("Port", "nvtp").present(columns={"tag": 10})
    output("ovs-vsctl", "set", "Port", "nvtp", "tag=11")
    (operation,) = row("Port", "nvtp").plan(columns={"tag": 10})
    assert operation["name"] == "Port nvtp"
    assert operation["changes"] == {"columns": {"before": {"tag": 11}, "after": {"tag": 10}}}
    row("Port", "nvtp").present(columns={"tag": 10})
    assert column("Port", "nvtp", "tag") == 10


def test_what_is_absent_in_a_row_that_is_not_there_is_absent() -> None:
    row("Bridge", "nvtnone").absent(columns={"fail_mode": []})
    with pytest.raises(Conflict, match="ovs_db Bridge nvtnone: the table Bridge has no such row"):
        row("Bridge", "nvtnone").plan(columns={"fail_mode": "secure"})
    with pytest.raises(Conflict, match=r"has \d+ rows that fit '.'; give the UUID of one"):
        row("Port", ".").plan(columns={"tag": 5})


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ("Ports", {"columns": {"tag": 5}}, "there is no table Ports (known: AutoAttach, Bridge, "),
        ("Port", {"columns": {"tags": 5}}, "columns.tags is no column of that table (known: bond_"),
        ("Port", {"columns": {"tag": 99999}}, "columns.tag must be a whole number from 0 to 4095, not 99999"),
        ("Port", {"columns": {"tag": [1, 2]}}, "columns.tag must have at most 1 value, not 2"),
        ("Port", {"columns": {"tag": True}}, "columns.tag must be a whole number"),
        ("Port", {"columns": {"tag": None}}, "columns.tag must have a value; an empty list or dictionary clears it"),
        ("Port", {"columns": {"vlan_mode": "trunks"}}, "columns.vlan_mode must be one of access, dot1q-tunnel, "),
        ("Port", {"columns": {"protected": "maybe"}}, "columns.protected must be true or false, not 'maybe'"),
        ("Port", {"columns": {"protected": []}}, "columns.protected must have a value; it cannot be empty"),
        ("Port", {"columns": {"other_config": ["a"]}}, "columns.other_config must be a dictionary, not ['a']"),
        ("Port", {"columns": {"other_config": {"a": "b\n"}}}, "must be printable text on one line"),
        ("Port", {"columns": {"qos": "q1"}}, "columns.qos must be the UUID of a row of QoS (names are not looked up)"),
        ("Port", {"columns": {"name": "x"}}, "columns.name is fixed when the row is made"),
        ("Port", {"columns": {"statistics": {}}}, "columns.statistics is written by Open vSwitch itself"),
        ("Interface", {"columns": {"ofport": 3}}, "columns.ofport is written by Open vSwitch itself"),
        ("Interface", {"columns": {"error": "x"}}, "columns.error is written by Open vSwitch itself"),
        ("Port", {"keys": {"tag": {"a": 1}}}, "keys.tag is no map; use columns"),
        ("Port", {"keys": {"other_config": 1}}, "keys must hold a dictionary for each column, not 1 for other_config"),
        (
            "Port",
            {"keys": {"other_config": {"a": [1]}}},
            "keys must hold single values, or lists or dictionaries of them, not [1]",
        ),
        ("Port", {"columns": {"a": {}}, "keys": {"a": {}}}, "a is in columns and in keys; use one of them"),
        ("Port", {}, "columns or keys is required"),
        ("Port", {"columns": {"interfaces": []}, "state": "absent"}, "columns.interfaces must have a value"),
    ],
)
def test_wrong_values_are_one_line_and_change_nothing(table: str, options: dict[str, Any], message: str) -> None:
    before = output("ovsdb-client", "dump", "Open_vSwitch", "Port")
    with pytest.raises(InvalidValue, match=r"ovs_db( \w+ nvtp)?: ") as error:
        apply([{"ovs_db": {"table": table, "record": "nvtp", **options}}])
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert output("ovsdb-client", "dump", "Open_vSwitch", "Port") == before


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidValue, match=r"columns\.tag must .*; keys\.trunks is no map"):
        row("Port", "nvtp").plan(columns={"tag": -1}, keys={"trunks": {"1": "x"}})


def test_a_table_that_is_named_late_is_read_nevertheless() -> None:
    """What is absent is not known to the others, so that the database is read anew in the middle of the plan."""
    row("Interface", "nvtp").present(columns={"ingress_policing_burst": 7})
    absent = {"table": "Interface", "record": "nvtp", "columns": {"ingress_policing_burst": 0}, "state": "absent"}
    first = {"table": "Port", "record": "nvtp", "columns": {"bond_fake_iface": True}}
    result = apply([{"ovs_db": first}, {"ovs_db": absent}, {"ovs_bridge": {"name": "nvtbr", "fail_mode": "secure"}}])
    assert [operation["action"] for operation in result.operations] == ["update", "delete", "update"]
    assert column("Port", "nvtp", "bond_fake_iface") is True
    assert column("Interface", "nvtp", "ingress_policing_burst") == 0
