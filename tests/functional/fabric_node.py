# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full network node for functional tests: what network1 gets of the sample document, on NICs of the test's own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from engine import DATAPATH, SLOWNESS, Result, Spec, column
from netlink_node import clean, ip

from ansible_collections.netvirt.fabric.plugins.module_utils._engine import converge
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._boot import _rebuild
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import KINDS, kind, parse
from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node

SAMPLE = Path(__file__).resolve().parents[2] / "examples/nat/fabric.yml"
OWNER = "nvtfab"
NODE, PEERS = "network1", ("compute1", "compute2")
NICS = {"nvtul": "192.0.2.1/24", "nvtex": "", "nvtph": ""}
SECONDS = 60  # to wait for a daemon, where other work may have the machine
OFFICE: dict[str, Any] = {
    "name": "office",
    "mode": "bridged",
    "vlan": 20,
    "network_type": "vlan",
    "physical_network": "office",
    "segmentation_id": 200,
}


def document(tunnels: str = "vxlan") -> Any:
    """Return examples/nat/fabric.yml, with a network whose VLAN the physical one has another number for."""
    found = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))
    found["fabric_owner"] = OWNER
    found["fabric_underlay"].update(interface="nvtul", type=tunnels)
    found["fabric_physical_networks"][0]["interface"] = "nvtex"
    found["fabric_physical_networks"].append({"name": "office", "interface": "nvtph", "bridge": "br-office"})
    found["fabric_networks"].append(OFFICE)
    # It sends whatever tests want: what else holds must not rest on port security.
    found["fabric_guests"].append({"name": "vm3", "node": NODE, "network": "office", "port_security": False})
    return found


def resources(state: str = "present", told: Any = None) -> list[Spec]:
    """Return what network1 gets of a document, that above if none is given, as the node is now."""
    links = {
        item["ifname"]: {
            "addresses": [
                f"{address['local']}/{address['prefixlen']}"
                for address in item["addr_info"]
                if address["scope"] == "global"
            ],
            "mtu": item["mtu"],
            "mac": item["address"],
            "up": True,
        }
        for item in ip("address", "show")
    }
    bridges = {"br-phy": {"owner": OWNER, "ports": ["nvtul"]}} if "br-phy" in links else {}
    facts = {NODE: {"datapath_types": [DATAPATH], "interfaces": links, "bridges": bridges}}
    for number, peer in enumerate(PEERS, 2):
        underlay = {"addresses": [f"192.0.2.{number}/24"], "mtu": 1500, "mac": "02:00:00:00:00:02", "up": True}
        facts[peer] = {"datapath_types": [DATAPATH], "interfaces": {"nvtul": underlay}, "bridges": {}}
    found: list[Spec] = compile_node(told or document(), NODE, facts, [NODE, *PEERS], state)["resources"]
    return found


def run(listed: list[Spec], check: bool = False, keep: bool = True, **settings: Any) -> Result:
    """Converge as the role fabric does: with purge, and with keep unless nothing is listed."""
    parsed, node = parse(listed), Node(Settings(**{"owner": OWNER, "timeout": SECONDS, **settings}))
    try:
        return converge(node, [*parsed, _rebuild.told(OWNER, parsed, keep and bool(listed))], check, map(kind, KINDS))
    finally:
        node.close()


def nics() -> Iterator[None]:
    """Fixture: the NICs, without anything of the fabric before and after."""
    clean()
    try:
        for number, (name, address) in enumerate(NICS.items(), 10):
            mac = f"02:00:00:00:00:{number}"
            ip("link", "add", name, "address", mac, "type", "veth", "peer", "name", name + "p")
            for end in (name, name + "p"):
                ip("link", "set", end, "up")
            if address:
                ip("address", "add", address, "dev", name)
        yield
    finally:
        run([])
        lose()
        clean()


def lose() -> None:
    """Take everything of the fabric off the node by hand, so that an empty one is there soon, but the leases."""
    text = _LOSE.format(owner=OWNER, address=NICS["nvtul"])
    subprocess.run(["sh", "-c", text], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until the condition is met; fail when that takes too long."""
    deadline = time.monotonic() + seconds * SLOWNESS
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.1)


def has_port_number(name: str) -> bool:
    """Tell whether Open vSwitch has a device as a port, which then has an OpenFlow number."""
    number = column("Interface", name, "ofport")
    return isinstance(number, int) and number > 0


_LOSE = """
systemctl stop 'netvirt-rebuild-*.path' 'netvirt-rebuild-*.socket' 'netvirt-rebuild-*.service'
rm -rf /run/netvirt/rebuild-{owner}.json /var/lib/netvirt/mended-*
rm -f /etc/systemd/network/00-netvirt-*
systemctl kill -s KILL netvirt-dnsmasq-blue; systemctl stop netvirt-dnsmasq-blue
rm -rf /etc/netvirt/* /usr/local/lib/netvirt /etc/systemd/system/netvirt-* /etc/systemd/system/*.wants/netvirt-rebuild-*
ovs-vsctl $(for bridge in br-int br-tun br-phy br-ex br-office; do echo -- --if-exists del-br $bridge; done)
nft list tables | grep netvirtfilter_ | while read -r table; do nft delete $table; done
ip netns delete nv-r1
ip link delete rl-blue
ip link delete xl-r1
ip address replace {address} dev nvtul
networkctl reload
systemctl daemon-reload
systemctl reset-failed
true
"""
