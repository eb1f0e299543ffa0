# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the groups of tests that ./test was asked for."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from types import FrameType

from netvirt_testing import lint, sanity, suites
from netvirt_testing.lab import LabError
from netvirt_testing.report import Tally, summary, timed

Group = Callable[[Tally, list[str], bool], None]

# The quick ones first.
GROUPS: dict[str, Group] = {
    "lint": lambda tally, arguments, keep: lint.run(tally),
    "unit": suites.unit,
    "sanity": lambda tally, arguments, keep: sanity.run(tally),
    "functional": suites.functional,
    "integration": suites.integration,
}


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the groups to run, what goes to pytest, and whether labs stay."""
    own, pytest_arguments = argv, []
    if "--" in argv:
        own, pytest_arguments = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
    parser = argparse.ArgumentParser(prog="./test", usage="./test [--keep-lab] [GROUP...] [-- PYTEST-ARGUMENT...]")
    parser.add_argument("groups", nargs="*", metavar="GROUP")
    parser.add_argument("--keep-lab", action="store_true")
    options = parser.parse_args(own)
    if unknown := [name for name in options.groups if name not in GROUPS]:
        parser.error(f"unknown group {unknown[0]}; there are {', '.join(GROUPS)}")
    options.pytest_arguments = pytest_arguments
    return options


def interrupt(number: int, frame: FrameType | None) -> None:
    """Let the clean-up run that an interrupt at the keyboard would run."""
    raise KeyboardInterrupt


def main() -> int:
    """Run the groups one after the other; return the exit status."""
    options = parse(sys.argv[1:])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    tallies = []
    for name in options.groups or GROUPS:
        tallies.append(Tally(name))
        try:
            with timed(tallies[-1]) as tally:
                GROUPS[name](tally, options.pytest_arguments, options.keep_lab)
        except LabError as error:
            tallies[-1].fail(str(error))
        except KeyboardInterrupt:
            tallies[-1].fail("interrupted")
            break
    total = summary(tallies)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
