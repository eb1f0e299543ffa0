# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the groups of tests that ./test was asked for."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import time
from dataclasses import replace
from types import FrameType

from netvirt_testing import again, controllers, ecosystem, lint, molecule, nodes, sanity, suites
from netvirt_testing.beside import Beside
from netvirt_testing.lab import LabError
from netvirt_testing.paths import LOGS
from netvirt_testing.report import Tally, say, summary, timed, write_durations
from netvirt_testing.suites import Group, Request

# The quick ones first.
GROUPS: dict[str, Group] = {
    "lint": lambda tally, request: lint.run(tally),
    "unit": suites.unit,
    "sanity": lambda tally, request: sanity.run(tally),
    "ecosystem": lambda tally, request: ecosystem.run(tally),
    "controllers": controllers.run,
    "functional": suites.functional,
    "integration": suites.integration,
    "molecule": molecule.run,
    "fleet": suites.fleet,
    "nodes": nodes.run,
    "vm": suites.vm,
}
# These run one after the other, and beside the rest if that was asked for, too. Each half takes about as long.
BESIDE = {"ecosystem", "functional", "molecule", "fleet"}
# Emulated machines want the processor for themselves.
ALONE = {"vm"}
USAGE = """./test [--keep-lab] [--all] [GROUP...] [-- PYTEST-ARGUMENT...]
       ./test [--keep-lab] scenario NAME [--kind container|vm] [-- PYTEST-ARGUMENT...]
       ./test [--keep-lab] molecule [NAME...]"""


def parse(argv: list[str]) -> tuple[dict[str, Group], Request]:
    """Return the groups to run by name, and how."""
    own, pytest_arguments = argv, []
    if "--" in argv:
        own, pytest_arguments = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
    parser = argparse.ArgumentParser(prog="./test", usage=USAGE)
    parser.add_argument("groups", nargs="*", metavar="GROUP")
    parser.add_argument("--keep-lab", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--kind", choices=suites.LABS)
    options = parser.parse_args(own)
    request = Request(pytest_arguments, options.keep_lab, options.kind or "container")
    request = replace(request, all_points=options.all or not options.groups)
    if options.kind and not set(options.groups) & {"scenario", "functional"}:
        parser.error("--kind goes with scenario or functional")
    if options.groups[:1] == ["scenario"]:
        names = suites.scenarios()
        if len(options.groups) != 2 or options.groups[1] not in names:
            parser.error(f"scenario needs the name of one; there are {', '.join(names)}")
        name = options.groups[1]
        return {name: lambda tally, request: suites.scenario(tally, request, name)}, request
    if options.groups[:1] == ["molecule"] and set(options.groups[1:]) - set(GROUPS):
        names = options.groups[1:]
        if unknown := [name for name in names if name not in molecule.scenarios()]:
            parser.error(f"molecule has no scenario {unknown[0]}; there are {', '.join(molecule.scenarios())}")
        return {"molecule": lambda tally, request: molecule.run(tally, request, names)}, request
    if unknown := [name for name in options.groups if name not in GROUPS]:
        parser.error(f"unknown group {unknown[0]}; there are {', '.join(GROUPS)} and scenario NAME")
    return {name: GROUPS[name] for name in options.groups or GROUPS}, request


def interrupt(number: int, frame: FrameType | None) -> None:
    """Let the clean-up run that an interrupt at the keyboard would run, here and beside."""
    for process in multiprocessing.active_children():
        process.terminate()
    raise KeyboardInterrupt


def run(groups: dict[str, Group], request: Request) -> list[Tally]:
    """Run groups one after the other; return the counts of those that began."""
    tallies = []
    for name, group in groups.items():
        tallies.append(Tally(name))
        try:
            with timed(tallies[-1]) as tally:
                group(tally, request)
        except LabError as error:
            tallies[-1].fail(str(error))
        except KeyboardInterrupt:
            tallies[-1].fail("interrupted")
            tallies[-1].interrupted = True
            break
    return tallies


def run_all(groups: dict[str, Group], request: Request) -> list[Tally]:
    """Run groups, some of them beside the others, some when these have ended; return their counts in their order."""
    first = {name: group for name, group in groups.items() if name not in BESIDE | ALONE}
    second = {name: group for name, group in groups.items() if name in BESIDE}
    if not first or not second:
        return run(groups, request)
    beside = Beside(list(second), lambda: run(second, request), LOGS / "beside.log")
    tallies = [*run(first, request), *beside.finish()]
    if not any(tally.interrupted for tally in tallies):
        tallies += run({name: group for name, group in groups.items() if name in ALONE}, request)
    return sorted(tallies, key=lambda tally: list(groups).index(tally.name))


def choose_points(request: Request) -> str:
    """Return at which points tests kill runs: all, or a quarter of them, another one each day."""
    return "all" if request.all_points else str(int(time.time() // 86400) % 4)


def main() -> int:
    """Run the groups and say how they ended; return the exit status."""
    groups, request = parse(sys.argv[1:])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    points = os.environ.setdefault("NETVIRT_KILL_POINTS", choose_points(request))
    if "functional" in groups:
        say(f"    points at which runs are killed: NETVIRT_KILL_POINTS={points} (0 to 3 is a quarter of them)")
    tallies = run_all(groups, request)
    again.run(tallies, groups, request)
    total = summary(tallies)
    write_durations(tallies, LOGS / "durations.txt")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
