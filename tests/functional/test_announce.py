# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Neighbours follow an address that moves to another MAC address or another place, within three seconds."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest
from engine import apply
from netlink_node import ip, link_local

NEIGHBOUR, ROUTER = "nvtnb", "nvtrt"
MACS = ("52:54:00:98:00:01", "52:54:00:98:00:02")
ADDRESSES = ("10.98.7.1", "fd98:7::1")
SECONDS = 3


def router(mac: str, **options: object) -> None:
    """Converge a router whose leg has this MAC address and the addresses."""
    pair = {"name": "nvtleg", "up": True, "peer": {"name": "leg", "namespace": ROUTER, "mac": mac, "up": True}}
    cidrs = [f"{ADDRESSES[0]}/24", f"{ADDRESSES[1]}/64"]
    interface = {"name": "leg", "addresses": cidrs, "up": True, **options}
    apply(
        [
            {"netns_router": {"name": ROUTER, "interfaces": [interface], "ipv6_forward": True}},
            {"veth_pair": pair},
            {"linux_bridge": {"name": "nvtbr", "ports": [{"name": "nvtleg"}, {"name": "nvtnb0"}], "up": True}},
        ]
    )


@pytest.fixture
def neighbour() -> Iterator[None]:
    """Have a neighbour on the router's segment."""
    try:
        ip("netns", "add", NEIGHBOUR)
        ip("link", "add", "nvtnb0", "up", "type", "veth", "peer", "name", "nb", "netns", NEIGHBOUR)
        ip("link", "set", "nb", "up", namespace=NEIGHBOUR)
        ip("address", "add", "10.98.7.9/24", "dev", "nb", namespace=NEIGHBOUR)
        ip("address", "add", "fd98:7::9/64", "dev", "nb", "nodad", namespace=NEIGHBOUR)
        yield
    finally:
        # A namespace that is deleted loses its links some time later, but a link takes its peer along at once.
        subprocess.run(["ip", "link", "delete", "nvtnb0"], capture_output=True, check=False)
        for words in (["netns", "delete", ROUTER], ["netns", "delete", NEIGHBOUR], ["link", "delete", "nvtbr"]):
            subprocess.run(["ip", *words], capture_output=True, check=False)
        subprocess.run(["ip", "link", "delete", "nvtleg"], capture_output=True, check=False)


def known(address: str) -> str:
    entries = ip("neighbour", "show", "to", address, "dev", "nb", namespace=NEIGHBOUR) or []
    return next((str(entry.get("lladdr")) for entry in entries), "")


def remember(mac: str) -> None:
    """Have the neighbour be sure of where the addresses are, so that it does not ask."""
    for address in ADDRESSES:
        words = ["neighbour", "replace", address, "lladdr", mac, "dev", "nb", "nud", "reachable"]
        ip(*words, namespace=NEIGHBOUR)


def followed(mac: str) -> dict[str, str]:
    """Return whom the neighbour knows by the addresses, once it is this one, or after the time is over."""
    deadline = time.monotonic() + SECONDS
    while True:
        found = {address: known(address) for address in ADDRESSES}
        if set(found.values()) == {mac} or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def test_neighbours_follow_another_mac_address(neighbour: None) -> None:
    router(MACS[0])
    link_local("nb", NEIGHBOUR)
    remember(MACS[0])
    router(MACS[1])
    assert followed(MACS[1]) == dict.fromkeys(ADDRESSES, MACS[1])
    entries = ip("-6", "neighbour", "show", "to", ADDRESSES[1], "dev", "nb", namespace=NEIGHBOUR)
    assert "router" in entries[0]  # or hosts would forget their default route


def test_neighbours_follow_an_address_that_comes_from_elsewhere(neighbour: None) -> None:
    router(MACS[1], addresses=[])
    link_local("nb", NEIGHBOUR)
    remember(MACS[0])
    router(MACS[1])
    assert followed(MACS[1]) == dict.fromkeys(ADDRESSES, MACS[1])
