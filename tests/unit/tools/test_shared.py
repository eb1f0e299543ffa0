# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of tests shared out over places."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from netvirt_testing import shared, suites
from netvirt_testing.report import Tally


@dataclass
class Program:
    """A place that runs a program in place of pytest."""

    name: str
    program: str
    ran: list[str] = field(default_factory=list)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, path: str, output: Any) -> subprocess.Popen[bytes]:
        self.ran.append(path)
        self.running.append(subprocess.Popen([sys.executable, "-c", self.program, path], stdout=output))
        return self.running[-1]

    def count(self, tally: Tally, status: int) -> None:
        if status:
            tally.fail(f"status {status}")
        else:
            tally.passed += 1


def test_a_place_that_is_busy_gets_no_more(capfd: pytest.CaptureFixture[str]) -> None:
    slow = Program("slow", "import time; print('slow', flush=True); time.sleep(3)")
    quick = Program("quick", "import sys; print('quick', sys.argv[1]); sys.exit(sys.argv[1] == 'd')")
    tally = Tally("unit")
    shared.run(tally, [slow, quick], ["a", "b", "c", "d"])
    assert (slow.ran, quick.ran) == (["a"], ["b", "c", "d"])
    assert str(tally) == "3 passed, 1 failed, 0 skipped"
    said = capfd.readouterr().out
    assert [line.split(",")[0] for line in said.splitlines() if line.startswith("--- ")][-1] == "--- a on slow"
    assert "\nquick c\n" in said


def test_an_interrupt_ends_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    place = Program("slow", "import time; time.sleep(60)")
    monkeypatch.setattr(shared.time, "sleep", interrupted)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        shared.run(Tally("unit"), [place], ["a"])
    assert time.monotonic() - began < 30
    assert place.running[0].returncode


def test_long_files_begin_first() -> None:
    paths = [f"tests/{name}.py" for name in ("test_a", "test_b", "test_c")]
    assert shared.order(paths, ["test_c", "test_gone", "test_b"]) == [paths[2], paths[1], paths[0]]


def test_every_file_that_is_said_to_be_slow_is_there() -> None:
    for group, names in (("functional", suites.SLOW_FUNCTIONAL), ("integration", suites.SLOW_INTEGRATION)):
        assert all(Path(suites.ROOT, "tests", group, f"{name}.py").is_file() for name in names)
