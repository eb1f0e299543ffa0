# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnsmasq_netns: a server that moves tells its leases, and the new one goes on with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dhcp_lab import CLIENT_MAC, DYNAMIC, NAME, converge, lease, leases, network
from dhcp_lab import instance as dhcp_instance
from engine import Object

from ansible_collections.netvirt.fabric.plugins.module_utils import _node_facts
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import NetvirtError
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings

instance = pytest.fixture(dhcp_instance)
lab = pytest.fixture(scope="module", autouse=True)(network)

STATE = Path(f"/var/lib/netvirt/dnsmasq/{NAME}")
OTHER_MAC = "52:54:00:99:00:08"
CHOSEN = {"mac": CLIENT_MAC, "address": "10.98.0.149", "seconds": 1800}


def told() -> Any:
    node = Node(Settings())
    try:
        return _node_facts.dhcp_servers(node).get(NAME)
    finally:
        node.close()


def test_a_server_starts_with_the_leases_of_its_predecessor(instance: Object) -> None:
    instance.present(**DYNAMIC, leases=[CHOSEN, {"mac": OTHER_MAC, "address": "10.98.0.148"}])
    assert lease()["ip"] == "10.98.0.149"
    assert STATE.joinpath("leases").stat().st_uid == STATE.stat().st_uid
    found = told()
    assert found["ranges"] == [["10.98.0.100", "10.98.0.150"]]
    seconds = {item["address"]: item["seconds"] for item in found["leases"]}
    assert seconds["10.98.0.148"] == 0
    assert 3500 < seconds["10.98.0.149"] <= 3600, "it was asked for anew"
    instance.absent()
    assert told() is None
    instance.present(**DYNAMIC, leases=found["leases"])
    assert told()["leases"][0]["address"] in seconds
    assert lease()["ip"] == "10.98.0.149"


def test_leases_of_a_server_that_has_its_own_stay(instance: Object) -> None:
    instance.present(**DYNAMIC)
    address = lease()["ip"]
    before = leases()
    assert converge(leases=[CHOSEN]).operations == []
    instance.present(domain="blue.example", leases=[CHOSEN])
    assert leases() == before
    assert lease()["ip"] == address


def test_a_lease_that_has_ended_is_not_told(instance: Object) -> None:
    instance.present(**DYNAMIC)
    lines = f"1 {OTHER_MAC} 10.98.0.111 * *\n0 not-a-mac 10.98.0.112 * *\n0 {CLIENT_MAC} fe80::1 * *\n"
    STATE.joinpath("leases").write_text(lines, encoding="ascii")
    assert told()["leases"] == []


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([CHOSEN, {**CHOSEN, "mac": OTHER_MAC}], "must name each address once, and 10.98.0.149 is there twice"),
        ([CHOSEN, {**CHOSEN, "address": "10.98.0.148"}], f"must name each mac once, and {CLIENT_MAC} is there twice"),
        ([{**CHOSEN, "address": "fd00::1"}], "must be an IPv4 address"),
        ([{**CHOSEN, "mac": "x\n1 y"}], "must be"),
    ],
)
def test_what_is_no_lease_is_refused(instance: Object, listed: list[Any], message: str) -> None:
    with pytest.raises(NetvirtError, match=message):
        converge(**DYNAMIC, leases=listed)
    assert not STATE.exists()
