# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind link_bond on a real kernel; ip(8) and ping(8) say what it did."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Optional

import pytest
from engine import Spec, apply
from netlink_node import (
    actions,
    addresses,
    clean_node,
    converges,
    inside,
    ip,
    link,
    needs,
    refused,
    settled,
    shown_before,
    state,
)

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, Failed, InvalidValue

__all__ = ["clean_node"]
pytestmark = pytest.mark.usefixtures("clean_node")

bonding = needs("bonding", "bond")
MEMBERS = ["nvtp1", "nvtp2", "nvtp3"]


def bond(*members: str, **options: Any) -> Spec:
    """Return the bond nvtbond."""
    return {"link_bond": {"name": "nvtbond", **({"members": list(members)} if members else {}), **options}}


@pytest.fixture(autouse=True)
def wires(clean_node: None) -> None:
    """Three wires from nvtp1 to nvtp3 into a namespace, with a bridge there."""
    ip("netns", "add", "nvtb")
    ip("link", "add", "nvtbr", "up", "type", "bridge", namespace="nvtb")
    for number, near in enumerate(MEMBERS, 1):
        address = f"02:00:00:00:01:0{number}"
        far = f"nvte{number}"
        ip("link", "add", near, "up", "address", address, "type", "veth", "peer", "name", far, "netns", "nvtb")
        ip("link", "set", far, "up", "master", "nvtbr", namespace="nvtb")


def made(name: str = "nvtbond", namespace: Optional[str] = None) -> dict[str, Any]:
    """Return a bond as ip(8) shows it, with what only bonds have."""
    found = link(name, namespace)
    assert found is not None
    return {**found, **found["linkinfo"]["info_data"]}


def members(namespace: Optional[str] = None, of: str = "nvtbond") -> list[str]:
    return sorted(item["ifname"] for item in ip("link", "show", namespace=namespace) if item.get("master") == of)


def reaches() -> bool:
    """Tell whether what is behind the bond answers within some seconds."""
    text = inside("nvtb", "sh", "-c", "ping -c1 -W2 10.9.0.1 || true")
    return "1 received" in text


def test_a_kernel_without_it_says_so_and_makes_nothing() -> None:
    if bonding.args[0] is False:
        pytest.skip("needs a kernel without bonding")
    before = state()
    with pytest.raises(Failed, match=r"this kernel has no bonding; load its module .*modprobe bonding"):
        apply([bond("nvtp1")])
    assert state() == before


@bonding
def test_new_bond_is_up_marked_and_watches_its_members() -> None:
    result = converges(bond("nvtp2", "nvtp1"))
    assert actions(result) == ["create"]
    new = made()
    assert (new["mode"], new["miimon"]) == ("active-backup", 100)
    assert (new["ifalias"], "UP" in new["flags"]) == ("netvirt:netvirt", True)
    assert members() == ["nvtp1", "nvtp2"]


@bonding
def test_every_option_at_creation() -> None:
    converges(
        bond(
            "nvtp1",
            mode="802.3ad",
            miimon=50,
            updelay=100,
            downdelay=150,
            lacp_rate="fast",
            xmit_hash_policy="layer3+4",
            min_links=1,
            mtu=1400,
            mac="02-00-00-00-00-01",
        )
    )
    new = made()
    assert (new["mode"], new["miimon"], new["updelay"], new["downdelay"]) == ("802.3ad", 50, 100, 150)
    assert (new["ad_lacp_rate"], new["xmit_hash_policy"], new["min_links"]) == ("fast", "layer3+4", 1)
    assert (new["mtu"], new["address"]) == (1400, "02:00:00:00:00:01")
    assert (link("nvtp1") or {})["mtu"] == 1400


@bonding
@pytest.mark.parametrize(
    "mode",
    ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"],
)
def test_every_mode_at_creation_and_by_a_change(mode: str) -> None:
    converges(bond("nvtp1", "nvtp2", mode=mode))
    assert made()["mode"] == mode
    index = made()["ifindex"]
    other = "balance-xor" if mode != "balance-xor" else "active-backup"
    result = converges(bond("nvtp1", "nvtp2", mode=other))
    assert (made()["mode"], made()["ifindex"], members()) == (other, index, ["nvtp1", "nvtp2"])
    converges(*shown_before(result))
    assert (made()["mode"], made()["ifindex"], members()) == (mode, index, ["nvtp1", "nvtp2"])
    assert "UP" in made()["flags"]


@bonding
@pytest.mark.parametrize(
    ("option", "value", "shown"),
    [
        ("miimon", 50, {"miimon": 50, "updelay": 200}),
        ("updelay", 300, {"updelay": 300}),
        ("downdelay", 100, {"downdelay": 100}),
        ("xmit_hash_policy", "layer2+3", {"xmit_hash_policy": "layer2+3"}),
        ("lacp_rate", "fast", {"ad_lacp_rate": "fast"}),
        ("min_links", 2, {"min_links": 2}),
        ("mtu", 1400, {"mtu": 1400}),
        ("mac", "02:00:00:00:00:09", {"address": "02:00:00:00:00:09"}),
        ("up", False, {}),
    ],
)
def test_one_changed_option_changes_nothing_else(option: str, value: Any, shown: dict[str, Any]) -> None:
    converges(bond("nvtp1", "nvtp2", mode="802.3ad", updelay=200))
    ip("address", "add", "10.9.0.1/24", "dev", "nvtbond")
    all_kept = ["mode", "miimon", "updelay", "downdelay", "xmit_hash_policy", "ad_lacp_rate", "min_links", "mtu"]
    kept = [key for key in all_kept if key not in shown] + ["ifindex"]
    before = made()
    result = converges(bond(**{option: value}))
    assert list(result.operations[0]["changes"]) == [option]
    after = made()
    assert shown.items() <= after.items()
    assert {key: after[key] for key in kept if key not in shown} == {
        key: before[key] for key in kept if key not in shown
    }
    assert ("UP" in after["flags"]) == (option != "up")
    assert addresses("nvtbond") == ["10.9.0.1/24"]
    assert members() == ["nvtp1", "nvtp2"]
    converges(*shown_before(result))
    assert [made()[key] for key in all_kept] == [before[key] for key in all_kept]


@bonding
def test_members_change_in_place_and_get_back_what_was_theirs() -> None:
    before = {name: (link(name) or {})["address"] for name in MEMBERS}
    converges(bond("nvtp1", "nvtp2", mtu=1400))
    index = made()["ifindex"]
    assert (link("nvtp2") or {})["address"] == made()["address"]
    result = converges(bond("nvtp2", "nvtp3"))
    assert list(result.operations[0]["changes"]) == ["members"]
    assert (members(), made()["ifindex"]) == (["nvtp2", "nvtp3"], index)
    free = link("nvtp1")
    assert free is not None
    assert (free["address"], free["mtu"], "UP" in free["flags"]) == (before["nvtp1"], 1500, True)
    converges(*shown_before(result))
    assert members() == ["nvtp1", "nvtp2"]
    converges({"link_bond": {"name": "nvtbond", "state": "absent"}})
    assert link("nvtbond") is None
    for name in MEMBERS:
        free = link(name)
        assert free is not None
        assert (free["address"], free["mtu"], "UP" in free["flags"]) == (before[name], 1500, True)
    settled({"link_bond": {"name": "nvtbond", "state": "absent"}})


@bonding
def test_primary_is_set_changed_taken_back_and_leaves() -> None:
    converges(bond("nvtp1", "nvtp2", primary="nvtp2"))
    assert made()["primary"] == "nvtp2"
    converges(bond("nvtp1", "nvtp2", primary="nvtp1"))
    assert made()["primary"] == "nvtp1"
    settled(bond("nvtp1", "nvtp2"))
    converges(bond(primary=""))
    assert not made().get("primary")
    converges(bond(primary="nvtp1"))
    converges(bond("nvtp2"))
    assert not made().get("primary")
    refused(InvalidValue, "primary nvtp1 must be one of the members", bond("nvtp2", primary="nvtp1"))


@bonding
def test_traffic_goes_on_over_the_other_member() -> None:
    ip("address", "add", "10.9.0.2/24", "dev", "nvtbr", namespace="nvtb")
    converges(
        {"ip_interface": {"name": "nvtbond", "addresses": ["10.9.0.1/24"]}},
        bond("nvtp1", "nvtp2", primary="nvtp1"),
    )
    assert reaches()
    ip("link", "set", "nvte1", "down", namespace="nvtb")
    deadline = time.monotonic() + 30
    while not reaches():
        assert time.monotonic() < deadline, "no traffic over the second member"
    assert made()["active_slave"] == "nvtp2"


@bonding
def test_omitted_members_are_left_alone_and_an_empty_list_clears() -> None:
    converges(bond("nvtp1", "nvtp2"))
    settled(bond())
    converges(bond(members=[]))
    assert members() == []


@bonding
def test_in_a_namespace() -> None:
    ip("link", "set", "nvte3", "nomaster", namespace="nvtb")
    converges(bond("nvte3", namespace="nvtb"))
    assert members("nvtb") == ["nvte3"]
    assert link("nvtbond") is None
    converges({"link_bond": {"name": "nvtbond", "namespace": "nvtb", "state": "absent"}})
    assert link("nvtbond", "nvtb") is None


@bonding
def test_the_bond_that_the_module_makes_when_it_is_loaded() -> None:
    wanted = {"link_bond": {"name": "bond0", "mode": "balance-xor", "members": ["nvtp1"]}}
    found = link("bond0")
    if found is not None and members(of="bond0"):
        pytest.skip("needs a node that does not use bond0 itself")
    if found is not None:
        ip("link", "delete", "bond0")
    Path("/sys/class/net/bonding_masters").write_text("+bond0", encoding="ascii")
    try:
        converges(wanted)
        assert (made("bond0")["mode"], members(of="bond0")) == ("balance-xor", ["nvtp1"])
    finally:
        ip("link", "delete", "bond0")


@bonding
def test_one_run_makes_wires_bond_vlan_bridge_and_address_in_any_order() -> None:
    converges(
        {"ip_interface": {"name": "nvtbr", "addresses": ["10.9.0.1/24"]}},
        {"linux_bridge": {"name": "nvtbr", "ports": [{"name": "nvtbond.10"}]}},
        {"link_vlan": {"name": "nvtbond.10", "parent": "nvtbond", "vlan": 10}},
        bond("nvt0", "nvt1"),
        {"veth_pair": {"name": "nvt0", "peer": {"name": "nvt2"}}},
        {"veth_pair": {"name": "nvt1", "peer": {"name": "nvt3"}}},
    )
    assert members() == ["nvt0", "nvt1"]
    assert (made("nvtbond.10")["link"], made("nvtbond.10")["master"]) == ("nvtbond", "nvtbr")
    assert addresses("nvtbr") == ["10.9.0.1/24"]


@bonding
def test_drift_is_repaired() -> None:
    converges(bond("nvtp1", "nvtp2", miimon=200))
    ip("link", "set", "nvtp2", "nomaster")
    ip("link", "set", "nvtbond", "type", "bond", "miimon", "100")
    result = converges(bond("nvtp1", "nvtp2", miimon=200))
    assert sorted(result.operations[0]["changes"]) == ["members", "miimon"]


@bonding
def test_members_that_are_elsewhere_or_bonds() -> None:
    converges(bond("nvtp1"))
    other = {"link_bond": {"name": "nvtbond2", "members": ["nvtp1"]}}
    refused(Conflict, "member nvtp1 is in nvtbond already; take it out there first", other)
    other["link_bond"]["members"] = ["nvtbond"]
    refused(Conflict, "member nvtbond cannot be part of a bond", other)
    bridge = {"linux_bridge": {"name": "nvtbr", "ports": [{"name": "nvtp1"}]}}
    refused(Conflict, "port nvtp1 is in nvtbond already; take it out there first", bridge)


def test_what_cannot_be() -> None:
    refused(
        Conflict, "interface nvtno does not exist; declare it with veth_pair, linux_bridge, ", bond("nvtp1", "nvtno")
    )
    ip("address", "add", "10.9.0.1/24", "dev", "nvtp1")
    refused(Conflict, "member nvtp1 has the address 10.9.0.1/24, which nobody could reach there", bond("nvtp1"))
    ip("link", "add", "nvtbr", "address", "02:00:00:00:00:08", "type", "bridge")  # or udev gives it another one soon
    refused(Conflict, "member nvtbr cannot be part of a bond", bond("nvtbr"))
    ip("link", "set", "nvtp2", "master", "nvtbr")
    refused(Conflict, "member nvtp2 is in nvtbr already; take it out there first", bond("nvtp2"))
    refused(Conflict, "is no bond but of kind veth; rename or remove it", bond(name="nvtp3"))
    refused(Conflict, "namespace nvtno does not exist; declare it with netns_router", bond(namespace="nvtno"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": "nvtbond890123456"}, "name must have at most 15 characters"),
        ({"members": ["nvtbond"]}, "members must not hold the bond itself"),
        ({"mode": "fastest"}, "mode must be one of balance-rr, active-backup"),
        ({"lacp_rate": "fast"}, "lacp_rate means nothing in mode active-backup; it needs 802.3ad"),
        ({"mode": "802.3ad", "primary": "nvtp1"}, "primary means nothing in mode 802.3ad; it needs active-backup"),
        ({"primary": "nvtp1"}, "primary nvtp1 must be one of the members"),
        ({"mode": "802.3ad", "miimon": 0}, "miimon must not be 0 in mode 802.3ad"),
        ({"updelay": 150}, "updelay must be a multiple of miimon (100), not 150"),
        ({"miimon": 0, "downdelay": 100}, "downdelay must be a multiple of miimon (0), not 100"),
        ({"mac": "01:00:00:00:00:00"}, "mac must be a unicast MAC address"),
    ],
)
def test_wrong_values(options: Spec, text: str) -> None:
    refused(InvalidValue, text, bond(**options))
