# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The nft table of ``nat_inbound``: built from options, and options read back from it (nft(8)).

    chain prerouting   marks connections that come from inside; gives those for an outside address their destination
    chain postrouting  what leaves has the floating IP of its guest; what came from inside gets the router's address, so
                       that the answer passes the router, too, whatever segment the two are in (RFC 4787, section 6)
    chain departure    what connection tracking calls invalid is translated by nobody, and does not leave

It runs before the translation of ``nat_masquerade``: of two that could translate a connection, the first one does.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _nft
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _own_table
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters._own_table import match
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

SHIFTED = 1000
"""How many ports of one range may become others: each of them is an entry of the rules."""

FAMILY = "inet"
PREFIX = "netvirtinbound_"

_CHAINS: dict[str, Spec] = {
    "prerouting": {"type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept"},  # dstnat
    "postrouting": {"type": "nat", "hook": "postrouting", "prio": 90, "policy": "accept"},  # before srcnat
    "departure": {"type": "filter", "hook": "postrouting", "prio": 300, "policy": "accept"},  # after srcnat
}
_ADDRESSES, _GUESTS, _FLOATING = "addresses", "guests", "floating"
_FROM_INSIDE = 78  # the mark of connections that a port other than the outer one began
_SOURCE, _DESTINATION = ({"payload": {"protocol": "ip", "field": field}} for field in ("saddr", "daddr"))
_RANDOM = {"flags": "fully-random"}  # ports that nobody guesses (RFC 6056)


def build(name: str, spec: Spec, owner_name: str) -> list[_nft.Item]:
    """Return the chains, maps and rules of the table for these options."""
    base = {"family": FAMILY, "table": PREFIX + name}
    floating = [(item["address"], item["to"]) for item in spec["floating_ips"]]
    addresses = {address for address, _guest in floating} | {item["address"] for item in spec["port_forwards"]}
    items = _own_table.mark(base, owner_name)
    items.append({"set": _filled({**base, "name": _ADDRESSES, "type": "ipv4_addr"}, sorted(addresses))})
    for map_name, pairs in ((_GUESTS, floating), (_FLOATING, [(guest, address) for address, guest in floating])):
        content = {**base, "name": map_name, "type": "ipv4_addr", "map": "ipv4_addr"}
        items.append({"map": _filled(content, [list(pair) for pair in pairs])})
    for chain, rules in _rules(spec).items():
        items.append({"chain": {**base, "name": chain, **_CHAINS[chain]}})
        items.extend({"rule": {**base, "chain": chain, "expr": rule}} for rule in rules)
    return items


def parse(items: list[_nft.Item]) -> Spec:
    """Return the options of a table of ours as nft lists it, and under ``edits`` what else was changed by hand."""
    spec: Spec = {"out_interface": "", "floating_ips": [], "port_forwards": []}
    for item in items:
        rule = item.get("rule", {})
        if rule.get("chain") == "prerouting":
            forward = _forward(rule["expr"])
            if forward:
                spec["port_forwards"].append(forward)
            spec["out_interface"] = spec["out_interface"] or _out_interface(rule["expr"])
        elif item.get("map", {}).get("name") == _GUESTS:
            pairs = (pair for pair in item["map"].get("elem", []) if all(isinstance(end, str) for end in pair))
            spec["floating_ips"] = [{"address": address, "to": guest} for address, guest in pairs]
    spec["floating_ips"].sort(key=lambda item: values.address_key(item["address"]))
    spec["port_forwards"].sort(key=order)
    name = next((item["chain"]["table"] for item in items if "chain" in item), PREFIX)[len(PREFIX) :]
    return {**spec, "edits": sorted(_own_table.edits(items, build(name, spec, _own_table.owner(items) or "")))}


def unfit(port: str, to_port: int) -> str:
    """Return why a port, or a range of ports, cannot become those from ``to_port`` on, empty where it can."""
    first, last = values.port_bounds(port)
    if to_port + last - first > 65535:
        return f"{port} would end beyond port 65535"
    if to_port != first and last - first >= SHIFTED:
        return f"a range that becomes another one has at most {SHIFTED} ports, not {port}"
    return ""


def order(forward: Spec) -> tuple[Any, ...]:
    """Return by what port forwards are sorted."""
    return values.address_key(forward["address"]), forward["protocol"], values.port_bounds(forward["port"])


def _filled(content: Spec, elements: list[Any]) -> Spec:
    return {**content, "elem": elements} if elements else content


def _rules(spec: Spec) -> dict[str, list[list[_nft.Item]]]:
    out = spec["out_interface"]
    inside = [
        match("!=", {"meta": {"key": "iifname"}}, out),
        match("==", _DESTINATION, f"@{_ADDRESSES}"),
        {"mangle": {"key": {"ct": {"key": "mark"}}, "value": _FROM_INSIDE}},
    ]
    leaves = match("==", {"meta": {"key": "oifname"}}, out)
    floats = [leaves, {"snat": {"family": "ip", "addr": _mapped(_SOURCE, _FLOATING)}}]
    returns = [
        match("==", {"ct": {"key": "mark"}}, _FROM_INSIDE),
        match("in", {"ct": {"key": "status"}}, "dnat"),
        match("!=", {"meta": {"key": "oifname"}}, out),
        {"masquerade": _RANDOM},
    ]
    return {
        "prerouting": [
            inside,
            *map(_expressions, spec["port_forwards"]),
            [{"dnat": {"family": "ip", "addr": _mapped(_DESTINATION, _GUESTS)}}],
        ],
        "postrouting": [floats, returns],
        "departure": [[leaves, match("in", {"ct": {"key": "state"}}, "invalid"), {"drop": None}]],
    }


def _mapped(key: Any, name: str) -> _nft.Item:
    return {"map": {"key": key, "data": f"@{name}"}}


def _expressions(forward: Spec) -> list[_nft.Item]:
    """Return the rule of a port forward. One port is given, a range keeps its ports, or has them in a map."""
    first, last = values.port_bounds(forward["port"])
    port = {"payload": {"protocol": forward["protocol"], "field": "dport"}}
    shift = forward["to_port"] - first
    inner: Any = {}
    if first == last:
        inner = {"port": forward["to_port"]}
    elif shift:
        inner = {"port": {"map": {"key": port, "data": {"set": [[n, n + shift] for n in range(first, last + 1)]}}}}
    return [
        match("==", _DESTINATION, forward["address"]),
        match("==", port, first if first == last else {"range": [first, last]}),
        {"dnat": {"family": "ip", "addr": forward["to"], **inner}},
    ]


def _forward(expressions: list[_nft.Item]) -> Spec:
    """Return the port forward of a rule, or nothing for another rule."""
    try:
        address, port, verdict = expressions
        matched, inner = port["match"]["right"], verdict["dnat"].get("port")
        first, last = matched["range"] if isinstance(matched, dict) else (matched, matched)
        if isinstance(inner, dict):
            inner = min(inner["map"]["data"]["set"])[1]
        forward = {
            "protocol": port["match"]["left"]["payload"]["protocol"],
            "address": values.address(address["match"]["right"]),
            "port": str(first) if first == last else f"{first}-{last}",
            "to": values.address(verdict["dnat"]["addr"]),
            "to_port": first if inner is None else inner,
        }
        return forward if _expressions(forward) == _in_order(expressions) else {}
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}


def _in_order(expressions: list[_nft.Item]) -> list[_nft.Item]:
    """Return the expressions with the pairs of a map of ports in order; nft shows them in any."""
    *matches, verdict = expressions
    inner = verdict["dnat"].get("port")
    if isinstance(inner, dict):
        data = {"set": sorted(inner["map"]["data"]["set"])}
        verdict = {"dnat": {**verdict["dnat"], "port": {"map": {**inner["map"], "data": data}}}}
    return [*matches, verdict]


def _out_interface(expressions: list[_nft.Item]) -> str:
    content = expressions[0].get("match", {})
    is_ours = content.get("op") == "!=" and content.get("left") == {"meta": {"key": "iifname"}}
    return str(content["right"]) if is_ours else ""
