# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of isolated networks over an IPv6 underlay, by packets between stand-ins for guests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from netvirt_testing.guests import Guests, in_fabric
from netvirt_testing.lab import Lab
from netvirt_testing.paths import ROOT

MTU = 1426  # 1500 less IPv6 40, UDP 8, VXLAN 8, Ethernet 14, and 4 for the VLAN inside
HEADERS = 28  # IPv4 20, ICMP 8


def underlay(lab: Lab, node: str) -> str:
    """Return the node's IPv6 address in the underlay, with its prefix length."""
    (link,) = lab.json(node, ["ip", "-j", "-6", "address", "show", "dev", "eth1", "scope", "global"])
    (address,) = link["addr_info"]
    return f"{address['local']}/{address['prefixlen']}"


@pytest.fixture(scope="module")
def document(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples/isolated/fabric.yml").read_text(encoding="utf-8"))
    return {**found, "fabric_nodes": {node: {"underlay_address": underlay(lab, node)} for node in lab.nodes}}


@pytest.fixture(scope="module")
def guests(lab: Lab, document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guests]:
    with in_fabric(lab, document, tmp_path_factory.mktemp("ipv6_underlay")) as present:
        yield present


@contextmanager
def captured(lab: Lab, node: str, *expression: str) -> Iterator[list[str]]:
    """Yield a list that holds, at the end, the packets on the node's underlay that fit, a line each."""
    lines: list[str] = []
    command = [*lab.ssh(node), "timeout", "20", "tcpdump", "-n", "-l", "-c", "20", "-i", "eth1", *expression]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as capture:
        assert capture.stderr is not None
        for line in capture.stderr:
            if "listening" in line:
                break
        yield lines
        lines.extend(capture.communicate()[0].splitlines())


def test_guests_get_their_leases_and_the_mtu(lab: Lab, guests: Guests) -> None:
    """From the DHCP server on another node."""
    assert (guests.address("green1"), guests.address("green2")) == ("10.0.30.11", "10.0.30.12")
    assert guests.run("green1", "cat", "/sys/class/net/eth0/mtu")["stdout"].strip() == str(MTU)


def test_guests_reach_each_other_with_packets_that_fill_the_mtu(guests: Guests) -> None:
    assert guests.reaches("green1", "10.0.30.12")
    for size, arrives in ((MTU - HEADERS, True), (MTU - HEADERS + 1, False)):
        ping = ["ping", "-n", "-c", "2", "-W", "2", "-M", "do", "-s", str(size), "10.0.30.12"]
        assert (guests.run("green1", *ping)["rc"] == 0) == arrives


def test_the_tunnel_speaks_ipv6(lab: Lab, guests: Guests) -> None:
    with captured(lab, "compute1", "udp", "port", "4789") as lines:
        assert guests.reaches("green1", "10.0.30.12", tries=10)
    outer = [line for line in lines if "VXLAN" in line]  # each is followed by a line of what is inside
    assert outer
    assert all(" IP6 fd00:" in line for line in outer)
