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
                    number = next(key for key, name in PROTOCOLS.items() if name == protocol)
                    passes = _expected.may_send(case.document, leg.nic, address, number, port)
                    passes = passes and _expected.may_get(case.document, other.nic, source, number, port)
                    yield connected(leg, address, (protocol, port), other.guest, passes)


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
