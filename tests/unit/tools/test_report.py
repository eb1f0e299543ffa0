# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ./test counts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from netvirt_testing import report, sanity, suites
from netvirt_testing.report import Tally

JUNIT = """<testsuites><testsuite>
<testcase classname="a" name="good"/>
<testcase classname="a" name="bad"><failure message="x"/></testcase>
<testcase classname="a" name="broken"><error message="x"/></testcase>
<testcase classname="a" name="left_out"><skipped message="needs /dev/kvm"/></testcase>
</testsuite></testsuites>"""

TIMED = """<testsuites><testsuite>
<testcase classname="tests.unit.tools.test_report" name="test_a" time="1.5"/>
<testcase classname="tests.unit.tools.test_report" name="test_b[x]" time="20.25"/>
<testcase classname="tests.unit.tools.test_again" name="test_c" time="3"/>
</testsuite></testsuites>"""

SOME = """
import pytest

@pytest.fixture
def bad_end():
    yield
    raise RuntimeError

def test_good(): pass

def test_both(bad_end): assert False

@pytest.mark.parametrize("value", ["a.b::c/d"])
def test_parameters(value): assert False

class TestClass:
    def test_method(self): assert False

def test_teardown(bad_end): pass
"""


def test_junit_is_counted_and_skips_keep_their_reason(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(JUNIT)
    tally = Tally("unit")
    tally.add_junit(tmp_path / "junit.xml")
    assert str(tally) == "1 passed, 2 failed, 1 skipped"
    assert tally.skips == ["a::left_out: needs /dev/kvm"]


def test_how_long_files_and_tests_took_is_written_down(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(TIMED)
    tally = Tally("unit")
    tally.add_junit(tmp_path / "junit.xml")
    report.write_durations([Tally("lint"), tally], tmp_path / "logs/durations.txt")
    assert (tmp_path / "logs/durations.txt").read_text().splitlines() == [
        "    21.8 tests/unit/tools/test_report.py",
        "     3.0 tests/unit/tools/test_again.py",
        "    20.2 tests/unit/tools/test_report.py::test_b[x]",
        "     3.0 tests/unit/tools/test_again.py::test_c",
        "     1.5 tests/unit/tools/test_report.py::test_a",
    ]


def test_a_failed_test_has_the_name_that_pytest_runs_it_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "ROOT", tmp_path)
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\njunit_family = xunit1\n")
    (tmp_path / "pkg" / "test_broken.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "pkg" / "test_some.py").write_text(SOME)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    subprocess.run([*command, f"--junit-xml={tmp_path}/junit.xml", "pkg"], cwd=tmp_path, check=False)
    tally = Tally("unit")
    tally.add_junit(tmp_path / "junit.xml")
    assert str(tally) == "1 passed, 5 failed, 0 skipped"
    assert tally.failures == [
        "pkg/test_some.py::test_both",
        "pkg/test_some.py::test_parameters[a.b::c/d]",
        "pkg/test_some.py::TestClass::test_method",
        "pkg/test_some.py::test_teardown",
    ]
    again = subprocess.run([*command, *tally.failures], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert "3 failed, 1 passed, 2 errors" in again.stdout


@pytest.mark.parametrize("status", [1, 2, 3, 4, 5])
def test_a_run_of_pytest_that_ends_badly_is_a_failure(status: int, tmp_path: Path) -> None:
    tally = Tally("unit")
    suites.finish(tally, status, tmp_path / "none.xml")
    assert tally.failed == 1


@pytest.mark.parametrize(
    ("status", "output", "expected"),
    [
        (
            0,
            'Running sanity test "pep8"\nRunning sanity test "compile" on Python 3.11\n',
            "2 passed, 0 failed, 0 skipped",
        ),
        (
            1,
            (
                'Running sanity test "pep8"\nERROR: x\n'
                'Running sanity test "shebang"\nFATAL: The 1 sanity test(s) listed below (out of 2) failed.\npep8\n'
            ),
            "1 passed, 1 failed, 0 skipped",
        ),
        (1, "FATAL: pip is not there\n", "0 passed, 1 failed, 0 skipped"),
    ],
)
def test_sanity_is_counted(status: int, output: str, expected: str) -> None:
    tally = Tally("sanity")
    sanity.count(tally, status, output, Path("sanity.log"))
    assert str(tally) == expected


def test_the_closing_line_is_alone_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    report.summary(
        [Tally("lint", passed=3, skipped=1, skips=["shellcheck: not there"]), Tally("unit", passed=4, failed=1)]
    )
    assert capsys.readouterr().out.splitlines()[-1] == "7 passed, 1 failed, 1 skipped"


def test_unstable_tests_are_told_in_the_closing_lines_and_count_as_passed(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally("unit", passed=4)
    tally.fail_test("test_a")
    tally.fail_test("test_a")  # in its clean-up
    tally.passed_again("test_a")
    assert tally.told() == "    unit: 5 passed, 0 failed, 0 skipped; unstable: test_a (0.0 s)"
    total = report.summary([tally])
    assert (total.passed, total.failed) == (5, 0)
    assert capsys.readouterr().out.splitlines()[-3:] == ["unstable: test_a", "", "5 passed, 0 failed, 0 skipped"]


@pytest.mark.parametrize(("count", "failed"), [(3, 0), (4, 1)])
def test_too_many_unstable_tests_fail_the_run(count: int, failed: int, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"test_{number}" for number in range(count)]
    total = report.summary([Tally("unit", passed=2, unstable=names[:2]), Tally("fleet", passed=9, unstable=names[2:])])
    said = capsys.readouterr().out
    assert (total.passed, total.failed) == (11, failed)
    assert said.splitlines()[-1] == f"11 passed, {failed} failed, 0 skipped"
    assert [line for line in said.splitlines() if line.startswith("unstable: ")] == [
        f"unstable: {name}" for name in names
    ]
    assert ("FAILED total: 4 tests are unstable, more than 3" in said) == bool(failed)
