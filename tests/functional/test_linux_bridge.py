# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind linux_bridge on a real kernel; ip(8) and ping(8) say what it did."""

from __future__ import annotations

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
    namespaces,
    refused,
    settled,
    shown_before,
)

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, InvalidValue

__all__ = ["clean_node"]
pytestmark = pytest.mark.usefixtures("clean_node")


def bridge(*ports: Any, **options: Any) -> Spec:
    """Return the bridge nvtbr; its ports are names or have options."""
    listed = [{"name": port} if isinstance(port, str) else port for port in ports]
    return {"linux_bridge": {"name": "nvtbr", **({"ports": listed} if listed else {}), **options}}


def data(namespace: Optional[str] = None) -> dict[str, Any]:
    found = link("nvtbr", namespace)
    assert found is not None
    result: dict[str, Any] = found["linkinfo"]["info_data"]
    return result


def ports(namespace: Optional[str] = None, of: str = "nvtbr") -> list[str]:
    return sorted(item["ifname"] for item in ip("link", "show", namespace=namespace) if item.get("master") == of)


def wire(number: int, namespace: Optional[str] = None) -> str:
    """Make a veth nvtpN whose other end nvteN is in a namespace; return the near end."""
    near, far = f"nvtp{number}", f"nvte{number}"
    there = ["netns", namespace] if namespace else []
    ip("link", "add", near, "up", "type", "veth", "peer", "name", far, *there)
    return near


def host(number: int) -> str:
    """Make a namespace with the address 10.9.0.N on a wire; return the near end of the wire."""
    name = f"nvth{number}"
    ip("netns", "add", name)
    near = wire(number, name)
    ip("address", "add", f"10.9.0.{number}/24", "dev", f"nvte{number}", namespace=name)
    ip("link", "set", f"nvte{number}", "up", namespace=name)
    return near


def reaches(one: int, other: int) -> bool:
    """Tell whether a host gets an answer from another one within some seconds."""
    command = ["ping", "-c1", "-W2", f"10.9.0.{other}"]
    return any("1 received" in inside(f"nvth{one}", "sh", "-c", " ".join(command) + " || true") for _try in range(2))


def test_new_bridge_is_up_and_marked() -> None:
    result = converges(bridge())
    assert actions(result) == ["create"]
    made = link("nvtbr")
    assert made is not None
    assert made["ifalias"] == "netvirt:netvirt"
    assert "UP" in made["flags"]
    assert (data()["stp_state"], data()["forward_delay"], data()["ageing_time"]) == (0, 1500, 30000)


def test_every_option_at_creation() -> None:
    converges(bridge(stp=True, forward_delay=4, ageing_time=60, mtu=1400, mac="02-00-00-00-00-01", up=False))
    made = link("nvtbr")
    assert made is not None
    assert (made["mtu"], made["address"], "UP" in made["flags"]) == (1400, "02:00:00:00:00:01", False)
    assert (data()["stp_state"], data()["forward_delay"], data()["ageing_time"]) == (1, 400, 6000)


@pytest.mark.parametrize(
    ("option", "value", "shown"),
    [
        ("stp", True, {"stp_state": 1}),
        ("forward_delay", 5, {"forward_delay": 500}),
        ("ageing_time", 0, {"ageing_time": 0}),
    ],
)
def test_one_changed_option_changes_nothing_else(option: str, value: Any, shown: dict[str, Any]) -> None:
    converges(bridge(wire(1)))
    ip("address", "add", "10.9.0.1/24", "dev", "nvtbr")
    before, index = data(), (link("nvtbr") or {})["ifindex"]
    result = converges(bridge(**{option: value}))
    assert actions(result) == ["update"]
    assert list(result.operations[0]["changes"]) == [option]
    kept = ("stp_state", "forward_delay", "ageing_time", "vlan_filtering", "priority", "hello_time")
    assert {key: data()[key] for key in kept} == {**{key: before[key] for key in kept}, **shown}
    assert (link("nvtbr") or {})["ifindex"] == index
    assert addresses("nvtbr") == ["10.9.0.1/24"]
    assert ports() == ["nvtp1"]
    converges(*shown_before(result))
    assert {key: data()[key] for key in kept} == {key: before[key] for key in kept}


def test_mtu_mac_and_state_change_in_place() -> None:
    converges(bridge())
    converges(bridge(mtu=1300, mac="02:00:00:00:00:09", up=False))
    made = link("nvtbr")
    assert made is not None
    assert (made["mtu"], made["address"], "UP" in made["flags"]) == (1300, "02:00:00:00:00:09", False)


def test_hosts_on_two_ports_reach_each_other() -> None:
    converges(bridge(host(1), host(2)))
    assert ports() == ["nvtp1", "nvtp2"]
    assert reaches(1, 2)


def test_isolated_ports_reach_only_others() -> None:
    near = [host(number) for number in (1, 2, 3)]
    converges(bridge({"name": near[0], "isolated": True}, {"name": near[1], "isolated": True}, near[2]))
    assert reaches(1, 3)
    assert reaches(2, 3)
    assert not reaches(1, 2)
    converges(bridge({"name": near[0], "isolated": False}))
    assert reaches(1, 2)


def test_ports_of_others_stay_unless_purged() -> None:
    converges(bridge(wire(1)))
    ip("link", "set", wire(2), "master", "nvtbr")
    settled(bridge("nvtp1"))
    settled(bridge())
    settled(bridge(ports=[]))
    wire(3)
    result = converges(bridge("nvtp3"))
    assert [list(operation["changes"]) for operation in result.operations] == [["ports"]]
    assert ports() == ["nvtp1", "nvtp2", "nvtp3"]
    result = converges(bridge("nvtp3", purge_ports=True))
    assert ports() == ["nvtp3"]
    assert link("nvtp2") is not None
    (before,) = shown_before(result)
    before["linux_bridge"]["purge_ports"] = True
    converges(before)
    assert ports() == ["nvtp1", "nvtp2", "nvtp3"]
    converges(bridge(ports=[], purge_ports=True))
    assert ports() == []


def test_mtu_holds_against_a_smaller_port() -> None:
    ip("link", "set", wire(1), "mtu", "1400")
    converges(bridge("nvtp1", mtu=1500))
    assert (link("nvtbr") or {})["mtu"] == 1500
    ip("link", "set", wire(2), "mtu", "1300")
    converges(bridge("nvtp2", mtu=1500))
    assert (link("nvtbr") or {})["mtu"] == 1500


def test_mtu_that_follows_a_port_of_the_same_run_is_not_foretold() -> None:
    converges(bridge())
    resources = [
        bridge(ageing_time=60),
        {"veth_pair": {"name": "nvt0", "master": "nvtbr", "mtu": 1400, "peer": {"name": "nvt1"}}},
    ]
    planned = apply(resources, check=True).resources[0].after
    done = apply(resources).resources[0].after
    assert planned is not None
    assert done is not None
    assert done["mtu"] == 1400
    assert {name: done[name] for name in planned} == planned


def test_drift_is_repaired() -> None:
    wanted = bridge(wire(1), stp=True, ageing_time=60)
    converges(wanted)
    ip("link", "set", "nvtp1", "nomaster")
    ip("link", "set", "nvtbr", "type", "bridge", "stp_state", "0")
    result = converges(wanted)
    assert sorted(result.operations[0]["changes"]) == ["ports", "stp"]
    assert ports() == ["nvtp1"]


def test_absent_frees_the_ports() -> None:
    converges(bridge(wire(1)))
    converges({"linux_bridge": {"name": "nvtbr", "state": "absent"}})
    assert link("nvtbr") is None
    assert "master" not in (link("nvtp1") or {})
    settled({"linux_bridge": {"name": "nvtbr", "state": "absent"}})


def test_in_a_namespace() -> None:
    ip("netns", "add", "nvtb")
    wire(1, "nvtb")
    converges(bridge("nvte1", namespace="nvtb"))
    assert ports("nvtb") == ["nvte1"]
    assert link("nvtbr") is None
    converges({"linux_bridge": {"name": "nvtbr", "namespace": "nvtb", "state": "absent"}})
    assert link("nvtbr", "nvtb") is None


def test_one_run_makes_namespace_bridge_wires_and_address_in_any_order() -> None:
    converges(
        {"ip_interface": {"name": "nvtbr", "namespace": "nvtb", "addresses": ["10.9.0.1/24"]}},
        {"veth_pair": {"name": "nvt0", "namespace": "nvtb", "master": "nvtbr", "peer": {"name": "nvt1"}}},
        bridge("nvt2", namespace="nvtb"),
        {"veth_pair": {"name": "nvt3", "peer": {"name": "nvt2", "namespace": "nvtb"}}},
        {"netns_router": {"name": "nvtb"}},
    )
    assert ports("nvtb") == ["nvt0", "nvt2"]
    assert addresses("nvtbr", "nvtb") == ["10.9.0.1/24"]


def test_one_run_takes_a_port_away_and_removes_the_bridge() -> None:
    wires = [{"veth_pair": {"name": "nvt0", "master": "nvtbr", "peer": {"name": "nvt1"}}}, bridge("nvt0")]
    converges(*wires)
    converges({"veth_pair": {"name": "nvt0", "state": "absent"}}, bridge())
    assert ports() == []
    converges(
        {"linux_bridge": {"name": "nvtbr", "state": "absent"}},
        {"veth_pair": {"name": "nvt0", "peer": {"name": "nvt1"}}},
    )


def test_not_over_something_else() -> None:
    ip("link", "add", "nvtbr", "type", "veth", "peer", "name", "nvt1")
    refused(Conflict, "is no Linux bridge but of kind veth; rename or remove it", bridge())
    refused(Conflict, "is no Linux bridge but of kind veth", {"linux_bridge": {"name": "nvtbr", "state": "absent"}})


def test_an_unmarked_bridge_is_used_and_stays_unmarked() -> None:
    ip("link", "add", "nvtbr", "type", "bridge")
    converges(bridge(wire(1), up=True))
    assert "ifalias" not in (link("nvtbr") or {})


def test_ports_that_cannot_join() -> None:
    wire(1)
    filtered = bridge(ports=[{"name": "nvtp1", "pvid": 10}])
    refused(InvalidValue, "the VLANs of port nvtp1 need vlan_filtering: true", filtered)
    refused(Conflict, "interface nvtno does not exist; declare it with veth_pair, linux_bridge, ", bridge("nvtno"))
    ip("link", "add", "nvtbr2", "type", "bridge")
    refused(Conflict, "port nvtbr2 is a Linux bridge itself; join the two with veth_pair", bridge("nvtbr2"))
    refused(Conflict, "ports nvte1 and nvtp1 are the two ends of one pair", bridge("nvtp1", "nvte1"))
    ip("address", "add", "10.9.0.1/24", "dev", "nvte1")
    refused(Conflict, "port nvte1 has the address 10.9.0.1/24, which nobody could reach there", bridge("nvte1"))
    ip("link", "set", "nvtp1", "master", "nvtbr2")
    refused(Conflict, "port nvtp1 is in nvtbr2 already; take it out there first", bridge("nvtp1"))
    gone = {"veth_pair": {"name": "nvtp1", "state": "absent"}}
    refused(Conflict, "interface nvtp1 is removed in the same run; declare it with ", bridge("nvtp1"), gone)
    assert link("nvtbr") is None


def test_the_address_of_a_port_moves_in_one_run() -> None:
    ip("address", "add", "10.9.0.1/24", "dev", wire(1))
    converges(
        bridge("nvtp1"),
        {"ip_interface": {"name": "nvtp1", "addresses": []}},
        {"ip_interface": {"name": "nvtbr", "addresses": ["10.9.0.1/24"]}},
    )
    assert addresses("nvtp1") == []
    assert addresses("nvtbr") == ["10.9.0.1/24"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": "nvtbr567890123456"}, "name must have at most 15 characters"),
        ({"ports": [{"name": "nvtbr"}]}, "ports must not hold the bridge itself"),
        ({"ports": [{"name": "nvt1"}, {"name": "nvt1"}]}, "ports must not hold nvt1 twice"),
        ({"ports": [{"name": "lo"}]}, "ports must not hold lo"),
        ({"stp": True, "forward_delay": 1}, "forward_delay must be from 2 to 30 s with STP"),
        ({"forward_delay": 31}, "forward_delay must be a whole number from 0 to 30"),
        ({"ageing_time": -1}, "ageing_time must be a whole number from 0"),
        ({"vlan_default_pvid": 4095}, "vlan_default_pvid must be a whole number from 0 to 4094"),
        ({"ports": [{"name": "nvt1", "tagged": [10], "untagged": [10]}]}, "both tagged and untagged"),
        ({"ports": [{"name": "nvt1", "pvid": 10, "untagged": [20]}]}, "the pvid 10 of nvt1 in untagged or in tagged"),
        ({"mac": "01:00:00:00:00:00"}, "mac must be a unicast MAC address"),
    ],
)
def test_wrong_values(options: Spec, text: str) -> None:
    refused(InvalidValue, text, bridge(**options))


def test_missing_namespace() -> None:
    refused(Conflict, "namespace nvtno does not exist; declare it with netns_router", bridge(namespace="nvtno"))
    assert "nvtno" not in namespaces()
    assert apply([bridge(namespace="nvtno", state="absent")]).operations == []
