# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts of tests and how they are told."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Tally:
    """The outcome of one group of tests."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    skips: list[str] = field(default_factory=list)
    interrupted: bool = False

    def skip(self, reason: str) -> None:
        """Count one skipped test; the reason names the capability that is missing."""
        self.skipped += 1
        self.skips.append(reason)

    def fail(self, message: str) -> None:
        """Count one failed test and say why."""
        self.failed += 1
        say(f"FAILED {self.name}: {message}")

    def add_junit(self, path: Path) -> None:
        """Add the test cases of a JUnit report."""
        for case in ET.parse(path).getroot().iter("testcase"):
            if (skipped := case.find("skipped")) is not None:
                self.skip(f"{case.get('classname')}::{case.get('name')}: {skipped.get('message')}")
            elif case.find("failure") is not None or case.find("error") is not None:
                self.failed += 1
            else:
                self.passed += 1

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def say(line: str) -> None:
    """Print a line at once, so that it stays in order with the output of the tools."""
    print(line, flush=True)


@contextmanager
def timed(tally: Tally) -> Iterator[Tally]:
    """Announce a group, run it, tell its counts and its time."""
    say(f"==> {tally.name}")
    start = time.monotonic()
    try:
        yield tally
    finally:
        tally.seconds = time.monotonic() - start
        say(f"    {tally.name}: {tally} ({tally.seconds:.1f} s)")


def summary(tallies: list[Tally]) -> Tally:
    """Print the table of groups, the reasons of skips and the closing line; return the sum."""
    total = Tally("total")
    say(f"\n{'group':<14}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for tally in tallies:
        say(f"{tally.name:<14}{tally.passed:>8}{tally.failed:>8}{tally.skipped:>9}{tally.seconds:>9.1f}")
        total.passed += tally.passed
        total.failed += tally.failed
        total.skipped += tally.skipped
    for reason in (reason for tally in tallies for reason in tally.skips):
        say(f"skipped: {reason}")
    say(f"\n{total}")
    return total
