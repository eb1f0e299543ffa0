# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draw a document: which guest and router stands on which node, and what they are connected to."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._model import (
    Guest,
    Network,
    PhysicalNetwork,
    Router,
)

# Opening and closing bracket in Mermaid, shape in DOT.
SHAPES = {
    "guest": ("[", "]", "box"),
    "router": ("([", "])", "ellipse"),
    "dhcp": ("([", "])", "ellipse"),
    "network": ("{{", "}}", "hexagon"),
    "segment": ("[(", ")]", "cylinder"),
}


@dataclass(frozen=True)
class Vertex:
    """Something to draw. ``shape`` is a key of SHAPES; each line is shown below the one before."""

    id: str
    shape: str
    lines: tuple[str, ...]


@dataclass
class Graph:
    """Vertices by the node on which they stand, those that stand on none, and edges (from, to, text)."""

    nodes: dict[str, list[Vertex]] = field(default_factory=dict)
    shared: list[Vertex] = field(default_factory=list)
    edges: list[tuple[str, str, str]] = field(default_factory=list)


def graph(document: Document) -> Graph:
    """Return the document as a graph."""
    result = Graph(nodes={node: [] for node in document.members()})
    for physical in document.physical_networks:
        result.shared.append(_segment(physical))
    for network in document.networks:
        result.shared.append(Vertex(f"network_{network.name}", "network", _network_lines(network)))
        if network.physical_network:
            wire = _vlan(network.segmentation_id)
            result.edges.append((f"network_{network.name}", f"segment_{network.physical_network}", wire))
        if network.dhcp and network.dhcp.node:
            _add_dhcp(result, network, network.dhcp.node)
    for router in document.routers:
        _add_router(result, document, router)
    for guest in document.guests:
        _add_guest(result, guest)
    return result


def _segment(physical: PhysicalNetwork) -> Vertex:
    return Vertex(f"segment_{physical.name}", "segment", (physical.name, " + ".join(physical.uplink.devices())))


def _network_lines(network: Network) -> tuple[str, ...]:
    subnets = (str(subnet) for subnet, _gateway in network.subnets())
    return (network.name, f"{network.mode}, VLAN {network.vlan}", *subnets)


def _vlan(vlan: int) -> str:
    return f"VLAN {vlan}" if vlan else "untagged"


def _add_dhcp(result: Graph, network: Network, node: str) -> None:
    vertex = Vertex(f"dhcp_{network.name}", "dhcp", ("DHCP",))
    result.nodes[node].append(vertex)
    servers = (network.server(subnet.version) for subnet, _gateway in network.subnets())
    result.edges.append((vertex.id, f"network_{network.name}", ", ".join(map(str, servers))))


def _add_router(result: Graph, document: Document, router: Router) -> None:
    vertex = Vertex(f"router_{router.name}", "router", (router.name,))
    result.nodes[router.node].append(vertex)
    for network in document.networks_of(router.name):
        result.edges.append((vertex.id, f"network_{network.name}", _gateways(network)))
    if router.external:
        vlan = [_vlan(router.external.vlan)] if router.external.vlan else []
        addresses = ", ".join([*vlan, *map(str, router.external.addresses())])
        result.edges.append((vertex.id, f"segment_{router.external.network}", addresses))


def _gateways(network: Network) -> str:
    return ", ".join(str(gateway) for _subnet, gateway in network.subnets() if gateway)


def _add_guest(result: Graph, guest: Guest) -> None:
    vertex = Vertex(f"guest_{guest.name}", "guest", (guest.name,))
    result.nodes[guest.node].append(vertex)
    for nic in guest.nics:
        addresses = ", ".join(map(str, nic.addresses()))
        result.edges.append((vertex.id, f"network_{nic.network}", addresses))


def mermaid(document: Document) -> str:
    """Return a Mermaid flowchart."""
    drawing = graph(document)
    lines = ["flowchart TB"]
    for index, (node, vertices) in enumerate(drawing.nodes.items()):
        lines.append(f'  subgraph node{index}["{_mermaid_text(node)}"]')
        lines.extend(f"    {_mermaid_vertex(vertex)}" for vertex in vertices)
        lines.append("  end")
    lines.extend(f"  {_mermaid_vertex(vertex)}" for vertex in drawing.shared)
    for start, end, text in drawing.edges:
        label = f'|"{_mermaid_text(text)}"|' if text else ""
        lines.append(f"  {start} ---{label} {end}")
    return "\n".join(lines) + "\n"


def _mermaid_vertex(vertex: Vertex) -> str:
    opening, closing, _shape = SHAPES[vertex.shape]
    return f'{vertex.id}{opening}"{"<br/>".join(map(_mermaid_text, vertex.lines))}"{closing}'


def _mermaid_text(text: str) -> str:
    """Return the text with Mermaid's entities for the characters that would end a label or start a tag."""
    for character, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(character, entity)
    return text


def dot(document: Document) -> str:
    """Return a graph in the DOT language of Graphviz."""
    drawing = graph(document)
    lines = ["graph fabric {", "  node [fontname=sans];", "  edge [fontname=sans];"]
    for index, (node, vertices) in enumerate(drawing.nodes.items()):
        lines.append(f"  subgraph cluster_{index} {{")
        lines.append(f"    label={_dot_text(node)};")
        lines.extend(f"    {_dot_vertex(vertex)}" for vertex in vertices)
        lines.append("  }")
    lines.extend(f"  {_dot_vertex(vertex)}" for vertex in drawing.shared)
    for start, end, text in drawing.edges:
        label = f" [label={_dot_text(text)}]" if text else ""
        lines.append(f"  {_dot_text(start)} -- {_dot_text(end)}{label};")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_vertex(vertex: Vertex) -> str:
    return f"{_dot_text(vertex.id)} [shape={SHAPES[vertex.shape][2]}, label={_dot_text(*vertex.lines)}];"


def _dot_text(*lines: str) -> str:
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
