# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups of the lab: they tell its processes from all others, with cgroup v1, v2 and both at once."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from .system import LabError

SUPERVISORS = "_supervisors"  # Node names have no underscore.


def hierarchies() -> list[Path]:
    """Return where the hierarchies are mounted that systemd arranges processes in."""
    found = []
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _device, directory, kind, options, *_rest = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(directory))
    return found


def join(namespace: str, group: str) -> None:
    """Move this process into a group of the lab, which is created where it is missing."""
    for hierarchy in hierarchies():
        path = hierarchy / namespace / group
        path.mkdir(parents=True, exist_ok=True)
        _delegate_controllers(path.parent)
        (path / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")


def _delegate_controllers(path: Path) -> None:
    """Let the groups below use what this group may use, as far as the kernel allows it (v2 only)."""
    with contextlib.suppress(OSError):
        names = (path / "cgroup.controllers").read_text(encoding="ascii").split()
        (path / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in names), encoding="ascii")


def processes(namespace: str, group: str = "") -> set[int]:
    """Return the processes in a group of the lab and in all groups below it."""
    found = set()
    for directory in _tree(namespace, group):
        with contextlib.suppress(OSError):
            found |= {int(pid) for pid in (directory / "cgroup.procs").read_text(encoding="ascii").split()}
    return found


def kill(namespace: str, group: str = "", *, timeout: float = 10) -> bool:
    """End every process in a group of the lab at once and remove the group; tell whether there was one."""
    existed = False
    deadline = time.monotonic() + timeout
    while directories := _tree(namespace, group):
        existed = True
        for pid in processes(namespace, group):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for directory in directories:
            with contextlib.suppress(OSError):
                directory.rmdir()
        if time.monotonic() > deadline:
            raise LabError(f"end processes: {directories[-1]} still has processes {processes(namespace, group)}")
        time.sleep(0.02)
    return existed


def _tree(namespace: str, group: str) -> list[Path]:
    """Return the directories of a group, the deepest first."""
    found = []
    for hierarchy in hierarchies():
        found += [Path(top) for top, _dirs, _files in os.walk(hierarchy / namespace / group, topdown=False)]
    return found
