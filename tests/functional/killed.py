# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the engine that end by SIGKILL at a given point."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, TypeVar

Point = TypeVar("Point")
IsPoint = Callable[[FrameType, str, Any], bool]
SYSTEM_CALLS = {
    *("send", "sendto", "sendmsg", "write", "flush", "fsync", "replace", "unlink", "link", "mkdir", "rmdir", "open"),
    *("fchmod", "fchown", "fork_exec", "poll", "waitpid", "ioctl", "setns", "memfd_create", "close"),
}
CHANGES = {"_do", "set_link", "move_link", "write_sysctl", "commit", "remove"}  # of backends

QUARTERS = 4


def rotated(points: Sequence[Point]) -> list[Point]:
    """Return those points at which this run kills: NETVIRT_KILL_POINTS is ``all``, or the quarter of them from 0 to 3.

    Without it, the date chooses the quarter. ./test sets it, and says to what.
    """
    asked = os.environ.get("NETVIRT_KILL_POINTS") or str(int(time.time() // 86400) % QUARTERS)
    return list(points) if asked == "all" else list(points[int(asked) :: QUARTERS])


def any_call(frame: FrameType, event: str, argument: Any) -> bool:
    """Tell whether the run is about to call the system or a backend, or waits for a program that it started."""
    backend = event == "call" and "_backends" in frame.f_code.co_filename
    return backend or (event == "c_call" and getattr(argument, "__name__", "") in SYSTEM_CALLS)


def any_change(frame: FrameType, event: str, argument: Any) -> bool:
    """Tell whether the run is about to change links, addresses, routes, sysctls, Open vSwitch, nft or files."""
    code = frame.f_code
    return event == "call" and code.co_name in CHANGES and "_backends" in code.co_filename


class Counter:
    """Counts the points from the first operation of a run to its last, and ends the process at one of them."""

    def __init__(self, last: int, is_point: IsPoint) -> None:
        self.last = last
        self.is_point = is_point
        self.passed = itertools.count(1)
        self.seen = 0
        self.on = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.endswith("_engine.py"):
            self.on = self.on or code.co_name == "_apply"
            self.on = self.on and code.co_name != "_verify"
        if self.on and self.is_point(frame, event, argument):
            self.seen = next(self.passed)
            if self.seen == self.last:
                os.kill(os.getpid(), signal.SIGKILL)


def run_until(point: int, run: Callable[[], object], is_point: IsPoint = any_call) -> int:
    """Run in a process of its own, which is killed at a point, and return how many it passed; 0 if killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            counter = Counter(point, is_point)
            threading.setprofile(counter)
            sys.setprofile(counter)
            run()
            sys.setprofile(None)
            os.write(writer, str(counter.seen).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as answer:
        passed = int(answer.read() or 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (0 if passed else -signal.SIGKILL)
    return passed
