# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How ./test is asked for groups and scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest

from netvirt_testing import __main__ as runner
from netvirt_testing import suites


def test_every_scenario_says_its_nodes_or_has_all() -> None:
    for name in suites.scenarios():
        nodes = suites.nodes_of(suites.ROOT / f"tests/integration/test_{name}.py")
        assert nodes
        assert set(nodes) <= set(suites.FLEET)


def test_the_nodes_are_read_without_running_the_file(tmp_path: Path) -> None:
    path = tmp_path / "test_some.py"
    path.write_text('raise SystemExit\nNODES = ("n1", "n2")\n')
    assert suites.nodes_of(path) == ("n1", "n2")
    path.write_text("raise SystemExit\n")
    assert suites.nodes_of(path) == suites.FLEET


def test_what_is_asked_for() -> None:
    groups, request = runner.parse(["--keep-lab", "unit", "lint", "--", "-k", "vlan"])
    assert (list(groups), request) == (["unit", "lint"], suites.Request(["-k", "vlan"], True, "container"))
    groups, request = runner.parse([])
    assert groups == runner.GROUPS
    assert request.all_points  # since it is all that there is
    assert runner.choose_points(request) == "all"
    groups, request = runner.parse(["functional", "--all"])
    assert request.all_points
    groups, request = runner.parse(["functional"])
    assert runner.choose_points(request) in {"0", "1", "2", "3"}
    groups, request = runner.parse(["scenario", "nat", "--kind", "vm"])
    assert (list(groups), request) == (["nat"], suites.Request([], False, "vm"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["units"], "unknown group units; there are lint, unit,"),
        (["scenario"], "scenario needs the name of one; there are "),
        (["scenario", "nowhere"], "scenario needs the name of one; there are "),
        (["scenario", "nat", "unit"], "scenario needs the name of one; there are "),
        (["unit", "--kind", "vm"], "--kind goes with scenario or functional"),
        (["functional", "--kind", "bare"], "invalid choice: 'bare'"),
    ],
)
def test_what_cannot_be_asked_for(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        runner.parse(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
