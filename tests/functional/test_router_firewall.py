# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a router, by packets between the hosts of its networks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from engine import Result, apply, output
from netlink_node import inside
from router_lab import DOCUMENT, HOSTS, OWNER, ROUTER, ROUTER_PORTS, answers, compiled, host, run, segments
from talk import asks, connections, servers

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import InvalidValue

network = pytest.fixture(scope="module", autouse=True)(segments)
BLUE, RED, OUT = (HOSTS[segment][0].partition("/")[0] for segment in ("blue", "red", "out"))


@pytest.fixture(scope="module", autouse=True)
def serving(network: None) -> Iterator[None]:
    run(compiled(DOCUMENT))
    with servers([host(segment) for segment in ("blue", "red", "out")], 80, 81, 90):
        yield


def port(segment: str) -> str:
    """Return the router's own interface on a segment."""
    (entry,) = (
        item["veth_pair"]["peer"]["name"]
        for item in compiled(DOCUMENT)
        if item.get("veth_pair", {}).get("name") == ROUTER_PORTS[segment]
    )
    return str(entry)


def converge(*rules: dict[str, Any], check: bool = False) -> Result:
    """Give the router these rules."""
    return apply([{"packet_filter": {"name": "router", "namespace": ROUTER, "rules": list(rules)}}], check, owner=OWNER)


def rule(name: str, action: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "action": action, **options}


def test_the_first_rule_decides() -> None:
    rules = [
        rule("web", "accept", to=[port("red")], protocol="tcp", ports=["80-81"]),
        rule("no-90", "reject", to=[port("red")], protocol="tcp", ports=[90]),
        rule("no-udp", "drop", source="10.0.10.0/24", destination="10.0.20.0/24", protocol="udp"),
        rule("no-ping", "drop", **{"from": [port("blue")]}, to=[port("red")], protocol="icmp", log=True),
        rule("late", "drop", protocol="tcp", ports=[81]),
    ]
    planned = converge(*rules, check=True).operations
    assert converge(*rules).operations == planned
    assert converge(*rules).operations == []
    blue, red = host("blue"), host("red")
    assert asks(blue, RED, 80) == f"{BLUE} 80"
    assert asks(blue, RED, 81) == f"{BLUE} 81"
    assert asks(blue, RED, 90) == "refused"
    assert asks(blue, RED, 80, "udp", 0.5) == "nothing"
    assert asks(red, BLUE, 80, "udp") == f"{RED} 80"
    assert asks(red, BLUE, 81, wait=0.5) == "nothing"
    assert asks(blue, OUT, 80).endswith(" 80")
    assert answers("blue", RED, "fd00:20::11", OUT) == sorted(["fd00:20::11", OUT])
    assert answers("red", BLUE) == [BLUE]


def test_a_rule_opens_nothing_that_is_not_admitted() -> None:
    converge(rule("all", "accept"))
    assert answers("green", RED, BLUE) == []
    assert answers("out", BLUE) == []
    assert answers("blue", RED, OUT) == sorted([RED, OUT])


def test_what_a_rule_drops_is_cut_and_the_rest_is_not() -> None:
    converge()
    blue, red = host("blue"), host("red")
    cut, kept = [(blue, RED, 80), (red, BLUE, 80)], [(blue, RED, 81), (blue, OUT, 80)]
    with connections([*cut, *kept]) as found:
        converge(rule("no-web", "drop", destination="10.0.0.0/16", protocol="tcp", ports=[80]))
        assert [end for end in kept if not found[end].lives()] == []
        assert [end for end in cut if found[end].lives()] == []
    with connections(kept) as found:
        converge(rule("other", "drop", destination="10.0.0.0/16", protocol="tcp", ports=[82]))
        assert [end for end in kept if not found[end].lives()] == []
    assert asks(blue, RED, 80) == f"{BLUE} 80"


def test_while_rules_change_a_packet_has_to_pass_both() -> None:
    """A run that is killed between its two steps leaves the stricter one, which the next run settles."""
    old, new = rule("old", "drop", protocol="udp"), rule("new", "drop", protocol="tcp", ports=[80])
    converge(old)
    assert [item["action"] for item in converge(new, check=True).operations] == ["tighten", "update"]
    converge(new)
    rules = [item["rule"] for item in listed() if "rule" in item]
    text = "add chain inet netvirtfilter_router former; insert rule inet netvirtfilter_router forward jump former"
    inside(ROUTER, "nft", text)
    assert converge(new).operations != []
    assert [item["rule"]["chain"] for item in listed() if "rule" in item] == [item["chain"] for item in rules]


def test_counters_count_and_are_no_difference() -> None:
    rules = [rule("ping", "accept", protocol="icmp"), rule("web", "drop", protocol="tcp", ports=["80"])]
    converge(*rules)
    answers("blue", RED)
    assert converge(*rules).operations == []
    (counted,) = (
        expression["counter"]["packets"]
        for item in listed()
        for expression in item.get("rule", {}).get("expr", [])
        if item.get("rule", {}).get("comment") == "ping" and "counter" in expression
    )
    assert counted > 0


def uncounted() -> list[list[Any]]:
    """Return the rules, less counters."""
    found = [item["rule"]["expr"] for item in listed() if "rule" in item]
    return [[item for item in expressions if "counter" not in item] for expressions in found]


def listed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        output("ip", "netns", "exec", ROUTER, "nft", "-j", "list", "table", "inet", "netvirtfilter_router")
    )["nftables"]
    return found


@pytest.mark.parametrize(
    "by_hand",
    [
        "flush chain inet netvirtfilter_router rules",
        "insert rule inet netvirtfilter_router rules accept",
        "add rule inet netvirtfilter_router rules tcp dport 22 counter drop comment \"ssh\"",
        "insert rule inet netvirtfilter_router forward accept",
    ],
)  # fmt: skip
def test_change_by_hand_is_repaired(by_hand: str) -> None:
    rules = [rule("web", "drop", protocol="tcp", ports=["80", "443", "8000-8010"], log=True), rule("six", "reject",
             destination="fd00:20::/64", protocol="icmpv6")]  # fmt: skip
    converge(*rules)
    before = uncounted()
    inside(ROUTER, "nft", by_hand)
    planned = converge(*rules, check=True).operations
    assert planned
    assert converge(*rules).operations == planned
    assert converge(*rules).operations == []
    assert uncounted() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([rule("a", "drop"), rule("a", "accept")], "the rule a twice"),
        ([rule("a", "drop", ports=["80"])], "must not hold the rule a, which has ports, and needs the protocol tcp"),
        ([rule("a", "drop", protocol="icmp", source="fd00::/8")], "mixes IPv4 and IPv6"),
        ([rule("a", "drop", source="0.0.0.0/0")], "must be left out to mean any"),
        ([rule("a", "drop", to=["nowhere"])], "rules: a names nowhere, which is not among ports"),
        ([rule("a", "drop", protocol="tcp", ports=["0"])], "from 1 to 65535"),
        ([rule("a", "forbid")], "forbid"),
    ],
)
def test_bad_rules_change_nothing(options: list[dict[str, Any]], message: str) -> None:
    converge()
    before = listed()
    with pytest.raises(InvalidValue, match=message):
        converge(*options)
    assert listed() == before
