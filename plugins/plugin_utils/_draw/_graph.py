# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A drawing as a graph, to which features add."""

from __future__ import annotations

from dataclasses import dataclass, field

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


def vlan_of_wire(vlan: int) -> str:
    """Return how a VLAN of a physical network is called."""
    return f"VLAN {vlan}" if vlan else "untagged"
