# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The nft table of ``nat_masquerade``: built from options, and options read back from it (nft(8)).

In between stands a layout: the chains with their rules, each rule a tuple of words. What a table holds beyond or short
of the layout of its own options was changed by hand.

    chain postrouting    ("only", IF) what leaves by another interface stays as it is
                         ("exclude", NET) so does what goes to NET
                         ("source", NET, ADDRESS) what comes from NET gets ADDRESS, or that of the interface
    chain forward        ("replies",) ("translated",) pass; ("inbound", IF, NET) what comes in by IF for NET is dropped
    chain netvirt.fabric is never entered: it marks the table as ours and names the owner
"""

from __future__ import annotations

import collections
import json
import socket
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._nft import Item
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

FAMILY = "inet"
MARK = "netvirt.fabric"
_OWNER = "owner "
_PREFIX = "netvirt_"

_HOOKS = {
    "postrouting": {"type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"},  # srcnat
    "forward": {"type": "filter", "hook": "forward", "prio": 0, "policy": "accept"},  # filter
}

Rule = tuple[str, ...]
Layout = dict[str, list[Rule]]

_ANY = {4: ("0.0.0.0/0", "ipv4"), 6: ("::/0", "ipv6")}
_PROTOCOL = {4: "ip", 6: "ip6"}


def table_name(name: str) -> str:
    """Return the name of the nft table."""
    return _PREFIX + name


def instance(table: str) -> str:
    """Return the name of which this is the table, empty for a table of others."""
    return table[len(_PREFIX) :] if table.startswith(_PREFIX) else ""


def is_ours(items: list[Item]) -> bool:
    """Tell whether the table carries our mark."""
    return any(item.get("chain", {}).get("name") == MARK for item in items)


def owner(items: list[Item]) -> Optional[str]:
    """Return the owner that the mark names, or None when somebody emptied it."""
    for item in items:
        rule = item.get("rule", {})
        comment = rule.get("comment", "")
        if rule.get("chain") == MARK and comment.startswith(_OWNER):
            return str(comment[len(_OWNER) :])
    return None


def build(name: str, spec: Spec, owner_name: str) -> list[Item]:
    """Return the chains and rules of the table for these options."""
    base = {"family": FAMILY, "table": table_name(name)}
    items: list[Item] = [
        {"chain": {**base, "name": MARK}},
        {"rule": {**base, "chain": MARK, "comment": _OWNER + owner_name, "expr": [{"return": None}]}},
    ]
    for chain, rules in _layout(spec).items():
        items.append({"chain": {**base, "name": chain, **_HOOKS[chain]}})
        items.extend({"rule": {**base, "chain": chain, "expr": _expressions(rule)}} for rule in rules)
    return items


def parse(items: list[Item]) -> Spec:
    """Return the options of a table of ours as nft lists it, and under ``edits`` what else was changed by hand."""
    chains: dict[str, Any] = {}
    actual: Layout = {}
    strange: list[str] = []
    for item in items:
        ((sort, content),) = item.items()
        if sort == "chain" and content["name"] in _HOOKS:
            chains[content["name"]] = {key: content.get(key) for key in ("type", "hook", "prio", "policy")}
            actual.setdefault(content["name"], [])
        elif sort == "rule" and content["chain"] in _HOOKS:
            rule = _recognise(content["expr"]) or ("other", json.dumps(content["expr"], sort_keys=True))
            actual.setdefault(content["chain"], []).append(rule)
        elif content.get("name") != MARK and content.get("chain") != MARK:
            strange.append(f"unexpected {sort} {content.get('name') or content.get('chain')}")
    spec = _options(actual)
    if owner(items) is None:
        strange.append("no owner")
    strange.extend(f"chain {name}: other hook" for name, hook in chains.items() if hook != _HOOKS[name])
    return {**spec, "edits": sorted(strange + _deviations(actual, _layout(spec)))}


def _layout(spec: Spec) -> Layout:
    to_source = {values.family(address): address for address in spec["to_source"]}
    out = spec["out_interface"]
    rules: list[Rule] = [("only", out)] if out else []
    rules += [("exclude", network) for network in spec["exclude_destinations"]]
    rules += [("source", network, to_source.get(values.family(network), "")) for network in spec["sources"]]
    layout = {"postrouting": rules}
    if spec["inbound"] == "drop":
        dropped = [("inbound", out, network) for network in spec["sources"]]
        layout["forward"] = [("replies",), ("translated",), *dropped]
    return layout


def _options(layout: Layout) -> Spec:
    rules = layout.get("postrouting", [])
    found: dict[str, list[Rule]] = collections.defaultdict(list)
    for rule in rules:
        found[rule[0]].append(rule)
    return {
        "sources": sorted({rule[1] for rule in found["source"]}, key=values.address_key),
        "exclude_destinations": sorted({rule[1] for rule in found["exclude"]}, key=values.address_key),
        "out_interface": found["only"][0][1] if found["only"] else "",
        "to_source": sorted({rule[2] for rule in found["source"] if rule[2]}, key=values.address_key),
        "inbound": "drop" if "forward" in layout else "accept",
    }


def _deviations(actual: Layout, expected: Layout) -> list[str]:
    result = []
    for chain in sorted({*actual, *expected}):
        have = collections.Counter(actual.get(chain, []))
        want = collections.Counter(expected.get(chain, []))
        result += [f"unexpected rule in {chain}: {' '.join(rule)}" for rule in have - want]
        result += [f"missing rule in {chain}: {' '.join(rule)}" for rule in want - have]
        if have == want and actual.get(chain) != expected.get(chain):
            result.append(f"chain {chain} is missing" if chain not in actual else f"other order in {chain}")
    return result


def _expressions(rule: Rule) -> list[Item]:
    """Return a rule's expressions as libnftables-json(5) has them, in the form in which nft lists them."""
    sort, *words = rule
    if sort == "only":
        return [_match("!=", {"meta": {"key": "oifname"}}, words[0]), {"return": None}]
    if sort == "exclude":
        return [_match_network("daddr", words[0]), {"return": None}]
    if sort == "source":
        network, address = words
        fixed = address and {"snat": {"family": _PROTOCOL[values.family(address)], "addr": _listed(address)}}
        return [_match_network("saddr", network), fixed or {"masquerade": None}]
    if sort == "replies":
        return [_match("in", {"ct": {"key": "state"}}, ["established", "related"]), {"accept": None}]
    if sort == "translated":
        return [_match("in", {"ct": {"key": "status"}}, "dnat"), {"accept": None}]
    interface, network = words
    return [_match("==", {"meta": {"key": "iifname"}}, interface), _match_network("daddr", network), {"drop": None}]


def _recognise(expressions: list[Item]) -> Optional[Rule]:
    """Return the rule that has these expressions, or None when it is none of ours."""
    candidate: Optional[Rule] = None
    try:
        first, last = expressions[0], expressions[-1]
        verdict = next(iter(last))
        if verdict == "drop":
            candidate = ("inbound", first["match"]["right"], _network(expressions[1]))
        elif verdict == "accept":
            candidate = ("replies",) if first["match"]["left"] == {"ct": {"key": "state"}} else ("translated",)
        elif verdict == "return":
            is_interface = first["match"]["op"] == "!="
            candidate = ("only", first["match"]["right"]) if is_interface else ("exclude", _network(first))
        elif verdict in ("masquerade", "snat"):
            address = values.address(last["snat"]["addr"]) if verdict == "snat" else ""
            candidate = ("source", _network(first), address)
        if candidate is not None and _expressions(candidate) == expressions:
            return candidate
    except (AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError):
        pass
    return None


def _match(operator: str, left: Any, right: Any) -> Item:
    return {"match": {"op": operator, "left": left, "right": right}}


def _match_network(field: str, network: str) -> Item:
    version = values.family(network)
    if network == _ANY[version][0]:
        return _match("==", {"meta": {"key": "nfproto"}}, _ANY[version][1])
    address, _slash, length = network.partition("/")
    host = int(length) == (32 if version == 4 else 128)
    left = {"payload": {"protocol": _PROTOCOL[version], "field": field}}
    listed = _listed(address)
    return _match("==", left, listed if host else {"prefix": {"addr": listed, "len": int(length)}})


def _listed(address: str) -> str:
    """Return an address as nft lists it, which differs from RFC 5952 for IPv4-mapped ones."""
    protocol = socket.AF_INET6 if values.family(address) == 6 else socket.AF_INET
    return socket.inet_ntop(protocol, socket.inet_pton(protocol, address))


def _network(expression: Item) -> str:
    match = expression["match"]
    right = match["right"]
    for network, protocol in _ANY.values():
        if right == protocol:
            return network
    return values.network(f"{right['prefix']['addr']}/{right['prefix']['len']}" if isinstance(right, dict) else right)
