# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults, Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._graph import Graph, Vertex, vlan_of_wire
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._routers import _build, _check
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._routers._keys import SECTIONS
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._routers._model import Router, read
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site


class RoutersFeature(Feature):
    """``fabric_routers``."""

    name = "routers"
    keys = SECTIONS

    def read(self, reader: Reader, _origin: str) -> Mapping[str, Any]:
        """See Feature."""
        return {"routers": reader.children("fabric_routers", read)}

    def named(self, document: Document) -> Iterable[Router]:
        """See Feature."""
        return document.routers

    def interfaces(self, document: Document) -> Iterator[tuple[str, str, str]]:
        """See Feature."""
        for router in document.routers:
            for name, _inner in (_names.external_leg(router.name), _names.trunk_leg(router.name)):
                yield f"{router.path}.name", f"router '{router.name}'", name

    def check(self, document: Document, faults: Faults) -> None:
        """See Feature."""
        _check.check(document, faults)

    def build(self, site: Site, plan: Plan) -> None:
        """See Feature."""
        _build.build(site, plan)

    def draw(self, document: Document, graph: Graph) -> None:
        """See Feature."""
        for router in document.routers:
            _draw(document, router, graph)


def _draw(document: Document, router: Router, graph: Graph) -> None:
    vertex = Vertex(f"router_{router.name}", "router", (router.name,))
    graph.nodes[router.node].append(vertex)
    for network in document.networks_of(router.name):
        graph.edges.append((vertex.id, f"network_{network.name}", _gateways(network)))
    if router.external:
        vlan = [vlan_of_wire(router.external.vlan)] if router.external.vlan else []
        addresses = ", ".join([*vlan, *map(str, router.external.addresses())])
        graph.edges.append((vertex.id, f"segment_{router.external.network}", addresses))


def _gateways(network: Network) -> str:
    return ", ".join(str(gateway) for _subnet, gateway in network.subnets() if gateway)
