# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of the documentation show what the programs say today; tools/record.sh makes them."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import yaml

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._drawing import graph
from netvirt_testing.paths import ROOT

IMAGES = ROOT / "docs" / "images"


def texts(name: str) -> list[str]:
    """Return what is written in an image."""
    root = ElementTree.parse(IMAGES / name).getroot()
    return ["".join(item.itertext()) for item in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_drawing_is_that_of_the_example() -> None:
    document = yaml.safe_load((ROOT / "examples" / "nat" / "fabric.yml").read_text(encoding="utf-8"))
    drawing = graph(validate(document))
    vertices = [*drawing.shared, *(vertex for vertices in drawing.nodes.values() for vertex in vertices)]
    expected = [*drawing.nodes, *(line for vertex in vertices for line in vertex.lines)]
    expected += [text for _start, _end, text in drawing.edges]
    assert sorted(texts("nat.svg")) == sorted(expected)


def test_the_recording_has_the_steps_of_the_demo() -> None:
    steps = re.findall(r"^    step \w+ '([^']+)'", (ROOT / "demo").read_text(encoding="utf-8"), re.MULTILINE)
    shown = texts("demo.svg")
    missing = [step for step in steps if step != "down: the lab" and not any(step in line for line in shown)]
    assert missing == []
