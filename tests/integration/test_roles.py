# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles of one network each: built, proven with packets, left alone, taken down, and that twice."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from netvirt_testing.guests import Guests, stand_ins, standing_in
from netvirt_testing.lab import Lab, PlayResult

OUTSIDE = "198.51.100.1"
EXTERNAL = {"interface": "eth2", "address": "203.0.113.30/24", "gateway": "203.0.113.1"}
VARIABLES: dict[str, dict[str, Any]] = {
    "isolated": {
        "name": "green",
        "vlan": 30,
        "cidr": "10.0.30.0/24",
        "dhcp": {"node": "network1", "range": ["10.0.30.100", "10.0.30.200"]},
    },
    "routed": {
        "name": "green",
        "vlan": 30,
        "cidr": "10.0.30.0/24",
        "gateway": "10.0.30.254",
        "node": "network1",
        "external": EXTERNAL,
    },
    "nat": {
        "name": "green",
        "vlan": 30,
        "cidr": "10.0.30.0/24",
        "gateway": "10.0.30.254",
        "dhcp": {"range": ["10.0.30.100", "10.0.30.200"]},
        "node": "network1",
        "external": EXTERNAL,
    },
    "bridged": {
        "name": "green",
        "vlan": 30,
        "uplink": {"interface": "eth2"},
        "underlay": None,
        "guests": [{"name": "vm7", "node": "compute1"}, {"name": "vm8", "node": "compute2"}],
    },
}
COMMON = {
    "underlay": {"type": "vxlan", "interface": "eth1"},
    "guests": [
        {"name": "vm7", "node": "compute1", "address": "10.0.30.7"},
        {"name": "vm8", "node": "compute2", "address": "10.0.30.8"},
    ],
}
Run = Callable[..., PlayResult]


def variables(mode: str) -> dict[str, Any]:
    given = {**COMMON, **VARIABLES[mode]}
    return {f"{mode}_{name}": value for name, value in given.items() if value is not None}


def served(mode: str) -> dict[str, Any]:
    """Return the network as guests see it: its subnet, and that it has a DHCP server."""
    return {"cidr": "203.0.113.0/24", "dhcp": {}, **VARIABLES[mode]}


@pytest.fixture
def play(lab: Lab, tmp_path: Path) -> Callable[[str], Run]:
    """Return a function that returns a function that runs the role of a mode."""

    def of_mode(mode: str) -> Run:
        path = tmp_path / f"{mode}.yml"
        tasks = {"hosts": "all:!localhost", "gather_facts": False, "roles": [f"netvirt.fabric.{mode}"]}
        path.write_text(json.dumps([{**tasks, "vars": variables(mode)}]), encoding="utf-8")
        return lambda *arguments: lab.playbook(path, *arguments)

    return of_mode


def state(lab: Lab) -> dict[str, list[str]]:
    """Return what is left on the nodes: bridges, namespaces, links, addresses of the underlay, nft, units."""
    found = {}
    for node in lab.nodes:
        links = {link["ifname"] for link in lab.json(node, ["ip", "-j", "link"])}
        found[node] = [
            lab.run(node, ["ovs-vsctl", "list-br"]).stdout,
            lab.run(node, ["ip", "netns", "list"]).stdout,
            *sorted(links - {"ovs-netdev", "ovs-system"}),
            lab.run(node, ["nft", "list", "ruleset"]).stdout,
            lab.run(node, ["find", "/etc/netvirt", "-type", "f"], check=False).stdout,
            *sorted(item["local"] for item in lab.json(node, ["ip", "-j", "address", "show", "eth1"])[0]["addr_info"]),
        ]
    return found


@contextmanager
def network(lab: Lab, run: Run, mode: str) -> Iterator[Guests]:
    """Have the network of a role, with stand-ins for its guests; it rests on its second run, and goes entirely."""
    before = state(lab)
    built = run()
    try:
        assert built.returncode == 0, built.output
        with standing_in(stand_ins(lab, built, [served(mode)])) as guests:
            yield guests
        again = run()
        assert (again.returncode, again.changed) == (0, []), again.output
    finally:
        gone = run("-e", f"{mode}_state=absent")
    assert gone.returncode == 0, gone.output
    assert state(lab) == before
    twice = run("-e", f"{mode}_state=absent")
    assert (twice.returncode, twice.changed) == (0, []), twice.output


def ping(lab: Lab, target: str) -> bool:
    return lab.upstream("ping", "-n", "-c", "3", "-W", "2", target).returncode == 0


def everybody(guests: Guests, guest: str) -> set[str]:
    """Return the addresses that answer a guest's echo request to all nodes of its link, its own ones left out."""
    own = guests.run(guest, "ip", "-j", "-6", "address", "show", "dev", "eth0")
    mine = {item["local"] for link in json.loads(own["stdout"]) for item in link["addr_info"]}
    answer = guests.run(guest, "ping", "-n", "-6", "-c", "3", "-W", "2", "ff02::1%eth0")
    words = [line.split() for line in answer["stdout"].splitlines() if "bytes from" in line]
    return {line[3].rstrip(":").split("%")[0] for line in words} - mine


def test_isolated_guests_reach_one_another_and_nothing_else(lab: Lab, play: Callable[[str], Run]) -> None:
    with network(lab, play("isolated"), "isolated") as guests:
        assert guests.address("vm7") == "10.0.30.7"
        assert guests.reaches("vm7", "10.0.30.8")
        # The other guest and the DHCP server, which is in a namespace of its own.
        expected = {link_local(lab, "compute2", "guest-vm8", "eth0"), link_local(lab, "network1", "dhcp-green", "")}
        assert everybody(guests, "vm7") == expected
        # The host, the other hosts and the world, even by a route that is right as far as the guest can tell.
        for target in (lab.hosts["compute1"]["lab_underlay_address"], lab.hosts["compute1"]["ansible_host"], OUTSIDE):
            guests.run("vm7", "ip", "route", "replace", target, "dev", "eth0")
            assert not guests.reaches("vm7", target)


def link_local(lab: Lab, node: str, namespace: str, name: str) -> str:
    """Return the link-local address of an interface, or of the only one in a namespace besides lo."""
    links = lab.json(node, ["ip", "-n", namespace, "-j", "-6", "address", "show", *(["dev", name] if name else [])])
    (found,) = [item["local"] for link in links for item in link["addr_info"] if item["scope"] == "link"]
    return str(found)


def test_routed_guests_are_reached_from_outside_under_their_own_addresses(lab: Lab, play: Callable[[str], Run]) -> None:
    with network(lab, play("routed"), "routed") as guests:
        assert guests.reaches("vm7", "10.0.30.8")
        assert not guests.reaches("vm7", OUTSIDE), "the outside has no route back yet"
        with lab.route_from_outside("10.0.30.0/24", "203.0.113.30"):
            assert ping(lab, "10.0.30.7")
            assert ping(lab, "10.0.30.8")
            assert guests.seen_as("vm7") == "10.0.30.7"
        assert not ping(lab, "10.0.30.7")


def test_nat_guests_reach_the_outside_by_the_routers_address(lab: Lab, play: Callable[[str], Run]) -> None:
    with network(lab, play("nat"), "nat") as guests:
        assert guests.reaches("vm7", "10.0.30.8")
        assert guests.seen_as("vm7") == "203.0.113.30"
        with lab.route_from_outside("10.0.30.0/24", "203.0.113.30"):
            assert not ping(lab, "10.0.30.7")


@contextmanager
def dhcp_server(lab: Lab, directory: Path) -> Iterator[None]:
    """Have a DHCP server on the physical segment, which the fabric knows nothing of."""
    if not shutil.which("dnsmasq"):
        pytest.skip("needs dnsmasq on this machine, for the upstream host of the lab")
    command = ["nsenter", f"--net=/run/netns/nvlab-{lab.name}-up", "--", "dnsmasq", "--keep-in-foreground"]
    command += ["--conf-file=/dev/null", "--port=0", "--interface=eth0", "--user=root", "--pid-file="]
    command += [f"--dhcp-leasefile={directory}/leases", "--dhcp-range=203.0.113.100,203.0.113.120,1h"]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.terminate()
        server.wait(10)


def test_bridged_guests_take_their_address_from_the_physical_segment(
    lab: Lab, play: Callable[[str], Run], tmp_path: Path
) -> None:
    with dhcp_server(lab, tmp_path), network(lab, play("bridged"), "bridged") as guests:
        found = {guest: guests.address(guest) for guest in ("vm7", "vm8")}
        for address in found.values():
            assert ip_address("203.0.113.100") <= ip_address(address) <= ip_address("203.0.113.120")
            assert ping(lab, address)
        assert guests.reaches("vm7", found["vm8"])
        assert guests.seen_as("vm7") == found["vm7"]


def test_a_limited_run_does_not_guess_who_belongs_to_the_network(lab: Lab, play: Callable[[str], Run]) -> None:
    before = state(lab)
    refused = play("isolated")("--limit", "compute1")
    assert refused.returncode != 0
    assert "isolated_hosts: is required with --limit" in refused.output
    assert state(lab) == before
