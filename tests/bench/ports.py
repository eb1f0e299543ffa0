# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time 500 access ports through ``apply`` against a single ``ansible.builtin.ping`` on the same lab node.

usage: .venv/bin/python tests/bench/ports.py [--lab NAME] [--node NODE] [--ports N] [--runs N] [--others COLLECTIONS]
                                             [--save FILE]

The lab must be up. Each run is a whole ansible-playbook with one task: ping, create, run again, remove; in
turn, so that a slow moment of the machine hits all of them. With --others, also by one script, by a command for each
port, and by openvswitch.openvswitch, which the directory COLLECTIONS has. Prints a Markdown table of medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from netvirt_testing.lab import Lab
from netvirt_testing.paths import environment

MEASURED_PYTHON = "/root/measured-python"
VARIABLES = "variables.json"  # all playbooks are given the list, as hosts are that have it in group_vars
PEAK_FILE = "/root/measured-python.kib"
# Runs the module and adds its peak resident memory (getrusage(2), KiB) to a file.
MEASURE = f"""#!/usr/bin/python3
import resource, subprocess, sys
status = subprocess.run(["/usr/bin/python3", *sys.argv[1:]]).returncode
with open("{PEAK_FILE}", "a") as log:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=log)
sys.exit(status)
"""


def playbook(directory: Path, name: str, task: dict[str, Any]) -> Path:
    """Write a playbook with one task and return its path."""
    path = directory / f"{name}.yml"
    path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    return path


def playbooks(directory: Path, count: int, others: bool) -> dict[str, Path]:
    """Return the playbooks by name, in the order of a round."""
    bridge = {"ovs_bridge": {"name": "bench", "datapath_type": "netdev"}}
    ports = [
        {"ovs_port_vlan": {"name": f"bench{number}", "bridge": "bench", "tag": 10, "device_required": False}}
        for number in range(count)
    ]
    # Open vSwitch in userspace takes over some hundreds of new ports a second on a machine with other work.
    create = {"netvirt.fabric.apply": {"resources": "{{ bench_resources }}", "timeout": max(8, count // 50)}}
    (directory / VARIABLES).write_text(json.dumps({"bench_resources": [bridge, *ports]}), encoding="utf-8")
    remove = {"netvirt.fabric.ovs_bridge": {"name": "bench", "state": "absent"}}
    tasks = {"ping": {"ansible.builtin.ping": {}}, "create": create, "again": create, "remove": remove}
    if others:
        tasks |= other_ways(count, remove)
    return {name: playbook(directory, name, task) for name, task in tasks.items()}


def other_ways(count: int, remove: dict[str, Any]) -> dict[str, Any]:
    """Return tasks that make the same ports in other ways."""
    bridge = "ovs-vsctl --may-exist add-br bench -- set bridge bench datapath_type=netdev"
    names = f"{{{{ range({count}) | map('string') | map('regex_replace', '^', 'bench') }}}}"
    one = "ovs-vsctl --may-exist add-port bench {{ item }} tag=10"
    each = " -- ".join(f"--may-exist add-port bench bench{number} tag=10" for number in range(count))
    script = {"ansible.builtin.shell": {"stdin": f"ovs-vsctl {each}", "cmd": "sh"}}
    command = {"ansible.builtin.command": one, "loop": names}
    port = {"bridge": "bench", "port": "{{ item }}", "tag": 10}
    peer = {"openvswitch.openvswitch.openvswitch_port": port, "loop": names}
    ready = {"ansible.builtin.shell": bridge}
    found: dict[str, Any] = {}
    for name, task in (("script", script), ("commands", command), ("peer", peer)):
        found |= {f"{name} bridge": ready, name: task, f"{name} again": task, f"{name} remove": remove}
    return found


def timed(lab: Lab, node: str, path: Path, *arguments: str, others: str = "") -> float:
    """Run a playbook and return its seconds; the status must be 0."""
    settings = environment()
    if others:
        settings["ANSIBLE_COLLECTIONS_PATH"] += os.pathsep + others
    variables = ["-e", f"@{path.parent / VARIABLES}"]
    command = ["ansible-playbook", "-i", str(lab.inventory), "--limit", node, *variables, str(path), *arguments]
    start = time.monotonic()
    subprocess.run(command, env=settings, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def peak_memory(lab: Lab, node: str, paths: dict[str, Path]) -> dict[str, float]:
    """Return the peak resident memory of the module in MiB, for making the ports and for the run again."""
    lab.run(node, ["tee", MEASURED_PYTHON], stdin=MEASURE)
    lab.run(node, ["chmod", "755", MEASURED_PYTHON])
    result = {}
    for name in ("create", "again"):
        lab.run(node, ["rm", "-f", PEAK_FILE])
        timed(lab, node, paths[name], "-e", f"ansible_python_interpreter={MEASURED_PYTHON}")
        result[name] = max(int(line) for line in lab.run(node, ["cat", PEAK_FILE]).stdout.split()) / 1024
    timed(lab, node, paths["remove"])
    lab.run(node, ["rm", "-f", MEASURED_PYTHON, PEAK_FILE])
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="demo")
    parser.add_argument("--node", default="compute1")
    parser.add_argument("--ports", type=int, default=500)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--others", default="")
    parser.add_argument("--save", default="")
    options = parser.parse_args()
    lab = Lab.attach(options.lab)
    with tempfile.TemporaryDirectory() as directory:
        paths = playbooks(Path(directory), options.ports, bool(options.others))
        timed(lab, options.node, paths["ping"])  # opens the connection that all share
        rounds = [
            {name: timed(lab, options.node, path, others=options.others) for name, path in paths.items()}
            for _round in range(options.runs)
        ]
        memory = peak_memory(lab, options.node, paths)
    medians = {name: statistics.median(one[name] for one in rounds) for name in paths}
    print(f"{options.ports} access ports, medians of {options.runs} rounds\n")
    print("| playbook | seconds | times ping | peak memory of the module |\n|---|---|---|---|")
    if options.save:
        Path(options.save).write_text(json.dumps(medians, indent=2) + "\n", encoding="utf-8")
    labels = {"ping": "one ping", "again": "run again"}
    for name in paths:
        label = labels.get(name, name)
        mib = f"{memory[name]:.0f} MiB" if name in memory else ""
        print(f"| {label} | {medians[name]:.2f} | {medians[name] / medians['ping']:.2f} | {mib} |")


if __name__ == "__main__":
    main()
