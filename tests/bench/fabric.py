# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time a NAT fabric of three nodes: built by this collection, by commands as tasks, and by openvswitch.openvswitch.

usage: .venv/bin/python tests/bench/fabric.py --lab NAME [--runs N] [--peer COLLECTIONS] [--save FILE]

The lab must be up, with the nodes network1, compute1 and compute2, their packages installed, and nothing built. Each
run is a whole ansible-playbook over the same connections: ping, then build, run again and remove, for each way in turn.
The commands make what the collection makes of the network itself: bridges, patches, tunnels, a router with DHCP and
translation. They make none of its filters, keep nothing for a boot, and look at nothing afterwards. COLLECTIONS is a
directory with openvswitch.openvswitch, which makes the bridges and ports in the third way; the commands do the rest.
Prints a Markdown table of medians.
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
from netvirt_testing.paths import ROOT, environment

NODES = ("network1", "compute1", "compute2")
DOCUMENT = {
    "fabric_underlay": {"type": "vxlan", "interface": "eth1"},
    "fabric_physical_networks": [{"name": "public", "interface": "eth2"}],
    "fabric_networks": [
        {"name": "blue", "mode": "nat", "vlan": 10, "cidr": "10.0.10.0/24", "router": "r1", "dhcp": {}}
    ],
    "fabric_routers": [
        {
            "name": "r1",
            "node": "network1",
            "external": {"network": "public", "address": "203.0.113.10/24", "gateway": "203.0.113.1"},
        }
    ],
    "fabric_nodes": {"compute1": {}, "compute2": {}},
    "fabric_allow_removal": True,
}
INSIDE = "ip netns exec hand-r1"
ROUTER = f"""
[ -e /run/netns/hand-r1 ] || ip netns add hand-r1
[ -e /sys/class/net/hand-in ] || ip link add hand-in type veth peer name in netns hand-r1
[ -e /sys/class/net/hand-out ] || ip link add hand-out type veth peer name out netns hand-r1
{INSIDE} ethtool -K in tx off
{INSIDE} ethtool -K out tx off
ip link set hand-in up
ip link set hand-out up
ip -n hand-r1 link set lo up
ip -n hand-r1 link set in mtu 1446 up
ip -n hand-r1 link set out up
ip -n hand-r1 address replace 10.0.10.1/24 dev in
ip -n hand-r1 address replace 203.0.113.10/24 dev out
ip -n hand-r1 route replace default via 203.0.113.1
{INSIDE} sysctl -w net.ipv4.ip_forward=1
{INSIDE} nft 'table ip hand; flush table ip hand; table ip hand {{ chain post {{ type nat hook postrouting priority \
srcnat; oifname out ip saddr 10.0.10.0/24 masquerade; }}; }}'
systemctl is-active hand-dnsmasq || systemd-run --unit=hand-dnsmasq --property=NetworkNamespacePath=/run/netns/hand-r1 \
dnsmasq --keep-in-foreground --conf-file=/dev/null --interface=in --bind-dynamic --dhcp-range=10.0.10.2,10.0.10.254
"""
CLEAR = """
systemctl stop hand-dnsmasq; systemctl reset-failed hand-dnsmasq; ip netns delete hand-r1
ip link delete hand-in; ip link delete hand-out
for bridge in br-int br-tun br-ex br-phy; do ovs-vsctl --if-exists del-br $bridge; done
ip address replace $1/24 dev eth1
true
"""


def switch(node: str, underlay: dict[str, str]) -> list[dict[str, str]]:
    """Return what Open vSwitch is to have: for each bridge and port its name, its bridge, and what is set."""
    netdev = "datapath_type=netdev"
    found = [{"name": "br-phy", "set": f"bridge br-phy {netdev}"}, {"name": "eth1", "bridge": "br-phy", "set": ""}]
    found += [{"name": name, "set": f"bridge {name} {netdev}"} for name in ("br-int", "br-tun")]
    for name, bridge, peer in (("patch-tun", "br-int", "patch-int"), ("patch-int", "br-tun", "patch-tun")):
        found.append({"name": name, "bridge": bridge, "set": f"interface {name} type=patch options:peer={peer}"})
    for number, other in enumerate(name for name in NODES if name != node):
        options = f"options:remote_ip={underlay[other]} options:local_ip={underlay[node]}"
        name = f"hand-tun{number}"
        found.append({"name": name, "bridge": "br-tun", "set": f"interface {name} type=vxlan {options}"})
    if node == NODES[0]:
        found.append({"name": "br-ex", "set": f"bridge br-ex {netdev}"})
        found += [{"name": name, "bridge": "br-ex", "set": ""} for name in ("eth2", "hand-out")]
        found.append({"name": "hand-in", "bridge": "br-int", "set": "", "tag": "10"})
    return found


def command(item: dict[str, str]) -> str:
    """Return the ovs-vsctl that makes a bridge or a port."""
    what = f"add-port {item['bridge']} {item['name']}" if "bridge" in item else f"add-br {item['name']}"
    tag = f" tag={item['tag']}" if "tag" in item else ""
    return f"ovs-vsctl --may-exist {what}{tag}" + (f" -- set {item['set']}" if item["set"] else "")


def tasks(underlay: dict[str, str], peer: bool) -> list[dict[str, Any]]:
    """Return the tasks of the second and the third way."""
    shell = {"ansible.builtin.shell": "{{ item }}", "loop": "{{ commands[inventory_hostname] }}"}
    router = [line for line in ROUTER.replace("\\\n", "").splitlines() if line]
    items = {node: switch(node, underlay) for node in NODES}
    address = {
        node: [f"ip -4 address flush dev eth1; ip address replace {underlay[node]}/24 dev br-phy"] for node in NODES
    }
    last = {node: [*address[node], "ip link set br-phy up"] for node in NODES}
    first = {
        "name": "Router",
        **shell,
        "vars": {"commands": {NODES[0]: router}},
        "when": f"inventory_hostname == '{NODES[0]}'",
    }
    if not peer:
        middle = [{**shell, "vars": {"commands": {node: [command(item) for item in items[node]] for node in NODES}}}]
    else:
        loop = {"loop": "{{ parts[inventory_hostname] }}"}
        port = {"bridge": "{{ item.bridge }}", "port": "{{ item.name }}", "set": "{{ item.set or omit }}"}
        port["tag"] = "{{ item.tag | default(omit) }}"
        bridges = {node: [item for item in items[node] if "bridge" not in item] for node in NODES}
        ports = {node: [item for item in items[node] if "bridge" in item] for node in NODES}
        bridge = {"bridge": "{{ item.name }}", "set": "{{ item.set }}"}
        middle = [
            {"openvswitch.openvswitch.openvswitch_bridge": bridge, **loop, "vars": {"parts": bridges}},
            {"openvswitch.openvswitch.openvswitch_port": port, **loop, "vars": {"parts": ports}},
        ]
    return [first, *middle, {"name": "Underlay", **shell, "vars": {"commands": last}}]


def playbooks(directory: Path, underlay: dict[str, str], peer: bool) -> dict[str, list[str]]:
    """Return the arguments of ansible-playbook for each run, in the order of a round."""
    document = directory / "document.json"
    document.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    absent = {"ansible.builtin.shell": CLEAR.replace("$1", "{{ underlay[inventory_hostname] }}")}
    plays = {
        "ping": [{"ansible.builtin.ping": {}}],
        "by_commands": tasks(underlay, False),
        "clear": [{**absent, "vars": {"underlay": underlay}}],
        **({"by_peer": tasks(underlay, True)} if peer else {}),
    }
    for name, steps in plays.items():
        play = [{"hosts": ",".join(NODES), "gather_facts": False, "tasks": steps}]
        (directory / f"{name}.yml").write_text(json.dumps(play), encoding="utf-8")
    ours = [str(ROOT / "tests/fleet/fabric.yml"), "-e", f"@{document}"]
    runs = {"ping": [str(directory / "ping.yml")]}
    runs |= {"collection build": ours, "collection again": ours}
    runs["collection remove"] = [*ours, "-e", "fabric_state=absent"]
    for name, label in (("by_commands", "commands"), ("by_peer", "peer")):
        if name in plays:
            path = str(directory / f"{name}.yml")
            runs |= {f"{label} build": [path], f"{label} again": [path]}
            runs[f"{label} remove"] = [str(directory / "clear.yml")]
    return runs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="demo")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peer", default="")
    parser.add_argument("--save", default="")
    options = parser.parse_args()
    lab = Lab.attach(options.lab)
    underlay = {node: lab.hosts[node]["lab_underlay_address"] for node in NODES}
    settings = environment()
    if options.peer:
        settings["ANSIBLE_COLLECTIONS_PATH"] += os.pathsep + options.peer
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as directory:
        runs = playbooks(Path(directory), underlay, bool(options.peer))
        rounds = [runs["ping"], *list(runs.values()) * options.runs]  # the first opens the connections
        names = ["", *list(runs) * options.runs]
        for name, arguments in zip(names, rounds):
            start = time.monotonic()
            subprocess.run(
                ["ansible-playbook", "-i", str(lab.inventory), "--limit", ",".join(NODES), *arguments],
                env=settings,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            if name:
                seconds.setdefault(name, []).append(round(time.monotonic() - start, 2))
            if options.save:
                Path(options.save).write_text(json.dumps(seconds, indent=2) + "\n", encoding="utf-8")
    print(f"Three nodes, medians of {options.runs} rounds\n")
    print("| run | seconds | from | to | times the ping of its round |\n|---|---|---|---|---|")
    for name, values in seconds.items():
        shown = " | ".join(f"{value:.1f}" for value in (statistics.median(values), min(values), max(values)))
        ratio = statistics.median(taken / ping for taken, ping in zip(values, seconds["ping"]))
        print(f"| {name} | {shown} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
