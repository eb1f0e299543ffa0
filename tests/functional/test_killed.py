# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL at each of 100 points of an apply of a full network node, and at 30 of its removal, or at a quarter of them.

The next run finishes it, and nothing is lost. Its list is made of what is there, as the role makes it.

A point is a moment at which the run is about to call the system or a backend, or waits for a program that it started.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import Spec, output
from fabric_node import lose, nics, resources, run
from killed import rotated, run_until
from snapshot import NO_FILE, difference, snapshot

POINTS, PARTS = 100, 10
REMOVAL_POINTS = 30
LEASES = Path("/var/lib/netvirt/dnsmasq/blue/leases")
LEASE = "52:54:00:aa:bb:01 10.0.10.11 vm1"


def apply_until(point: int, listed: list[Spec], keep: bool) -> int:
    """Converge until a point, and return how many were passed; 0 if killed."""
    return run_until(point, lambda: run(listed, keep=keep))


@pytest.fixture(scope="module")
def node() -> Iterator[None]:
    """Have the NICs."""
    yield from nics()


@pytest.fixture(scope="module")
def whole(node: None) -> tuple[int, Any]:
    """Return how many points an undisturbed apply has, and what the node looks like after it."""
    return undisturbed(empty, "present", POINTS)


@pytest.fixture(scope="module")
def emptied(node: None) -> tuple[int, Any]:
    """Return how many points an undisturbed removal has, and what the node looks like after it."""
    return undisturbed(full, "absent", REMOVAL_POINTS)


def undisturbed(prepare: Callable[[], None], state: str, least: int) -> tuple[int, Any]:
    prepare()
    passed = apply_until(-1, resources(state), state == "present")
    assert passed > least
    assert finish(state, check=True) == []
    return passed, shape()


def finish(state: str, check: bool = False) -> list[Spec]:
    """Run, or say what a run would do, and return the operations."""
    return run(resources(state), check, keep=state == "present").operations


def full() -> None:
    """Have the network on the node."""
    empty()
    finish("present")


def empty() -> None:
    """Have a node with nothing on it but the leases of the network's guests."""
    lose()
    LEASES.parent.mkdir(parents=True, exist_ok=True)
    LEASES.write_text(f"{int(time.time()) + 86400} {LEASE} *\n", encoding="ascii")


def network() -> dict[str, Any]:
    """Return the state of the node but MAC addresses that the kernel draws, the leases and empty directories."""
    state = snapshot(anew=True)
    for links in (part for name, part in state.items() if name.startswith("links of")):
        for link in links:
            if not link["ifname"].startswith(("gw-", "ex-", "br-phy")):
                link.pop("address", None)
    state["files"] = {
        path: content
        for path, content in state["files"].items()
        if path != str(LEASES) and (not content.endswith(NO_FILE) or any(map(Path.is_file, Path(path).rglob("*"))))
    }
    return state


def services() -> list[tuple[bytes, str]]:
    """Return the command lines of dnsmasq processes, with what their unit is like."""
    state = output("systemctl", "show", "--property=ActiveState,UnitFileState,NeedDaemonReload", "netvirt-dnsmasq-blue")
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if line.startswith((b"dnsmasq", b"/usr/sbin/dnsmasq")):
            found.append((line, state))
    return found


def shape() -> dict[str, Any]:
    """Return what the node looks like, so that two runs that did the same are equal."""
    return {**network(), "services": services()}


def killed_near(prepare: Callable[[], None], state: str, point: int) -> int:
    """Kill a run at a point, or near its end when it waited less often than the first and was over; return which."""
    for _attempt in range(3):
        prepare()
        passed = apply_until(point, resources(state), state == "present")
        if not passed:
            return point
        point = passed * 99 // 100
    pytest.fail("the run was never killed")


@pytest.mark.parametrize("part", range(PARTS))
def test_next_run_finishes_what_was_killed(whole: tuple[int, Any], part: int) -> None:
    passed, expected = whole
    for index in rotated(range(part, POINTS, PARTS)):
        point = killed_near(empty, "present", 1 + index * (passed - 1) // (POINTS - 1))
        finish("present")
        assert finish("present", check=True) == []
        assert difference(expected, shape()) == {}, f"point {point} of {passed}"
        assert LEASE in LEASES.read_text(encoding="ascii")


def test_next_run_finishes_a_removal_that_was_killed(emptied: tuple[int, Any]) -> None:
    passed, expected = emptied
    for index in rotated(range(REMOVAL_POINTS)):
        point = killed_near(full, "absent", 1 + index * (passed - 1) // (REMOVAL_POINTS - 1))
        finish("absent")
        assert finish("absent", check=True) == []
        assert difference(expected, shape()) == {}, f"point {point} of {passed}"
