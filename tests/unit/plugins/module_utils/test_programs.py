# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that a run starts: what becomes of them when the run is killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from ansible_collections.netvirt.fabric.plugins.module_utils import _node
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host._programs import (
    complaint,
    missing_library,
    require_version,
    run_program,
)
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import LockTimeout, Missing, Unavailable
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings

SIZE = 1 << 20  # far more than a pipe takes at once


def test_input_output_and_status() -> None:
    result = run_program(["sh", "-c", "cat; echo bad >&2; exit 3"], 5, "", "grüß\n")
    assert (result.stdout, result.stderr, result.returncode) == ("grüß\n", "bad\n", 3)
    assert run_program(["cat"], 5, "").stdout == ""


def test_what_is_missing_and_what_takes_too_long() -> None:
    with pytest.raises(Missing, match="the program nvt-none is missing on the node; install it"):
        run_program(["nvt-none"], 5, "install it")
    with pytest.raises(Unavailable, match="sleep did not end within 1 s"):
        run_program(["sleep", "9"], 1, "")


def test_a_library_that_a_virtual_environment_lacks_names_interpreter_package_and_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.executable", "/opt/venv/bin/python3")
    assert str(missing_library("pyroute2", "python3-pyroute2 (0.7.2 or newer)")) == (
        "the Python library pyroute2 is missing on the node for the interpreter /opt/venv/bin/python3; install "
        "python3-pyroute2 (0.7.2 or newer), or run the role netvirt.fabric.hypervisor, and set "
        "ansible_python_interpreter to /usr/bin/python3, which finds them; or install pyroute2 for "
        "/opt/venv/bin/python3 with pip"
    )
    monkeypatch.setattr("sys.executable", "/usr/bin/python3")
    monkeypatch.setattr("sys.prefix", "/usr")
    monkeypatch.setattr("sys.base_prefix", "/usr")
    assert str(missing_library("ovs", "python3-openvswitch")) == (
        "the Python library ovs is missing on the node; install python3-openvswitch, or run the role "
        "netvirt.fabric.hypervisor"
    )


@pytest.mark.parametrize("version", ["0.5.9", "0.7", "0.7.1.post3", "0.7.2", "0.10.0rc1"])
def test_a_library_that_is_too_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    told = tmp_path / "nvtlibrary-1.dist-info" / "METADATA"
    told.parent.mkdir()
    told.write_text(f"Metadata-Version: 2.1\nName: nvtlibrary\nVersion: {version}\n", encoding="utf-8")
    packages = "python3-nvtlibrary (0.7.2 or newer)"
    if version in ("0.7.2", "0.10.0rc1"):
        require_version("nvtlibrary", (0, 7, 2), packages)
        return
    with pytest.raises(Missing) as caught:
        require_version("nvtlibrary", (0, 7, 2), packages)
    assert str(caught.value) == (
        f"the Python library nvtlibrary on the node is version {version}, which is too old; install {packages}"
    )


def test_a_library_that_does_not_tell_its_version() -> None:
    require_version("nvtnone", (1,), "")


def test_a_program_of_a_killed_run_gets_all_of_its_input_and_holds_the_lock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_node, "RUN_DIRECTORY", str(tmp_path))
    child = os.fork()
    if child == 0:
        with Node(Settings()).lock():
            run_program(["sh", "-c", f"touch {tmp_path}/on; sleep 1; wc -c > {tmp_path}/got"], 30, "", "x" * SIZE)
        os._exit(1)
    while not (tmp_path / "on").exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with pytest.raises(LockTimeout), Node(Settings(lock_timeout=0)).lock():
        pass
    with Node(Settings(lock_timeout=30)).lock():
        assert (tmp_path / "got").read_text(encoding="utf-8").strip() == str(SIZE)


def test_output_that_is_no_utf_8_is_no_traceback() -> None:
    assert run_program(["printf", r"[\"\377\"]"], 5, "").stdout == '["\ufffd"]'


def test_the_lock_can_be_opened_by_root_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    directory = tmp_path / "netvirt"
    monkeypatch.setattr(_node, "RUN_DIRECTORY", str(directory))
    lock = directory / "lock"
    before = os.umask(0)
    try:
        with Node(Settings()).lock():
            assert (_mode(directory), _mode(lock)) == (0o755, 0o600)
            assert Node(Settings()).is_locked()
    finally:
        os.umask(before)
    lock.chmod(0o666)  # as release 0.1.0 left it
    directory.chmod(0o700)
    with Node(Settings()).lock():
        assert (_mode(directory), _mode(lock)) == (0o755, 0o600)
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable, match="it is a link, remove it"), Node(Settings()).lock():
        pass
    assert not (tmp_path / "elsewhere").exists()


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_words_of_a_program_are_quoted_printable_and_cut() -> None:
    result = run_program(["sh", "-c", "printf '\\033[2J\\033]0;owned\\007%05000d\\n' 7 >&2; exit 1"], 5, "")
    words = complaint(result)
    assert words.startswith("\\x1b[2J\\x1b]0;owned\\x07")
    assert words.isprintable()
    assert len(words) <= 300
    assert str(Unavailable("interface \x1b[2J says \u202e no")).isprintable()
