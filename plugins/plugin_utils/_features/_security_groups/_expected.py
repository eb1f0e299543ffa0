# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether security groups let somebody begin something: for those who prove a document."""

from __future__ import annotations

from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Nic
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups import _members, _model

_ECHO = {4: (_model.ICMP, 8), 6: (_model.ICMP6, 128)}


def may_send(document: Document, nic: Nic, to: Address, protocol: int = 0, port: int = 0) -> bool:
    """Return whether a guest may begin something with an address, by default an echo request."""
    return _allowed(document, nic, _model.EGRESS, to, protocol, port)


def may_get(document: Document, nic: Nic, source: Optional[Address], protocol: int = 0, port: int = 0) -> bool:
    """Return whether somebody with an address may begin something with a guest, by default an echo request."""
    return source is None or _allowed(document, nic, _model.INGRESS, source, protocol, port)


def _allowed(document: Document, nic: Nic, direction: str, other: Address, protocol: int, port: int) -> bool:
    groups, network = _model.of(document, nic), document.network(nic.network)
    if groups is None or network is None:
        return True
    return any(
        rule.direction == direction and allows(document, rule, network, other, protocol, port)
        for name in groups
        for rule in _model.groups(document)[name].rules
    )


def allows(
    document: Document, rule: _model.Rule, network: Network, other: Address, protocol: int = 0, port: int = 0
) -> bool:
    """Return whether a rule of a guest in a network is about a service and an address, by default an echo request."""
    protocol, port = (protocol, port) if protocol else _ECHO[other.version]
    if other.version not in rule.versions() or not _about(rule, protocol, port):
        return False
    remotes = _members.remotes(document, network, rule, other.version)
    return remotes is None or any(other in remote for remote in remotes)


def _about(rule: _model.Rule, protocol: int, port: int) -> bool:
    """Return whether a rule is about a service; of ICMP, ``port`` is the type."""
    if rule.protocol not in (_model.ANY, protocol):
        return False
    if rule.icmp_type is not None:
        return rule.icmp_type == port and not rule.icmp_code
    return not rule.ports or any(low <= port <= high for low, high in map(_values.port_bounds, rule.ports))
