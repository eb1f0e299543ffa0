# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plot what fabric.py and ports.py saved in tests/bench/measured, as docs/images/bench-*.svg.

usage: python tests/bench/plot.py
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any, Optional

HERE = Path(__file__).resolve().parent
MEASURED = HERE / "measured"
IMAGES = HERE.parents[1] / "docs" / "images"
WAYS = {"collection": "netvirt.fabric", "commands": "a task for each command", "peer": "openvswitch.openvswitch"}
PORTS = (50, 500, 5000)
RUNS = {"create": "netvirt.fabric", "script": "one script", "commands": WAYS["commands"], "peer": WAYS["peer"]}

WIDTH, HEIGHT, TOP, BOTTOM, BAR = 760, 340, 50, 60, 34
COLOURS = ("#1f6fb2", "#e08a1e", "#7a7a7a", "#4a9a55")

Bars = dict[str, list[Optional[float]]]
"""The values of each way, one for each group of bars."""


def load(name: str) -> Any:
    """Return what was saved under a name, nothing where nothing was measured."""
    path = MEASURED / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def fabric() -> tuple[list[str], Bars]:
    """Return what it takes to build a fabric, to run again and to remove it, in times the ping of the same round."""
    seconds, groups = load("fabric"), ["build", "again", "remove"]
    bars: Bars = {}
    for key, label in WAYS.items():
        rounds = [zip(seconds.get(f"{key} {run}", ()), seconds.get("ping", ())) for run in groups]
        ratios = [[taken / ping for taken, ping in pairs] for pairs in rounds]
        bars[label] = [statistics.median(found) if found else None for found in ratios]
    return groups, bars


def ports(again: str) -> tuple[list[str], Bars]:
    """Return what it takes to make ports of one bridge, in times a ping."""
    medians = [load(f"ports-{count}") for count in PORTS]
    names = {run: "again" if again and run == "create" else f"{run}{again}" for run in RUNS}
    bars: Bars = {
        label: [found[names[run]] / found["ping"] if names[run] in found else None for found in medians]
        for run, label in RUNS.items()
    }
    return [f"{count} ports" for count in PORTS], bars


def drawn(title: str, groups: list[str], bars: Bars) -> str:
    """Return an image of groups of bars."""
    largest = max(value for values in bars.values() for value in values if value)
    ground = HEIGHT - BOTTOM
    parts = [text(WIDTH / 2, 26, title, 16)]
    parts.append(f'<line x1="20" y1="{ground}" x2="{WIDTH - 20}" y2="{ground}" stroke="#444444"/>')
    for number, group in enumerate(groups):
        middle = (number + 0.5) * WIDTH / len(groups)
        parts.append(text(middle, ground + 20, group))
        for place, values in enumerate(bars.values()):
            value = values[number]
            if value:
                left, height = middle + (place - len(bars) / 2) * BAR, value / largest * (ground - TOP - 16)
                box = f'x="{left:.1f}" y="{ground - height:.1f}" width="{BAR - 4}" height="{height:.1f}"'
                parts.append(f'<rect {box} fill="{COLOURS[place]}"/>')
                parts.append(text(left + BAR / 2 - 2, ground - height - 5, f"{value:.1f}", 12))
    for place, label in enumerate(bars):
        left = (place + 0.5) * WIDTH / len(bars)
        parts.append(f'<rect x="{left - 100:.1f}" y="{HEIGHT - 24}" width="12" height="12" fill="{COLOURS[place]}"/>')
        parts.append(text(left + 8, HEIGHT - 13, label, 13))
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">'
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    return "\n".join([head, background, *parts, "</svg>"]) + "\n"


def text(x: float, y: float, words: str, size: int = 14) -> str:
    """Return words around a point."""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="middle">{words}</text>'


def main() -> None:
    """Write the images of what was measured."""
    charts = {
        "fabric": ("NAT fabric of three nodes, times a ping", *fabric()),
        "ports": ("Ports of one bridge, times a ping", *ports("")),
        "ports-again": ("Ports of one bridge, run again, times a ping", *ports(" again")),
    }
    for name, (title, groups, bars) in charts.items():
        if any(value for values in bars.values() for value in values):
            (IMAGES / f"bench-{name}.svg").write_text(drawn(title, groups, bars), encoding="utf-8")


if __name__ == "__main__":
    main()
