# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router with NAT and DHCP as one list: made, repaired and removed in one run each."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dhcp_lab import CLIENT, CLIENT_MAC, NAME, UNIT, inside, lease, leases, main_pid, show
from engine import apply, output

ROUTER = "nvtr1"
RESOURCES: list[dict[str, Any]] = [  # services first: the order of the list says nothing
    {
        "dnsmasq_netns": {
            "name": NAME,
            "namespace": ROUTER,
            "interface": "leg",
            "ranges": [{"start": "10.98.0.100", "end": "10.98.0.150"}],
            "hosts": [{"mac": CLIENT_MAC, "address": "10.98.0.7"}],
            "router": "10.98.0.1",
        }
    },
    {"nat_masquerade": {"namespace": ROUTER, "sources": ["10.98.0.0/24"], "out_interface": "ext", "inbound": "drop"}},
    {
        "netns_router": {
            "name": ROUTER,
            "interfaces": [{"name": "leg", "addresses": ["10.98.0.1/24"]}],
            "ip_forward": True,
        }
    },
    {"veth_pair": {"name": "leg", "namespace": ROUTER, "peer": {"name": "c0", "namespace": CLIENT}}},
]


def absent(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    identity = ("name", "namespace")
    return [
        {kind: {**{key: options[key] for key in identity if key in options}, "state": "absent"}}
        for entry in resources
        for kind, options in entry.items()
        if kind in ("veth_pair", "nat_masquerade", "netns_router", "dnsmasq_netns")
    ]


def run(resources: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Converge; what check mode announces must be done, and a second run must do nothing."""
    planned = apply(resources, check=True).operations
    assert apply(resources).operations == planned
    assert apply(resources).operations == []
    return [(item["kind"], item["action"]) for item in planned]


@pytest.fixture
def client() -> Iterator[None]:
    try:
        output("ip", "netns", "add", CLIENT)
        yield
    finally:
        for command in (["systemctl", "stop", UNIT], ["ip", "netns", "del", ROUTER], ["ip", "netns", "del", CLIENT]):
            subprocess.run(command, capture_output=True, check=False)
        apply([{"dnsmasq_netns": {"name": NAME, "state": "absent"}}])


def client_gets_its_lease() -> bool:
    inside(CLIENT, "ip", "link", "set", "c0", "address", CLIENT_MAC)
    inside(CLIENT, "ip", "link", "set", "c0", "up")
    return lease().get("ip") == "10.98.0.7"


def test_made_repaired_and_removed(client: None) -> None:
    run(RESOURCES)
    assert client_gets_its_lease()
    held, pid = leases(), main_pid()

    output("ip", "-n", CLIENT, "link", "delete", "c0")
    assert ("dnsmasq_netns", "restart") in run(RESOURCES)
    assert main_pid() != pid
    assert client_gets_its_lease()

    inside(ROUTER, "nft", "delete", "table", "inet", "netvirt_nat")
    assert run(RESOURCES) == [("nat_masquerade", "create")]

    output("ip", "netns", "delete", ROUTER)
    actions = run(RESOURCES)
    assert ("nat_masquerade", "create") in actions
    assert ("dnsmasq_netns", "restart") in actions
    assert leases().split()[1:3] == held.split()[1:3]
    assert client_gets_its_lease()

    output("systemctl", "stop", UNIT)  # as after a boot: no namespace, no service
    output("ip", "netns", "delete", ROUTER)
    while "c0" in inside(CLIENT, "ip", "-o", "link"):  # the kernel takes its time to end a namespace
        time.sleep(0.05)
    assert ("dnsmasq_netns", "start") in run(RESOURCES)
    assert client_gets_its_lease()

    run(absent(RESOURCES))
    assert show("LoadState") == "not-found"
    assert not Path(f"/run/netns/{ROUTER}").exists()
    assert not Path(f"/etc/netvirt/dnsmasq/{NAME}").exists()
