# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks of guests. On a node each is a VLAN of br-int, which the ports are in; see the features that make ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults, Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._graph import Graph, Vertex, vlan_of_wire
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks import _check, _prove
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._keys import SECTIONS
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network, read
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import Case, Check, Leg


class NetworksFeature(Feature):
    """``fabric_networks``."""

    name = "networks"
    keys = SECTIONS

    def read(self, reader: Reader, _origin: str) -> Mapping[str, Any]:
        """See Feature."""
        return {"networks": reader.children("fabric_networks", read)}

    def named(self, document: Document) -> Iterable[Network]:
        """See Feature."""
        return document.networks

    def interfaces(self, document: Document) -> Iterator[tuple[str, str, str]]:
        """See Feature."""
        for network in document.networks:
            leg = _names.router_leg if network.router else _names.dhcp_leg
            yield f"{network.path}.name", f"network '{network.name}'", leg(network.name)[0]

    def check(self, document: Document, faults: Faults) -> None:
        """See Feature."""
        _check.check(document, faults)

    def prove(self, case: Case, leg: Leg) -> Iterator[Check]:
        """See Feature."""
        yield from _prove.prove(case, leg)

    def draw(self, document: Document, graph: Graph) -> None:
        """See Feature."""
        for network in document.networks:
            graph.shared.append(Vertex(f"network_{network.name}", "network", _lines(network)))
            if network.physical_network:
                wire = vlan_of_wire(network.segmentation_id)
                graph.edges.append((f"network_{network.name}", f"segment_{network.physical_network}", wire))


def _lines(network: Network) -> tuple[str, ...]:
    subnets = (str(subnet) for subnet, _gateway in network.subnets())
    return (network.name, f"{network.mode}, VLAN {network.vlan}", *subnets)
