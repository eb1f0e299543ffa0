# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plot what fabric.py and ports.py saved in tests/bench/measured, as docs/images/bench-*.svg.

usage: python tests/bench/plot.py            in an environment with tests/bench/requirements.txt
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pygal
from pygal.style import Style

HERE = Path(__file__).resolve().parent
MEASURED = HERE / "measured"
IMAGES = HERE.parents[1] / "docs" / "images"
WAYS = {"collection": "netvirt.fabric", "commands": "a task for each command", "peer": "openvswitch.openvswitch"}
PORTS = (50, 500, 5000)
RUNS = {"netvirt.fabric": "create", "a task for each command": "commands", "openvswitch.openvswitch": "peer"}
RUNS["one script"] = "script"
LOOK = {
    "style": Style(background="white", plot_background="white", font_family="sans-serif"),
    "js": [],
    "width": 760,
    "height": 360,
    "legend_at_bottom": True,
    "pretty_print": True,
    "no_prefix": True,
}


def load(name: str) -> Any:
    """Return what was saved under a name, nothing where nothing was measured."""
    path = MEASURED / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def fabric() -> Any:
    """Return bars: to build a fabric, and to run again, in times ping."""
    seconds = {name: statistics.median(values) for name, values in load("fabric").items()}
    chart = pygal.Bar(title="NAT fabric of three nodes, times a ping", x_labels=["build", "again"], **LOOK)
    for key, label in WAYS.items():
        values = [seconds.get(f"{key} {run}") for run in ("build", "again")]
        chart.add(label, [round(value / seconds["ping"], 1) if value else None for value in values])
    return chart


def ports(again: str, title: str) -> Any:
    """Return lines: seconds by the number of ports."""
    chart = pygal.Line(title=title, x_labels=[str(count) for count in PORTS], logarithmic=True, **LOOK)
    for label, run in RUNS.items():
        name = "again" if again and run == "create" else f"{run}{again}"
        chart.add(label, [load(f"ports-{count}").get(name) for count in PORTS])
    return chart


def main() -> None:
    """Write the images."""
    charts = {"fabric": fabric(), "ports": ports("", "Seconds to create ports of one bridge")}
    charts["ports-again"] = ports(" again", "Seconds to run again")
    for name, chart in charts.items():
        text = chart.render(is_unicode=True)
        (IMAGES / f"bench-{name}.svg").write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
