# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample NAT network on two nodes of either kind, the router beside a guest, with stand-ins for the guests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from netvirt_testing.guests import Guests, stand_ins, standing_in
from netvirt_testing.lab import Lab, PlayResult
from netvirt_testing.paths import ROOT
from netvirt_testing.reboot import reboot

NODES = ("compute1", "compute2")
OUTSIDE = "198.51.100.1"
pytestmark = pytest.mark.vm
Play = Callable[..., PlayResult]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document of the example, with the router on the first of the two nodes."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples/nat/fabric.yml").read_text(encoding="utf-8"))
    found["fabric_routers"][0]["node"] = NODES[0]
    return found


@pytest.fixture(scope="module")
def play(lab: Lab, document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Bring the nodes to a state of the fabric; at the end what was made goes without a trace."""
    path = tmp_path_factory.mktemp("nat") / "network.yml"
    play = {"hosts": ",".join(NODES), "gather_facts": False, "vars": document}

    def run(state: str, *roles: str) -> PlayResult:
        path.write_text(json.dumps([{**play, "roles": [*roles, "netvirt.fabric.fabric"]}]), encoding="utf-8")
        result = lab.playbook(path, "-e", f"fabric_state={state}")
        assert result.returncode == 0, result.output
        return result

    yield run
    run("absent")
    for node in NODES:
        assert lab.run(node, ["ovs-vsctl", "list-br"]).stdout == ""
        assert lab.run(node, ["ip", "netns", "list"]).stdout == ""
        assert lab.run(node, ["pgrep", "dnsmasq"], check=False).stdout == ""


@pytest.fixture(scope="module")
def guests(lab: Lab, document: dict[str, Any], play: Play) -> Iterator[Guests]:
    built = play("present", "netvirt.fabric.hypervisor")
    with standing_in(stand_ins(lab, built, document["fabric_networks"])) as present:
        yield present


def test_the_datapath_is_the_kernels_where_there_is_one(lab: Lab, guests: Guests) -> None:
    for node in NODES:
        assert lab.uses_best_datapath(node)


def test_guests_have_their_leases(guests: Guests) -> None:
    assert [guests.address(name) for name in ("vm1", "vm2")] == ["10.0.10.11", "10.0.10.12"]
    for name in ("vm1", "vm2"):
        assert guests.run(name, "ip", "route", "show", "default")["stdout"].split()[2] == "10.0.10.254"
        (link,) = json.loads(guests.run(name, "ip", "-j", "link", "show", "eth0")["stdout"])
        assert link["mtu"] == 1446


def test_guests_reach_one_another_and_the_gateway(guests: Guests) -> None:
    for target in ("10.0.10.12", "10.0.10.254"):
        assert guests.reaches("vm1", target)


def test_upstream_sees_the_routers_address_and_reaches_no_guest(lab: Lab, guests: Guests) -> None:
    assert {guests.seen_as(name) for name in ("vm1", "vm2")} == {"203.0.113.10"}
    with lab.route_from_outside("10.0.10.0/24", "203.0.113.10"):
        assert lab.upstream("ping", "-n", "-c", "2", "-W", "2", "203.0.113.10").returncode == 0
        for address in ("10.0.10.11", "10.0.10.12"):
            assert lab.upstream("ping", "-n", "-c", "2", "-W", "2", address).returncode != 0


def test_a_rebooted_node_needs_no_run_and_a_run_changes_nothing(lab: Lab, play: Play, guests: Guests) -> None:
    """The node of the router comes back by itself; only the stand-in for its guest is made again by the test."""
    assert reboot(lab, NODES[0]) == "active"
    Guests(lab, {NODES[0]: guests.compiled[NODES[0]]}).up()
    assert guests.reaches("vm1", "10.0.10.12")
    assert {guests.seen_as(name) for name in ("vm1", "vm2")} == {"203.0.113.10"}
    assert lab.uses_best_datapath(NODES[0])
    assert play("present").changed == []
