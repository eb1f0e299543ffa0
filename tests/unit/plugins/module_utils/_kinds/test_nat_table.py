# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nft table of nat_masquerade: what is built is read back, and what is not ours is told."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _nat_table as nat_table
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _own_table as own_table

Spec = dict[str, Any]

SPEC: Spec = {
    "sources": ["10.0.0.0/24", "fd00::/64"],
    "exclude_destinations": ["10.0.0.0/8"],
    "out_interface": "ext",
    "to_source": ["203.0.113.10"],
    "inbound": "drop",
}
RANDOM = {"flags": "fully-random"}


def rules(spec: Spec, chain: str) -> list[list[Any]]:
    items = nat_table.build("nat", spec, "me")
    return [item["rule"]["expr"] for item in items if item.get("rule", {}).get("chain") == chain]


def test_rules_in_the_form_of_nft() -> None:
    assert rules(SPEC, "postrouting") == [
        [{"match": {"op": "!=", "left": {"meta": {"key": "oifname"}}, "right": "ext"}}, {"return": None}],
        [prefix("ip", "daddr", "10.0.0.0", 8), {"return": None}],
        [prefix("ip", "saddr", "10.0.0.0", 24), {"snat": {"family": "ip", "addr": "203.0.113.10", **RANDOM}}],
        [prefix("ip6", "saddr", "fd00::", 64), {"masquerade": RANDOM}],
    ]
    assert [expressions[-1] for expressions in rules(SPEC, "untranslated")] == [
        *[{"return": None}] * 4,
        *[{"drop": None}] * 2,
    ]
    assert [expressions[-1] for expressions in rules(SPEC, "forward")] == [
        {"accept": None},
        {"accept": None},
        {"drop": None},
        {"drop": None},
    ]


def flags_listed(expressions: Any) -> Any:
    """Return expressions as other versions of nft show them, with flags in lists."""
    return [
        {
            verdict: {**content, "flags": [content["flags"]]}
            if isinstance(content, dict) and "flags" in content
            else content
        }
        for expression in expressions
        for verdict, content in expression.items()
    ]


def prefix(protocol: str, field: str, address: str, length: int) -> Spec:
    left = {"payload": {"protocol": protocol, "field": field}}
    return {"match": {"op": "==", "left": left, "right": {"prefix": {"addr": address, "len": length}}}}


def test_only_inbound_drop_makes_a_forward_chain() -> None:
    items = nat_table.build("nat", {**SPEC, "inbound": "accept"}, "me")
    assert [item["chain"]["name"] for item in items if "chain" in item] == [
        own_table.MARK,
        "postrouting",
        "untranslated",
    ]


def test_owner_and_mark() -> None:
    items = nat_table.build("nat", SPEC, "me")
    assert own_table.is_ours(items)
    assert own_table.owner(items) == "me"
    assert not own_table.is_ours(items[2:])
    assert own_table.owner(items[:1]) is None


networks = st.lists(
    st.one_of(
        st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), st.tuples(st.ip_addresses(v=6), st.integers(0, 128))
    ),
    max_size=6,
).map(lambda pairs: values.unique(values.network)([str(ipaddress.ip_network(pair, strict=False)) for pair in pairs]))
addresses = st.tuples(st.lists(st.ip_addresses(v=4), max_size=1), st.lists(st.ip_addresses(v=6), max_size=1)).map(
    lambda pair: values.unique(values.address)([str(item) for item in (*pair[0], *pair[1])])
)


@given(networks, networks, st.sampled_from(["", "ext", "e.0-x"]), addresses, st.booleans())
def test_what_is_built_is_read_back(
    sources: list[str], excluded: list[str], out: str, to_source: list[str], drop: bool
) -> None:
    families = {values.family(network) for network in sources}
    spec = {
        "sources": sources,
        "exclude_destinations": excluded,
        "out_interface": out,
        "to_source": [address for address in to_source if values.family(address) in families],
        "inbound": "drop" if drop and out else "accept",
    }
    assert nat_table.parse(nat_table.build("nat", spec, "me")) == {**spec, "edits": []}


@pytest.mark.parametrize(
    ("strange", "message"),
    [
        ({"rule": {"chain": "postrouting", "expr": [{"accept": None}]}}, "unexpected rule in postrouting"),
        ({"rule": {"chain": "postrouting", "expr": []}}, "unexpected rule in postrouting"),
        ({"rule": {"chain": "postrouting", "expr": [{"snat": "x"}]}}, "unexpected rule in postrouting"),
        ({"rule": {"chain": "postrouting", "expr": [None]}}, "unexpected rule in postrouting"),
        ({"rule": {"chain": "other", "expr": []}}, "unexpected rule other"),
        ({"chain": {"name": "other"}}, "unexpected chain other"),
        ({"set": {"name": "s"}}, "unexpected set s"),
        (
            {"chain": {"name": "postrouting", "type": "nat", "hook": "postrouting", "prio": 90, "policy": "accept"}},
            "other",
        ),
    ],
)
def test_what_is_not_ours_is_told(strange: Spec, message: str) -> None:
    spec = nat_table.parse([*nat_table.build("nat", SPEC, "me"), strange])
    assert {key: spec[key] for key in SPEC} == SPEC
    assert any(message in edit for edit in spec["edits"])


def test_missing_and_double_rules_are_told() -> None:
    items = nat_table.build("nat", SPEC, "me")
    assert nat_table.parse(items[:-1])["edits"] == ["missing rule in input: inbound ext fd00::/64"]
    assert nat_table.parse([*items, items[-1]])["edits"] == ["unexpected rule in input: inbound ext fd00::/64"]
    assert nat_table.parse(items[1:2] + items[2:])["edits"] == []
    listed = [
        {"rule": {**item["rule"], "expr": flags_listed(item["rule"]["expr"])}} if "rule" in item else item
        for item in items
    ]
    assert nat_table.parse(listed)["edits"] == []
    assert "no owner" in nat_table.parse(items[:1] + items[2:])["edits"]
