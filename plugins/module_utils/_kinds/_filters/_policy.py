# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What ``packet_filter`` has in its table for the ports of a router: built from options, and read back (nft(8)).

The names and networks of the ports are in sets. The rules are the same for all routers, but for those that say from
which ports to which others connections may be begun.

    chain prerouting  marks what comes in by a port, for the policy routing of ``netns_router``; drops forged sources
    chain input       lets a port reach its own addresses and those of the ports that it may reach; from outside only
                      echo requests, neighbour discovery (RFC 4861) and answers
    chain forward     sends all through the rules of _firewall.py; lets pass what is admitted, answers to it, and what
                      somebody translates on purpose (DNAT)
    chain departure   after all translation: outside goes nothing that is for a network of the other ports, whose route
                      may be gone, and nothing with an inside address that is to be translated
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _nft
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _netlink_model
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _firewall, _own_table
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters._own_table import PROTOCOL, match
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

NEW: Spec = {"ports": [], "admitted": [], "rules": []}
CHAINS: dict[str, Spec] = {
    "input": {"type": "filter", "hook": "input", "prio": 0, "policy": "accept"},
    "forward": {"type": "filter", "hook": "forward", "prio": 0, "policy": "drop"},
    "departure": {"type": "filter", "hook": "postrouting", "prio": 300, "policy": "accept"},  # after srcnat
}
"""The chains beside prerouting."""

Rules = list[list[_nft.Item]]

_DROP, _ACCEPT, _RETURN = {"drop": None}, {"accept": None}, {"return": None}
_PORTS, _OUTSIDE = "ports", "outside"
_TRANSLATED = "translated"
_SOURCES, _NETWORKS = {4: "sources4", 6: "sources6"}, {4: "networks4", 6: "networks6"}
_ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}
_NEIGHBOURS = ["echo-request", "mld-listener-query", "nd-neighbor-solicit", "nd-neighbor-advert"]
_UNBOUND = {"set": ["::", {"prefix": {"addr": "fe80::", "len": 10}}]}  # of hosts that have no address yet, and on-link


def sets(base: _nft.Item, spec: Spec) -> list[_nft.Item]:
    """Return the sets of the table."""
    if not spec["ports"]:
        return []
    result = [_set(base, _PORTS, "ifname", [port["interface"] for port in spec["ports"]])]
    result.append(_set(base, _OUTSIDE, "ifname", outside(spec)))
    for version, address in _ADDRESS.items():
        pairs = [
            {"concat": [port["interface"], _element(network)]}
            for port in spec["ports"]
            for network in port["sources"]
            if values.family(network) == version
        ]
        result.append(_set(base, _SOURCES[version], ["ifname", address], pairs, interval=True))
        networks = [_element(network) for network in _all_sources(spec, version)]
        result.append(_set(base, _NETWORKS[version], address, networks, interval=True))
    return result


def rules(spec: Spec, chain: str) -> list[_nft.Item]:
    """Return the rules of a chain; a comment tells which of those that admit ask for translation."""
    if not spec["ports"]:
        return []
    if chain == "forward":
        return _forward(spec)
    build = {"prerouting": _prerouting, "input": _input, "departure": _departure}.get(chain)
    return [{"expr": rule} for rule in build(spec)] if build else []


def options(items: list[_nft.Item]) -> Spec:
    """Return the options that sets and rules amount to."""
    sources: dict[str, list[str]] = {name: [] for name in _elements(items, _PORTS) if isinstance(name, str)}
    for name_of_set in _SOURCES.values():
        for element in _elements(items, name_of_set):
            try:
                name, network = element["concat"]
                sources[name].append(_network(network))
            except (KeyError, TypeError, ValueError):
                continue
    ports = [{"interface": name, "sources": collapsed(sources[name])} for name in sorted(sources)]
    admitted = merged(_admitted(items)) if ports else []
    return {"ports": ports, "admitted": admitted, "rules": _firewall.options(items)}


def outside(spec: Spec) -> list[str]:
    """Return the ports without sources."""
    return [port["interface"] for port in spec["ports"] if not port["sources"]]


def collapsed(networks: Iterable[str]) -> list[str]:
    """Return networks in the one form that means the same: none in another, none that two make."""
    parsed = [ipaddress.ip_network(network) for network in networks]
    # mypy cannot tell that all of them are of one version, which collapse_addresses wants.
    found = [
        str(network)
        for version in (4, 6)
        for network in ipaddress.collapse_addresses(item for item in parsed if item.version == version)  # type: ignore[type-var]
    ]
    return sorted(found, key=values.address_key)


def merged(entries: Iterable[Spec]) -> list[Spec]:
    """Return entries of ``admitted`` sorted, those that differ in ``to`` alone as one."""
    found: dict[tuple[tuple[str, ...], bool], set[str]] = {}
    for entry in entries:
        if entry["from"] and entry["to"]:
            key = tuple(sorted(set(entry["from"]))), bool(entry.get("translated"))
            found.setdefault(key, set()).update(entry["to"])
    return [
        {"from": list(begins), "to": sorted(found[begins, translated]), "translated": translated}
        for begins, translated in sorted(found)
    ]


def pairs(spec: Spec) -> dict[tuple[str, str], bool]:
    """Return from which port to which other connections may be begun, and whether they are translated."""
    found: dict[tuple[str, str], bool] = {}
    for entry in spec["admitted"]:
        for pair in ((one, other) for one in entry["from"] for other in entry["to"]):
            found[pair] = found.get(pair, False) or entry["translated"]
    return found


def strict(have: Spec, desired: Spec) -> Spec:
    """Return the policy that lets pass what both do; ports that only one of the two knows count for both."""
    if not have["ports"]:
        return {key: desired[key] for key in NEW}
    if not desired["ports"]:
        return {key: have[key] for key in NEW}
    former = {_firewall.FORMER: have["rules"]} if have["rules"] != desired["rules"] else {}
    by_name = {port["interface"]: port for spec in (have, desired) for port in spec["ports"]}
    new = set(by_name) - {port["interface"] for port in have["ports"]}
    old, wanted = pairs(have), pairs(desired)
    common = {
        pair: translated or old.get(pair, False)
        for pair, translated in wanted.items()
        if pair in old or new & set(pair)
    }
    admitted = next((spec["admitted"] for spec in (desired, have) if pairs(spec) == common), None) or _grouped(common)
    ports = [by_name[name] for name in sorted(by_name)]
    return {"ports": ports, "admitted": admitted, "rules": desired["rules"], **former}


def _grouped(found: dict[tuple[str, str], bool]) -> list[Spec]:
    """Return the entries of ``admitted`` for pairs: ports with the same targets in one."""
    groups: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for translated in (False, True):
        for begin in sorted({one for one, _other in found}):
            targets = tuple(sorted(other for (one, other), how in found.items() if one == begin and how == translated))
            groups.setdefault((targets, translated), []).append(begin)
    return merged(
        {"from": begins, "to": list(targets), "translated": translated}
        for (targets, translated), begins in groups.items()
    )


def _set(base: _nft.Item, name: str, kind: Any, elements: list[Any], interval: bool = False) -> _nft.Item:
    content = {**base, "name": name, "type": kind, **({"flags": ["interval"]} if interval else {})}
    return {"set": {**content, **({"elem": elements} if elements else {})}}


def _element(network: str) -> Any:
    address, _slash, length = network.partition("/")
    host = int(length) == (32 if values.family(network) == 4 else 128)
    return address if host else {"prefix": {"addr": address, "len": int(length)}}


def _network(element: Any) -> str:
    prefix = element["prefix"] if isinstance(element, dict) else {}
    return values.network(f"{prefix['addr']}/{prefix['len']}" if prefix else element)


def _elements(items: list[_nft.Item], name: str) -> list[Any]:
    found = [item["set"].get("elem", []) for item in items if item.get("set", {}).get("name") == name]
    return [element for elements in found for element in elements]


def _all_sources(spec: Spec, version: int) -> list[str]:
    networks = [network for port in spec["ports"] for network in port["sources"]]
    return collapsed(network for network in networks if values.family(network) == version)


def _address(version: int, field: str) -> _nft.Item:
    return {"payload": {"protocol": PROTOCOL[version], "field": field}}


def _by(key: str, names: Any) -> _nft.Item:
    """Return the expression that a packet comes in or goes out by one of these interfaces."""
    right = names if isinstance(names, str) else names[0] if len(names) == 1 else {"set": sorted(names)}
    return match("==", {"meta": {"key": key}}, right)


def _prerouting(spec: Spec) -> Rules:
    interface = {"meta": {"key": "iifname"}}
    from_outside = _by("iifname", f"@{_OUTSIDE}")
    mark = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": _netlink_model.FORWARD_MARK}}
    return [
        [match("!=", interface, f"@{_PORTS}"), _RETURN],
        [mark],
        [match("==", {"fib": {"result": "type", "flags": ["saddr"]}}, {"set": ["anycast", "local"]}), _DROP],
        *(
            [from_outside, match("==", _address(version, "saddr"), f"@{_NETWORKS[version]}"), _DROP]
            for version in (4, 6)
        ),
        [from_outside, _RETURN],
        [match("==", _address(4, "saddr"), "0.0.0.0"), _RETURN],  # of a host that asks for an address
        [match("==", _address(6, "saddr"), _UNBOUND), _RETURN],
        *(
            [match("!=", {"concat": [interface, _address(version, "saddr")]}, f"@{_SOURCES[version]}"), _DROP]
            for version in (4, 6)
        ),
    ]


def _input(spec: Spec) -> Rules:
    from_outside = _by("iifname", f"@{_OUTSIDE}")
    own = {"fib": {"result": "type", "flags": ["daddr", "iif"]}}
    reached = []
    for entry in spec["admitted"]:
        for network in _sources_of(spec, entry["to"]):
            to = match("==", _address(values.family(network), "daddr"), _element(network))
            reached.append([_by("iifname", entry["from"]), to, _RETURN])
    return [
        [match("!=", {"meta": {"key": "iifname"}}, f"@{_PORTS}"), _RETURN],
        [from_outside, match("!=", own, {"set": ["local", "broadcast", "multicast"]}), _DROP],
        [from_outside, match("in", {"ct": {"key": "state"}}, ["established", "related"]), _ACCEPT],
        [from_outside, match("==", _type("icmp"), "echo-request"), _ACCEPT],
        [from_outside, match("==", _type("icmpv6"), {"set": _NEIGHBOURS}), _ACCEPT],
        [from_outside, _DROP],
        [match("==", own, {"set": ["local", "broadcast", "anycast", "multicast"]}), _RETURN],
        *reached,
        *([match("==", _address(version, "daddr"), f"@{_NETWORKS[version]}"), _DROP] for version in (4, 6)),
    ]


def _sources_of(spec: Spec, names: list[str]) -> list[str]:
    return collapsed(network for port in spec["ports"] if port["interface"] in names for network in port["sources"])


def _type(protocol: str) -> _nft.Item:
    return {"payload": {"protocol": protocol, "field": "type"}}


def _forward(spec: Spec) -> list[_nft.Item]:
    answers = match("in", {"ct": {"key": "state"}}, ["established", "related"])
    result: list[_nft.Item] = [{"expr": jump} for jump in _firewall.jumps(spec)]
    for entry in spec["admitted"]:
        comment = {"comment": _TRANSLATED} if entry["translated"] else {}
        result.append({"expr": _admission(entry["from"], entry["to"]), **comment})
    result += [{"expr": [answers, *_admission(entry["to"], entry["from"])]} for entry in spec["admitted"]]
    return [*result, {"expr": [match("in", {"ct": {"key": "status"}}, "dnat"), _ACCEPT]}]


def _departure(spec: Spec) -> Rules:
    result = [
        [_by("oifname", f"@{_OUTSIDE}"), match("==", _address(version, "daddr"), f"@{_NETWORKS[version]}"), _DROP]
        for version in (4, 6)
    ]
    for entry in (entry for entry in spec["admitted"] if entry["translated"]):
        for network in _sources_of(spec, entry["from"]):
            source = match("==", _address(values.family(network), "saddr"), _element(network))
            result.append([_by("oifname", entry["to"]), source, _DROP])
    return result


def _admission(begins: list[str], ends: list[str]) -> list[_nft.Item]:
    return [_by("iifname", begins), _by("oifname", ends), _ACCEPT]


def _admitted(items: list[_nft.Item]) -> Iterator[Spec]:
    """Yield what the rules of the chain forward admit that have the form of ours."""
    for item in items:
        rule = item.get("rule", {})
        if rule.get("chain") != "forward":
            continue
        entry = _names_in(rule.get("expr"))
        if entry is not None:
            yield {**entry, "translated": rule.get("comment") == _TRANSLATED}


def _names_in(expressions: Any) -> Optional[Spec]:
    try:
        begins, ends, verdict = expressions
        names = [_listed(expression["match"]["right"]) for expression in (begins, ends)]
        if [_own_table.shown(begins), _own_table.shown(ends), verdict] == _admission(*names):
            return {"from": names[0], "to": names[1]}
    except (KeyError, TypeError, ValueError):
        pass
    return None


def _listed(right: Any) -> list[str]:
    names = right["set"] if isinstance(right, dict) else [right]
    if not all(isinstance(name, str) for name in names):
        raise ValueError("no plain names")
    return sorted(names)
