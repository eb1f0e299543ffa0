# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nft tables of packet_filter: what is built is read back, and what is not ours is told."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _drop_table as drop_table

Spec = dict[str, Any]

SPEC: Spec = {
    "name": "f",
    "isolated_interfaces": ["eth1", "tap-vm1"],
    "blocked": [{"interface": "gw", "destinations": ["10.0.0.0/24", "fd00::/64"]}],
    "tunnel_endpoints": [
        {"address": "192.0.2.1", "interface": "eth1", "protocol": "gre", "port": None},
        {"address": "192.0.2.1", "interface": "eth1", "protocol": "udp", "port": 4789},
        {"address": "2001:db8::1", "interface": "eth1.7", "protocol": "udp", "port": 6081},
    ],
    "ports": [
        {"interface": "ex", "sources": []},
        {"interface": "gw", "sources": ["10.0.0.0/24", "10.0.4.0/24", "fd00::/64"]},
        {"interface": "hw", "sources": ["10.0.2.1/32"]},
    ],
    "admitted": [
        {"from": ["gw", "hw"], "to": ["ex", "gw"], "translated": True},
        {"from": ["hw"], "to": ["hw"], "translated": False},
    ],
    "rules": [
        {
            "name": "web",
            "action": "reject",
            "from": ["gw", "hw"],
            "to": ["ex"],
            "source": "10.0.0.0/25",
            "destination": "192.0.2.7/32",
            "protocol": "tcp",
            "ports": ["80", "8000-8010"],
            "log": True,
        },
        {
            "name": "rest",
            "action": "accept",
            "from": [],
            "to": [],
            "source": "",
            "destination": "",
            "protocol": "icmpv6",
            "ports": [],
            "log": False,
        },
    ],
}
names = st.lists(st.sampled_from(["eth1", "tap-vm1", "e.0-x"]), unique=True).map(sorted)
networks = st.lists(
    st.one_of(
        st.ip_addresses().map(lambda address: values.network(str(address))),
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
            lambda pair: str(ipaddress.ip_network(pair, strict=False))
        ),
    ),
    min_size=1,
    max_size=4,
).map(values.unique(values.network))


def built(spec: Spec) -> dict[str, list[Any] | None]:
    return {family: drop_table.build(family, spec, "me") or None for family in drop_table.FAMILIES}


@settings(deadline=None)  # where other work has the machine
@given(names, st.dictionaries(st.sampled_from(["eth1", "gw"]), networks))
def test_what_is_built_is_read_back(isolated: list[str], blocked: dict[str, list[str]]) -> None:
    entries = [{"interface": name, "destinations": blocked[name]} for name in sorted(blocked)]
    spec = {**SPEC, "isolated_interfaces": isolated, "blocked": entries}
    assert drop_table.parse("f", built(spec)) == {**spec, "edits": []}


def test_arp_has_a_table_only_where_it_has_something_to_do() -> None:
    assert built({**SPEC, "isolated_interfaces": []})["arp"] is None


@pytest.mark.parametrize("family", drop_table.FAMILIES)
@pytest.mark.parametrize(
    "strange",
    [
        {"rule": {"chain": "output", "expr": [{"accept": None}]}},
        {"rule": {"chain": "output", "expr": []}},
        {"rule": {"chain": "output", "expr": [{"match": None}, None]}},
        {"chain": {"name": "other"}},
        {"set": {"name": "s", "type": "ifname"}},
        {"map": {"name": "m"}},
    ],
)
def test_what_is_not_ours_is_told(family: str, strange: Spec) -> None:
    tables = built(SPEC)
    spec = drop_table.parse("f", {**tables, family: [*(tables[family] or []), strange]})
    (edit,) = spec.pop("edits")
    assert spec == SPEC
    assert edit.startswith(f"{family}: unexpected {next(iter(strange))}")


@pytest.mark.parametrize("family", drop_table.FAMILIES)
def test_what_is_missing_is_told(family: str) -> None:
    tables = built(SPEC)
    assert drop_table.parse("f", {**tables, "arp": None})["edits"]
    for index, item in enumerate(tables[family] or []):
        rest = [other for position, other in enumerate(tables[family] or []) if position != index]
        shown = drop_table.parse("f", {**tables, family: rest})
        assert shown["edits"] or shown != {**SPEC, "edits": []}, item


def test_elements_that_are_not_plain_names_are_told() -> None:
    tables = built(SPEC)
    for item in tables["inet"] or []:
        if item.get("set", {}).get("name") == "isolated":
            item["set"]["elem"].append({"elem": {"val": "eth9", "comment": "by hand"}})
    shown = drop_table.parse("f", tables)
    assert shown["isolated_interfaces"] == SPEC["isolated_interfaces"]
    assert len(shown["edits"]) == 2


def test_rules_in_another_order_are_told() -> None:
    tables = built(SPEC)
    items = tables["inet"] or []
    items.append(items.pop(next(index for index, item in enumerate(items) if "rule" in item)))
    assert drop_table.parse("f", tables)["edits"] == []  # which is the mark
    items.append(items.pop(next(index for index, item in enumerate(items) if "mangle" in str(item))))
    assert drop_table.parse("f", tables)["edits"] == ["inet: other order"]
