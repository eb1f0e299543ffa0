# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of tests shared out over places that each run one file at a time: nodes, or labs.

The places take files from one queue, so that no table of durations need be kept. Long files are first in it: one that
began last would keep a place busy while the others have nothing left.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from netvirt_testing.report import Tally, say


class Place(Protocol):
    """Where a file of tests can run."""

    name: str

    def start(self, path: str, output: Any) -> subprocess.Popen[bytes]:
        """Start pytest on a file."""

    def count(self, tally: Tally, status: int) -> None:
        """Count what pytest reported, when it has ended with a status."""


@dataclass
class Job:
    """A file that runs."""

    path: str
    process: subprocess.Popen[bytes]
    output: Any
    start: float


def order(paths: Sequence[str], slow: Sequence[str]) -> list[str]:
    """Return the files in the order in which they begin."""
    first = [path for name in slow for path in paths if Path(path).stem == name]
    return first + [path for path in paths if path not in first]


def run(tally: Tally, places: Sequence[Place], paths: Sequence[str]) -> None:
    """Run files on places; print the output of each in one piece."""
    waiting = list(paths)
    jobs: dict[str, Job] = {}
    try:
        while waiting or jobs:
            for place in places:
                if place.name in jobs and jobs[place.name].process.poll() is not None:
                    _end(tally, place, jobs.pop(place.name))
                if place.name not in jobs and waiting:
                    jobs[place.name] = _begin(place, waiting.pop(0))
            time.sleep(0.1)
    finally:
        _stop(jobs)


def _begin(place: Place, path: str) -> Job:
    output = tempfile.TemporaryFile()  # noqa: SIM115  # It is closed when the job ends.
    return Job(path, place.start(path, output), output, time.monotonic())


def _end(tally: Tally, place: Place, job: Job) -> None:
    with job.output:
        job.output.seek(0)
        text = job.output.read().decode(errors="replace")
    say(f"--- {job.path} on {place.name}, {time.monotonic() - job.start:.1f} s\n{text.rstrip()}")
    place.count(tally, job.process.returncode)


def _stop(jobs: Mapping[str, Job]) -> None:
    """End what still runs, after an interrupt."""
    for job in jobs.values():
        job.process.terminate()
    for job in jobs.values():
        job.process.wait()
        job.output.close()
