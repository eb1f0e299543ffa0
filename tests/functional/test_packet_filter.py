# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""packet_filter against real nftables, and packets between namespaces."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from engine import Object, Spec, apply, output
from netlink_node import link_local

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, InvalidValue

ROUTER, BLUE, RED = "nvtr", "nvtblue", "nvtred"
NAMESPACES = (ROUTER, BLUE, RED)
# Namespace, its own addresses, the router's interface, the router's addresses.
LINKS = [
    (BLUE, ["10.99.1.2/24", "fd99:1::2/64"], "blue", ["10.99.1.1/24", "fd99:1::1/64"]),
    (RED, ["10.99.2.2/24", "fd99:2::2/64"], "red", ["10.99.2.1/24", "fd99:2::1/64"]),
]
BLOCKED = [
    {"interface": "blue", "destinations": ["10.99.2.0/24", "fd99:2::/64"]},
    {"interface": "red", "destinations": ["10.99.1.0/24"]},
]
TABLES = ("inet netvirtfilter_filter", "arp netvirtfilter_filter")


def inside(namespace: str, *argv: str) -> str:
    return output("ip", "netns", "exec", namespace, *argv)


def delete_namespaces() -> None:
    for namespace in NAMESPACES:
        subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)


@pytest.fixture(scope="module", autouse=True)
def network() -> Iterator[None]:
    """Have a router between two hosts."""
    delete_namespaces()
    try:
        for namespace in NAMESPACES:
            output("ip", "netns", "add", namespace)
            inside(namespace, "ip", "link", "set", "lo", "up")
            inside(namespace, "sysctl", "-q", "net.ipv6.conf.default.dad_transmits=0")
        for namespace, addresses, peer, peer_addresses in LINKS:
            inside(namespace, "ip", "link", "add", "eth0", "type", "veth", "peer", peer, "netns", ROUTER)
            for place, end, own in ((namespace, "eth0", addresses), (ROUTER, peer, peer_addresses)):
                for address in own:
                    inside(place, "ip", "address", "add", address, "dev", end, *(["nodad"] if ":" in address else []))
                inside(place, "ip", "link", "set", end, "up")
            for address in peer_addresses:
                inside(namespace, "ip", "route", "add", "default", "via", address.partition("/")[0])
        inside(ROUTER, "sysctl", "-q", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        yield
    finally:
        delete_namespaces()


@pytest.fixture
def item() -> Iterator[Object]:
    yield Object("packet_filter", namespace=ROUTER)
    inside(ROUTER, "nft", "flush ruleset")
    for namespace in NAMESPACES:
        inside(namespace, "ip", "neighbour", "flush", "all")


def answers(namespace: str, *targets: str) -> list[str]:
    """Return those of the targets that answer echo requests from a namespace, which asks all at the same time."""
    pings = [f"(ping -q -n -c 2 -i 0.3 -W 1 {target} >/dev/null && echo {target}) &" for target in targets]
    return sorted(inside(namespace, "sh", "-c", " ".join(pings) + " wait").split())


def ruleset() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(inside(ROUTER, "nft", "-j", "list", "ruleset"))["nftables"]
    return [strip(item) for item in items[1:]]


def strip(value: Any) -> Any:
    """Return a listing without handles, which a repair may change, and with sets in one order."""
    if isinstance(value, dict):
        return {
            key: sorted(item, key=str) if key == "elem" else strip(item)
            for key, item in value.items()
            if key != "handle"
        }
    return [strip(item) for item in value] if isinstance(value, list) else value


def converge(check: bool = False, **options: Any) -> Any:
    return apply([{"packet_filter": {"namespace": ROUTER, **options}}], check)


def test_nothing_is_heard_or_said_on_an_isolated_interface(item: Object) -> None:
    link_local("eth0", BLUE)
    own = link_local("blue", ROUTER)
    targets = ["10.99.1.1", "10.99.2.1", "10.99.2.2", "fd99:1::1", "fd99:2::2", f"{own}%eth0"]
    assert answers(BLUE, *targets) == sorted(targets)
    after = item.present(isolated_interfaces=["nvtlater", "blue"])
    assert after["isolated_interfaces"] == ["blue", "nvtlater"]
    assert answers(BLUE, *targets) == []
    inside(BLUE, "ip", "neighbour", "flush", "all")
    arping = ["busybox", "arping", "-q", "-I", "eth0", "-c", "2", "-w", "2", "10.99.1.1"]
    assert subprocess.run(["ip", "netns", "exec", BLUE, *arping], check=False).returncode == 1
    assert answers(ROUTER, "10.99.1.2", "fd99:1::2") == []
    assert answers(RED, "10.99.1.2", "10.99.1.1", "10.99.2.1") == ["10.99.1.1", "10.99.2.1"]
    assert item.changes(isolated_interfaces=[]) == {"isolated_interfaces"}
    assert answers(BLUE, *targets) == sorted(targets)


def test_what_is_for_a_blocked_network_is_dropped(item: Object) -> None:
    targets = ["10.99.2.1", "10.99.2.2", "fd99:2::1", "fd99:2::2"]
    assert answers(BLUE, *targets) == targets
    assert item.present(blocked=BLOCKED) == {
        "name": "filter",
        "namespace": ROUTER,
        "isolated_interfaces": [],
        "blocked": BLOCKED,
        "tunnel_endpoints": [],
        "ports": [],
        "admitted": [],
        "rules": [],
    }
    assert answers(BLUE, *targets, "10.99.1.1", "fd99:1::1") == ["10.99.1.1", "fd99:1::1"]
    assert answers(RED, "10.99.1.1", "10.99.1.2", "10.99.2.1") == ["10.99.2.1"]
    assert item.changes(blocked=[]) == {"blocked"}
    assert answers(BLUE, *targets) == targets


def test_blocked_is_shown_in_one_form(item: Object) -> None:
    everything = {"interface": "a", "destinations": ["::/0", "0.0.0.0/0", "10.0.0.1", "10.0.0.1/32", "fd99::/64"]}
    after = item.present(blocked=[{"interface": "z", "destinations": []}, *reversed(BLOCKED), everything])
    shown = {**everything, "destinations": ["0.0.0.0/0", "10.0.0.1/32", "::/0", "fd99::/64"]}
    assert after["blocked"] == [shown, *BLOCKED]


def test_an_option_left_out_is_left_alone(item: Object) -> None:
    item.present(isolated_interfaces=["nvtlater"], blocked=BLOCKED)
    wanted = ruleset()
    item.present()
    item.present(blocked=BLOCKED)
    assert ruleset() == wanted
    item.absent()
    assert ruleset() == []


@pytest.mark.parametrize(
    ("by_hand", "difference"),
    [
        ("flush chain inet netvirtfilter_filter prerouting", "blocked"),
        ("flush chain arp netvirtfilter_filter input", "edits"),
        ("insert rule inet netvirtfilter_filter prerouting accept", "edits"),
        ("add rule inet netvirtfilter_filter output oifname x drop", "edits"),
        ("flush set inet netvirtfilter_filter isolated", "isolated_interfaces"),
        ("add element arp netvirtfilter_filter isolated { other }", "edits"),
        ("delete table arp netvirtfilter_filter", "edits"),
        ("delete table inet netvirtfilter_filter", "isolated_interfaces"),
        ("flush chain inet netvirtfilter_filter netvirt.fabric", "edits"),
        ("add chain inet netvirtfilter_filter prerouting { policy drop; }", "edits"),
        ("add chain arp netvirtfilter_filter more", "edits"),
    ],
)
def test_change_by_hand_is_a_difference_and_repaired(item: Object, by_hand: str, difference: str) -> None:
    options: Spec = {"isolated_interfaces": ["nvtlater", "nvtmore"], "blocked": BLOCKED}
    item.present(**options)
    wanted = ruleset()
    inside(ROUTER, "nft", by_hand)
    (planned,) = converge(check=True, **options).operations
    assert difference in planned["changes"]
    assert ruleset() != wanted, "check mode repaired it"
    assert converge(**options).operations == [planned]
    assert sorted(map(str, ruleset())) == sorted(map(str, wanted))
    assert converge(**options).operations == []


def test_before_fed_back_restores(item: Object) -> None:
    item.present(isolated_interfaces=["nvtlater"], blocked=BLOCKED)
    wanted = ruleset()
    (changed,) = converge(isolated_interfaces=[], blocked=BLOCKED[:1]).resources
    assert ruleset() != wanted
    apply([{"packet_filter": changed.shown(changed.have)}])
    assert sorted(map(str, ruleset())) == sorted(map(str, wanted))


def test_tables_of_others_stay(item: Object) -> None:
    for family in ("inet", "arp"):
        inside(ROUTER, "nft", f"add table {family} netvirtfilter_filter2; add table {family} filter")
    before = ruleset()
    item.present(isolated_interfaces=["nvtlater"])
    item.absent()
    assert ruleset() == before


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_others_with_our_name_is_a_conflict(item: Object, table: str) -> None:
    inside(ROUTER, "nft", f"add table {table}")
    before = ruleset()
    for options in ({"isolated_interfaces": ["nvtlater"]}, {"state": "absent"}):
        with pytest.raises(Conflict, match=f"packet_filter filter in namespace nvtr: the nft table {table} exists"):
            converge(**options)
    assert ruleset() == before


def test_the_first_owner_stays(item: Object) -> None:
    apply([{"packet_filter": {"namespace": ROUTER, "isolated_interfaces": ["a"]}}], owner="first")
    before = inside(ROUTER, "nft", "list", "ruleset")
    assert before.count('comment "owner first"') == 2
    with pytest.raises(Conflict, match="belongs to the owner first, and this run is of the owner second"):
        apply([{"packet_filter": {"namespace": ROUTER, "isolated_interfaces": ["b"]}}], owner="second")
    assert inside(ROUTER, "nft", "list", "ruleset") == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of isolated_interfaces, blocked, tunnel_endpoints and ports is required"),
        ({"isolated_interfaces": ["lo"]}, "must not hold lo"),
        ({"isolated_interfaces": ["a", "tcp"]}, "must not be tcp, which nft takes for a number"),
        ({"ports": [{"interface": "udp"}]}, "must not be udp, which nft takes for a number"),
        ({"isolated_interfaces": ["sixteen-letters0"]}, "at most 15"),
        ({"isolated_interfaces": ['a"b']}, "must consist of"),
        ({"blocked": [{"interface": "a", "destinations": ["10.0.0.1/24"]}]}, "host bits"),
        ({"blocked": [{"interface": "a"}]}, r"blocked\[0\].destinations is required"),
        ({"blocked": [BLOCKED[0], BLOCKED[0]]}, "must not hold blue twice"),
        ({"blocked": [], "name": "a;b"}, "must consist of"),
    ],
)
def test_wrong_values_change_nothing(item: Object, options: Spec, message: str) -> None:
    for check in (True, False):
        with pytest.raises(InvalidValue, match=message) as caught:
            converge(check, **options)
        assert "\n" not in str(caught.value)
    assert ruleset() == []


def test_a_namespace_that_the_same_run_makes() -> None:
    resources = [
        {"netns_router": {"name": "nvtnew"}},
        {"packet_filter": {"namespace": "nvtnew", "isolated_interfaces": ["a"], "blocked": BLOCKED}},
    ]
    try:
        planned = apply(resources, check=True)
        assert apply(resources).operations == planned.operations
        assert "netvirtfilter_filter" in inside("nvtnew", "nft", "list", "tables")
        assert apply(resources).operations == []
    finally:
        subprocess.run(["ip", "netns", "delete", "nvtnew"], capture_output=True, check=False)


def test_a_namespace_that_is_missing() -> None:
    with pytest.raises(Conflict, match="declare it with netns_router"):
        converge(namespace="nvtnone", blocked=[])
    assert converge(namespace="nvtnone", state="absent").operations == []
