# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's commands, run by a process that has Ansible loaded."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netvirt_testing.ansible_runs import Runner

LOCAL = ["ansible", "localhost", "-c", "local", "-m", "ansible.builtin.command", "-a"]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """Return what runs commands, with the settings of a file."""
    directory = tmp_path_factory.mktemp("ansible")
    (directory / "ansible.cfg").write_text(
        "[defaults]\nlocalhost_warning = false\n[inventory]\ninventory_unparsed_warning = false\n"
    )
    found = Runner({**os.environ, "ANSIBLE_CONFIG": str(directory / "ansible.cfg")}, directory)
    yield found
    found.close()


def test_status_output_and_settings(runner: Runner) -> None:
    # The settings keep Ansible from warning that there is no inventory.
    assert runner.run([*LOCAL, "echo a b"], {}, 60) == (0, "localhost | CHANGED | rc=0 >>\na b\n")
    assert runner.run([*LOCAL, "false"], {}, 60)[0] == 2
    status, said = runner.run(["ansible", "--no-such-option"], {}, 60)
    assert status == 2
    assert said.startswith("usage: ansible ")


def test_variables_are_those_of_one_run(runner: Runner) -> None:
    assert "here\n" in runner.run([*LOCAL, "printenv NVT_TEST"], {"NVT_TEST": "here"}, 60)[1]
    assert "here" not in runner.run([*LOCAL, "printenv NVT_TEST"], {}, 60)[1]


def test_a_run_that_takes_too_long_is_ended_and_the_next_is_not_disturbed(runner: Runner) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        runner.run([*LOCAL, "sleep 30"], {}, 0.5)
    assert runner.run([*LOCAL, "echo next"], {}, 60)[1].endswith(">>\nnext\n")


def test_a_playbook_of_another_directory(runner: Runner, tmp_path: Path) -> None:
    path = tmp_path / "play.yml"
    path.write_text("- hosts: localhost\n  gather_facts: false\n  tasks: [{ansible.builtin.debug: {msg: hello}}]\n")
    status, said = runner.run(["ansible-playbook", str(path)], {}, 60)
    assert status == 0
    assert "hello" in said
