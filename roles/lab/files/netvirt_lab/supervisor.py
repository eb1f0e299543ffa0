# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power supply of a node: a process that boots it, boots it again when it asks for a reboot, and ends with it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from . import cgroups, images, kinds
from .model import Machine
from .system import LabError, PidFile, program, spawn, wait_until

MACHINE_FILE = "machine.json"


def load(directory: Path) -> Machine:
    """Return the machine kept in a node's directory."""
    return Machine.from_dict(json.loads((directory / MACHINE_FILE).read_text(encoding="utf-8")))


def pidfile(machine: Machine) -> PidFile:
    """Return where the pid of the node's supervisor is."""
    return PidFile(Path(machine.directory) / "supervisor.pid")


def console(machine: Machine) -> Path:
    """Return where the node's console is written to."""
    return Path(machine.directory) / "console.log"


def start(machine: Machine) -> bool:
    """Switch the node on if it is off; tell whether it was."""
    if pidfile(machine).pid() is not None:
        return False
    spawn([*_program(machine), "supervise", machine.directory], console(machine))
    wait_until(f"switch on {machine.name}", pidfile(machine).pid, timeout=60, interval=0.01)
    return True


def supervise(directory: Path) -> None:
    """Run the node until it is off. A reboot counts as on."""
    machine = load(directory)
    cgroups.join(machine.namespace, cgroups.SUPERVISORS)
    pidfile(machine).claim()
    for path in (machine.root, *machine.images.values()):
        images.hold(path)
    kind = kinds.of(machine)
    boot = [*kind.surroundings(machine), *_program(machine), "boot", machine.directory]
    status = kind.BOOT_AGAIN
    while status == kind.BOOT_AGAIN:
        cgroups.kill(machine.namespace, machine.name)
        status = subprocess.run(boot, check=False).returncode
    cgroups.kill(machine.namespace, machine.name)


def _program(machine: Machine) -> list[str]:
    return program(Path(machine.directory).parent.parent)


def tail(machine: Machine, lines: int = 5) -> str:
    """Return the end of the node's console in one line."""
    try:
        text = console(machine).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "nothing"
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-lines:]) or "nothing"


def require_on(machine: Machine) -> None:
    """Raise if the node is off."""
    if pidfile(machine).pid() is None:
        raise LabError(f"node {machine.name} went off while booting")
