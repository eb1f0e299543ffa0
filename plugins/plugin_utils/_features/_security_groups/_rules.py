# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flows of a policy, which is what the NICs of one network in the same groups may do.

A rule is matched against the connection of a packet, not against the packet: the fields ct_* hold the first packet's
addresses and ports for all packets of a connection in both directions, and for ICMP errors about them (ovs-fields(7)).
So a packet passes only while a rule allows its connection.

Addresses and services of rules become clauses of conjunctions, of which there are as many as both together and not as
their product. All rules of a policy with the same other end share one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups import _members, _model

POLICY, BEGUN = "reg7", "reg8"
"""The registers that hold which policy is asked, and who began the connection."""
DIRECTIONS = {_model.EGRESS: 0, _model.INGRESS: 1}
"""Values of the latter: the guest, or somebody else."""
_FAMILIES = {4: ("ip", "ct_nw"), 6: ("ipv6", "ct_ipv6")}
_REMOTE = {_model.EGRESS: "dst", _model.INGRESS: "src"}
_ALONE, _CLAUSE = 30, 20


class Policies:
    """The policies of a node."""

    def __init__(self, document: Document, wanted: Iterable[tuple[Network, tuple[str, ...]]]) -> None:
        self._document = document
        self._wanted = {_key(network, groups): (network, groups) for network, groups in wanted}
        self._numbers = _names.numbers("policy", self._wanted, 1, 2**32 - 1)

    def number(self, network: Network, groups: tuple[str, ...]) -> int:
        """Return how flows call a policy. It follows from its name: packets on their way keep it while flows change."""
        return self._numbers[_key(network, groups)]

    def flows(self, allowed: str) -> Iterator[str]:
        """Yield the flows of all policies; what a rule allows goes on by the actions ``allowed``."""
        alone: dict[str, None] = {}
        sets: dict[str, tuple[list[str], list[str]]] = {}
        for key, (network, groups) in self._wanted.items():
            for direction, version in itertools.product(DIRECTIONS, _FAMILIES):
                rules = [
                    rule
                    for name in groups
                    for rule in _model.groups(self._document)[name].rules
                    if rule.direction == direction and version in rule.versions()
                ]
                start = _start(self._numbers[key], direction, version)
                for remote, alike in _by_remote(rules).items():
                    ends = self._ends(network, alike[0], version)
                    services = _services(alike)
                    if len(ends) > 1 and len(services) > 1:
                        name = f"{key} {direction} {version} {remote}"
                        sets[name] = [start + end for end in ends], [start + item for item in services]
                    else:
                        alone.update(dict.fromkeys(f"{start}{end}{item}" for end in ends for item in services))
        yield from (f"priority={_ALONE},{match} actions={allowed}" for match in alone)
        yield from _conjunctions(sets, allowed)

    def _ends(self, network: Network, rule: _model.Rule, version: int) -> list[str]:
        """Return matches for whom a rule means at the other end."""
        found = _members.remotes(self._document, network, rule, version)
        if found is None:
            return [""]
        return [f",{_FAMILIES[version][1]}_{_REMOTE[rule.direction]}={item}" for item in found]


def masks(low: int, high: int) -> Iterator[str]:
    """Yield values with masks that together are the numbers from ``low`` to ``high``, of 16 bits."""
    while low <= high:
        size = low & -low or 2**16
        while low + size - 1 > high:
            size //= 2
        yield f"{low}/{2**16 - size:#x}" if size > 1 else str(low)
        low += size


def _key(network: Network, groups: tuple[str, ...]) -> str:
    return f"{network.name} {' '.join(groups)}"


def _start(number: int, direction: str, version: int) -> str:
    state = "ct_state=+trk-inv"
    return f"{_FAMILIES[version][0]},{state},{POLICY}={number:#x},{BEGUN}={DIRECTIONS[direction]}"


def _by_remote(rules: Iterable[_model.Rule]) -> dict[str, list[_model.Rule]]:
    result: dict[str, list[_model.Rule]] = {}
    for rule in rules:
        remote = f"{rule.remote_cidr or ''} {rule.remote_group} {rule.remote_address_group}"
        result.setdefault(remote, []).append(rule)
    return result


def _services(rules: Sequence[_model.Rule]) -> list[str]:
    """Return matches for what the rules are about. The widest alone is enough where it is everything."""
    found = dict.fromkeys(item for rule in rules for item in _service(rule))
    return [""] if "" in found else list(found)


def _service(rule: _model.Rule) -> Iterator[str]:
    protocol = f",ct_nw_proto={rule.protocol}" if rule.protocol else ""
    if rule.ports:
        for ports in rule.ports:
            yield from (f"{protocol},ct_tp_dst={item}" for item in masks(*_values.port_bounds(ports)))
    elif rule.icmp_type is not None:
        code = "" if rule.icmp_code is None else f",ct_tp_dst={rule.icmp_code}"
        yield f"{protocol},ct_tp_src={rule.icmp_type}{code}"
    else:
        yield protocol


def _conjunctions(sets: Mapping[str, tuple[list[str], list[str]]], allowed: str) -> Iterator[str]:
    """Yield flows that allow what meets one match of each of two lists. A flow may be in several conjunctions."""
    numbers = _names.numbers("conjunction", sets, 1, 2**32 - 1)
    clauses: dict[str, list[str]] = {}
    for name, both in sets.items():
        for place, matches in enumerate(both, 1):
            for match in dict.fromkeys(matches):
                clauses.setdefault(match, []).append(f"conjunction({numbers[name]},{place}/2)")
    yield from (f"priority={_CLAUSE},{match} actions={','.join(actions)}" for match, actions in clauses.items())
    yield from (f"priority={_CLAUSE},conj_id={number} actions={allowed}" for number in numbers.values())
