# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind veth_pair on a real kernel; ip(8) and ethtool(8) say what it did."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any, Optional

import pytest
from engine import Spec, apply
from killed import any_change, run_until
from netlink_node import (
    actions,
    addresses,
    clean_node,
    converges,
    inside,
    ip,
    link,
    namespaces,
    refused,
    routes,
    settled,
    shown_before,
)

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, InvalidValue

__all__ = ["clean_node"]
pytestmark = pytest.mark.usefixtures("clean_node")


def pair(peer: Optional[Spec] = None, **options: Any) -> Spec:
    """Return a pair with one end in the root namespace and the other in nvtb."""
    return {"veth_pair": {"name": "nvt0", "peer": {"name": "nvt1", "namespace": "nvtb", **(peer or {})}, **options}}


@pytest.fixture(autouse=True)
def namespace(clean_node: None) -> None:
    ip("netns", "add", "nvtb")


@pytest.fixture
def bridge() -> Iterator[str]:
    ip("link", "add", "nvtbr", "type", "bridge")
    yield "nvtbr"
    ip("link", "delete", "nvtbr", check=False)


def checksums(name: str, namespace: str) -> str:
    lines = inside(namespace, "ethtool", "--show-offload", name).splitlines()
    return next(line.split()[1] for line in lines if line.startswith("tx-checksumming"))


def test_new_pair_has_an_end_in_each_namespace_is_up_and_marked() -> None:
    result = converges(pair())
    assert actions(result) == ["create"]
    near, far = link("nvt0"), link("nvt1", "nvtb")
    assert near is not None
    assert far is not None
    assert near["ifalias"] == far["ifalias"] == "netvirt:netvirt"
    assert "UP" in near["flags"]
    assert "UP" in far["flags"]
    assert (near["mtu"], far["mtu"]) == (1500, 1500)
    assert checksums("nvt1", "nvtb") == "on"


def test_every_option_of_both_ends_at_creation(bridge: str) -> None:
    converges(
        pair(
            {"mtu": 1400, "mac": "02-00-00-00-00-02", "up": False, "tx_checksum": False},
            mtu=1450,
            mac="02:00:00:00:00:01",
            master=bridge,
        )
    )
    near, far = link("nvt0"), link("nvt1", "nvtb")
    assert near is not None
    assert far is not None
    assert (near["mtu"], near["address"], near["master"]) == (1450, "02:00:00:00:00:01", bridge)
    assert (far["mtu"], far["address"], "UP" in far["flags"]) == (1400, "02:00:00:00:00:02", False)
    assert checksums("nvt1", "nvtb") == "off"


@pytest.mark.parametrize(
    ("option", "value", "shown"),
    [
        ("mtu", 1300, {"mtu": 1300}),
        ("mac", "02:00:00:00:00:09", {"address": "02:00:00:00:00:09"}),
        ("up", False, {"operstate": "DOWN"}),
    ],
)
def test_one_changed_option_changes_nothing_else(option: str, value: Any, shown: dict[str, Any]) -> None:
    converges(pair({"mtu": 1400}, mtu=1400))
    ip("address", "add", "10.9.0.1/24", "dev", "nvt0")
    before, other = link("nvt0"), link("nvt1", "nvtb")
    result = converges(pair({"mtu": 1400}, **{"mtu": 1400, option: value}))
    assert actions(result) == ["update"]
    assert list(result.operations[0]["changes"]) == [option]
    after = link("nvt0")
    assert before is not None
    assert after is not None
    ignored = {*shown, "operstate", "flags"}
    assert shown.items() <= after.items()
    assert {key: value for key, value in after.items() if key not in ignored} == {
        key: value for key, value in before.items() if key not in ignored
    }
    now = link("nvt1", "nvtb")
    assert other is not None
    assert now is not None
    assert (now["ifindex"], now["mtu"], now["address"]) == (other["ifindex"], other["mtu"], other["address"])
    assert addresses("nvt0") == ["10.9.0.1/24"]
    restored = converges(*shown_before(result))
    assert list(restored.operations[0]["changes"]) == [option]
    assert (link("nvt0") or {})["mtu"] == before["mtu"]


def test_master_and_checksums_change_in_place(bridge: str) -> None:
    converges(pair({"tx_checksum": False}, master=bridge))
    converges(pair({"tx_checksum": True}, master=""))
    assert "master" not in (link("nvt0") or {})
    assert checksums("nvt1", "nvtb") == "on"
    converges(pair(master=bridge))
    assert (link("nvt0") or {})["master"] == bridge


def test_an_end_that_changes_its_namespace_leaves_its_bridge(bridge: str) -> None:
    converges(pair({"namespace": None}, master=bridge))
    moved = pair({"namespace": None})
    moved["veth_pair"]["peer"]["master"] = bridge
    converges(moved)
    moved["veth_pair"]["peer"].update(namespace="nvtb")
    del moved["veth_pair"]["peer"]["master"]
    converges(moved)
    assert "master" not in (link("nvt1", "nvtb") or {})


def test_omitted_options_are_left_alone(bridge: str) -> None:
    converges(pair({"mtu": 1400, "tx_checksum": False}, mtu=1450, up=False, master=bridge))
    settled(pair())


def test_both_ends_in_one_namespace_and_both_in_others() -> None:
    converges(pair({"namespace": None}))
    assert link("nvt1") is not None
    ip("netns", "add", "nvtc")
    converges({"veth_pair": {"name": "nvt5", "namespace": "nvtc", "peer": {"name": "nvt5", "namespace": "nvtb"}}})
    assert link("nvt5", "nvtc") is not None
    assert link("nvt5", "nvtb") is not None
    assert link("nvt5") is None


def test_absent_removes_both_ends_and_is_content_when_there_are_none() -> None:
    converges(pair({"mtu": 1400}))
    index = (link("nvt1", "nvtb") or {})["ifindex"]
    result = converges({"veth_pair": {"name": "nvt0", "state": "absent"}})
    assert link("nvt0") is None
    assert link("nvt1", "nvtb") is None
    settled({"veth_pair": {"name": "nvt0", "state": "absent"}})
    settled(pair(state="absent"))
    converges(*shown_before(result))
    assert (link("nvt1", "nvtb") or {})["mtu"] == 1400
    assert (link("nvt1", "nvtb") or {})["ifindex"] != index


def test_mtu_and_state_changed_by_hand_are_repaired_alone() -> None:
    converges(pair({"mtu": 1400, "up": True}))
    ip("address", "add", "10.9.0.1/24", "dev", "nvt1", namespace="nvtb")
    ip("link", "set", "nvt1", "mtu", "1500", namespace="nvtb")
    index = (link("nvt1", "nvtb") or {})["ifindex"]
    result = converges(pair({"mtu": 1400, "up": True}))
    assert list(result.operations[0]["changes"]) == ["peer"]
    far = link("nvt1", "nvtb") or {}
    assert (far["mtu"], far["ifindex"]) == (1400, index)
    assert addresses("nvt1", "nvtb") == ["10.9.0.1/24"]


def test_deleted_pair_comes_back() -> None:
    converges(pair({"mtu": 1400}))
    ip("link", "delete", "nvt0")
    assert actions(converges(pair({"mtu": 1400}))) == ["create"]


def test_renamed_end_gets_its_name_back_and_keeps_its_addresses() -> None:
    converges(pair({"up": True}))
    ip("link", "set", "nvt1", "down", namespace="nvtb")
    ip("link", "set", "nvt1", "name", "nvtx", namespace="nvtb")
    ip("address", "add", "10.9.0.1/24", "dev", "nvtx", namespace="nvtb")
    index = (link("nvtx", "nvtb") or {})["ifindex"]
    assert actions(converges(pair({"up": True}))) == ["update"]
    assert (link("nvt1", "nvtb") or {})["ifindex"] == index
    assert addresses("nvt1", "nvtb") == ["10.9.0.1/24"]


def test_near_end_renamed_by_hand_is_found_by_its_peer() -> None:
    converges(pair())
    ip("link", "set", "nvt0", "down")
    ip("link", "set", "nvt0", "name", "nvtx")
    index = (link("nvtx") or {})["ifindex"]
    assert actions(converges(pair())) == ["update"]
    assert (link("nvt0") or {})["ifindex"] == index


def test_ends_moved_by_hand_return_with_mtu_mac_and_state() -> None:
    ip("netns", "add", "nvtc")
    wanted = pair({"mtu": 1400, "tx_checksum": False}, mtu=1450, mac="02:00:00:00:00:01")
    converges(wanted)
    ip("link", "set", "nvt1", "netns", "nvtc", namespace="nvtb")
    assert actions(converges(wanted)) == ["update"]
    ip("link", "set", "nvt0", "netns", "nvtb")
    assert actions(converges(wanted)) == ["update"]
    near, far = link("nvt0") or {}, link("nvt1", "nvtb") or {}
    assert (near["mtu"], near["address"], "UP" in near["flags"]) == (1450, "02:00:00:00:00:01", True)
    assert (far["mtu"], "UP" in far["flags"]) == (1400, True)
    assert checksums("nvt1", "nvtb") == "off"


def test_change_of_the_peers_namespace_and_name_moves_it() -> None:
    ip("netns", "add", "nvtc")
    converges(pair())
    index = (link("nvt0") or {})["ifindex"]
    converges(pair({"namespace": "nvtc", "name": "nvt7"}))
    assert link("nvt7", "nvtc") is not None
    assert link("nvt1", "nvtb") is None
    assert (link("nvt0") or {})["ifindex"] == index


def test_end_in_a_namespace_without_name_is_made_anew() -> None:
    converges(pair())
    sleeper = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
    try:
        assert sleeper.stdout is not None
        sleeper.stdout.readline()
        ip("link", "set", "nvt1", "netns", str(sleeper.pid), namespace="nvtb")
        assert actions(converges(pair())) == ["recreate"]
        assert link("nvt1", "nvtb") is not None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_addresses_lost_by_a_repair_are_planned_in_the_same_run() -> None:
    ip("netns", "add", "nvtc")
    leg = {
        "name": "nvt1",
        "namespace": "nvtb",
        "addresses": ["10.9.0.1/24", "fd99::1/64"],
        "routes": [{"destination": "default", "via": "10.9.0.2"}],
    }
    wanted = (pair(), {"ip_interface": leg})
    converges(*wanted)
    ip("link", "set", "nvt1", "netns", "nvtc", namespace="nvtb")
    assert actions(converges(*wanted)) == ["update", "set addresses", "set routes"]
    assert addresses("nvt1", "nvtb") == ["10.9.0.1/24", "fd99::1/64"]
    ip("link", "set", "nvt1", "down", namespace="nvtb")
    ip("link", "set", "nvt1", "name", "nvtx", namespace="nvtb")
    assert actions(converges(*wanted)) == ["update", "set addresses", "set routes"]
    assert [route["gateway"] for route in routes("nvtb")] == ["10.9.0.2"]
    ip("link", "delete", "nvt0")
    assert actions(converges(*wanted)) == ["create", "set addresses", "set routes"]


def test_another_interface_of_that_name_is_left_alone() -> None:
    ip("link", "add", "nvt0", "type", "bridge")
    refused(Conflict, "is there and is no veth but of kind bridge", pair())
    refused(Conflict, "is there and is no veth", pair(state="absent"))


def test_an_end_that_a_killed_run_moved_is_up() -> None:
    ip("netns", "add", "nvtc")
    moved = pair({"namespace": "nvtc"})
    for point in range(1, 9):
        apply([pair()])
        passed = run_until(point, lambda: apply([moved]), any_change)
        apply([moved])
        settled(moved)
        far = link("nvt1", "nvtc")
        assert far is not None
        assert "UP" in far["flags"], f"killed before change {point}"
        if passed:
            break
    assert passed == point - 1 > 1


def test_pair_of_somebody_else_is_neither_renamed_nor_moved() -> None:
    ip("link", "add", "nvt0", "type", "veth", "peer", "name", "nvtother")
    refused(Conflict, "its peer is nvtother, not nvt1 in namespace nvtb, and the pair was not made by", pair())
    settled(pair({"name": "nvtother", "namespace": None}, up=False))
    ip("link", "set", "nvt0", "alias", "netvirt:another")
    refused(Conflict, "belongs to the owner another, and this run is of the owner netvirt", pair())


def test_name_of_the_peer_taken_by_something_else() -> None:
    ip("link", "add", "nvt1", "type", "bridge", namespace="nvtb")
    refused(Conflict, "nvt1 in namespace nvtb is there already and is no part of this pair", pair())
    ip("link", "delete", "nvt1", namespace="nvtb")
    ip("link", "add", "nvt1", "type", "veth", "peer", "name", "nvt2", namespace="nvtb")
    refused(Conflict, "nvt1 in namespace nvtb is there already and is the peer of nvt2 in namespace nvtb", pair())


def test_peer_of_another_declared_pair_is_not_taken_away() -> None:
    converges(pair())
    second = {"veth_pair": {"name": "nvt5", "peer": {"name": "nvt1", "namespace": "nvtb"}}}
    refused(Conflict, "is there already and is the peer of nvt0", pair(), second)


def test_absent_of_a_pair_with_another_peer() -> None:
    ip("link", "add", "nvt0", "type", "veth", "peer", "name", "nvtother")
    refused(Conflict, "its peer is nvtother", pair(state="absent"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": "nvt0", "peer": {"name": "nvt0123456789abc"}}, "veth_pair nvt0: peer.name must have at most 15"),
        ({"name": "nvt0"}, "veth_pair nvt0: peer is required"),
        ({"name": "nvt0", "peer": {"name": "nvt0"}}, "veth_pair nvt0: peer must be another interface"),
        ({"name": "nvt0", "mtu": 67, "peer": {"name": "nvt1"}}, "veth_pair nvt0: mtu must be a whole number from 68"),
        ({"name": "nvt0", "mac": "01:00:00:00:00:00", "peer": {"name": "nvt1"}}, "mac must be a unicast MAC address"),
        ({"name": "nvt0", "namespace": "../x", "peer": {"name": "nvt1"}}, "namespace must consist of letters"),
        ({"name": "nvt0", "peer": {"name": "nvt1", "colour": 1}}, "unknown option peer.colour"),
    ],
)
def test_wrong_values(options: Spec, text: str) -> None:
    refused(InvalidValue, text, {"veth_pair": options})


def test_missing_namespace_and_bridge() -> None:
    refused(Conflict, "namespace nvtno does not exist; declare it with netns_router", pair({"namespace": "nvtno"}))
    refused(Conflict, "Linux bridge nvtbr does not exist; declare it with linux_bridge", pair(master="nvtbr"))
    ip("link", "add", "nvtd", "type", "veth", "peer", "name", "nvte")
    refused(Conflict, "master nvtd is no Linux bridge", pair(master="nvtd"))
    gone = {"netns_router": {"name": "nvtb", "state": "absent"}}
    refused(Conflict, "namespace nvtb is removed in the same run; declare it with netns_router", pair(), gone)
    assert "nvtb" in namespaces()
