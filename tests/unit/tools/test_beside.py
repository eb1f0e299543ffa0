# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of tests that run beside others."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from netvirt_testing import __main__ as runner
from netvirt_testing.beside import Beside
from netvirt_testing.report import Tally, say
from netvirt_testing.suites import Request


def test_counts_and_output_of_both_halves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def count(tally: Tally, request: Request) -> None:
        tally.passed, tally.failed = 3, tally.name == "functional"

    monkeypatch.setattr(runner, "LOGS", tmp_path)
    names = ["lint", "functional", "integration", "molecule", "vm"]
    tallies = runner.run_all(dict.fromkeys(names, count), Request([]))
    assert [(tally.name, tally.passed, tally.failed) for tally in tallies] == [
        ("lint", 3, 0),
        ("functional", 3, 1),
        ("integration", 3, 0),
        ("molecule", 3, 0),
        ("vm", 3, 0),
    ]
    said = [line for line in capfd.readouterr().out.splitlines() if line.startswith("==> ")]
    assert said[1:] == ["==> lint", "==> integration", "==> functional", "==> molecule", "==> vm"]


def test_a_group_that_did_not_end_is_a_failure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def die() -> list[Tally]:
        say("the last words")
        os.kill(os.getpid(), signal.SIGKILL)
        return []

    tallies = Beside(["unit", "sanity"], die, tmp_path / "log").finish()
    assert [(tally.name, tally.failed) for tally in tallies] == [("unit", 1), ("sanity", 1)]
    said = capfd.readouterr().out
    assert "the last words\n" in said
    assert "FAILED unit: it has not run; the process beside ended with status -9" in said


def test_who_is_beside_is_interrupted_too(tmp_path: Path) -> None:
    def wait() -> list[Tally]:
        signal.signal(signal.SIGTERM, runner.interrupt)
        try:
            (tmp_path / "ready").touch()
            time.sleep(60)
        except KeyboardInterrupt:
            return [Tally("unit", failed=1)]
        return []

    beside = Beside(["unit"], wait, tmp_path / "log")
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    with pytest.raises(KeyboardInterrupt):
        runner.interrupt(signal.SIGTERM, None)
    assert beside.finish() == [Tally("unit", failed=1)]


def test_counts_may_be_longer_than_a_pipe_holds(tmp_path: Path) -> None:
    durations = [(1.0, f"tests/functional/test_some.py::test_{number}") for number in range(10_000)]
    beside = Beside(["unit"], lambda: [Tally("unit", durations=durations)], tmp_path / "log")
    never = threading.Timer(20, beside.process.kill)
    never.start()
    assert beside.finish() == [Tally("unit", durations=durations)]
    never.cancel()
