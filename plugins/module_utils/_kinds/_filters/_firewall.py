# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The ordered rules of a router in the table of ``packet_filter``: built from options, and read back (nft(8)).

They stand before what the filter admits, in a chain of their own. The first rule that a packet meets decides: drop and
reject end it, accept hands it on to what is admitted between the ports, which a rule cannot widen. Packets of
connections that are there already met them when the connection began.

    chain rules   ("established") returns; each rule, with a rule that logs before it where it logs
    chain former  while rules change, those that were: a packet has to pass both
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _options
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _conntrack, _nft
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _flows, _own_table
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters._own_table import match
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

RULES, FORMER = "rules", "former"
ANY = "any"
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58}  # IANA, Assigned Internet Protocol Numbers
_WITH_PORTS = ("tcp", "udp", "sctp")
_VERDICTS: dict[str, _nft.Item] = {
    "accept": {"return": None},
    "drop": {"drop": None},
    "reject": {"reject": {"type": "icmpx", "expr": "admin-prohibited"}},
}
_COUNTER: _nft.Item = {"counter": None}
_LIMIT: _nft.Item = {"limit": {"rate": 5, "burst": 5, "per": "second"}}
_ESTABLISHED: list[_nft.Item] = [
    match("in", {"ct": {"key": "state"}}, ["established", "related"]),
    {"return": None},
]


def _names(names: Any) -> list[str]:
    return values.unique(values.interface_name, key=str)(names)


def _ports(items: list[Any]) -> list[str]:
    """Return ports and ranges in order, those that touch as one."""
    result: list[tuple[int, int]] = []
    for first, last in sorted(map(values.port_bounds, map(values.port_range, items))):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return [values.port_range(f"{first}-{last}") for first, last in result]


def _subnet(value: Any) -> str:
    return values.subnet(value) if value else ""


def contradiction(protocol: str, ports: Sequence[str], subnets: Iterable[str]) -> str:
    """Return what is wrong with a rule for these, empty where nothing is; ``subnets`` are its two ends' as text."""
    if ports and protocol not in _WITH_PORTS:
        return f"has ports, and needs the protocol {', '.join(_WITH_PORTS)}"
    families = {values.family(subnet) for subnet in subnets if subnet}
    families |= {"icmp": {4}, "icmpv6": {6}}.get(protocol, set())
    return "mixes IPv4 and IPv6; make two rules of it" if len(families) > 1 else ""


def _canonical(rules: list[Spec]) -> list[Spec]:
    seen: set[str] = set()
    result = []
    for given in rules:
        rule = {**given, "from": given["from"] or [], "to": given["to"] or [], "ports": given["ports"] or []}
        rule.update({end: given[end] or "" for end in ("source", "destination")})
        name = rule["name"]
        if name in seen:
            raise ValueError(f"must not have the rule {name} twice")
        seen.add(name)
        wrong = contradiction(rule["protocol"], rule["ports"], (rule["source"], rule["destination"]))
        if wrong:
            raise ValueError(f"must not hold the rule {name}, which {wrong}")
        result.append(rule)
    return result


OPTION = _options.Option(
    type="list",
    elements="dict",
    options={
        "name": _options.Option(required=True, canonical=values.word),
        "action": _options.Option(required=True, choices=tuple(_VERDICTS)),
        "from": _options.Option(type="list", elements="str", canonical=_names),
        "to": _options.Option(type="list", elements="str", canonical=_names),
        "source": _options.Option(canonical=_subnet),
        "destination": _options.Option(canonical=_subnet),
        "protocol": _options.Option(choices=(ANY, *PROTOCOLS), default=ANY),
        "ports": _options.Option(type="list", elements="str", canonical=_ports),
        "log": _options.Option(type="bool", default=False),
    },
    canonical=_canonical,
)


def jumps(spec: Spec) -> list[list[_nft.Item]]:
    """Return the rules that send a packet through the chains."""
    return [[{"jump": {"target": chain}}] for chain in _present(spec)]


def items(base: _nft.Item, spec: Spec) -> list[_nft.Item]:
    """Return the chains with their rules."""
    result: list[_nft.Item] = []
    for chain in _present(spec):
        result.append({"chain": {**base, "name": chain}})
        result.append({"rule": {**base, "chain": chain, "expr": _ESTABLISHED}})
        for rule in spec[chain]:
            found = {**base, "chain": chain, "comment": rule["name"]}
            if rule["log"]:
                log = {"log": {"prefix": f"{rule['name']} {rule['action']}: "}}
                result.append({"rule": {**found, "expr": [*_matches(rule), _LIMIT, log]}})
            result.append({"rule": {**found, "expr": [*_matches(rule), _COUNTER, _VERDICTS[rule["action"]]]}})
    return result


def options(listed: Iterable[_nft.Item]) -> list[Spec]:
    """Return the rules that a table as nft lists it has."""
    result: list[Spec] = []
    logged: set[str] = set()
    for item in listed:
        content = item.get("rule", {})
        if content.get("chain") != RULES or "comment" not in content:
            continue
        *expressions, verdict = content["expr"]
        if "log" in verdict:
            logged.add(content["comment"])
            continue
        rule = _rule(content["comment"], expressions, verdict)
        if rule is not None:
            result.append({**rule, "log": rule["name"] in logged})
    return result


def decides(rules: list[Spec], flow: _conntrack.Flow, begins: list[str], ends: list[str]) -> str:
    """Return the action of the first rule that a connection met, accept where it met none.

    ``begins`` and ``ends`` are the ports that its two ends may be behind.
    """
    for rule in rules:
        ports = [values.port_bounds(item) for item in rule["ports"]]
        if (
            (not rule["from"] or set(rule["from"]) & set(begins))
            and (not rule["to"] or set(rule["to"]) & set(ends))
            and (not rule["source"] or flow.source in _flows.Networks([rule["source"]]))
            and (not rule["destination"] or flow.destination in _flows.Networks([rule["destination"]]))
            and (rule["protocol"] == ANY or PROTOCOLS[rule["protocol"]] == flow.protocol)
            and (not ports or any(first <= flow.port_reached <= last for first, last in ports))
        ):
            return str(rule["action"])
    return "accept"


def _present(spec: Spec) -> list[str]:
    return [chain for chain in (FORMER, RULES) if spec.get(chain)]


def _matches(rule: Spec) -> list[_nft.Item]:
    result = []
    for key, names in (("iifname", rule["from"]), ("oifname", rule["to"])):
        if names:
            result.append(match("==", {"meta": {"key": key}}, names[0] if len(names) == 1 else {"set": names}))
    for field, network in (("saddr", rule["source"]), ("daddr", rule["destination"])):
        if network:
            result.append(_own_table.match_network(field, network))
    if rule["ports"]:
        bounds = [values.port_bounds(item) for item in rule["ports"]]
        ports = [first if first == last else {"range": [first, last]} for first, last in bounds]
        port = {"payload": {"protocol": rule["protocol"], "field": "dport"}}
        result.append(match("==", port, ports[0] if len(ports) == 1 else {"set": ports}))
    elif rule["protocol"] != ANY:
        shown = {"icmpv6": "ipv6-icmp"}.get(rule["protocol"], rule["protocol"])
        result.append(match("==", {"meta": {"key": "l4proto"}}, shown))
    return result


def _rule(name: str, expressions: list[_nft.Item], verdict: _nft.Item) -> Optional[Spec]:
    """Return the rule of which these are the expressions, None for one that has not the form of ours."""
    rule: Spec = {"name": name, "from": [], "to": [], "source": "", "destination": "", "protocol": ANY, "ports": []}
    try:
        rule["action"] = next(action for action, shown in _VERDICTS.items() if shown == verdict)
        for expression in expressions[:-1]:
            left, right = expression["match"]["left"], expression["match"]["right"]
            listed = right["set"] if isinstance(right, dict) and "set" in right else [right]
            if left == {"meta": {"key": "iifname"}}:
                rule["from"] = sorted(listed)
            elif left == {"meta": {"key": "oifname"}}:
                rule["to"] = sorted(listed)
            elif left == {"meta": {"key": "l4proto"}}:
                rule["protocol"] = {"ipv6-icmp": "icmpv6"}.get(right, right)
            elif left["payload"]["field"] == "dport":
                rule["protocol"] = left["payload"]["protocol"]
                rule["ports"] = _ports([_bounds(item) for item in listed])
            else:
                end = {"saddr": "source", "daddr": "destination"}[left["payload"]["field"]]
                rule[end] = _own_table.matched_network(expression)
        shown = [*map(_own_table.shown, expressions), verdict]
        wanted = [*_matches(rule), _COUNTER, verdict]
        return rule if shown == [_own_table.shown(expression) for expression in wanted] else None
    except (AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError):
        return None


def _bounds(item: Any) -> str:
    first, last = item["range"] if isinstance(item, dict) else (item, item)
    return f"{first}-{last}"
