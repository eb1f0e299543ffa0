# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed tests run once more, alone, at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from netvirt_testing import again, suites
from netvirt_testing.lab import LabError
from netvirt_testing.report import Tally
from netvirt_testing.suites import Request


@dataclass
class Group:
    """A group whose tests fail in their first run, and in the second if they are said to."""

    bad: tuple[str, ...] = ()
    asked: list[Request] = field(default_factory=list)

    def __call__(self, tally: Tally, request: Request) -> None:
        self.asked.append(request)
        if request.again == "no lab":
            raise LabError("there is none")
        if request.again == "ctrl-c":
            raise KeyboardInterrupt
        if request.again == "skipped":
            tally.skip("needs another machine")
        elif request.again in self.bad:
            tally.fail_test(request.again)
        else:
            tally.passed += 1


def failed(name: str, *tests: str) -> Tally:
    tally = Tally(name, passed=2)
    for test in tests:
        tally.fail_test(test)
    return tally


def test_what_passes_alone_is_unstable_and_the_rest_failed() -> None:
    group, other = Group(bad=("b",)), Group()
    tallies = [failed("unit", "a", "b", "skipped", "no lab"), failed("fleet", "c"), failed("lint")]
    again.run(
        tallies, {"unit": group, "fleet": other, "lint": Group()}, Request(["-x", "tests/unit/test_some.py"], True)
    )
    assert [(str(tally), tally.unstable) for tally in tallies] == [
        ("3 passed, 3 failed, 0 skipped", ["a"]),
        ("3 passed, 0 failed, 0 skipped", ["c"]),
        ("2 passed, 0 failed, 0 skipped", []),
    ]
    assert [request.again for request in group.asked] == ["a", "b", "skipped", "no lab"]  # one by one
    assert all(request.keep_lab for request in group.asked)


def test_the_closing_line_of_the_group_is_told_anew(capsys: pytest.CaptureFixture[str]) -> None:
    again.run([failed("unit", "a")], {"unit": Group()}, Request([]))
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "==> again: unit a"
    assert said[1].startswith("    unit: 3 passed, 0 failed, 0 skipped; unstable: a (")


def test_a_crash_or_an_interrupt_is_final() -> None:
    group = Group()
    crashed = failed("unit", "a")
    crashed.fail("pytest ended with status 3")
    again.run([crashed], {"unit": group}, Request([]))
    interrupted = failed("functional")
    interrupted.interrupted = True
    again.run([failed("unit", "a"), interrupted], {"unit": group, "functional": group}, Request([]))
    assert not group.asked


def test_an_interrupt_ends_it() -> None:
    group = Group()
    tallies = [failed("unit", "ctrl-c", "a")]
    again.run(tallies, {"unit": group}, Request([]))
    assert (str(tallies[0]), len(group.asked)) == ("2 passed, 2 failed, 0 skipped", 1)


def test_many_failures_are_no_bad_luck(capsys: pytest.CaptureFixture[str]) -> None:
    group = Group()
    again.run([failed("unit", *map(str, range(11)))], {"unit": group}, Request([]))
    assert not group.asked
    assert "11 tests failed, more than 10; none is run again" in capsys.readouterr().out


def test_an_unstable_test_of_pytest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real pytest: a test that fails once, one that always fails, one that passes and is not run again."""
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\njunit_family = xunit1\n")
    (tmp_path / "tests" / "unit" / "test_some.py").write_text(
        "from pathlib import Path\n\n"
        "def first(name):\n    with Path(name).open('a') as runs: runs.write('x')\n"
        "    return Path(name).read_text() == 'x'\n\n"
        "def test_unstable(): assert not first('unstable')\n"
        "def test_bad(): assert first('bad') is None\n"
        "def test_good(): assert first('good')\n"
    )
    monkeypatch.setattr(suites, "ROOT", tmp_path)
    monkeypatch.setattr("netvirt_testing.report.ROOT", tmp_path)
    monkeypatch.setattr(suites, "has_tests", lambda directory: True)
    tally = Tally("unit")
    suites.unit(tally, Request([]))
    assert str(tally) == "1 passed, 2 failed, 0 skipped"
    again.run([tally], {"unit": suites.unit}, Request([]))
    assert str(tally) == "2 passed, 1 failed, 0 skipped"
    assert tally.unstable == ["tests/unit/test_some.py::test_unstable"]
    assert {name: (tmp_path / name).read_text() for name in ("unstable", "bad", "good")} == {
        "unstable": "xx",
        "bad": "xx",
        "good": "x",
    }
