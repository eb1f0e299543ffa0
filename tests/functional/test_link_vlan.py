# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind link_vlan on a real kernel; ip(8) and ping(8) say what it did."""

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
    needs,
    refused,
    routes,
    settled,
    shown_before,
    state,
)

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, Failed, InvalidValue

__all__ = ["clean_node"]
pytestmark = pytest.mark.usefixtures("clean_node")

vlans = needs("VLAN interfaces (8021q)", "vlan", "id", "9")


def vlan(**options: Any) -> Spec:
    """Return VLAN 10 of nvtp."""
    return {"link_vlan": {"name": "nvtp.10", "parent": "nvtp", "vlan": 10, **options}}


@pytest.fixture(autouse=True)
def wire(clean_node: None) -> None:
    """A wire from nvtp to nvte in the namespace nvtb, and another one from nvtq."""
    ip("netns", "add", "nvtb")
    for near, far in (("nvtp", "nvte"), ("nvtq", "nvtf")):
        ip("link", "add", near, "up", "type", "veth", "peer", "name", far, "netns", "nvtb")
        ip("link", "set", far, "up", namespace="nvtb")


def made(name: str = "nvtp.10", namespace: Optional[str] = None) -> dict[str, Any]:
    """Return an interface as ip(8) shows it, with its VLAN under "id" and "protocol"."""
    found = link(name, namespace)
    assert found is not None
    return {**found["linkinfo"]["info_data"], **found}


def test_a_kernel_without_them_says_so_and_makes_nothing() -> None:
    if vlans.args[0] is False:
        pytest.skip("needs a kernel without VLAN interfaces (8021q)")
    before = state()
    with pytest.raises(Failed, match=r"this kernel has no VLAN interfaces; load their module .*modprobe 8021q"):
        apply([vlan()])
    assert state() == before


@vlans
def test_new_interface_is_up_marked_and_as_large_as_its_parent() -> None:
    ip("link", "set", "nvtp", "mtu", "1400")
    result = converges(vlan())
    assert actions(result) == ["create"]
    new = made()
    assert (new["link"], new["id"], new["protocol"], new["mtu"]) == ("nvtp", 10, "802.1Q", 1400)
    assert new["ifalias"] == "netvirt:netvirt"
    assert "UP" in new["flags"]


@vlans
def test_frames_bear_the_tag() -> None:
    converges(
        vlan(),
        {
            "link_vlan": {
                "name": "nvte.10",
                "namespace": "nvtb",
                "parent": "nvte",
                "parent_namespace": "nvtb",
                "vlan": 10,
            }
        },
        {"ip_interface": {"name": "nvtp.10", "addresses": ["10.9.0.1/24"]}},
        {"ip_interface": {"name": "nvte.10", "namespace": "nvtb", "addresses": ["10.9.0.2/24"]}},
    )
    assert "1 received" in inside("nvtb", "ping", "-c1", "-W5", "10.9.0.1")
    converges(vlan(vlan=11), {"ip_interface": {"name": "nvtp.10", "addresses": ["10.9.0.1/24"]}})
    assert "0 received" in inside("nvtb", "sh", "-c", "ping -c1 -W2 10.9.0.1 || true")


@vlans
def test_every_option_at_creation() -> None:
    converges(vlan(protocol="802.1ad", mtu=1300, mac="02-00-00-00-00-01", up=False))
    new = made()
    assert (new["protocol"], new["mtu"], new["address"]) == ("802.1ad", 1300, "02:00:00:00:00:01")
    assert "UP" not in new["flags"]


@vlans
def test_mtu_mac_and_state_change_in_place() -> None:
    converges(vlan())
    index = made()["ifindex"]
    result = converges(vlan(mtu=1300, mac="02:00:00:00:00:01", up=False))
    assert actions(result) == ["update"]
    new = made()
    assert (new["ifindex"], new["mtu"], new["address"], "UP" in new["flags"]) == (
        index,
        1300,
        "02:00:00:00:00:01",
        False,
    )
    converges(*shown_before(result))
    assert made()["mtu"] == 1500
    assert "UP" in made()["flags"]


@vlans
@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"vlan": 20}, {"id": 20}),
        ({"parent": "nvtq"}, {"link": "nvtq"}),
        ({"protocol": "802.1ad"}, {"protocol": "802.1ad"}),
    ],
)
def test_another_vlan_parent_or_protocol_makes_it_anew(change: Spec, shown: dict[str, Any]) -> None:
    converges(vlan(mtu=1400))
    address = {"ip_interface": {"name": "nvtp.10", "addresses": ["10.9.0.1/24"]}}
    converges(address)
    result = converges(vlan(mtu=1400, **change), address)
    assert actions(result) == ["recreate", "set addresses"]
    new = made()
    assert shown.items() <= new.items()
    assert (new["mtu"], new["ifalias"]) == (1400, "netvirt:netvirt")
    assert addresses("nvtp.10") == ["10.9.0.1/24"]
    converges(shown_before(result)[0])
    assert (made()["id"], made()["link"], made()["protocol"]) == (10, "nvtp", "802.1Q")


@vlans
def test_one_of_others_is_not_made_anew() -> None:
    ip("link", "add", "link", "nvtp", "name", "nvtp.10", "type", "vlan", "id", "7")
    text = "it is another VLAN or has another parent, and was not made by the owner netvirt"
    refused(Conflict, text, vlan())
    converges(vlan(vlan=7, mtu=1400))
    assert "ifalias" not in made()


@vlans
def test_omitted_options_are_left_alone() -> None:
    converges(vlan(mtu=1400, mac="02:00:00:00:00:01", up=False))
    settled(vlan())
    settled({"link_vlan": {"name": "nvtp.10"}})


@vlans
def test_in_a_namespace_with_the_parent_outside() -> None:
    converges(vlan(name="leg", namespace="nvtb"))
    new = made("leg", "nvtb")
    assert (new["id"], "link_netnsid" in new) == (10, True)
    assert link("leg") is None
    settled(vlan(name="leg", namespace="nvtb"))
    converges(vlan(name="leg", namespace="nvtb", vlan=11))
    assert made("leg", "nvtb")["id"] == 11
    converges({"link_vlan": {"name": "leg", "namespace": "nvtb", "state": "absent"}})
    assert link("leg", "nvtb") is None


@vlans
def test_one_run_makes_namespace_wire_vlan_address_and_bridge_in_any_order() -> None:
    converges(
        {"linux_bridge": {"name": "nvtbr", "ports": [{"name": "nvt0.10"}]}},
        {"ip_interface": {"name": "leg.10", "namespace": "nvtc", "addresses": ["10.9.0.1/24"]}},
        {"link_vlan": {"name": "leg.10", "namespace": "nvtc", "parent": "leg", "parent_namespace": "nvtc", "vlan": 10}},
        {"link_vlan": {"name": "nvt0.10", "parent": "nvt0", "vlan": 10}},
        {"veth_pair": {"name": "nvt0", "peer": {"name": "leg", "namespace": "nvtc"}}},
        {"netns_router": {"name": "nvtc"}},
    )
    assert made("nvt0.10")["master"] == "nvtbr"
    assert addresses("leg.10", "nvtc") == ["10.9.0.1/24"]


@vlans
def test_the_parent_is_brought_up_in_the_same_run() -> None:
    ip("link", "set", "nvtp", "down")
    up = {"ip_interface": {"name": "nvtp", "up": True}}
    route = {"destination": "10.8.0.0/16", "via": "10.9.0.254"}
    own = {"ip_interface": {"name": "nvtp.10", "addresses": ["10.9.0.1/24"], "routes": [route]}}
    refused(Conflict, "parent nvtp is down, and so is what is on it; set it up with ip_interface", vlan())
    converges(vlan(), own, up)
    assert "UP" in made()["flags"]
    assert [route["dst"] for route in routes(None, "dev", "nvtp.10")] == ["10.8.0.0/16"]
    ip("link", "set", "nvtp", "down")
    assert "UP" not in made()["flags"]
    converges(vlan(up=True), up)
    assert "UP" in made()["flags"]


@vlans
def test_absent() -> None:
    converges(vlan())
    converges({"link_vlan": {"name": "nvtp.10", "state": "absent"}})
    assert link("nvtp.10") is None
    assert link("nvtp") is not None
    settled({"link_vlan": {"name": "nvtp.10", "state": "absent"}})


@vlans
def test_a_vlan_that_is_there_under_another_name() -> None:
    ip("link", "add", "link", "nvtp", "name", "nvtx", "type", "vlan", "id", "10")
    refused(Conflict, "VLAN 10 of nvtp is there already as nvtx; use that, or remove it first", vlan())
    converges(vlan(), {"link_vlan": {"name": "nvtx", "state": "absent"}})
    assert link("nvtx") is None


def test_what_cannot_be() -> None:
    refused(Conflict, "interface nvtno does not exist; declare it with veth_pair, linux_bridge, ", vlan(parent="nvtno"))
    refused(InvalidValue, "parent lo has no VLANs", vlan(parent="lo"))
    refused(InvalidValue, "mtu 1501 is more than that of the parent nvtp, 1500", vlan(mtu=1501))
    refused(Conflict, "is no VLAN interface but of kind veth; rename or remove it", vlan(name="nvtq"))
    refused(InvalidValue, "parent and vlan must be given to make it", {"link_vlan": {"name": "nvtp.10"}})
    refused(Conflict, "namespace nvtno does not exist; declare it with netns_router", vlan(namespace="nvtno"))
    gone = {"veth_pair": {"name": "nvtp", "state": "absent"}}
    refused(Conflict, "interface nvtp is removed in the same run; declare it with ", vlan(), gone)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": "nvtp.1234567890123"}, "name must have at most 15 characters"),
        ({"vlan": 0}, "vlan must be a whole number from 1 to 4094, not 0"),
        ({"vlan": 4095}, "vlan must be a whole number from 1 to 4094, not 4095"),
        ({"protocol": "802.1p"}, "protocol must be one of 802.1q, 802.1ad"),
        ({"parent": "nvtp.10"}, "parent must be another interface than the one that is made"),
        ({"parent": None, "parent_namespace": "nvtb"}, "parent_namespace is of no use without parent"),
    ],
)
def test_wrong_values(options: Spec, text: str) -> None:
    refused(InvalidValue, text, vlan(**options))
