# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nat_masquerade against real nftables, and packets between namespaces."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from engine import Object, apply, output

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, InvalidValue, Missing

ROUTER, INSIDE, OUTSIDE = "nvtr", "nvtin", "nvtout"
INNER, OUTER = "10.99.1.0/24", "198.51.100.0/24"
INNER6 = "fd99:1::/64"

# The router has 10.99.1.1 inside, 198.51.100.1 and .5 outside; "other" is a network that may not be translated.
LINKS = [
    ("nvt0", INSIDE, ["10.99.1.2/24", "fd99:1::2/64"], "in0", ["10.99.1.1/24", "fd99:1::1/64"]),
    ("nvt1", OUTSIDE, ["198.51.100.9/24", "2001:db8:99::9/64", "198.51.100.200/32"], "out0",
     ["198.51.100.1/24", "198.51.100.5/24", "2001:db8:99::1/64", "2001:db8:99::5/64"]),
]  # fmt: skip

# Prints the address that it sees; the client prints what it got back.
SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as s:
    s.bind((sys.argv[1], 7777))
    print("ready", flush=True)
    while True:
        _data, peer = s.recvfrom(100)
        s.sendto(peer[0].encode(), peer)
"""
CLIENT = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as s:
    s.settimeout(float(sys.argv[2]))
    try:
        s.sendto(b"?", (sys.argv[1], 7777))
        print(s.recvfrom(100)[0].decode())
    except (TimeoutError, OSError):
        print("nothing")
"""


def inside(namespace: str, *argv: str) -> str:
    return output("ip", "netns", "exec", namespace, *argv)


def delete_namespaces() -> None:
    for namespace in (ROUTER, INSIDE, OUTSIDE):
        subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)


@pytest.fixture(scope="module", autouse=True)
def network() -> Iterator[None]:
    delete_namespaces()
    try:
        for namespace in (ROUTER, INSIDE, OUTSIDE):
            output("ip", "netns", "add", namespace)
            inside(namespace, "ip", "link", "set", "lo", "up")
        for name, namespace, addresses, peer, peer_addresses in LINKS:
            output("ip", "link", "add", name, "netns", namespace, "type", "veth", "peer", peer, "netns", ROUTER)
            for end, place, values in ((name, namespace, addresses), (peer, ROUTER, peer_addresses)):
                for address in values:
                    nodad = ["nodad"] if ":" in address else []
                    inside(place, "ip", "address", "add", address, "dev", end, *nodad)
                inside(place, "ip", "link", "set", end, "up")
        inside(ROUTER, "sysctl", "-q", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        inside(INSIDE, "ip", "route", "add", "default", "via", "10.99.1.1")
        inside(INSIDE, "ip", "route", "add", "default", "via", "fd99:1::1")
        inside(OUTSIDE, "ip", "route", "add", INNER, "via", "198.51.100.1")  # a neighbour who looks behind the NAT
        inside(OUTSIDE, "ip", "route", "add", INNER6, "via", "2001:db8:99::1")
        yield
    finally:
        delete_namespaces()


@pytest.fixture(scope="module", autouse=True)
def servers(network: None) -> Iterator[None]:
    addresses = [(OUTSIDE, item.partition("/")[0]) for item in LINKS[1][2]] + [
        (INSIDE, "10.99.1.2"),
        (INSIDE, "fd99:1::2"),
    ]
    processes = []
    try:
        for namespace, address in addresses:
            argv = ["ip", "netns", "exec", namespace, "python3", "-c", SERVER, address]
            processes.append(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture
def nat() -> Iterator[Object]:
    yield Object("nat_masquerade", namespace=ROUTER)
    inside(ROUTER, "nft", "flush", "ruleset")


def asks(namespace: str, address: str, wait: float = 2) -> str:
    """Return the address by which the server at that address knows the namespace, or "nothing"."""
    return inside(namespace, "python3", "-c", CLIENT, address, str(wait)).strip()


def ruleset(namespace: str = ROUTER) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(inside(namespace, "nft", "-j", "list", "ruleset"))["nftables"]
    return items[1:]


def converge(check: bool = False, **options: Any) -> Any:
    return apply([{"nat_masquerade": {"namespace": ROUTER, **options}}], check)


def test_fixed_address_by_packets(nat: Object) -> None:
    assert asks(INSIDE, "198.51.100.9") == "10.99.1.2"
    after = nat.present(sources=[INNER], out_interface="out0", to_source=["198.51.100.5"])
    assert asks(INSIDE, "198.51.100.9") == "198.51.100.5"
    assert after == {
        "name": "nat",
        "namespace": ROUTER,
        "sources": [INNER],
        "exclude_destinations": [INNER],
        "out_interface": "out0",
        "to_source": ["198.51.100.5"],
        "inbound": "accept",
    }
    nat.absent()
    assert ruleset() == []


def test_masquerade_by_packets(nat: Object) -> None:
    nat.present(sources=[INNER])
    assert asks(INSIDE, "198.51.100.9") == "198.51.100.1"
    assert nat.changes(to_source=["198.51.100.5"]) == {"to_source"}
    assert asks(INSIDE, "198.51.100.9") == "198.51.100.5"
    assert nat.changes(to_source=[]) == {"to_source"}
    assert asks(INSIDE, "198.51.100.9") == "198.51.100.1"


def test_both_families_by_packets(nat: Object) -> None:
    nat.present(sources=[INNER6, INNER], out_interface="out0", to_source=["2001:DB8:99::5", "198.51.100.5"])
    assert asks(INSIDE, "198.51.100.9") == "198.51.100.5"
    assert asks(INSIDE, "2001:db8:99::9") == "2001:db8:99::5"
    nat.present(to_source=[])
    assert asks(INSIDE, "2001:db8:99::9") in ("2001:db8:99::1", "2001:db8:99::5")


def test_rules_only_for_the_families_of_the_sources(nat: Object) -> None:
    nat.present(sources=[INNER], to_source=["2001:db8:99::5"])
    assert "ip6" not in json.dumps(ruleset())
    assert asks(INSIDE, "2001:db8:99::9") == "fd99:1::2"
    assert nat.present()["to_source"] == []


def test_excluded_destination_sees_the_source_itself(nat: Object) -> None:
    nat.present(sources=[INNER], exclude_destinations=["198.51.100.200"], out_interface="out0")
    assert asks(INSIDE, "198.51.100.200") == "10.99.1.2"
    assert asks(INSIDE, "198.51.100.9") == "198.51.100.1"
    assert nat.changes(exclude_destinations=[]) == {"exclude_destinations"}
    assert asks(INSIDE, "198.51.100.200") == "198.51.100.1"


def test_other_interface_is_not_translated(nat: Object) -> None:
    nat.present(sources=[INNER], out_interface="other0")
    assert asks(INSIDE, "198.51.100.9") == "10.99.1.2"


def test_inbound_drop_keeps_neighbours_out(nat: Object) -> None:
    nat.present(sources=[INNER, INNER6], out_interface="out0")
    assert asks(OUTSIDE, "10.99.1.2") == "198.51.100.9"
    assert asks(OUTSIDE, "fd99:1::2") == "2001:db8:99::9"
    assert nat.changes(inbound="drop") == {"inbound"}
    assert asks(OUTSIDE, "10.99.1.2", 0.5) == "nothing"
    assert asks(OUTSIDE, "fd99:1::2", 0.5) == "nothing"
    assert asks(INSIDE, "198.51.100.9") == "198.51.100.1"
    nat.present(inbound="accept")
    assert asks(OUTSIDE, "10.99.1.2") == "198.51.100.9"


def test_inbound_drop_lets_translated_destinations_in(nat: Object) -> None:
    nat.present(sources=[INNER], out_interface="out0", inbound="drop")
    inside(ROUTER, "nft", "add table ip nvtdnat; add chain ip nvtdnat pre { type nat hook prerouting priority -100; }")
    inside(ROUTER, "nft", "add rule ip nvtdnat pre ip daddr 198.51.100.5 dnat to 10.99.1.2")
    assert asks(OUTSIDE, "198.51.100.5") == "198.51.100.9"


def test_default_exclusion_follows_the_sources(nat: Object) -> None:
    nat.present(sources=[INNER])
    assert nat.present(sources=[INNER, "10.99.2.0/24"])["exclude_destinations"] == [INNER, "10.99.2.0/24"]
    nat.present(exclude_destinations=["10.0.0.0/8"])
    assert nat.present(sources=[INNER])["exclude_destinations"] == ["10.0.0.0/8"]


@pytest.mark.parametrize(
    "sources",
    [
        ["0.0.0.0/0", "::/0"],
        ["10.0.0.0/8", "10.99.0.0/16", "10.99.1.0/25", "10.99.1.2/32", "10.99.1.128/25"],
        ["::ffff:10.0.0.0/120", "2001:db8::/32", "fd99:1::2", "::1", "::/1"],
        [],
    ],
)
def test_any_networks_are_shown_as_given(nat: Object, sources: list[str]) -> None:
    shown = nat.present(sources=sources, out_interface="out0", inbound="drop")["sources"]
    assert len(shown) == len(sources)
    nat.absent()


def test_handles_stay_on_a_second_run(nat: Object) -> None:
    nat.present(sources=[INNER, INNER6], out_interface="out0", to_source=["198.51.100.5"], inbound="drop")
    before = ruleset()
    nat.present(sources=[INNER6, INNER], out_interface="out0", to_source=["198.51.100.5"], inbound="drop")
    assert ruleset() == before


@pytest.mark.parametrize(
    ("by_hand", "difference"),
    [
        ("flush chain inet netvirt_nat postrouting", "sources"),
        ("add rule inet netvirt_nat postrouting ip saddr 10.1.0.0/16 masquerade", "sources"),
        ("insert rule inet netvirt_nat postrouting counter accept", "edits"),
        ("add rule inet netvirt_nat forward accept", "edits"),
        ("insert rule inet netvirt_nat forward ct state established,related accept", "edits"),
        ("flush chain inet netvirt_nat forward", "edits"),
        ("flush table inet netvirt_nat", "edits"),
        ("flush chain inet netvirt_nat forward; delete chain inet netvirt_nat forward", "inbound"),
        ("add chain inet netvirt_nat other", "edits"),
        ("add set inet netvirt_nat other { type ipv4_addr; }", "edits"),
        ("add chain inet netvirt_nat postrouting { policy drop; }", "edits"),
    ],
)
def test_change_by_hand_is_a_difference_and_repaired(nat: Object, by_hand: str, difference: str) -> None:
    options = {"sources": [INNER, INNER6], "out_interface": "out0", "inbound": "drop"}
    nat.present(**options)
    wanted = strip(ruleset())
    inside(ROUTER, "nft", by_hand)
    planned = converge(check=True, **options).operations
    assert difference in planned[-1]["changes"]
    assert strip(ruleset()) != wanted, "check mode repaired it"
    assert converge(**options).operations == planned
    assert strip(ruleset()) == wanted
    assert converge(**options).operations == []


def test_order_of_rules_matters(nat: Object) -> None:
    nat.present(sources=[INNER], out_interface="out0")
    first = next(item["rule"] for item in ruleset() if item.get("rule", {}).get("chain") == "postrouting")
    inside(ROUTER, "nft", "delete", "rule", "inet", "netvirt_nat", "postrouting", "handle", str(first["handle"]))
    inside(ROUTER, "nft", "add rule inet netvirt_nat postrouting oifname != out0 return")
    (operation,) = converge().operations
    assert operation["changes"] == {"edits": {"before": ["other order in postrouting"], "after": []}}


def strip(value: Any) -> Any:
    """Return a listing without handles, which a repair may change."""
    if isinstance(value, dict):
        return {key: strip(item) for key, item in value.items() if key != "handle"}
    return [strip(item) for item in value] if isinstance(value, list) else value


def test_table_removed_by_hand_comes_back(nat: Object) -> None:
    nat.present(sources=[INNER])
    inside(ROUTER, "nft", "delete table inet netvirt_nat")
    (operation,) = converge(sources=[INNER]).operations
    assert operation["action"] == "create"
    assert asks(INSIDE, "198.51.100.9") == "198.51.100.1"


def test_before_fed_back_restores(nat: Object) -> None:
    nat.present(sources=[INNER, INNER6], out_interface="out0", to_source=["198.51.100.5"], inbound="drop")
    wanted = strip(ruleset())
    (item,) = converge(sources=["10.7.0.0/16"], inbound="accept", to_source=[]).resources
    apply([{"nat_masquerade": item.shown(item.have)}])
    assert strip(ruleset()) == wanted


def test_owner_is_kept_and_marked(nat: Object) -> None:
    apply([{"nat_masquerade": {"namespace": ROUTER, "sources": [INNER]}}], owner="first")
    assert 'comment "owner first"' in inside(ROUTER, "nft", "list", "ruleset")
    with pytest.raises(
        Conflict, match="nat_masquerade nat in namespace nvtr belongs to the owner first, and this run is"
    ):
        apply([{"nat_masquerade": {"namespace": ROUTER, "sources": [INNER6]}}], owner="second")
    assert 'comment "owner first"' in inside(ROUTER, "nft", "list", "ruleset")


def test_foreign_tables_stay_and_handles_too(nat: Object) -> None:
    inside(ROUTER, "nft", "add table inet netvirt_na; add table ip netvirt_nat; add table inet netvirt_nat2")
    inside(ROUTER, "nft", "add chain ip netvirt_nat post { type nat hook postrouting priority 90; }")
    inside(ROUTER, "nft", "add rule ip netvirt_nat post ip saddr 172.31.0.0/16 masquerade")
    before = ruleset()
    nat.present(sources=[INNER])
    nat.absent()
    assert ruleset() == before


def test_foreign_table_of_our_name_is_a_conflict(nat: Object) -> None:
    inside(ROUTER, "nft", "add table inet netvirt_nat; add chain inet netvirt_nat postrouting")
    before = ruleset()
    for options in ({"sources": [INNER]}, {"state": "absent"}):
        with pytest.raises(Conflict, match=r"nat_masquerade nat in namespace nvtr: .*exists and is not ours"):
            converge(**options)
    assert ruleset() == before


def test_two_translations_in_one_namespace(nat: Object) -> None:
    apply([{"nat_masquerade": {"namespace": ROUTER, "name": name, "sources": [INNER]}} for name in ("nat", "nat-2")])
    apply([{"nat_masquerade": {"namespace": ROUTER, "name": "nat-2", "state": "absent"}}])
    assert {item["table"]["name"] for item in ruleset() if "table" in item} == {"netvirt_nat"}


def test_root_namespace(nat: Object) -> None:
    try:
        apply([{"nat_masquerade": {"name": "nvt", "sources": [INNER], "out_interface": "nvt9"}}])
        assert "netvirt_nvt" in output("nft", "list", "tables")
        assert ruleset() == []
    finally:
        apply([{"nat_masquerade": {"name": "nvt", "state": "absent"}}])
    assert "netvirt_nvt" not in output("nft", "list", "tables")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "sources is required"),
        ({"sources": ["10.0.0.1/24"]}, "host bits"),
        ({"sources": ["10.0.0.0/33"]}, "must be a network"),
        ({"sources": [INNER], "to_source": ["1.1.1.1", "2.2.2.2"]}, "at most one IPv4"),
        ({"sources": [INNER], "inbound": "drop"}, "needs out_interface"),
        ({"sources": [INNER], "out_interface": "sixteen-letters0"}, "at most 15"),
        ({"sources": [INNER], "out_interface": 'a"b'}, "must consist of"),
        ({"sources": [INNER], "name": "a;b"}, "must consist of"),
        ({"sources": [INNER], "namespace": "../x"}, "must consist of"),
    ],
)
def test_wrong_values_change_nothing(nat: Object, options: dict[str, Any], message: str) -> None:
    for check in (True, False):
        with pytest.raises(InvalidValue, match=message) as caught:
            converge(check, **options)
        assert "\n" not in str(caught.value)
    assert ruleset() == []


def test_missing_namespace() -> None:
    with pytest.raises(Conflict, match="declare it with netns_router"):
        converge(namespace="nvtnone", sources=[INNER])
    assert converge(namespace="nvtnone", state="absent").operations == []
    path = "/run/netns/nvtstale"
    try:
        open(path, "w", encoding="utf-8").close()  # what a crashed program leaves behind
        with pytest.raises(Conflict, match="nvtstale is no network namespace but a stale file; remove it"):
            converge(namespace="nvtstale", sources=[INNER])
    finally:
        os.unlink(path)


def test_missing_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_programs, "_DIRECTORIES", "/nonexistent")
    with pytest.raises(Missing, match="install nftables"):
        apply([{"nat_masquerade": {"name": "nvt", "sources": [INNER]}}])
