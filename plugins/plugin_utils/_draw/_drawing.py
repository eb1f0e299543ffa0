# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draw a document: which guest and router stands on which node, and what they are connected to."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._graph import SHAPES, Graph, Vertex
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features import _registry


def graph(document: Document) -> Graph:
    """Return the document as a graph."""
    result = Graph(nodes={node: [] for node in document.members()})
    for feature in _registry.FEATURES:
        feature.draw(document, result)
    return result


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
    lines = ["graph fabric {", *(f"  {part} [fontname=sans];" for part in ("graph", "node", "edge"))]
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
