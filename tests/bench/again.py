# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time playbooks/site.yml with nothing to do, against a ping, and tell what each of its tasks costs.

usage: .venv/bin/python tests/bench/again.py --lab NAME [--runs N] [--guests]

The lab must be up, with the nodes network1, compute1 and compute2. The NAT fabric of fabric.py is built there first and
left; with --guests, also one guest on each compute node. Each figure is a whole ansible-playbook over connections that
are open. A ping and a run of site.yml alternate, and the ratio is that of the medians. The seconds of tasks are those
of one more run.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.fabric import DOCUMENT, NODES
from netvirt_testing.lab import Lab
from netvirt_testing.paths import ROOT, environment

GUESTS = [{"name": f"vm{number}", "node": f"compute{number}", "nics": [{"network": "blue"}]} for number in (1, 2)]


def timed(lab: Lab, arguments: list[str]) -> tuple[float, list[tuple[float, str]]]:
    """Run ansible-playbook and return its seconds, and each line that it printed with the seconds until then."""
    start = time.monotonic()
    command = ["ansible-playbook", "-i", str(lab.inventory), "--limit", f"{','.join(NODES)},localhost", *arguments]
    lines = []
    settings = {**environment(), "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "true"}  # names a task when it starts
    with subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            lines.append((time.monotonic() - start, line.rstrip()))
    if process.returncode:
        raise SystemExit("\n".join(line for _at, line in lines))
    return time.monotonic() - start, lines


def by_task(total: float, lines: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Return each task with the seconds until the next one."""
    heads = [(0.0, "start"), *((at, line.strip("* ")) for at, line in lines if re.match(r"(TASK|PLAY RECAP)", line))]
    ends = [at for at, _name in heads[1:]] + [total]
    return [(end - at, name) for (at, name), end in zip(heads, ends)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="demo")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--guests", action="store_true")
    options = parser.parse_args()
    lab = Lab.attach(options.lab)
    document: dict[str, Any] = {**DOCUMENT, **({"fabric_guests": GUESTS} if options.guests else {})}
    seconds: dict[str, list[float]] = {"ping": [], "site.yml": []}
    with tempfile.TemporaryDirectory() as directory:
        file, ping = Path(directory, "document.json"), Path(directory, "ping.yml")
        file.write_text(json.dumps(document), encoding="utf-8")
        ping.write_text(json.dumps([{"hosts": NODES, "gather_facts": False, "tasks": [{"ansible.builtin.ping": {}}]}]))
        site = [str(ROOT / "playbooks/site.yml"), "-e", f"@{file}"]
        timed(lab, site)
        for _run in range(options.runs):
            for name, arguments in (("ping", [str(ping)]), ("site.yml", site)):
                seconds[name].append(timed(lab, arguments)[0])
        total, lines = timed(lab, site)
    if any(re.search(r"changed=[1-9]", line) for _at, line in lines):
        raise SystemExit("the run had something to do:\n" + "\n".join(line for _at, line in lines))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        print(f"{name}: median {medians[name]:.2f} s of {', '.join(f'{value:.2f}' for value in values)}")
    print(f"ratio of medians {medians['site.yml'] / medians['ping']:.2f}\n")
    for cost, name in by_task(total, lines):
        print(f"{cost:6.2f}  {name}")
    print("\n".join(line for _at, line in lines if "ok=" in line))


if __name__ == "__main__":
    main()
