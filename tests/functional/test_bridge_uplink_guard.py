# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A move that carries the connection is undone unless it is confirmed, whatever is killed; any other is finished later.

The connection is one that only SSH_CONNECTION tells of: to the neighbour on the wire of the NIC.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import DATAPATH, apply, output
from killed import any_change, rotated, run_until
from uplink_node import BRIDGE, KEPT, PENDING, everything, moved, reached, uplink, wait_for_guard

from ansible_collections.netvirt.fabric.plugins.module_utils import _uplink_guard as guard
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, LockTimeout

POINTS = 5
MANY = 20  # changes of a move, at the least
ONE_RUN = f"import json, sys; sys.path[:0] = {sys.path!r}; from engine import apply; apply(json.loads(sys.argv[1]))"


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pretend that this process was started over the NIC."""
    monkeypatch.setenv("SSH_CONNECTION", "10.99.0.1 40000 10.99.0.2 22")
    yield
    wait_for_guard()


def guards() -> list[int]:
    """Return the processes that guard a move."""
    units = json.loads(output("systemctl", "list-units", "--output=json", "netvirt-uplink-*") or "[]")
    shown = [output("systemctl", "show", "--value", "--property=MainPID", unit["unit"]).strip() for unit in units]
    return [int(pid) for pid in shown if pid not in ("", "0")]


def token() -> str:
    return str(json.loads(PENDING.read_text().partition("\n")[2])["token"])


@pytest.mark.usefixtures("connection")
def test_confirmed(bridge: str) -> None:
    before = everything()
    for state, inside in (("present", True), ("absent", False)):
        options: dict[str, Any] = {"bridge": BRIDGE, "state": state}
        planned = apply([uplink(**options)], check=True)
        result = apply([uplink(**options)])
        assert result.operations == planned.operations
        assert result.operations[0]["action"].endswith(", guarded")
        assert result.unconfirmed == token()
        assert guard.confirm(result.unconfirmed)["phase"] == guard.CONFIRMED
        assert guard.confirm(result.unconfirmed)["phase"] == guard.CONFIRMED, "again is fine"
        wait_for_guard(5)
        assert moved() is inside
        assert reached("10.99.0.2")
    assert everything() == before


@pytest.mark.usefixtures("connection")
def test_not_confirmed(bridge: str) -> None:
    before = everything()
    result = apply([uplink(confirm_timeout=5)])
    assert moved()
    with pytest.raises(LockTimeout, match="a move of an uplink waits for more than 1 s to be confirmed"):
        apply([{"ovs_bridge": {"name": "nvtbr2"}}], lock_timeout=1)
    with pytest.raises(Conflict, match="no move has the token 'x'"):
        guard.confirm("x")
    wait_for_guard()
    assert everything() == before
    assert not KEPT.exists()
    end = guard.confirm(result.unconfirmed)
    assert (end["phase"], end["error"]) == ("reverted", "nobody confirmed it within 5 s")


@pytest.mark.usefixtures("connection")
def test_way_back_not_confirmed(bridge: str) -> None:
    guard.confirm(apply([uplink()]).unconfirmed)
    wait_for_guard(5)
    before = everything()
    apply([uplink(state="absent", confirm_timeout=5)])
    assert not moved()
    wait_for_guard()
    assert everything() == before
    assert KEPT.exists()
    guard.confirm(apply([uplink(state="absent")]).unconfirmed)


@pytest.mark.usefixtures("connection")
def test_guard_is_stopped(bridge: str) -> None:
    before = everything()
    apply([uplink(confirm_timeout=300)])
    output("systemctl", "stop", "netvirt-uplink-*")
    assert not PENDING.exists()
    assert everything() == before


@pytest.mark.usefixtures("connection")
def test_guard_is_killed_while_it_waits(bridge: str) -> None:
    before = everything()
    apply([uplink(confirm_timeout=5)])
    (process,) = guards()
    os.kill(process, signal.SIGKILL)
    wait_for_guard()
    assert everything() == before


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("bridge", ["openvswitch"], indirect=True)
def test_guard_of_an_earlier_move_leaves_a_later_one_alone(bridge: str) -> None:
    """As when it was killed before it began, and systemd starts it again."""
    moving = apply([uplink(confirm_timeout=300)])
    argv = [sys.executable, "-I", guard.PROGRAM, guard.REQUEST, "0" * 32]
    assert subprocess.run(argv, check=False, timeout=10).returncode == 0
    assert guard.confirm(moving.unconfirmed)["phase"] == guard.CONFIRMED
    wait_for_guard(5)
    assert moved()


@pytest.mark.usefixtures("connection")
def test_open_vswitch_stops_before_the_way_back(nic: None) -> None:
    output("ovs-vsctl", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, f"datapath_type={DATAPATH}")
    before = everything()
    apply([uplink(confirm_timeout=5)])
    output("systemctl", "stop", "openvswitch-switch", "ovs-vswitchd", "ovsdb-server")
    try:
        time.sleep(7)
        assert PENDING.exists()
    finally:
        output("systemctl", "start", "openvswitch-switch")
    wait_for_guard()
    assert everything() == before


def started(resources: list[Any]) -> subprocess.Popen[bytes]:
    """Start a run of its own, as a module would be started."""
    argv = [sys.executable, "-c", ONE_RUN, json.dumps(resources)]
    return subprocess.Popen(argv, cwd=Path(__file__).parent, stderr=subprocess.DEVNULL)


def duration(resources: list[Any]) -> float:
    """Return the seconds that an undisturbed run takes."""
    start = time.monotonic()
    assert started(resources).wait(timeout=120) == 0
    return time.monotonic() - start


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("bridge", ["openvswitch"], indirect=True)  # a point takes seconds
def test_run_is_killed_when_guarded(bridge: str) -> None:
    """SIGKILL at several points: when all has come to rest, everything is as it was before, and never half."""
    before = everything()
    wanted = [uplink(confirm_timeout=5)]
    length = duration(wanted)
    wait_for_guard()
    for point in range(POINTS):
        process = started(wanted)
        time.sleep(length * (point + 0.5) / POINTS)
        process.kill()
        process.wait(timeout=30)
        deadline = time.monotonic() + 60
        while guards():  # one that has just been started says nothing yet
            assert time.monotonic() < deadline
            time.sleep(0.1)
        wait_for_guard()
        assert everything() == before, f"point {point}"


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("bridge", ["openvswitch"], indirect=True)  # a point takes seconds
def test_guard_is_killed_while_it_moves(bridge: str) -> None:
    before = everything()
    for delay in (0, 0.2, 0.4):
        process = started([uplink(confirm_timeout=5)])
        deadline = time.monotonic() + 60
        while not guards() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(delay)
        for pid in guards():
            os.kill(pid, signal.SIGKILL)
        process.wait(timeout=120)
        wait_for_guard()
        assert everything() == before, f"after {delay} s"


def test_run_is_killed_when_not_guarded(bridge: str) -> None:
    """SIGKILL before each single change, or a quarter of them, there and back: the next run finishes the work."""
    before = everything()
    passed = [0, 0]
    for point in rotated(range(1, 1000)):  # There are fewer; the last run is not killed.
        for index, wanted in enumerate(([uplink()], [uplink(state="absent")])):
            passed[index] = run_until(point, functools.partial(apply, wanted), any_change)
            apply(wanted)
            assert moved() is (index == 0)
            assert apply(wanted).operations == []
        assert everything() == before, f"before change {point}"
        if 0 not in passed:
            break
    assert min(passed) > MANY
