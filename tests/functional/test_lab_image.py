# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image build that is killed leaves neither a mount nor a process behind."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

LAB_TOOL = Path(__file__).parents[2] / "roles/lab/files"
BUILD = """
import sys
from netvirt_lab import rootfs, system
system.run("build", [*rootfs.CONFINED, "sh", "-c", f"mount -t tmpfs none {sys.argv[1]} && touch {sys.argv[1]}/mounted \\
  && touch {sys.argv[2]} && exec sleep {sys.argv[3]}"])
"""


def test_a_killed_build_leaves_nothing_mounted_and_nothing_running(tmp_path: Path) -> None:
    image, mounted, seconds = tmp_path / "image", tmp_path / "mounted", "61.25"
    image.mkdir()
    build = subprocess.Popen([sys.executable, "-c", BUILD, image, mounted, seconds], cwd=LAB_TOOL)
    _wait(mounted.exists)
    _wait(lambda: _sleepers(seconds) == 1)
    build.kill()
    build.wait(10)
    _wait(lambda: not _sleepers(seconds))
    assert not (image / "mounted").exists()
    assert str(image) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")


def _sleepers(seconds: str) -> int:
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            found += path.read_bytes() == f"sleep\0{seconds}\0".encode()
    return found


def _wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "still not so after 10 s"
        time.sleep(0.05)
