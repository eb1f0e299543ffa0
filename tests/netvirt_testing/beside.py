# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of tests that run beside others, since each waits a lot. Their output comes in one piece, after all others."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from netvirt_testing.report import Tally, say

Run = Callable[[], list[Tally]]


class Beside:
    """Groups in a process of their own, which starts at once and prints into a file."""

    def __init__(self, names: Sequence[str], run: Run, log: Path) -> None:
        say(f"==> beside: {', '.join(names)}; what they print follows, and is in {log} until then")
        self.names = names
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        context = multiprocessing.get_context("fork")
        self._tallies, told = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(run, log, told))
        self.process.start()
        told.close()

    def finish(self) -> list[Tally]:
        """Print what they print until they end; return their counts, of which one that is missing is a failure."""
        found: list[Tally] = []
        with self.log.open("rb") as output:
            ended = False
            while not ended:
                ended = not self.process.is_alive()  # asked before the rest is read
                found = found or self._told()
                sys.stdout.buffer.write(output.read())
                sys.stdout.flush()
                time.sleep(0.2)
        for name in self.names[len(found) :]:
            found.append(Tally(name))
            found[-1].fail(f"it has not run; the process beside ended with status {self.process.exitcode}")
        return found

    def _told(self) -> list[Tally]:
        """Return the counts if they have come. They are read at once: the process waits while they fill its pipe."""
        try:
            counts: list[Tally] = self._tallies.recv() if self._tallies.poll() else []
        except EOFError:  # it ended before it told them
            return []
        return counts


def _work(run: Run, log: Path, told: Connection) -> None:
    with log.open("ab") as output:
        for number in (1, 2):
            os.dup2(output.fileno(), number)
    # Whatever these were before: within pytest, not the descriptors of these numbers. They stay open to the end.
    sys.stdout = sys.stderr = open(1, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    told.send(run())
