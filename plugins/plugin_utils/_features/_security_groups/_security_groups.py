# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Security groups: what guests may begin, and what may be begun with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults, Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._model import server
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._port_security import _port_security
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups import (
    _check,
    _keys,
    _model,
    _multicast,
    _prove,
    _tables,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups._filtered import filtered
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups._rules import Policies
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import Case, Check, Leg

_FIRST_ZONE, _ZONES = 0x4000, 0x8000
"""Zones of connection tracking, of 16 bits; the first ones are those that others use."""


class SecurityGroupsFeature(Feature):
    """``fabric_security_groups``, ``fabric_address_groups``, and ``security_groups`` of NICs."""

    name = "security groups"
    keys = _keys.SECTIONS
    extra_keys = {"nic": _keys.OF_NICS}
    extends = {"nic": _model.read_nic}

    def read(self, reader: Reader, _origin: str) -> Mapping[str, Any]:
        """See Feature."""
        return _model.read(reader)

    def named(self, document: Document) -> Iterable[_model.SecurityGroup]:
        """See Feature."""
        return _model.declared(document) or ()

    def check(self, document: Document, faults: Faults) -> None:
        """See Feature."""
        _check.check(document, faults)

    def build(self, site: Site, plan: Plan) -> None:
        """Say how br-int filters what guests send and get, if the document has security groups."""
        nics = [*filtered(site)]
        if not nics:
            return
        policies = Policies(site.document, ((network, groups) for _number, network, _nic, groups in nics))
        found = [
            (number, mac, network, policies.number(network, groups))
            for number, network, nic, groups in nics
            for mac in _port_security.addresses(site.document, network, nic)
        ]
        zones = _names.numbers("zone", {mac for _number, mac, _network, _policy in found}, _FIRST_ZONE, _ZONES)
        ports = [_tables.Port(number, mac, net.vlan, zones[mac], policy) for number, mac, net, policy in found]
        flows = _tables.flows(ports, [_server(network) for network in site.document.networks])
        rules = (f"table={_tables.RULES},{flow}" for flow in policies.flows(_tables.allowed()))
        copies = _multicast.flows(ports, _multicast.exits(site, plan))
        plan.flows(_names.INTEGRATION, "security groups", [*flows, *copies, *rules])

    def prove(self, case: Case, leg: Leg) -> Iterator[Check]:
        """See Feature."""
        yield from _prove.prove(case, leg)

    def unproven(self, case: Case) -> Iterator[str]:
        """See Feature."""
        yield from _prove.unproven(case)


def _server(network: Network) -> _tables.Server:
    """Return the DHCP server of a network, which is beside its router if it has one."""
    address = network.gateway if network.router else server(network, 4)
    return _tables.Server(network.vlan, address if network.dhcp else None)
