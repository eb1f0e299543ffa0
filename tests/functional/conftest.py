# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that run inside a node."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import DATAPATH, output
from netlink_node import inside, ip
from uplink_node import BRIDGE, NEIGHBOUR, NIC, remove


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
    detection = Path(f"/proc/sys/net/ipv6/conf/{NIC}/accept_dad")
    usual = detection.read_text(encoding="ascii")
    detection.write_text("0", encoding="ascii")  # The link-local address would be tentative for a second or two.
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
        ["2001:db8:200::/48", "nexthop", "via", "2001:db8:99::1", "weight", "2", "nexthop", "via", "2001:db8:99::8"],
    ):
        ip(*(["-6"] if ":" in words[0] else []), "route", "add", *words)
    # The kernel joins it to the one above, and does not tell its protocol.
    ip("-6", "route", "append", "2001:db8:100::/48", "via", "2001:db8:99::8", "proto", "bgp", "metric", "7")
    for _attempt in range(100):  # The address comes with the carrier.
        shown = output("ip", "-6", "address", "show", "dev", NIC, "scope", "link")
        if shown and "tentative" not in shown:
            break
        time.sleep(0.1)
    detection.write_text(usual, encoding="ascii")
    yield
    remove()


@pytest.fixture(params=["linux", "openvswitch"])
def bridge(nic: None, request: pytest.FixtureRequest) -> str:
    """Have a bridge of one sort or the other; it goes with the NIC."""
    if request.param == "linux":
        ip("link", "add", BRIDGE, "type", "bridge")
    else:
        output("ovs-vsctl", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, f"datapath_type={DATAPATH}")
    return str(request.param)
