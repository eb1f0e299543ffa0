# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of bridge_uplink share: a NIC a neighbour on its wire, and what the system shows."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import Spec, output
from netlink_node import addresses, clean, inside, ip, link, sysctl

NIC, BRIDGE, NEIGHBOUR = "nvtnic", "nvtbr", "nvtpeer"
PENDING = Path("/run/netvirt/uplink.json")
KEPT = Path("/var/lib/netvirt/uplinks", f"{NIC}.json")


def uplink(**options: Any) -> Spec:
    """Return the resource, by default the NIC in the bridge."""
    return {"bridge_uplink": {"name": NIC, **({} if options.get("state") else {"bridge": BRIDGE}), **options}}


def remove() -> None:
    """Remove what the tests make."""
    output("ovs-vsctl", "--if-exists", "del-br", BRIDGE)
    clean()
    KEPT.unlink(missing_ok=True)
    for family in ("inet", "arp"):
        subprocess.run(["nft", "delete", "table", family, f"netvirt-uplink-{NIC}"], check=False, capture_output=True)


@pytest.fixture
def nic() -> Iterator[None]:
    """Have a NIC with addresses and routes of many sorts, and a neighbour with the addresses 1 on its wire."""
    remove()
    ip("netns", "add", NEIGHBOUR)
    ip("link", "add", NIC, "mtu", "1400", "type", "veth", "peer", "name", "wire", "netns", NEIGHBOUR)
    subprocess.run(["ethtool", "-K", NIC, "tx", "off"], check=True, capture_output=True)
    inside(NEIGHBOUR, "ethtool", "-K", "wire", "tx", "off")
    ip("link", "set", "wire", "mtu", "1400", "up", namespace=NEIGHBOUR)
    for address in ("10.99.0.1/24", "10.99.1.1/24", "2001:db8:99::1/64"):
        ip("address", "add", address, "dev", "wire", *(["nodad"] if ":" in address else []), namespace=NEIGHBOUR)
    ip("route", "add", "default", "via", "10.99.0.2", namespace=NEIGHBOUR)
    ip("link", "set", NIC, "up")
    for words in (
        ["10.99.0.2/24", "brd", "+"],
        ["10.99.0.3/24", "label", f"{NIC}:1"],
        ["10.99.1.2/24", "noprefixroute", "metric", "50"],
        ["2001:db8:99::2/64", "nodad"],
        ["10.99.2.2", "peer", "10.99.2.1/32"],
    ):
        ip("address", "add", *words, "dev", NIC)
    for words in (
        ["10.99.1.0/24", "dev", NIC, "proto", "static", "src", "10.99.1.2"],
        ["192.0.2.0/24", "via", "10.99.0.1", "proto", "dhcp", "metric", "100", "mtu", "1300"],
        ["192.0.2.0/24", "via", "10.99.1.1", "proto", "78", "metric", "200"],
        ["198.51.100.0/24", "via", "10.99.0.1", "table", "100"],
        ["203.0.113.0/24", "via", "10.98.0.1", "dev", NIC, "onlink"],
        ["203.0.113.128/25", "nexthop", "via", "10.99.0.1", "weight", "2", "nexthop", "via", "10.99.1.1"],
        ["2001:db8:100::/48", "via", "2001:db8:99::1", "proto", "static", "metric", "7"],
    ):
        ip(*(["-6"] if ":" in words[0] else []), "route", "add", *words)
    for _attempt in range(100):  # link-local addresses are tentative at first, and their routes follow
        if "tentative" not in output("ip", "address", "show", "dev", NIC):
            break
        time.sleep(0.1)
    yield
    remove()


@pytest.fixture(params=["linux", "netdev"])
def bridge(nic: None, request: pytest.FixtureRequest) -> str:
    """Have a bridge of one sort or the other; it goes with the NIC."""
    if request.param == "linux":
        ip("link", "add", BRIDGE, "type", "bridge")
    else:
        output("ovs-vsctl", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev")
    return str(request.param)


def everything() -> Any:
    """Return what of the node a move concerns, as the system shows it."""
    shown: dict[str, Any] = {}
    for name in (NIC, BRIDGE):
        found = link(name)
        if found is None:
            continue
        shown[name] = {key: found.get(key) for key in ("address", "mtu", "master")}
        shown[name]["up"] = "UP" in found["flags"]
        listed = ip("address", "show", "dev", name)[0]["addr_info"]
        # The kernel gives the bridge, when it is up, a link-local address of its own.
        shown[name]["addresses"] = [item for item in listed if name == NIC or item["scope"] != "link"]
        keys = ("accept_dad", "disable_ipv6")
        shown[name]["sysctls"] = [sysctl(None, f"net.ipv6.conf.{name}.{key}") for key in keys]
    shown["routes"] = [
        sorted(output("ip", family, "route", "show", "table", "all").splitlines()) for family in ("-4", "-6")
    ]
    shown["ports"] = output("ovs-vsctl", "--columns=name,tag,external_ids", "find", "port", f"name={NIC}")
    shown["config"] = output("ovs-vsctl", "--columns=name,other_config", "list", "bridge")
    shown["rules"] = output("nft", "list", "ruleset")
    return shown


def reached(*options: str) -> bool:
    """Tell whether the neighbour reaches this host, and each reply comes once."""
    argv = ["ip", "netns", "exec", NEIGHBOUR, "ping", "-c", "3", "-i", "0.2", "-W", "2", *options]
    result = subprocess.run(argv, check=False, capture_output=True, text=True)
    return "3 received, 0% packet loss" in result.stdout


def moved() -> bool:
    """Tell whether all addresses are on the bridge, True, or on the NIC, False; anything between is an error."""
    on_nic, on_bridge = addresses(NIC), addresses(BRIDGE) if link(BRIDGE) else []
    assert len(on_nic) + len(on_bridge) == 5, f"on the NIC {on_nic}, on the bridge {on_bridge}"
    assert not (on_nic and on_bridge), f"on the NIC {on_nic}, on the bridge {on_bridge}"
    return bool(on_bridge)


def wait_for_guard(seconds: float = 60) -> None:
    """Wait until no guarded move is under way."""
    deadline = time.monotonic() + seconds
    while PENDING.exists():
        assert time.monotonic() < deadline, "the guard did not end"
        time.sleep(0.1)
