# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The group ``molecule``: each scenario of extensions/molecule is one test. They share one lab."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from netvirt_testing.lab import LAB_STATE, LabError, locked, relevant
from netvirt_testing.paths import LOGS, ROOT, environment, source_files
from netvirt_testing.report import Tally, say
from netvirt_testing.suites import Request

LAB = os.environ.get("NETVIRT_LAB", "molecule")
KEEPER = "default"  # The scenario that has the lab.


def scenarios() -> list[str]:
    """Return the names of the scenarios that test something."""
    found = [path.parent.name for path in source_files("extensions/molecule/*/molecule.yml")]
    return [name for name in found if name != KEEPER]


def run(tally: Tally, request: Request, names: Sequence[str] = ()) -> None:
    """Run scenarios, all of them without names, on a lab that goes at the end."""
    if os.geteuid() != 0:
        raise LabError("A lab needs root")
    with locked(LAB):
        if not (LAB_STATE / LAB / "inventory.yml").exists():  # Whatever Molecule remembers of it.
            keep(tally, "reset")
        try:
            for name in [request.again] if request.again else names or scenarios():
                say(f"    {name}")
                if molecule(name, "test", "--destroy=never"):
                    tally.passed += 1
                else:
                    tally.fail_test(name)
                    keep(tally, "destroy")  # What it left must not fail the others.
        finally:
            if not request.keep_lab:
                keep(tally, "destroy")


def keep(tally: Tally, command: str) -> None:
    """Do something to the lab; that it does not work is a failure of its own."""
    if not molecule(KEEPER, command):
        tally.fail(f"molecule {command} of the lab")


def molecule(scenario: str, command: str, *arguments: str) -> bool:
    """Run a command of Molecule; return whether it worked, and say what matters of its output if not."""
    log = LOGS / f"molecule-{scenario}-{command}.log"
    LOGS.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        status = subprocess.run(
            ["molecule", command, "--scenario-name", scenario, *arguments],
            cwd=ROOT,
            env={**environment(), "NETVIRT_LAB": LAB, "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
            start_new_session=command == "destroy",  # Out of reach of a second Ctrl-C, which would leave half a lab.
        ).returncode
    if status:
        excerpt = relevant(log.read_text(encoding="utf-8", errors="replace"))
        say(f"FAILED {scenario}: molecule {command} ended with status {status}; full output in {log}\n{excerpt}")
    return status == 0
