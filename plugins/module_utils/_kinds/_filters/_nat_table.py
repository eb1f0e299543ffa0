# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The nft table of ``nat_masquerade``: built from options, and options read back from it (nft(8)).

In between stands a layout: the chains with their rules, each rule a tuple of words. What a table holds beyond or short
of the layout of its own options was changed by hand.

    chain postrouting    ("only", IF) what leaves by another interface stays as it is
                         ("exclude", NET) so does what goes to NET
                         ("source", NET, ADDRESS) what comes from NET gets ADDRESS, or that of the interface; with a
                         fourth word, "plain", as release 0.1.0 made it: at ports that can be guessed
    chain untranslated   after all translation: ("only", IF) and ("exclude", NET) as above, ("answer",) answers where
                         connections from outside are accepted, ("own",) and ("own", ADDRESS) what has an outer address
                         pass; ("leak", NET) what still has an address of NET is dropped
    chain forward        ("replies",) ("translated",) pass; ("inbound", IF, NET) what comes in by IF for NET is dropped
    chain input          ("inbound", IF, NET) the same, for the gateway's own addresses

Connection tracking does not translate packets that it calls invalid or does not track, such as a late RST, nor those of
connections that began before the table was there.
"""

from __future__ import annotations

import collections
import json
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _nft
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _own_table
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

FAMILY = "inet"
PREFIX = "netvirt_"

_HOOKS = {
    "postrouting": {"type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"},  # srcnat
    "untranslated": {"type": "filter", "hook": "postrouting", "prio": 300, "policy": "accept"},  # after srcnat
    "forward": {"type": "filter", "hook": "forward", "prio": 0, "policy": "accept"},  # filter
    "input": {"type": "filter", "hook": "input", "prio": 0, "policy": "accept"},
}
_RANDOM = {"flags": "fully-random"}  # ports that nobody guesses (RFC 6056)

Rule = tuple[str, ...]
Layout = dict[str, list[Rule]]


def table_name(name: str) -> str:
    """Return the name of the nft table."""
    return PREFIX + name


def build(name: str, spec: Spec, owner_name: str) -> list[_nft.Item]:
    """Return the chains and rules of the table for these options."""
    base = {"family": FAMILY, "table": table_name(name)}
    items = _own_table.mark(base, owner_name)
    for chain, rules in _layout(spec).items():
        items.append({"chain": {**base, "name": chain, **_HOOKS[chain]}})
        items.extend({"rule": {**base, "chain": chain, "expr": _expressions(rule)}} for rule in rules)
    return items


def parse(items: list[_nft.Item]) -> Spec:
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
        elif content.get("name") != _own_table.MARK and content.get("chain") != _own_table.MARK:
            strange.append(f"unexpected {sort} {content.get('name') or content.get('chain')}")
    spec = _options(actual)
    if _own_table.owner(items) is None:
        strange.append("no owner")
    strange.extend(f"chain {name}: other hook" for name, hook in chains.items() if hook != _HOOKS[name])
    return {**spec, "edits": sorted(strange + _deviations(actual, _layout(spec)))}


def _layout(spec: Spec) -> Layout:
    to_source = {values.family(address): address for address in spec["to_source"]}
    out = spec["out_interface"]
    passed: list[Rule] = [("only", out)] if out else []
    passed += [("exclude", network) for network in spec["exclude_destinations"]]
    sources = [("source", network, to_source.get(values.family(network), "")) for network in spec["sources"]]
    own = [("own", address) for address in sorted(to_source.values())]
    answers: list[Rule] = [("answer",)] if spec["inbound"] == "accept" else []
    leaks = [("leak", network) for network in spec["sources"]]
    layout: Layout = {
        "postrouting": [*passed, *sources],
        "untranslated": [*passed, *answers, ("own",), *own, *leaks],
    }
    if spec["inbound"] == "drop":
        dropped = [("inbound", out, network) for network in spec["sources"]]
        layout["forward"] = [("replies",), ("translated",), *dropped]
        layout["input"] = [*dropped]
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


def _expressions(rule: Rule) -> list[_nft.Item]:
    """Return a rule's expressions as libnftables-json(5) has them, in the form in which nft lists them."""
    sort, *words = rule
    if sort == "only":
        return [_own_table.match("!=", {"meta": {"key": "oifname"}}, words[0]), {"return": None}]
    if sort == "exclude":
        return [_own_table.match_network("daddr", words[0]), {"return": None}]
    if sort == "source":
        network, address, *plain = words
        how: Any = {} if plain else _RANDOM
        masquerade: _nft.Item = {"masquerade": how or None}
        family = address and _own_table.PROTOCOL[values.family(address)]
        fixed = address and {"snat": {"family": family, "addr": _own_table.listed(address), **how}}
        return [_own_table.match_network("saddr", network), fixed or masquerade]
    if sort == "own" and words:
        return [_own_table.match_network("saddr", values.network(words[0])), {"return": None}]
    if sort == "own":
        return [_own_table.match_type("local", "saddr", "oif"), {"return": None}]
    if sort == "answer":
        return [_own_table.match("==", {"ct": {"key": "direction"}}, "reply"), {"return": None}]
    if sort == "leak":
        return [_own_table.match_network("saddr", words[0]), {"drop": None}]
    if sort == "replies":
        return [_own_table.match("in", {"ct": {"key": "state"}}, ["established", "related"]), {"accept": None}]
    if sort == "translated":
        return [_own_table.match("in", {"ct": {"key": "status"}}, "dnat"), {"accept": None}]
    interface, network = words
    return [
        _own_table.match("==", {"meta": {"key": "iifname"}}, interface),
        _own_table.match_network("daddr", network),
        {"drop": None},
    ]


def _recognise(expressions: list[_nft.Item]) -> Optional[Rule]:
    """Return the rule that has these expressions, or None when it is none of ours."""
    candidate: Optional[Rule] = None
    try:
        expressions = [_plain(expression) for expression in expressions]
        first, last = expressions[0], expressions[-1]
        verdict = next(iter(last))
        left = first["match"]["left"]
        if verdict == "drop" and len(expressions) == 2:
            candidate = ("leak", _own_table.matched_network(first))
        elif verdict == "drop":
            candidate = ("inbound", first["match"]["right"], _own_table.matched_network(expressions[1]))
        elif verdict == "accept":
            candidate = ("replies",) if left == {"ct": {"key": "state"}} else ("translated",)
        elif verdict == "return":
            candidate = _passed(first["match"])
        elif verdict in ("masquerade", "snat"):
            address = values.address(last["snat"]["addr"]) if verdict == "snat" else ""
            plain = () if (last[verdict] or {}).get("flags") else ("plain",)
            candidate = ("source", _own_table.matched_network(first), address, *plain)
        if candidate is not None and _expressions(candidate) == expressions:
            return candidate
    except (AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError):
        pass
    return None


def _passed(content: _nft.Item) -> Rule:
    """Return the rule that lets pass what meets this match; raises KeyError, TypeError or ValueError."""
    left = content["left"]
    if left == {"meta": {"key": "oifname"}}:
        return ("only", content["right"])
    if "fib" in left:
        return ("own",)
    if "ct" in left:
        return ("answer",)
    network = _own_table.matched_network({"match": content})
    if left.get("payload", {}).get("field") == "saddr":
        return ("own", network.partition("/")[0])
    return ("exclude", network)


def _plain(expression: _nft.Item) -> _nft.Item:
    """Return a translation with its only flag as a word, which some versions of nft show in a list."""
    for verdict in ("snat", "masquerade"):
        content = expression.get(verdict)
        if isinstance(content, dict) and content.get("flags") == [_RANDOM["flags"]]:
            return {verdict: {**content, **_RANDOM}}
    return expression
