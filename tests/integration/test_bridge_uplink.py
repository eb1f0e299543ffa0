# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""bridge_uplink moves the link that Ansible itself comes over, and a move that cuts the node off undoes itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from netvirt_testing.lab import Lab, LabError
from netvirt_testing.paths import environment

NODES = ("compute1",)
NODE, NIC, BRIDGE = NODES[0], "eth0", "br-mgmt"
PENDING = "/run/netvirt/uplink.json"
PER_SECOND = 10
FEW = 30  # three seconds: an emulated machine's switch needs about one to learn its ports
KILLED_AFTER = (2.0, 3.0, 4.0, 6.0)  # seconds: before the module starts, while it moves, while it is confirmed


def switch(lab: Lab, sort: str) -> dict[str, Any]:
    """Return the resource of a bridge."""
    if sort == "linux":
        return {"linux_bridge": {"name": BRIDGE}}
    return {"ovs_bridge": {"name": BRIDGE, "datapath_type": "system" if lab.is_vm(NODE) else "netdev"}}


def gone(resource: dict[str, Any]) -> dict[str, Any]:
    ((kind, _options),) = resource.items()
    return {kind: {"name": BRIDGE, "state": "absent"}}


def uplink(**options: Any) -> dict[str, Any]:
    return {"bridge_uplink": {"name": NIC, **options}}


def apply(lab: Lab, *resources: dict[str, Any]) -> dict[str, Any]:
    return lab.module(NODE, "apply", {"resources": list(resources), "timeout": 30})


def places(lab: Lab) -> dict[str, list[str]]:
    """Return the addresses of NIC and bridge, and the interface of the default route, if there is one."""
    listed = lab.json(NODE, ["ip", "-j", "address"])
    found = {
        item["ifname"]: sorted(entry["local"] for entry in item["addr_info"] if entry["scope"] == "global")
        for item in listed
        if item["ifname"] in (NIC, BRIDGE)
    }
    routes = lab.json(NODE, ["ip", "-j", "route"])
    found["routes"] = sorted(f"{route['dst']} {route['dev']}" for route in routes if route["dev"] in (NIC, BRIDGE))
    return found


@contextmanager
def pinged(lab: Lab) -> Iterator[list[int]]:
    """Ping the node's management address meanwhile; the list then has the number of pings that were lost."""
    argv = ["ping", "-n", "-q", "-i", str(1 / PER_SECOND), "-w", "600", lab.hosts[NODE]["ansible_host"]]
    lost: list[int] = []
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield lost
        finally:
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=30)[0]
    sent, received = map(int, re.findall(r"(\d+) packets transmitted, (\d+) received", said)[0])
    lost.append(sent - received)


def settled(lab: Lab) -> dict[str, list[str]]:
    """Return where everything is once no run and no move is under way."""
    deadline = time.monotonic() + 120
    under_way = [
        "flock",
        "--wait=10",
        "--conflict-exit-code=9",
        "/run/netvirt/lock",
        "test",
        "-e",
        PENDING,
    ]  # a run holds the lock until it has moved
    found: list[dict[str, list[str]]] = []
    while time.monotonic() < deadline:
        try:
            if lab.run(NODE, under_way, check=False, timeout=20).returncode == 1:
                found = [*found[-1:], places(lab)]
                if len(found) == 2 and found[0] == found[1]:
                    return found[1]
        except (LabError, subprocess.TimeoutExpired):
            pass
        time.sleep(0.5)
    raise AssertionError("the node was not reached again, or the move did not end")


@pytest.fixture(params=["openvswitch", "linux"])
def bridge(lab: Lab, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Return the resource of a bridge, which goes with the test."""
    resource = switch(lab, request.param)
    yield resource
    settled(lab)
    result = apply(lab, uplink(state="absent"))
    assert not result["failed"], result
    result = apply(lab, gone(resource))
    assert not result["failed"], result


def test_the_management_link_moves_there_and_back(
    lab: Lab, bridge: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    before = places(lab)
    wanted = [bridge, uplink(bridge=BRIDGE)]
    with pinged(lab) as lost:
        result = apply(lab, *wanted)
    assert not result["failed"], result
    assert any(operation["action"] == "move, guarded" for operation in result["operations"])
    there = places(lab)
    assert there[BRIDGE] == before[NIC]
    assert there[NIC] == []
    assert there["routes"] == [route.replace(NIC, BRIDGE) for route in before["routes"]]
    assert not apply(lab, *wanted)["changed"]
    with pinged(lab) as lost_back:
        result = apply(lab, bridge, uplink(state="absent"))
    assert not result["failed"], result
    after = places(lab)
    assert (after[NIC], after["routes"]) == (before[NIC], before["routes"])
    record_property(f"pings lost at {PER_SECOND}/s, there and back", [lost[0], lost_back[0]])
    assert lost[0] <= FEW
    assert lost_back[0] <= FEW


def test_a_wrong_vlan_undoes_itself_and_the_play_says_so(lab: Lab) -> None:
    bridge = switch(lab, "openvswitch")
    before = places(lab)
    result = apply(lab, bridge, uplink(bridge=BRIDGE, vlan=99, confirm_timeout=10))
    assert result["failed"]
    assert not result["changed"]
    assert f"after the move of {NIC} (bridge {BRIDGE}) the node could not be reached in time" in result["msg"]
    assert "it has undone the move by itself" in result["msg"]
    after = settled(lab)
    assert (after[NIC], after["routes"]) == (before[NIC], before["routes"])
    ports = lab.run(NODE, ["ovs-vsctl", "list-ports", BRIDGE]).stdout.split()
    assert NIC not in ports
    assert not apply(lab, gone(bridge))["failed"]


@pytest.mark.parametrize("bridge", ["openvswitch"], indirect=True)  # a moment takes ten seconds
def test_a_killed_session_leaves_nothing_half(lab: Lab, bridge: dict[str, Any]) -> None:
    before = places(lab)
    options = {"resources": [bridge, uplink(bridge=BRIDGE, confirm_timeout=5)], "timeout": 30}
    command = ["ansible", "-i", str(lab.inventory), NODE, "-m", "netvirt.fabric.apply", "-a", json.dumps(options)]
    for seconds in KILLED_AFTER:
        with subprocess.Popen(
            command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            time.sleep(seconds)
            kill_session(lab)
            os.killpg(process.pid, signal.SIGKILL)
        found = settled(lab)
        there = (found.get(BRIDGE), found[NIC], [route.replace(BRIDGE, NIC) for route in found["routes"]])
        assert there in (
            (before[NIC], [], before["routes"]),
            ([], before[NIC], before["routes"]),
            (None, before[NIC], before["routes"]),
        ), f"killed after {seconds} s"
        back = apply(lab, uplink(state="absent"))
        assert not back["failed"], back


def kill_session(lab: Lab) -> None:
    """Kill the SSH client that keeps Ansible's connection, if there is one."""
    command = lab.ssh(NODE)
    said = subprocess.run([*command[:-1], "-O", "check", command[-1]], capture_output=True, text=True, check=False)
    master = re.search(r"pid=(\d+)", said.stderr)
    if master:
        os.kill(int(master[1]), signal.SIGKILL)
