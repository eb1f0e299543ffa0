# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The group ``nodes``: tests of kinds on other nodes than the group ``functional`` has.

One is of Debian 13, one has the newest libraries of PyPI. Each shows that what the collection asks of Open vSwitch,
pyroute2, ovsdbapp, nftables, dnsmasq and systemd is there.
"""

from __future__ import annotations

from netvirt_testing.lab import SUITE, lab_running
from netvirt_testing.report import Tally, say
from netvirt_testing.suites import Request, chosen, lab_name, pytest_inside

BY_LIBRARIES = ("ovs_bridge", "ovs_port_vlan", "ovs_tunnel", "ovs_db", "veth_pair", "ip_interface", "netns_router")
BY_PROGRAMS = ("ovs_flow", "nat_masquerade", "packet_filter", "dnsmasq_netns")
FILES = {"trixie": (*BY_LIBRARIES, *BY_PROGRAMS), "newest": BY_LIBRARIES}
SUITES = {"trixie": "trixie", "newest": SUITE}
LIBRARIES = {"newest": "newest"}


def run(tally: Tally, request: Request) -> None:
    """Run the tests in each of the nodes."""
    with lab_running(lab_name("testnodes"), dict.fromkeys(SUITES, "container"), request.keep_lab, SUITES) as lab:
        for node in SUITES:
            say(f"    {node}")
            files = [f"tests/functional/test_{name}.py" for name in FILES[node]]
            pytest_inside(tally, lab, node, chosen(request, *files), LIBRARIES.get(node, ""))
