# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router as the compiler makes it, between Linux bridges of the test's own with a host on each."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Iterator
from typing import Any

from engine import DATAPATH, Result, Spec, output
from netlink_node import clean, inside, ip

from ansible_collections.netvirt.fabric.plugins.module_utils._engine import converge
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import KINDS, kind, parse
from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node

OWNER, NODE, ROUTER = "nvtrt", "node1", "nv-r1"
KINDS_OF_A_ROUTER = ("veth_pair", "netns_router", "nat_masquerade", "packet_filter")
ROUTER_PORTS = {"blue": "rl-blue", "red": "rl-red", "green": "rl-green", "out": "xl-r1"}
EXTERNAL, EXTERNAL6 = "203.0.113.10", "2001:db8:77::3"
# Addresses of the hosts, and the router's in the same segment, which is the host's default gateway.
HOSTS: dict[str, list[str]] = {
    "blue": ["10.0.10.11/24", "fd00:10::11/64"],
    "red": ["10.0.20.11/24", "fd00:20::11/64"],
    "green": ["10.0.30.11/24", "fd00:30::11/64"],
    "out": ["203.0.113.1/24", "2001:db8:77::1/64"],
}
GATEWAYS = {
    "blue": ["10.0.10.1", "fd00:10::1"],
    "red": ["10.0.20.1", "fd00:20::1"],
    "green": ["10.0.30.1", "fd00:30::1"],
    "out": [EXTERNAL, EXTERNAL6],
}
TRANSLATED = ("blue", "green")
DOCUMENT: dict[str, Any] = {
    "fabric_owner": OWNER,
    "fabric_physical_networks": [{"name": "public", "interface": "nvtup"}],
    "fabric_networks": [
        {"name": name, "mode": mode, "vlan": vlan, "network_type": "local", "router": "r1"}
        | {"cidr": f"10.0.{vlan}.0/24", "cidr6": f"fd00:{vlan}::/64"}
        for name, mode, vlan in (("blue", "nat", 10), ("red", "routed", 20), ("green", "nat", 30))
    ],
    "fabric_routers": [
        {
            "name": "r1",
            "node": NODE,
            "routes_between": [["blue", "red"]],
            "external": {
                "network": "public",
                "address": f"{EXTERNAL}/24",
                "address6": f"{EXTERNAL6}/64",
                "gateway": "203.0.113.1",
                "gateway6": "2001:db8:77::1",
            },
        }
    ],
}


def document(**external: str) -> dict[str, Any]:
    """Return the document, with other values of the router's external port."""
    found = copy.deepcopy(DOCUMENT)
    found["fabric_routers"][0]["external"].update(external)
    return found


def compiled(declared: dict[str, Any]) -> list[Spec]:
    """Return what makes the router; its ports are on the bridges of the test instead of those of Open vSwitch."""
    links = {"nvtup": {"addresses": [], "mtu": 1500, "mac": "02:00:00:00:00:01", "up": True}}
    facts = {NODE: {"datapath_types": [DATAPATH], "interfaces": links, "bridges": {}}}
    resources: list[Spec] = compile_node(declared, NODE, facts, [NODE])["resources"]
    segments = {port: name for name, port in ROUTER_PORTS.items()}
    found = []
    for resource in resources:
        ((name, options),) = resource.items()
        if name == "packet_filter" and "namespace" not in options:
            continue
        if name == "veth_pair":
            resource = {name: {**options, "master": bridge(segments[options["name"]])}}
        if name in KINDS_OF_A_ROUTER:
            found.append(resource)
    return found


def run(resources: list[Spec], check: bool = False) -> Result:
    """Converge as the role fabric does, with purge."""
    node = Node(Settings(owner=OWNER, timeout=60))
    try:
        return converge(node, parse(resources), check, map(kind, KINDS))
    finally:
        node.close()


def bridge(segment: str) -> str:
    """Return the name of the bridge of a segment."""
    return f"nvtb{segment}"


def host(segment: str) -> str:
    """Return the namespace of the host on a segment."""
    return f"nvth{segment}"


def port_mac(segment: str) -> str:
    """Return the MAC address of the router's port on a segment, whether it is there or not."""
    (pair,) = (
        item["veth_pair"]
        for item in compiled(DOCUMENT)
        if item.get("veth_pair", {}).get("name") == ROUTER_PORTS[segment]
    )
    return str(pair["peer"]["mac"])


def segments() -> Iterator[None]:
    """Fixture: bridges and hosts, without a router before and after."""
    remove()
    try:
        for segment, addresses in HOSTS.items():
            ip("link", "add", bridge(segment), "type", "bridge")
            ip("link", "set", bridge(segment), "addrgenmode", "none", "up")
            ip("netns", "add", host(segment))
            end = f"nvtv{segment}"
            ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", host(segment))
            ip("link", "set", end, "addrgenmode", "none", "master", bridge(segment), "up")
            inside(host(segment), "ip", "link", "set", "lo", "up")
            inside(host(segment), "ip", "link", "set", "eth0", "up")
            for address in addresses:
                nodad = ["nodad"] if ":" in address else []
                inside(host(segment), "ip", "address", "add", address, "dev", "eth0", *nodad)
            for gateway in GATEWAYS[segment]:
                inside(host(segment), "ip", "route", "add", "default", "via", gateway, "dev", "eth0")
        yield
    finally:
        remove()


def lose() -> None:
    """Lose what a boot loses."""
    for name in ROUTER_PORTS.values():
        ip("link", "delete", name, check=False)
    subprocess.run(["ip", "netns", "delete", ROUTER], check=False, capture_output=True)


def remove() -> None:
    """Leave nothing of the router and of the test."""
    subprocess.run(["ip", "netns", "delete", ROUTER], check=False, capture_output=True)
    for segment in HOSTS:
        subprocess.run(["ip", "netns", "delete", host(segment)], check=False, capture_output=True)
        ip("link", "delete", bridge(segment), check=False)
    for name in ROUTER_PORTS.values():
        ip("link", "delete", name, check=False)
    clean()


def answers(segment: str, *targets: str) -> list[str]:
    """Return those of the targets that answer echo requests from the host on a segment."""
    pings = [f"(ping -q -n -c 2 -i 0.3 -W 1 {target} >/dev/null && echo {target}) &" for target in targets]
    return sorted(output("ip", "netns", "exec", host(segment), "sh", "-c", " ".join(pings) + " wait").split())
