# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what goes from guest to guest of two nodes with and without what protects a network.

    "tunnels": Subject("isolated", ("green1", "green2"), ("compute1", "compute2"), TUNNELS),
    "ports": Subject("isolated", ("green1", "green2"), ("compute1", "compute2"), PORTS),

The lab must be up, with the nodes network1, compute1 and compute2, or others that stand for them: with
--place network1=compute1 a lab of two nodes will do. Guests are namespaces on their ports. The two alternate, so that a
slow moment of the machine hits both. Prints a Markdown table.

tunnels: two guests of examples/isolated. "Without" is the same build, less the flows that drop frames to the tunnel
endpoint (the kernel's datapath needs none), and with IPv6 on on all ports.
router: a guest each of two networks of examples/routers. "Without" is the same build, less all nft tables of the
router: which sources it admits, what it forwards where, and translation. Two rules are left, which have it forward all
and track connections, as any router that translates does.
ports: two guests of examples/isolated. "Without" is the same build with one flow on br-int, which forwards all.
hand: two guests of examples/isolated. "Without" is the same path beside it, made by commands: namespaces, two bridges
with a patch, a VLAN, a VXLAN tunnel between the same addresses, the same MTU, and no flows but the switch's own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from netvirt_testing.guests import Guests, in_fabric
from netvirt_testing.lab import Lab
from netvirt_testing.paths import ROOT
from netvirt_testing.stand_in import PREFIX

# Scripts with "on" or "off" as their argument.
TUNNELS = """
set -e
mac=$(ovs-vsctl --if-exists get bridge br-phy other_config:hwaddr | tr -d '"')
for bridge in $(ovs-vsctl list-br); do
  [ $bridge = br-phy ] && continue
  if [ -z "$mac" ]; then
    :
  elif [ $1 = on ]; then
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
# A node mends its nft tables by itself, unless it is kept from that.
ROUTER = """
set -e
within="ip netns exec nv-north"
if [ $1 = off ]; then
  systemctl stop 'netvirt-rebuild-*'
  $within nft list ruleset > /root/measured-rules
  $within nft flush ruleset
  $within nft add table inet plain
  $within nft 'add chain inet plain forwarded { type filter hook prerouting priority mangle; }'
  $within nft add rule inet plain forwarded meta mark set 78
  $within nft add rule inet plain forwarded ct state established,related accept
else
  $within nft delete table inet plain
  $within nft -f /root/measured-rules
  rm /root/measured-rules
  systemctl start $(cd /etc/systemd/system && echo netvirt-rebuild-*.path netvirt-rebuild-*.socket)
fi
"""
PORTS = """
set -e
flows="ovs-ofctl -O OpenFlow14 --no-names"
if [ $1 = off ]; then
  $flows --no-stats dump-flows br-int | grep actions= | sed 's/^ *//; s/ actions/,actions/' > /root/measured-flows
  echo 'priority=0,actions=NORMAL' | $flows replace-flows br-int -
else
  $flows replace-flows br-int /root/measured-flows
  rm /root/measured-flows
fi
"""
# Its arguments: up or down, the namespace, its address, and the ends of the tunnel.
HAND = """
set -e
if [ $1 = down ]; then
  ovs-vsctl --if-exists del-br hand-int -- --if-exists del-br hand-tun
  ip link delete hand0 || true
  ip netns delete $2 || true
  exit 0
fi
ip netns add $2
ip link add hand0 mtu 1446 type veth peer name eth0 netns $2 mtu 1446
ip netns exec $2 ethtool -K eth0 tx off
echo 1 > /proc/sys/net/ipv6/conf/hand0/disable_ipv6
ip link set hand0 up
ip -n $2 link set eth0 up
ip -n $2 address add $3/24 dev eth0
kind=$(ovs-vsctl get bridge br-int datapath_type)
ovs-vsctl add-br hand-int -- set bridge hand-int datapath_type=$kind -- add-br hand-tun \
  -- set bridge hand-tun datapath_type=$kind -- add-port hand-int hand0 tag=30 \
  -- add-port hand-int hand-patch1 -- set interface hand-patch1 type=patch options:peer=hand-patch2 \
  -- add-port hand-tun hand-patch2 -- set interface hand-patch2 type=patch options:peer=hand-patch1 \
  -- add-port hand-tun hand-tunnel -- set interface hand-tunnel type=vxlan options:key=7777 options:local_ip=$4 \
  options:remote_ip=$5
"""
HANDS = {"hand1": "10.0.31.11", "hand2": "10.0.31.12"}


@dataclass(frozen=True)
class Subject:
    """What is measured: the example, two of its guests, the nodes on which protection is switched, and how.

    Without a way to switch, the nodes get a path beside it that is made by hand.
    """

    example: str
    guests: tuple[str, str]
    nodes: tuple[str, ...]
    switch: str


SUBJECTS = {
    "tunnels": Subject("isolated", ("green1", "green2"), ("compute1", "compute2"), TUNNELS),
    "ports": Subject("isolated", ("green1", "green2"), ("compute1", "compute2"), PORTS),
    "hand": Subject("isolated", ("green1", "green2"), ("compute1", "compute2"), ""),
    "router": Subject("routers", ("red1", "gold1"), ("network1",), ROUTER),
}


def placed(value: Any, places: Mapping[str, str]) -> Any:
    """Return a part of a document with other nodes in the place of its own."""
    if isinstance(value, dict):
        return {key: placed(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [placed(item, places) for item in value]
    return places.get(value, value)


@contextmanager
def by_hand(lab: Lab, guests: Guests, nodes: list[str]) -> Iterator[None]:
    """Have the path made by hand for a while, and its ends among the guests."""
    ends = [lab.hosts[node]["lab_underlay_address"] for node in nodes]
    calls = [(node, name, [*ends, *ends][number:][:2]) for number, (node, name) in enumerate(zip(nodes, HANDS))]
    try:
        for node, name, tunnel in calls:
            guests.nodes[name] = node
            lab.run(node, ["sh", "-c", HAND, "hand", "up", PREFIX + name, HANDS[name], *tunnel])
        yield
    finally:
        for node, name, _tunnel in calls:
            lab.run(node, ["sh", "-c", HAND, "hand", "down", PREFIX + name], check=False)


def gigabits(guests: Guests, client: str, server: str, seconds: int) -> float:
    """Return what TCP gets from one guest to another, in Gbit/s."""
    guests.run(server, "iperf3", "--server", "--one-off", "--daemon")
    time.sleep(0.5)
    target = HANDS.get(server) or guests.address(server)
    answer = guests.run(client, "iperf3", "--client", target, "--time", str(seconds), "--omit", "1", "--json")
    return float(json.loads(answer["stdout"])["end"]["sum_received"]["bits_per_second"]) / 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", choices=SUBJECTS, default="tunnels")
    parser.add_argument("--lab", default="demo")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--place", action="append", default=[], metavar="NODE=NODE")
    options = parser.parse_args()
    lab, subject = Lab.attach(options.lab), SUBJECTS[options.of]
    places = dict(item.split("=") for item in options.place)
    told = yaml.safe_load((ROOT / "examples" / subject.example / "fabric.yml").read_text(encoding="utf-8"))
    document = placed(told, places)
    found: dict[str, list[float]] = {"on": [], "off": []}
    nodes = list(dict.fromkeys(placed([*subject.nodes], places)))
    ways = {"off": subject.guests if subject.switch else ("hand1", "hand2"), "on": subject.guests}
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        guests = stack.enter_context(in_fabric(lab, document, Path(directory)))
        if not subject.switch:
            stack.enter_context(by_hand(lab, guests, nodes))
        for names in ways.values():
            gigabits(guests, *names, options.seconds)  # switches learn
        for _pair in range(options.pairs):
            for state, names in ways.items():
                for node in nodes if subject.switch else ():
                    lab.run(node, ["sh", "-c", subject.switch, "switch", state])
                found[state].append(gigabits(guests, *names, options.seconds))
    medians = {state: statistics.median(values) for state, values in found.items()}
    print(f"TCP from {' to '.join(subject.guests)}, {options.of}, medians of {options.pairs} pairs\n")
    print("| protection | Gbit/s | from | to | times without |\n|---|---|---|---|---|")
    for state, label in (("off", "without"), ("on", "with")):
        values = found[state]
        shown = " | ".join(f"{value:.2f}" for value in (medians[state], min(values), max(values)))
        print(f"| {label} | {shown} | {medians[state] / medians['off']:.2f} |")


if __name__ == "__main__":
    main()
