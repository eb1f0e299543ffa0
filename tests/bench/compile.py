# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time the compiler on whole fleets: 10, 100 and 1,000 nodes with 10 guests each, 100 networks with routers and DHCP.

usage: .venv/bin/python tests/bench/compile.py [--runs N] [NODES...]

Each run is a process of its own that compiles every node of the fleet. Prints a Markdown table of median seconds of
processor time and of the largest resident size, and the slope: seconds per guest, relative to the smallest fleet.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".cache" / "collections"))

from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_fabric

FLEETS = (10, 100, 1000)
GUESTS_PER_NODE = 10
NETWORKS = 100
ROUTERS = 10


def document(count: int) -> dict[str, Any]:
    """Return a document of that many nodes: ten routers, each with ten networks, guests spread over all of them."""
    nodes = names(count)
    return {
        "fabric_underlay": {"type": "vxlan", "interface": "eth1"},
        "fabric_physical_networks": [{"name": "public", "interface": "eth2"}],
        "fabric_routers": [
            {
                "name": f"r{number}",
                "node": nodes[number % count],
                "external": {"network": "public", "address": f"203.0.113.{number + 10}/24", "gateway": "203.0.113.1"},
            }
            for number in range(ROUTERS)
        ],
        "fabric_networks": [
            {
                "name": f"n{number}",
                "mode": "nat",
                "vlan": number + 1,
                "cidr": f"10.{number}.0.0/16",
                "router": f"r{number % ROUTERS}",
                "dhcp": {},
            }
            for number in range(NETWORKS)
        ],
        "fabric_guests": [guest(number, nodes) for number in range(count * GUESTS_PER_NODE)],
    }


def guest(number: int, nodes: list[str]) -> dict[str, Any]:
    """Return one guest; every network has its guests on many nodes."""
    network, position = number % NETWORKS, number // NETWORKS
    address = f"10.{network}.{position // 250 + 1}.{position % 250 + 1}"
    return {
        "name": f"g{number}",
        "node": nodes[number // GUESTS_PER_NODE],
        "network": f"n{network}",
        "address": address,
        "image": "/images/debian.qcow2",
    }


def names(count: int) -> list[str]:
    """Return the names of the nodes."""
    return [f"node{number}" for number in range(count)]


def facts(count: int) -> dict[str, Any]:
    """Return what the nodes would say of themselves."""
    return {
        name: {
            "datapath_types": ["netdev"],
            "interfaces": {
                "eth1": {
                    "addresses": [f"192.168.{number // 250}.{number % 250 + 1}/16"],
                    "mtu": 1500,
                    "mac": f"02:00:00:00:{number // 256:02x}:{number % 256:02x}",
                },
                "eth2": {"addresses": [], "mtu": 1500, "mac": f"02:00:00:01:{number // 256:02x}:{number % 256:02x}"},
            },
            "bridges": {},
        }
        for number, name in enumerate(names(count))
    }


def compile_once(count: int) -> dict[str, float]:
    """Compile a fleet; return the seconds of processor time, the peak resident size in MiB and the resources."""
    what, found = document(count), facts(count)
    before = time.process_time()
    compiled = compile_fabric(what, found, names(count))
    seconds = time.process_time() - before
    resources = sum(len(item["resources"]) for item in compiled.values())
    return {
        "seconds": seconds,
        "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "resources": resources,
    }


def measured(count: int, runs: int) -> dict[str, float]:
    """Return the medians of several processes."""
    results = [
        json.loads(subprocess.check_output([sys.executable, __file__, "--child", str(count)])) for _run in range(runs)
    ]
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nodes", nargs="*", type=int, default=FLEETS)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(compile_once(options.child)))
        return
    print("| nodes | guests | resources | seconds | MiB | seconds per guest, times the first |")
    print("|---|---|---|---|---|---|")
    first = 0.0
    for count in options.nodes:
        result = measured(count, options.runs)
        guests = count * GUESTS_PER_NODE
        first = first or result["seconds"] / guests
        slope = result["seconds"] / guests / first
        print(
            f"| {count} | {guests} | {result['resources']:.0f} | {result['seconds']:.2f} | {result['mebibytes']:.0f} "
            f"| {slope:.2f} |"
        )


if __name__ == "__main__":
    main()
