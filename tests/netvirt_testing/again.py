# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failed test runs once more, alone, when all groups have ended. If it passes then, it is unstable, not failed.

Each gets a lab of its own, unless --keep-lab asks for the lab as it is: what other tests or its own first run left
behind says nothing about the product, and a container's lab comes up in seconds.

A run that was interrupted, and a group with a failure that is no test's (a crash of pytest, a file that cannot be
imported, a lab that does not come up) fail whatever another run would show.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from netvirt_testing.lab import LabError
from netvirt_testing.report import Tally, say
from netvirt_testing.suites import Group, Request

MOST = 10  # So many failures are no bad luck, and each takes a lab.


def run(tallies: Sequence[Tally], groups: Mapping[str, Group], request: Request) -> None:
    """Run the failed tests of all groups again; count as passed and unstable those that pass."""
    worth = [tally for tally in tallies if tally.failures and len(tally.failures) == tally.failed]
    if not worth or any(tally.interrupted for tally in tallies):
        return
    if (count := sum(len(tally.failures) for tally in worth)) > MOST:
        say(f"==> again: {count} tests failed, more than {MOST}; none is run again")
        return
    for tally in worth:
        for name in list(tally.failures):
            start = time.monotonic()
            passed = passes(tally.name, name, groups[tally.name], request)
            tally.seconds += time.monotonic() - start
            if passed is None:
                tally.interrupted = True
                return
            if passed:
                tally.passed_again(name)
        say(tally.told())


def passes(group_name: str, name: str, group: Group, request: Request) -> bool | None:
    """Run one test; tell whether it passed, None when it was interrupted."""
    say(f"==> again: {group_name} {name}")
    tally = Tally(group_name)
    try:
        group(tally, replace(request, again=name))
    except LabError as error:
        tally.fail(str(error))
    except KeyboardInterrupt:
        say("interrupted")
        return None
    return tally.passed == 1 and not tally.failed
