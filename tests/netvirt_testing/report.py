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

from netvirt_testing.paths import ROOT

# More of them fail the run: so many are hardly bad luck.
MOST_UNSTABLE = 3


@dataclass
class Tally:
    """The outcome of one group of tests."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    skips: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """The failed tests that can be run again, by name; a crash, or what a linter found, is not among them."""
    unstable: list[str] = field(default_factory=list)
    """The tests that failed and passed when run again. They count as passed."""
    interrupted: bool = False
    durations: list[tuple[float, str]] = field(default_factory=list)
    """How many seconds each test took, by name."""

    def skip(self, reason: str) -> None:
        """Count one skipped test; the reason names the capability that is missing."""
        self.skipped += 1
        self.skips.append(reason)

    def fail(self, message: str) -> None:
        """Count one failed test and say why."""
        self.failed += 1
        say(f"FAILED {self.name}: {message}")

    def fail_test(self, name: str) -> None:
        """Count a failed test that can be run again; one that fails in its body and in its clean-up counts once."""
        if name not in self.failures:
            self.failures.append(name)
            self.failed += 1

    def passed_again(self, name: str) -> None:
        """Count a failed test as passed after all, and as unstable."""
        self.failures.remove(name)
        self.unstable.append(name)
        self.failed -= 1
        self.passed += 1

    def add_junit(self, path: Path) -> None:
        """Add the test cases of a JUnit report."""
        for case in ET.parse(path).getroot().iter("testcase"):
            name = node_id(case) or f"{case.get('classname')}::{case.get('name')}"
            self.durations.append((float(case.get("time", 0)), name))
            if (skipped := case.find("skipped")) is not None:
                self.skip(f"{case.get('classname')}::{case.get('name')}: {skipped.get('message')}")
            elif case.find("failure") is not None or case.find("error") is not None:
                self._failed_case(case)
            else:
                self.passed += 1

    def _failed_case(self, case: ET.Element) -> None:
        if name := node_id(case):
            self.fail_test(name)
        else:
            self.failed += 1

    def told(self) -> str:
        """Return the group's closing line: its counts, the unstable tests, its time."""
        unstable = "".join(f"; unstable: {name}" for name in self.unstable)
        return f"    {self.name}: {self}{unstable} ({self.seconds:.1f} s)"

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def node_id(case: ET.Element) -> str | None:
    """Return the name by which pytest runs a test case again; None for a file that could not be collected."""
    words = case.get("classname", "").split(".")
    for count in range(len(words), 0, -1):
        path = "/".join(words[:count]) + ".py"
        if (ROOT / path).is_file():
            return "::".join([path, *words[count:], case.get("name", "")])
    return None


def write_durations(tallies: list[Tally], path: Path) -> None:
    """Write down how long files and single tests took, the longest first."""
    tests = sorted((test for tally in tallies for test in tally.durations), reverse=True)
    files: dict[str, float] = {}
    for seconds, name in tests:
        file = name.partition("::")[0]
        files[file] = files.get(file, 0.0) + seconds
    lines = [*sorted(((seconds, name) for name, seconds in files.items()), reverse=True), *tests]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{seconds:8.1f} {name}\n" for seconds, name in lines), encoding="utf-8")


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
        say(tally.told())


def summary(tallies: list[Tally]) -> Tally:
    """Print the table of groups, the reasons of skips and the closing line; return the sum."""
    total = Tally("total")
    say(f"\n{'group':<14}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for tally in tallies:
        say(f"{tally.name:<14}{tally.passed:>8}{tally.failed:>8}{tally.skipped:>9}{tally.seconds:>9.1f}")
        total.passed += tally.passed
        total.failed += tally.failed
        total.skipped += tally.skipped
        total.unstable += tally.unstable
    for reason in (reason for tally in tallies for reason in tally.skips):
        say(f"skipped: {reason}")
    if len(total.unstable) > MOST_UNSTABLE:
        total.fail(f"{len(total.unstable)} tests are unstable, more than {MOST_UNSTABLE}")
    for name in total.unstable:
        say(f"unstable: {name}")
    say(f"\n{total}")
    return total
