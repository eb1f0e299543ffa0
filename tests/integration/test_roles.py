# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles of one network each: built, proven with packets, taken down, and that twice.

That a second run changes nothing is shown by the scenarios of extensions/molecule, with the same networks.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml

from netvirt_testing.guests import Guests, stand_ins, standing_in
from netvirt_testing.lab import Lab, PlayResult
from netvirt_testing.paths import ROOT

OUTSIDE = "198.51.100.1"
Run = Callable[..., PlayResult]


def example(mode: str) -> dict[str, Any]:
    """Return the play in the role's README."""
    page = (ROOT / f"roles/{mode}/README.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (play,) = yaml.safe_load(text)
    return dict(play)


def served(mode: str) -> dict[str, Any]:
    """Return the network as guests see it: its subnet, and whether it has a DHCP server."""
    given = example(mode)["roles"][0]["vars"]
    network = {key: given[f"{mode}_{key}"] for key in ("name", "cidr", "dhcp") if f"{mode}_{key}" in given}
    return {**({"cidr": "203.0.113.0/24", "dhcp": {}} if mode == "bridged" else {}), **network}


@pytest.fixture
def play(lab: Lab, tmp_path: Path) -> Callable[[str], Run]:
    """Return a function that returns a function that plays a role's README, less the guests themselves."""

    def of_mode(mode: str) -> Run:
        path = tmp_path / f"{mode}.yml"
        network, guests = example(mode)["roles"]
        assert guests == {"role": "netvirt.fabric.guest"}
        path.write_text(json.dumps([{**example(mode), "roles": [network]}]), encoding="utf-8")
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
    """Have the network of a role, with stand-ins for its guests; it goes entirely."""
    before = state(lab)
    built = run()
    try:
        assert built.returncode == 0, built.output
        with standing_in(stand_ins(lab, built, [served(mode)])) as guests:
            yield guests
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
        assert guests.address("vm1") == "10.0.20.11"
        assert guests.reaches("vm1", "10.0.20.12")
        # Not the DHCP server, which is in a namespace of its own and has no IPv6 there.
        assert everybody(guests, "vm1") == {link_local(lab, "compute2", "guest-vm2", "eth0")}
        # The host, the other hosts and the world, even by a route that is right as far as the guest can tell.
        for target in (lab.hosts["compute1"]["lab_underlay_address"], lab.hosts["compute1"]["ansible_host"], OUTSIDE):
            guests.run("vm1", "ip", "route", "replace", target, "dev", "eth0")
            assert not guests.reaches("vm1", target)


def link_local(lab: Lab, node: str, namespace: str, name: str) -> str:
    """Return the link-local address of an interface in a namespace."""
    links = lab.json(node, ["ip", "-n", namespace, "-j", "-6", "address", "show", "dev", name])
    (found,) = [item["local"] for link in links for item in link["addr_info"] if item["scope"] == "link"]
    return str(found)


def test_routed_guests_are_reached_from_outside_under_their_own_addresses(lab: Lab, play: Callable[[str], Run]) -> None:
    with network(lab, play("routed"), "routed") as guests:
        assert guests.reaches("vm1", "192.0.2.12")
        assert not guests.reaches("vm1", OUTSIDE), "the outside has no route back yet"
        with lab.route_from_outside("192.0.2.0/25", "203.0.113.10"):
            assert ping(lab, "192.0.2.11")
            assert ping(lab, "192.0.2.12")
            assert guests.seen_as("vm1") == "192.0.2.11"
        assert not ping(lab, "192.0.2.11")


def test_nat_guests_reach_the_outside_by_the_routers_address(lab: Lab, play: Callable[[str], Run]) -> None:
    with network(lab, play("nat"), "nat") as guests:
        assert guests.reaches("vm1", "10.0.10.12")
        assert guests.seen_as("vm1") == "203.0.113.10"
        with lab.route_from_outside("10.0.10.0/24", "203.0.113.10"):
            assert not ping(lab, "10.0.10.11")


@contextmanager
def dhcp_server(lab: Lab) -> Iterator[None]:
    """Have a DHCP server on the physical segment, which the fabric knows nothing of: the dnsmasq that the nodes have.

    It writes nothing, since what it is in is what all nodes have at their start.
    """
    machine = json.loads((lab.inventory.parent / "nodes/network1/machine.json").read_text(encoding="utf-8"))
    command = ["nsenter", f"--net=/run/netns/nvlab-{lab.name}-up", "--", "chroot", machine["root"], "dnsmasq"]
    command += ["--keep-in-foreground", "--conf-file=", "--port=0", "--interface=eth0", "--user=root", "--pid-file="]
    command += ["--leasefile-ro", "--dhcp-range=203.0.113.100,203.0.113.120,1h"]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.terminate()
        server.wait(10)


def test_bridged_guests_take_their_address_from_the_physical_segment(lab: Lab, play: Callable[[str], Run]) -> None:
    with dhcp_server(lab), network(lab, play("bridged"), "bridged") as guests:
        found = {guest: guests.address(guest) for guest in ("vm1", "vm2")}
        for address in found.values():
            assert ip_address("203.0.113.100") <= ip_address(address) <= ip_address("203.0.113.120")
            assert ping(lab, address)
        assert guests.reaches("vm1", found["vm2"])
        assert guests.seen_as("vm1") == found["vm1"]


def test_a_limited_run_does_not_guess_who_belongs_to_the_network(lab: Lab, play: Callable[[str], Run]) -> None:
    before = state(lab)
    refused = play("isolated")("--limit", "compute1")
    assert refused.returncode != 0
    assert "isolated_hosts: is required with --limit" in refused.output
    assert state(lab) == before
