# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full network node for functional tests: what network1 gets of the sample document, on NICs of the test's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from engine import Result, Spec
from netlink_node import clean, ip

from ansible_collections.netvirt.fabric.plugins.module_utils._engine import converge
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds import _rebuild
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import KINDS, kind, parse
from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node

SAMPLE = Path(__file__).resolve().parents[2] / "examples/nat/fabric.yml"
OWNER = "nvtfab"
NODE, PEERS = "network1", ("compute1", "compute2")
NICS = {"nvtul": "192.0.2.1/24", "nvtex": "", "nvtph": ""}
OFFICE: dict[str, Any] = {
    "name": "office",
    "mode": "bridged",
    "vlan": 20,
    "network_type": "vlan",
    "physical_network": "office",
    "segmentation_id": 200,
}


def document() -> Any:
    """Return examples/nat/fabric.yml, with a network whose VLAN the physical one has another number for."""
    found = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))
    found["fabric_owner"] = OWNER
    found["fabric_underlay"]["interface"] = "nvtul"
    found["fabric_physical_networks"][0]["interface"] = "nvtex"
    found["fabric_physical_networks"].append({"name": "office", "interface": "nvtph", "bridge": "br-office"})
    found["fabric_networks"].append(OFFICE)
    found["fabric_guests"].append({"name": "vm3", "node": NODE, "network": "office"})
    return found


def resources() -> list[Spec]:
    """Return what network1 gets of the document."""
    links = {
        item["ifname"]: {
            "addresses": [f"{address['local']}/{address['prefixlen']}" for address in item["addr_info"]],
            "mtu": item["mtu"],
            "mac": item["address"],
            "up": True,
        }
        for item in ip("address", "show")
    }
    links["nvtul"]["addresses"] = [NICS["nvtul"]]  # which is on br-phy once it is built
    peers = {"nvtul": {"addresses": ["192.0.2.2/24"], "mtu": 1500, "mac": "02:00:00:00:00:02", "up": True}}
    facts = {NODE: {"datapath_types": ["netdev"], "interfaces": links}}
    for number, peer in enumerate(PEERS, 2):
        peers["nvtul"]["addresses"] = [f"192.0.2.{number}/24"]
        facts[peer] = json.loads(json.dumps({"datapath_types": ["netdev"], "interfaces": peers}))
    found: list[Spec] = compile_node(document(), NODE, facts, [NODE, *PEERS])["resources"]
    return found


def run(listed: list[Spec], check: bool = False, **settings: Any) -> Result:
    """Converge as the role fabric does: with purge, and with keep unless nothing is listed."""
    parsed, node = parse(listed), Node(Settings(owner=OWNER, **settings))
    try:
        return converge(node, [*parsed, _rebuild.told(OWNER, parsed, bool(listed))], check, map(kind, KINDS))
    finally:
        node.close()


def nics() -> Iterator[None]:
    """Fixture: the NICs, without anything of the fabric before and after."""
    clean()
    for name, address in NICS.items():
        ip("link", "add", name, "type", "veth", "peer", "name", name + "p")
        for end in (name, name + "p"):
            ip("link", "set", end, "up")
        if address:
            ip("address", "add", address, "dev", name)
    try:
        yield
    finally:
        run([])
        clean()
