# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds when several features say something about one field of one object.

Without a rule of its own a field has one value, and features that say different ones contradict one another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Rule = Callable[[Any, Any], Any]
"""Takes what was said before and what is said now; raises Contradiction where both cannot hold."""


class Contradiction(ValueError):
    """Two values that cannot hold at once, and the place in the field where they stand."""

    def __init__(self, before: Any, now: Any, place: str = "") -> None:
        super().__init__(place)
        self.before, self.now, self.place = before, now, place


def _at(place: str, rule: Rule, before: Any, now: Any) -> Any:
    try:
        return rule(before, now)
    except Contradiction as error:
        raise Contradiction(error.before, error.now, f"{place}{error.place}") from None


def same(before: Any, now: Any) -> Any:
    """Both say the same."""
    if before != now:
        raise Contradiction(before, now)
    return before


def union(before: Any, now: Any) -> Any:
    """Both lists hold, or both dictionaries as far as they have no key with different values."""
    if isinstance(before, list) and isinstance(now, list):
        return [*before, *(item for item in now if item not in before)]
    if isinstance(before, dict) and isinstance(now, dict):
        return {**before, **{key: _at(f"[{key}]", same, before.get(key, value), value) for key, value in now.items()}}
    return same(before, now)


def numbers(before: Any, now: Any) -> Any:
    """Both lists of numbers hold, in order."""
    return sorted({*before, *now}) if isinstance(before, list) and isinstance(now, list) else same(before, now)


def either(before: bool, now: bool) -> bool:
    """What one of them wants is."""
    return before or now


def strictest(*order: str) -> Rule:
    """Return the rule by which the later of these words holds."""
    return lambda before, now: max(before, now, key=order.index)


def records(key: str, **rules: Rule) -> Rule:
    """Return the rule for lists of dictionaries, each of which is about what it has at ``key``."""

    def rule(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = {item[key]: item for item in before}
        for item in now:
            found[item[key]] = _merged(f"[{item[key]}]", found.get(item[key], {}), item, rules)
        return list(found.values())

    return rule


def _merged(place: str, before: Mapping[str, Any], now: Mapping[str, Any], rules: Mapping[str, Rule]) -> dict[str, Any]:
    both = [name for name in now if name in before]
    common = {name: _at(f"{place}.{name}", rules.get(name, same), before[name], now[name]) for name in both}
    return {**before, **now, **common}


RULES: dict[str, dict[str, Rule]] = {
    "ovs_bridge": {"fail_mode": strictest("standalone", "secure")},
    "ovs_port_vlan": {"trunks": numbers},
    "ovs_tunnel": {"remotes": union},
    "ovs_flow": {"flows": union},
    "netns_router": {
        "interfaces": records("name", addresses=union, ipv6=either),
        "routes": union,
        "sysctls": union,
        "ip_forward": either,
        "ipv6_forward": either,
    },
    "nat_masquerade": {"sources": union, "exclude_destinations": union, "to_source": union},
    "nat_inbound": {"floating_ips": union, "port_forwards": union},
    "packet_filter": {
        "isolated_interfaces": union,
        "tunnel_endpoints": union,
        "ports": records("interface", sources=union),
        "admitted": union,
        "rules": union,
    },
    "dnsmasq_netns": {"ranges": union, "hosts": union, "options": union},
}
"""By kind and field; ``same`` for all others."""
