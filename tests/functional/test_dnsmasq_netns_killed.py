# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnsmasq_netns: a run that is killed at any moment is finished by the next one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from dhcp_lab import CLIENT_MAC, NAME, OPTIONS, UNIT, converge, lease, leases, network
from dhcp_lab import instance as dhcp_instance
from engine import Object
from killed import rotated

instance = pytest.fixture(dhcp_instance)
lab = pytest.fixture(scope="module", autouse=True)(network)

POINTS = 8
PROGRAM = """
import json, sys
sys.path[:0] = json.loads(sys.argv[2])
from dhcp_lab import converge
print("ready", flush=True)
sys.stdin.readline()
converge(**json.loads(sys.argv[1]))
"""


def run_and_kill(options: dict[str, Any], after: float | None) -> float:
    """Start a run, kill it after that many seconds unless it has ended, and return how long it took."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(options), json.dumps(sys.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        began = time.monotonic()
        process.stdin.write("go\n")
        process.stdin.flush()
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        return time.monotonic() - began


def leftovers() -> list[Path]:
    places = [Path("/etc/systemd/system"), Path(f"/etc/netvirt/dnsmasq/{NAME}")]
    return [path for place in places for path in place.glob(".*.netvirt")]


@pytest.mark.parametrize("change", [{"router": "10.98.0.254"}, {"domain": "red.example"}], ids=["reload", "restart"])
def test_next_run_finishes_a_change(instance: Object, change: dict[str, Any]) -> None:
    instance.present(**OPTIONS)
    lease()
    whole = run_and_kill({**OPTIONS, **change}, None)
    for point in rotated(range(POINTS)):
        converge(**OPTIONS, router="", domain="")
        run_and_kill({**OPTIONS, **change}, whole * (point + 0.5) / POINTS)
        converge(**OPTIONS, **change)
        assert converge(**OPTIONS, **change).operations == []
        assert leftovers() == []
        assert CLIENT_MAC in leases()
        got = lease()
        assert {key: got.get(key) for key in change} == change


def test_next_run_finishes_a_removal_and_a_creation(instance: Object) -> None:
    whole = run_and_kill(OPTIONS, None)
    for point in rotated(range(POINTS)):
        run_and_kill({"state": "absent"}, whole * (point + 0.5) / POINTS)
        converge(state="absent")
        assert converge(state="absent").operations == []
        assert leftovers() == []
        assert not Path(f"/etc/systemd/system/{UNIT}").exists()
        run_and_kill(OPTIONS, whole * (point + 0.5) / POINTS)
        converge(**OPTIONS)
        assert converge(**OPTIONS).operations == []
        assert leftovers() == []
        assert lease()["ip"] == "10.98.0.7"
