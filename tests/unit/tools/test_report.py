# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ./test counts."""

from __future__ import annotations

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


def test_junit_is_counted_and_skips_keep_their_reason(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(JUNIT)
    tally = Tally("unit")
    tally.add_junit(tmp_path / "junit.xml")
    assert str(tally) == "1 passed, 2 failed, 1 skipped"
    assert tally.skips == ["a::left_out: needs /dev/kvm"]


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
    sanity.count(tally, status, output)
    assert str(tally) == expected


def test_the_closing_line_is_alone_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    report.summary(
        [Tally("lint", passed=3, skipped=1, skips=["shellcheck: not there"]), Tally("unit", passed=4, failed=1)]
    )
    assert capsys.readouterr().out.splitlines()[-1] == "7 passed, 1 failed, 1 skipped"
