# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The nft tables of ``packet_filter``: built from options, and options read back from them (nft(8)).

One table of the family inet and, where there are isolated interfaces, one of the same name of the family arp. Both have
the set ``isolated`` and drop what comes in or goes out by its interfaces, before anything else looks at it. What the
table has for the ends of tunnels is in _endpoints.py, what it has for the ports of a router in _policy.py.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _nft
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import (
    _endpoints,
    _firewall,
    _own_table,
    _policy,
)
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

IP, ARP = "inet", "arp"
FAMILIES = (IP, ARP)
PREFIX = "netvirtfilter_"
_SET = "isolated"
_PRIORITY = {IP: -300, ARP: 0}  # raw, before connections are tracked; filter, the only one of arp
_INBOUND = {IP: "prerouting", ARP: "input"}

Tables = Mapping[str, Optional[list[_nft.Item]]]
"""What the table of each family holds, None where there is none."""


def table_name(name: str) -> str:
    """Return the name of the nft tables."""
    return PREFIX + name


def build(family: str, spec: Spec, owner_name: str) -> list[_nft.Item]:
    """Return what the table of a family holds for these options; nothing where there is no need of a table."""
    if family == ARP and not spec["isolated_interfaces"]:
        return []
    base = {"family": family, "table": table_name(spec["name"])}
    elements = {"elem": list(spec["isolated_interfaces"])} if spec["isolated_interfaces"] else {}
    items = [*_own_table.mark(base, owner_name), {"set": {**base, "name": _SET, "type": "ifname", **elements}}]
    items += _policy.sets(base, spec) if family == IP else []
    for hook, key in ((_INBOUND[family], "iifname"), ("output", "oifname")):
        how = {"type": "filter", "hook": hook, "prio": _PRIORITY[family], "policy": "accept"}
        items.append({"chain": {**base, "name": hook, **how}})
        rules = [[_own_table.match("==", {"meta": {"key": key}}, f"@{_SET}"), {"drop": None}]]
        if (family, hook) == (IP, _INBOUND[IP]):
            rules += [
                _blocking(item["interface"], network) for item in spec["blocked"] for network in item["destinations"]
            ]
            rules += [_endpoints.rule(end) for end in spec["tunnel_endpoints"]]
        items += [{"rule": {**base, "chain": hook, "expr": rule}} for rule in rules]
        if family == IP:
            items += [{"rule": {**base, "chain": hook, **rule}} for rule in _policy.rules(spec, hook)]
    items += _firewall.items(base, spec) if family == IP and spec["ports"] else []
    for name, how in _policy.CHAINS.items() if family == IP and spec["ports"] else ():
        items.append({"chain": {**base, "name": name, **how}})
        items += [{"rule": {**base, "chain": name, **rule}} for rule in _policy.rules(spec, name)]
    return items


def _blocking(interface: str, network: str) -> list[_nft.Item]:
    return [
        _own_table.match("==", {"meta": {"key": "iifname"}}, interface),
        _own_table.match_network("daddr", network),
        {"drop": None},
    ]


def parse(name: str, tables: Tables) -> Spec:
    """Return the options that tables of ours amount to, and under ``edits`` what else was changed by hand."""
    items = [_endpoints.as_built(item) for item in tables[IP] or []]
    blocked: dict[str, set[str]] = collections.defaultdict(set)
    for interface, network in _blocked(items):
        blocked[interface].add(network)
    spec: Spec = {
        "name": name,
        "isolated_interfaces": sorted(_elements(items)),
        "blocked": [
            {"interface": interface, "destinations": sorted(networks, key=values.address_key)}
            for interface, networks in sorted(blocked.items())
        ],
        "tunnel_endpoints": _endpoints.options(items),
        **_policy.options(items),
    }
    edits = []
    for family in FAMILIES:
        wanted = build(family, spec, _own_table.owner(items) or "")
        present = items if family == IP else tables[family] or []
        edits += [f"{family}: {edit}" for edit in _own_table.edits(present, wanted)]
    return {**spec, "edits": sorted(edits)}


def _elements(items: list[_nft.Item]) -> list[str]:
    found = [item["set"].get("elem", []) for item in items if item.get("set", {}).get("name") == _SET]
    return [element for elements in found for element in elements if isinstance(element, str)]


def _blocked(items: list[_nft.Item]) -> Iterator[tuple[str, str]]:
    """Yield interface and network of each rule that has the form of ours."""
    for item in items:
        expressions = item.get("rule", {}).get("expr")
        try:
            interface, network = expressions[0]["match"]["right"], _own_table.matched_network(expressions[1])
            if expressions == _blocking(interface, network):
                yield interface, network
        except (IndexError, KeyError, StopIteration, TypeError, ValueError):
            continue
