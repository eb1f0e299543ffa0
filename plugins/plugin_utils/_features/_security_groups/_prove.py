# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""That security groups let pass what their rules allow, up to the last port, and nothing beyond it.

Canaries ask one another. A port that nobody listens on refuses, which shows that packets pass both ways.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Nic
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups import _expected, _model
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import Case, Check, Leg, connected

Service = tuple[str, int]
"""A protocol's name and a port."""

PROTOCOLS = {_model.TCP: "tcp", _model.UDP: "udp"}
NUMBERS = {name: number for number, name in PROTOCOLS.items()}
_LAST = 65535


def prove(case: Case, leg: Leg) -> Iterator[Check]:
    """Yield what a canary begins with the others of its network."""
    if not leg.namespace or _model.of(case.document, leg.nic) is None:
        return
    here = [item for item in case.legs if item.namespace and item.network.name == leg.network.name]
    start = here.index(leg)
    for other in [*here[start + 1 :], *here[:start]][: case.peers]:
        for version in leg.versions():
            address, source = other.address(version), leg.address(version)
            if address and source:
                for protocol, port in _services(case.document, leg.nic, other.nic, version):
                    passes = _passes(case.document, leg, other, version, NUMBERS[protocol], port)
                    yield connected(leg, address, (protocol, port), other.guest, passes)


def _passes(document: Document, one: Leg, other: Leg, version: int, protocol: int = 0, port: int = 0) -> bool:
    """Return whether one may begin something with the other, by default an echo request."""
    address, source = other.address(version), one.address(version)
    return (
        address is not None
        and _expected.may_send(document, one.nic, address, protocol, port)
        and _expected.may_get(document, other.nic, source, protocol, port)
    )


def unproven(case: Case) -> Iterator[str]:
    """Yield a line for each rule in use that no canary can try."""
    document, canaries = case.document, [item for item in case.legs if item.namespace]
    used = dict.fromkeys(name for nic in document.nics() for name in _model.of(document, nic) or ())
    for group in (_model.groups(document)[name] for name in used if canaries):
        members = [item for item in canaries if group.name in (_model.of(document, item.nic) or ())]
        for rule in group.rules:
            pairs = ((one, other) for one in members for other in canaries if other is not one)
            if not any(_tries(document, rule, one, other) for one, other in pairs):
                yield f"{rule.path or f'security group {group.name}'}: no canary can try this rule"


def _tries(document: Document, rule: _model.Rule, member: Leg, other: Leg) -> bool:
    """Return whether the rule lets the two begin something that is asked."""
    if member.network.name != other.network.name:
        return False
    one, two = (member, other) if rule.direction == _model.EGRESS else (other, member)
    services = [(NUMBERS[name], port) for name, port in _edges(rule)] or [(0, 0)]
    return any(
        _expected.allows(document, rule, member.network, address, *services[0])
        and _passes(document, one, two, version, *services[0])
        for version in rule.versions()
        for address in (other.address(version),)
        if address
    )


def _services(document: Document, one: Nic, other: Nic, version: int) -> list[Service]:
    """Return the services at which rules of the two begin or end: the first and the last port, and the next."""
    found: dict[Service, None] = {}
    for nic, direction in ((one, _model.EGRESS), (other, _model.INGRESS)):
        for name in _model.of(document, nic) or ():
            for rule in _model.groups(document)[name].rules:
                if rule.direction == direction and version in rule.versions():
                    found.update(dict.fromkeys(_edges(rule)))
    return list(found)


def _edges(rule: _model.Rule) -> Iterator[Service]:
    for number, name in PROTOCOLS.items():
        if rule.protocol == number:
            for low, high in map(_values.port_bounds, rule.ports or (f"1-{_LAST}",)):
                yield from ((name, port) for port in dict.fromkeys((low, high, high + 1)) if port <= _LAST)
