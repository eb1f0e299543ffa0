# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind ip_interface on a real kernel; ip(8) says what it did."""

from __future__ import annotations

from typing import Any

import pytest
from engine import Spec
from netlink_node import (
    actions,
    addresses,
    clean_node,
    converges,
    ip,
    link,
    refused,
    routes,
    settled,
    shown_before,
    sysctl,
)

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, InvalidValue

__all__ = ["clean_node"]
pytestmark = pytest.mark.usefixtures("clean_node")


def interface(**options: Any) -> Spec:
    """Return the interface nvt0 in the namespace nvtb."""
    return {"ip_interface": {"name": "nvt0", "namespace": "nvtb", **options}}


@pytest.fixture(autouse=True)
def wire(clean_node: None) -> None:
    """Lay a wire from nvt0 in nvtb to nvt1 in the root namespace."""
    ip("netns", "add", "nvtb")
    ip("link", "add", "nvt1", "type", "veth", "peer", "name", "nvt0", "netns", "nvtb")
    ip("link", "set", "nvt1", "up")
    ip("link", "set", "nvt0", "up", namespace="nvtb")


def test_each_option() -> None:
    result = converges(
        interface(
            addresses=["10.9.0.1/24", "FD99:0::1/64", "10.9.0.7"],
            mtu=1400,
            mac="02:00:00:00:00:01",
            up=True,
            routes=[
                {"destination": "default", "via": "10.9.0.254"},
                {"destination": "10.77.0.0/16", "metric": 5, "source": "10.9.0.7"},
                {"destination": "10.78.0.0/16", "via": "192.0.2.1", "onlink": True},
                {"destination": "default6", "via": "fd99::fe"},
            ],
        )
    )
    assert actions(result) == ["configure", "set addresses", "set routes"]
    shown = link("nvt0", "nvtb") or {}
    assert (shown["mtu"], shown["address"]) == (1400, "02:00:00:00:00:01")
    assert addresses("nvt0", "nvtb") == ["10.9.0.1/24", "10.9.0.7/32", "fd99::1/64"]
    found = {route["dst"] + route.get("gateway", ""): route for route in routes("nvtb")}
    assert {route["protocol"] for route in found.values()} == {"78"}
    assert set(found) == {"default10.9.0.254", "10.77.0.0/16", "10.78.0.0/16192.0.2.1", "defaultfd99::fe"}
    assert (found["10.77.0.0/16"]["metric"], found["10.77.0.0/16"]["prefsrc"]) == (5, "10.9.0.7")
    assert found["10.78.0.0/16192.0.2.1"]["flags"] == ["onlink"]
    assert found["defaultfd99::fe"]["metric"] == 1024


def test_ipv6_addresses_are_usable_at_once() -> None:
    converges(interface(addresses=["fd99::1/64"]))
    (found,) = [item for item in ip("address", "show", "dev", "nvt0", namespace="nvtb")[0]["addr_info"]
                if item["local"] == "fd99::1"]  # fmt: skip
    assert found["nodad"] is True
    assert "tentative" not in found


def test_ipv4_addresses_have_the_broadcast_address_of_their_subnet() -> None:
    converges(interface(addresses=["10.9.0.1/24", "10.9.1.0/31", "10.9.2.1/32"]))
    found = ip("-4", "address", "show", "dev", "nvt0", namespace="nvtb")[0]["addr_info"]
    assert {item["local"]: item.get("broadcast") for item in found} == {
        "10.9.0.1": "10.9.0.255",
        "10.9.1.0": None,
        "10.9.2.1": None,
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["10.9.0.1/24"], ["10.9.0.2/24"]),
        (["10.9.0.1/24", "10.9.0.2/24", "10.9.0.3/24"], ["10.9.0.2/24", "10.9.0.3/24"]),
        (["10.9.0.1/24", "10.9.0.2/24"], ["10.9.0.1/24"]),
        (["10.9.0.1/24"], ["10.9.0.1/25"]),
        (["fd99::1/64"], ["fd99::1/96"]),
        (["10.9.0.1/24", "fd99::1/64"], []),
    ],
)
def test_addresses_are_exact(before: list[str], after: list[str]) -> None:
    converges(interface(addresses=before))
    result = converges(interface(addresses=after))
    assert actions(result) == ["set addresses"]
    assert addresses("nvt0", "nvtb") == after
    converges(*shown_before(result))
    assert addresses("nvt0", "nvtb") == before


@pytest.mark.parametrize("promote", ["0", "1"])
def test_deleting_the_first_address_keeps_the_others_their_routes_and_the_parameter(promote: str) -> None:
    key = "net.ipv4.conf.nvt0.promote_secondaries"
    ip("netns", "exec", "nvtb", "sysctl", "-qw", f"net.ipv4.conf.all.promote_secondaries={promote}")
    ip("netns", "exec", "nvtb", "sysctl", "-qw", f"{key}={promote}")
    converges(interface(addresses=["10.9.0.1/24", "10.9.0.2/24"]))
    ip("route", "add", "10.55.0.0/16", "via", "10.9.0.99", namespace="nvtb")  # somebody else's
    converges(interface(addresses=["10.9.0.2/24"]))
    assert addresses("nvt0", "nvtb") == ["10.9.0.2/24"]
    assert [route["dst"] for route in routes("nvtb")] == ["10.55.0.0/16"]
    assert sysctl("nvtb", key) == promote


def test_purge_addresses_off_only_adds() -> None:
    ip("address", "add", "10.9.0.1/24", "dev", "nvt0", namespace="nvtb")
    result = converges(interface(addresses=["10.9.0.5/24"], purge_addresses=False))
    assert addresses("nvt0", "nvtb") == ["10.9.0.1/24", "10.9.0.5/24"]
    converges(*shown_before(result))
    assert addresses("nvt0", "nvtb") == ["10.9.0.1/24"]


def test_link_local_addresses_stay_unless_listed() -> None:
    """Those of IPv6, which an interface has by itself; those of IPv4 are addresses like others."""
    ip("address", "add", "fe80::99/64", "dev", "nvt0", namespace="nvtb")
    converges(interface(addresses=["10.9.0.1/24"]))
    found = [item["local"] for item in ip("address", "show", "dev", "nvt0", namespace="nvtb")[0]["addr_info"]]
    assert "fe80::99" in found
    converges(interface(addresses=["10.9.0.1/24", "fe80::1/64"]))
    settled(interface(addresses=["10.9.0.1/24", "fe80::1/64", "fe80::99/64"]))
    settled({"ip_interface": {"name": "lo", "addresses": []}})


def test_omitted_options_are_left_alone() -> None:
    converges(interface(addresses=["10.9.0.1/24"], mtu=1400, routes=[{"destination": "default", "via": "10.9.0.2"}]))
    settled(interface())
    settled(interface(mtu=1400))


def test_routes_are_exact_among_ours_and_changed_in_place() -> None:
    ip("address", "add", "10.9.0.1/24", "dev", "nvt0", namespace="nvtb")
    ip("route", "add", "10.55.0.0/16", "via", "10.9.0.99", namespace="nvtb")
    one, two, three = ({"destination": f"10.{n}.0.0/16", "via": "10.9.0.2"} for n in (1, 2, 3))
    converges(interface(routes=[one, two]))
    result = converges(interface(routes=[{**one, "via": "10.9.0.3"}, three]))
    assert actions(result) == ["set routes"]
    assert {route["dst"]: route["gateway"] for route in routes("nvtb")} == {
        "10.1.0.0/16": "10.9.0.3",
        "10.3.0.0/16": "10.9.0.2",
        "10.55.0.0/16": "10.9.0.99",
    }
    converges(*shown_before(result))
    converges(interface(routes=[]))
    assert [route["dst"] for route in routes("nvtb")] == ["10.55.0.0/16"]


def test_one_destination_with_two_metrics_in_both_families() -> None:
    wanted = interface(
        addresses=["10.9.0.1/24", "fd99::1/64"],
        routes=[
            {"destination": "default", "via": "10.9.0.2"},
            {"destination": "default", "via": "10.9.0.3", "metric": 10},
            {"destination": "default6", "via": "fd99::2"},
            {"destination": "default6", "via": "fd99::3", "metric": 10},
        ],
    )
    converges(wanted)
    ip("-6", "route", "delete", "default", "metric", "10", namespace="nvtb")
    ip("route", "delete", "default", "metric", "10", namespace="nvtb")
    converges(wanted)
    assert len(routes("nvtb")) == 4


def test_default_route_moves_from_one_interface_to_another_in_one_run() -> None:
    ip("link", "add", "nvt5", "type", "veth", "peer", "name", "nvt6", namespace="nvtb")
    other = {"name": "nvt5", "namespace": "nvtb", "addresses": ["10.8.0.1/24"], "up": True}
    here = {"addresses": ["10.9.0.1/24", "fd99::1/64"]}
    default = [{"destination": "default", "via": "10.9.0.2"}, {"destination": "default6", "via": "fd99::2"}]
    converges(interface(**here, routes=default), {"ip_interface": {**other, "routes": []}})
    moved = [{"destination": "default", "via": "10.8.0.2"}]
    converges({"ip_interface": {**other, "routes": moved}}, interface(**here, routes=default[1:]))
    assert [(route["dst"], route["dev"]) for route in routes("nvtb", "default")] == [
        ("default", "nvt5"),
        ("default", "nvt0"),
    ]
    converges({"ip_interface": {**other, "routes": []}}, interface(**here, routes=default))


def test_going_down_loses_routes_and_keeps_addresses() -> None:
    given = {"addresses": ["10.9.0.1/24", "fd99::1/64"]}
    converges(interface(**given, routes=[{"destination": "default", "via": "10.9.0.2"}]))
    result = converges(interface(up=False))
    assert actions(result) == ["configure", "set addresses", "set routes"]
    assert addresses("nvt0", "nvtb") == ["10.9.0.1/24", "fd99::1/64"]
    assert routes("nvtb") == []
    converges(*shown_before(result))
    assert [route["dst"] for route in routes("nvtb")] == ["default"]
    refused(
        InvalidValue, "routes need an interface that is up", interface(up=False, routes=[{"destination": "default"}])
    )


def test_drift_is_repaired_alone() -> None:
    wanted = interface(addresses=["10.9.0.1/24", "fd99::1/64"], mtu=1400, routes=[{"destination": "10.1.0.0/16"}])
    converges(wanted)
    ip("address", "delete", "fd99::1/64", "dev", "nvt0", namespace="nvtb")
    assert actions(converges(wanted)) == ["set addresses"]
    ip("link", "set", "nvt0", "mtu", "1500", namespace="nvtb")
    assert actions(converges(wanted)) == ["configure"]
    ip("address", "add", "10.1.1.1/32", "dev", "nvt0", namespace="nvtb")
    ip("route", "delete", "10.1.0.0/16", namespace="nvtb")
    assert actions(converges(wanted)) == ["set addresses", "set routes"]


def test_absent_removes_addresses_and_our_routes_and_leaves_the_interface() -> None:
    converges(interface(addresses=["10.9.0.1/24", "fd99::1/64"], routes=[{"destination": "10.1.0.0/16"}], mtu=1400))
    result = converges(interface(state="absent", addresses=["fd99::1/64"]))
    assert addresses("nvt0", "nvtb") == ["10.9.0.1/24"]
    converges(interface(addresses=["10.9.0.1/24", "fd99::1/64"], routes=[{"destination": "10.1.0.0/16"}]))
    result = converges(interface(state="absent"))
    assert actions(result) == ["delete"]
    assert (addresses("nvt0", "nvtb"), routes("nvtb"), (link("nvt0", "nvtb") or {})["mtu"]) == ([], [], 1400)
    settled(interface(state="absent"))
    converges(*shown_before(result))
    assert addresses("nvt0", "nvtb") == ["10.9.0.1/24", "fd99::1/64"]
    settled({"ip_interface": {"name": "nvtnone", "state": "absent"}})
    settled({"ip_interface": {"name": "nvt0", "namespace": "nvtnone", "state": "absent"}})


def test_interface_that_does_not_exist() -> None:
    makers = "declare it with veth_pair, linux_bridge, link_bond, link_vlan, ovs_bridge or ovs_port_vlan"
    refused(Conflict, f"ip_interface nvt9: interface nvt9 does not exist; {makers}", {"ip_interface": {"name": "nvt9"}})
    refused(
        Conflict,
        f"ip_interface nvt9 in namespace nvtb: interface nvt9 does not exist in namespace nvtb; {makers}",
        {"ip_interface": {"name": "nvt9", "namespace": "nvtb"}},
    )
    missing = {"ip_interface": {"name": "nvt9", "namespace": "nvtnone"}}
    refused(Conflict, "namespace nvtnone does not exist; declare it with netns_router", missing)


def test_interface_that_the_same_run_makes_or_removes() -> None:
    pair = {"name": "nvt8", "namespace": "nvtb", "peer": {"name": "nvt9"}}
    ends = (
        {"ip_interface": {"name": "nvt9", "addresses": ["10.8.0.2/24"]}},
        {"ip_interface": {"name": "nvt8", "namespace": "nvtb", "addresses": ["10.8.0.1/24"]}},
    )
    converges(*ends, {"veth_pair": pair})
    refused(Conflict, "is removed in the same run", *ends, {"veth_pair": {**pair, "state": "absent"}})
    gone = [{"ip_interface": {**end["ip_interface"], "state": "absent"}} for end in ends]
    assert actions(converges(*gone, {"veth_pair": {**pair, "state": "absent"}})) == ["delete"]


def test_route_of_somebody_else_to_the_same_destination() -> None:
    ip("address", "add", "10.9.0.1/24", "dev", "nvt0", namespace="nvtb")
    ip("route", "add", "default", "via", "10.9.0.99", namespace="nvtb")
    wanted = [{"destination": "default", "via": "10.9.0.2"}]
    text = "a route to 0.0.0.0/0 with metric 0 is there already via 10.9.0.99 on nvt0, and not ours"
    refused(Conflict, text, interface(routes=wanted))
    converges(interface(routes=[{**wanted[0], "metric": 5}]))


def test_route_that_the_kernel_makes_itself() -> None:
    both = {"addresses": ["10.9.0.1/24"], "routes": [{"destination": "10.9.0.0/24", "via": "10.9.0.2"}]}
    text = "the kernel itself makes the route to 10.9.0.0/24 with metric 0, for the address 10.9.0.1/24; leave it out"
    refused(InvalidValue, text, interface(**both))
    ip("address", "add", "10.9.0.1/24", "dev", "nvt0", namespace="nvtb")
    refused(InvalidValue, text, interface(**both))
    ip("link", "set", "nvt0", "down", namespace="nvtb")
    refused(InvalidValue, text, interface(**both, up=True))
    ip("link", "set", "nvt0", "up", namespace="nvtb")
    ip("address", "del", "10.9.0.1/24", "dev", "nvt0", namespace="nvtb")
    ip("address", "add", "10.9.0.1/24", "dev", "nvt0", "noprefixroute", namespace="nvtb")
    converges(interface(routes=[{"destination": "10.9.0.0/24"}]))
    converges(interface(addresses=["10.9.0.1/24"], routes=[{"destination": "10.9.0.0/24", "metric": 7}]))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"addresses": ["10.9.0.1/33"]}, "addresses must be an address with prefix length such as 10.0.0.1/24"),
        ({"addresses": ["224.0.0.1/24"]}, "addresses must be addresses of a host"),
        ({"addresses": "10.9.0.1/24"}, "addresses must be a list"),
        ({"mtu": "big"}, "mtu must be a whole number"),
        (
            {"mtu": 1000, "addresses": ["fd99::1/64"]},
            "mtu 1000 is too small for the address fd99::1/64; IPv6 needs 1280",
        ),
        ({"mac": "ff:ff:ff:ff:ff:ff"}, "mac must be a unicast MAC address"),
        ({"routes": [{"destination": "10.0.0.1/8"}]}, "routes[0].destination must be a network"),
        ({"routes": [{"via": "10.0.0.1"}]}, "routes[0].destination is required"),
        ({"routes": [{"destination": "default", "via": "fd99::1"}]}, "must have via and destination of one family"),
        ({"routes": [{"destination": "default", "onlink": True}]}, "must have via where onlink is set"),
        ({"routes": [{"destination": "default"}, {"destination": "0.0.0.0/0"}]}, "must not hold 0.0.0.0/0 twice"),
        (
            {"routes": [{"destination": "default", "via": "10.9.9.9"}]},
            "the gateway 10.9.9.9 of 0.0.0.0/0 is not on-link",
        ),
        (
            {"addresses": ["10.9.0.1/24"], "routes": [{"destination": "default", "via": "10.9.0.1"}]},
            "the gateway 10.9.0.1 of 0.0.0.0/0 is an address of nvt0 itself",
        ),
        ({"namespace": "/run/netns/nvtb"}, "namespace must consist of letters"),
    ],
)
def test_wrong_values(options: Spec, text: str) -> None:
    refused(InvalidValue, text, interface(**options))


def test_an_interface_that_the_same_run_moves_into_its_namespace() -> None:
    router = {"netns_router": {"name": "nvtb", "interfaces": [{"name": "nvt1", "up": True}]}}
    moved = {"name": "nvt1", "namespace": "nvtb", "addresses": ["10.9.1.1/24"], "up": True}
    converges({"ip_interface": moved}, router)
    assert addresses("nvt1", "nvtb") == ["10.9.1.1/24"]
