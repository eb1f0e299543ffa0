# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is at the other end: the addresses of a security group's members, as one network sees them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Subnet
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._port_security import _port_security
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups import _model

_LINK_LOCAL = ipaddress.IPv6Network("fe80::/10")


def remotes(document: Document, network: Network, rule: _model.Rule, version: int) -> Optional[Sequence[Subnet]]:
    """Return whom a rule means in a network, in one IP version; None for anybody."""
    if rule.remote_cidr:
        return (rule.remote_cidr,) if rule.remote_cidr.version == version else ()
    if rule.remote_address_group:
        group = _model.address_groups(document)[rule.remote_address_group]
        return _collapsed(item for item in group.addresses if item.version == version)
    if rule.remote_group:
        key = ("members", network.name, rule.remote_group, version)
        return document.once(key, lambda: _members(document, network, rule.remote_group, version))
    return None


def _members(document: Document, network: Network, group: str, version: int) -> list[Subnet]:
    """Return the addresses of the members in the networks whose addresses mean them.

    Those of a network elsewhere do not, where a network here has the same ones. Link-local addresses are those of a
    neighbour.
    """
    near = document.networks_of(network.router) if network.router else [network]
    taken = [item.subnet(version) for item in near]
    found: list[Subnet] = []
    for name, subnets in _by_network(document).get(group, {}).items():
        other, own = document.network(name), name == network.name
        there = other.subnet(version) if other else None
        if other and other not in near and there and any(here and there.overlaps(here) for here in taken):
            continue
        found += [item for item in subnets if item.version == version and (own or not _is_link_local(item))]
    return _collapsed(found)


def _by_network(document: Document) -> Mapping[str, Mapping[str, list[Subnet]]]:
    """Return the addresses of all members by group and network."""
    return document.once("members of groups", lambda: _all(document))


def _all(document: Document) -> Mapping[str, Mapping[str, list[Subnet]]]:
    result: dict[str, dict[str, list[Subnet]]] = {}
    for nic in document.nics():
        network, groups = document.network(nic.network), _model.of(document, nic)
        if network and groups:
            both = _port_security.addresses(document, network, nic).values()
            known = [subnet for families in both for family in families for subnet in family]
            for group in groups:
                result.setdefault(group, {}).setdefault(network.name, []).extend(known)
    return result


def _is_link_local(subnet: Subnet) -> bool:
    return subnet.version == 6 and subnet.subnet_of(_LINK_LOCAL)


def _collapsed(subnets: Any) -> list[Subnet]:
    return list(ipaddress.collapse_addresses(subnets))
