# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what goes from guest to guest of two nodes with and without what protects the tunnels' ends.

usage: .venv/bin/python tests/bench/throughput.py [--lab NAME] [--pairs N] [--seconds N]

The lab must be up, with the nodes network1, compute1 and compute2. The network is examples/isolated, guests are
namespaces on their ports. "Without" is the same build, less the flows that drop frames to the tunnel endpoint, and with
IPv6 on on all ports. The two alternate, so that a slow moment of the machine hits both. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from netvirt_testing.guests import Guests, in_fabric
from netvirt_testing.lab import Lab
from netvirt_testing.paths import ROOT

EXAMPLE = ROOT / "examples/isolated/fabric.yml"
# In the order of their arguments: "on" or "off".
SWITCH = """
set -e
mac=$(ovs-vsctl get bridge br-phy other_config:hwaddr | tr -d '"')
for bridge in $(ovs-vsctl list-br); do
  [ $bridge = br-phy ] && continue
  if [ $1 = on ]; then
    while read -r flow; do ovs-ofctl add-flow $bridge "$flow"; done < /root/measured-flows-$bridge
  else
    ovs-ofctl --no-stats dump-flows $bridge | grep priority=65535 | sed 's/^ *//; s/ actions/,actions/' \
      > /root/measured-flows-$bridge
    ovs-ofctl --strict del-flows $bridge "priority=65535,dl_dst=$mac"
  fi
  for port in $(ovs-vsctl list-ports $bridge); do
    file=/proc/sys/net/ipv6/conf/$port/disable_ipv6
    [ ! -e $file ] || echo $([ $1 = on ] && echo 1 || echo 0) > $file
  done
done
[ $1 = off ] || rm -f /root/measured-flows-*
"""


def protected(lab: Lab, nodes: set[str], state: str) -> None:
    """Have the protection on or off on the nodes."""
    for node in nodes:
        lab.run(node, ["sh", "-c", SWITCH, "switch", state])


def gigabits(guests: Guests, client: str, server: str, seconds: int) -> float:
    """Return what TCP gets from one guest to another, in Gbit/s."""
    guests.run(server, "iperf3", "--server", "--one-off", "--daemon")
    time.sleep(0.5)
    target = guests.address(server)
    answer = guests.run(client, "iperf3", "--client", target, "--time", str(seconds), "--omit", "1", "--json")
    return float(json.loads(answer["stdout"])["end"]["sum_received"]["bits_per_second"]) / 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="demo")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    lab = Lab.attach(options.lab)
    document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    client, server = [guest["name"] for guest in document["fabric_guests"]][:2]
    found: dict[str, list[float]] = {"on": [], "off": []}
    with tempfile.TemporaryDirectory() as directory, in_fabric(lab, document, Path(directory)) as guests:
        nodes = {guests.nodes[client], guests.nodes[server]}
        if len(nodes) < 2:
            sys.exit(f"{client} and {server} must be on two nodes")
        gigabits(guests, client, server, options.seconds)  # switches learn
        for _pair in range(options.pairs):
            for state in ("off", "on"):
                protected(lab, nodes, state)
                found[state].append(gigabits(guests, client, server, options.seconds))
    medians = {state: statistics.median(values) for state, values in found.items()}
    print(f"TCP from guest to guest of two nodes, medians of {options.pairs} pairs\n")
    print("| protection | Gbit/s | from | to | times without |\n|---|---|---|---|---|")
    for state, label in (("off", "without"), ("on", "with")):
        values = found[state]
        shown = " | ".join(f"{value:.2f}" for value in (medians[state], min(values), max(values)))
        print(f"| {label} | {shown} | {medians[state] / medians['off']:.2f} |")


if __name__ == "__main__":
    main()
