# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""DHCP, router advertisements and DNS of networks."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.netvirt.fabric.plugins.module_utils._values import quoted
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._graph import Graph, Vertex
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp import _build, _check, _model
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._keys import OF_NETWORKS
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups._expected import may_send
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups._model import UDP
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import (
    Case,
    Check,
    Leg,
    Result,
    not_run,
    offered,
)

DNS = 53


class DhcpFeature(Feature):
    """``fabric_networks[].dhcp``."""

    name = "dhcp"
    extra_keys = {"network": OF_NETWORKS}
    extends = {"network": _model.read}

    def check(self, document: Document, faults: Faults) -> None:
        """See Feature."""
        _check.check(document, faults)

    def build(self, site: Site, plan: Plan) -> None:
        """See Feature."""
        _build.build(site, plan)

    def prove(self, case: Case, leg: Leg) -> Iterator[Check]:
        """See Feature."""
        yield from _offers(case, leg) if leg.namespace else _names_found(case, leg)

    def draw(self, document: Document, graph: Graph) -> None:
        """See Feature."""
        for network in document.networks:
            if network.dhcp and network.dhcp.node:
                _draw(network, network.dhcp.node, graph)


def _draw(network: Network, node: str, graph: Graph) -> None:
    vertex = Vertex(f"dhcp_{network.name}", "dhcp", ("DHCP",))
    graph.nodes[node].append(vertex)
    servers = (_model.server(network, subnet.version) for subnet, _gateway in network.subnets())
    graph.edges.append((vertex.id, f"network_{network.name}", ", ".join(map(str, servers))))


def _offers(case: Case, leg: Leg) -> Iterator[Check]:
    """The first canary of a network is offered a lease by the network's server, and by no other."""
    network = leg.network
    first = next((item for item in case.legs if item.namespace and item.network.name == network.name), None)
    own = network.gateway if network.router else _model.server(network, 4)
    if leg is first and own and _model.ranges(network, 4):
        yield offered(leg, own)


def _names_found(case: Case, leg: Leg) -> Iterator[Check]:
    """A guest that is given DNS servers finds a neighbour by name, if that is theirs, and a name outside.

    One with several NICs has the servers of one of them, and it cannot be told which.
    """
    dhcp, network = leg.network.dhcp, leg.network
    legs, outside = case.legs, case.outside
    if (
        dhcp is None
        or not outside.resolve
        or 4 not in leg.versions()
        or len([item for item in legs if item.guest == leg.guest]) > 1
        or not _may_ask(case.document, leg)
    ):
        return
    others = [item for item in legs if item.network == network and item.guest != leg.guest]
    named = [(item.guest, str(found)) for item in others for found in item.nic.addresses() if found.version == 4]
    if named and not dhcp.dns_servers:
        yield _resolved(leg, *named[0], outside.resolve)
    router = case.document.router(network.router)
    if outside.name and (dhcp.dns_servers or dhcp.dns_forwarders or (router and router.external)):
        yield _resolved(leg, outside.name, "", outside.resolve)


def _may_ask(document: Document, leg: Leg) -> bool:
    """Return whether the guest's security groups let it ask its DNS servers."""
    network, given = leg.network, leg.network.dhcp.dns_servers if leg.network.dhcp else ()
    own = network.gateway if network.router else _model.server(network, 4)
    return all(may_send(document, leg.nic, item, UDP, DNS) for item in given or (own,) if item)


def _resolved(leg: Leg, name: str, address: str, resolve: tuple[str, ...]) -> Check:
    """A name is found, with this address among others if one is given."""

    def found(result: Result) -> str:
        if not_run(result):
            return not_run(result)
        words = result["stdout"].split()
        if result["rc"] != 0 or not words:
            return "none"
        return "" if not address or address in words else quoted(words[0])

    return Check(leg, name, f"name {name}", address or "an address", (*resolve, name), found)
