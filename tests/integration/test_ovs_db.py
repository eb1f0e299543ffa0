# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ovs_db as a module, on a node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from contract import contract

from netvirt_testing.lab import Lab

NODE = "compute1"


@pytest.fixture
def bridge(lab: Lab) -> Iterator[str]:
    lab.module(NODE, "ovs_bridge", {"name": "nvtdb", "datapath_type": "netdev"})
    yield "nvtdb"
    lab.module(NODE, "ovs_bridge", {"name": "nvtdb", "state": "absent"})


def test_columns(lab: Lab, bridge: str) -> None:
    def probe() -> list[str]:
        return lab.run(NODE, ["ovs-vsctl", "get", "Bridge", bridge, "flood_vlans", "fail_mode"]).stdout.split("\n")

    contract(
        lab,
        NODE,
        "ovs_db",
        {"table": "Bridge", "record": bridge, "columns": {"flood_vlans": [20, 10], "fail_mode": "secure"}},
        change={"columns": {"flood_vlans": [30], "fail_mode": []}},
        probe=probe,
        expect=["[10, 20]", "secure", ""],
        expect_changed=["[30]", "[]", ""],
    )


def test_keys_of_the_only_row(lab: Lab) -> None:
    def probe() -> list[str]:
        keys = [f"external_ids:{key}" for key in ("hostname", "nvt-a", "nvt-b")]
        shown = [lab.run(NODE, ["ovs-vsctl", "--if-exists", "get", "Open_vSwitch", ".", key]).stdout for key in keys]
        return [text.strip() for text in shown]

    contract(
        lab,
        NODE,
        "ovs_db",
        {"table": "Open_vSwitch", "keys": {"external_ids": {"nvt-a": 1, "nvt-b": "x y"}}},
        change={"keys": {"external_ids": {"nvt-a": None, "nvt-b": 2}}},
        probe=probe,
        expect=[NODE, '"1"', '"x y"'],
        expect_changed=[NODE, "", '"2"'],
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "Bridges"}, "there is no table Bridges"),
        ({"columns": {"fail_mode": "open"}}, "columns.fail_mode must be one of secure, standalone, not 'open'"),
        ({"columns": {"flood_vlans": [4096]}}, "columns.flood_vlans must be a whole number from 0 to 4095, not 4096"),
        ({"columns": {"datapath_id": "1"}}, "columns.datapath_id is written by Open vSwitch itself and cannot be set"),
        ({"record": "nvtnone"}, "the table Bridge has no such row"),
    ],
)
def test_what_does_not_fit_is_one_line(lab: Lab, bridge: str, options: dict[str, Any], message: str) -> None:
    basis = {"table": "Bridge", "record": bridge, "columns": {"fail_mode": "secure"}}
    result = lab.module(NODE, "ovs_db", {**basis, **options})
    assert message in result["msg"]
    assert "\n" not in result["msg"]
    assert result["operations"] == []
