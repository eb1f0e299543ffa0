# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboots of nodes, and the unit that rebuilds what they were told last."""

from __future__ import annotations

import subprocess

from netvirt_testing.lab import Lab
from netvirt_testing.wires import wait_for

UNIT = "netvirt-rebuild-fabric.service"
PATIENCE = 300  # seconds; a container takes a few


def show(lab: Lab, node: str, unit: str, name: str) -> str:
    """Return a property of a unit."""
    return lab.run(node, ["systemctl", "show", "--value", f"--property={name}", unit]).stdout.strip()


def reboot(lab: Lab, node: str) -> str:
    """Reboot a node; return how the unit that rebuilds it has ended: active or failed."""
    before = _boot(lab, node)
    lab.run(node, ["systemctl", "reboot"], check=False)
    lab.close()
    wait_for(lambda: _boot(lab, node) not in ("", before), f"boot {node}", PATIENCE)
    wait_for(lambda: _ended(lab, node) != "", f"rebuild {node}", PATIENCE)
    return _ended(lab, node)


def _ended(lab: Lab, node: str) -> str:
    """Return active once the node is rebuilt, also when the unit is through, or failed, or nothing before that."""
    state = show(lab, node, UNIT, "ActiveState")
    if state == "inactive" and show(lab, node, UNIT, "ActiveEnterTimestampMonotonic") != "0":
        return "active"
    return state if state in ("active", "failed") else ""


def _boot(lab: Lab, node: str) -> str:
    """Return when the present boot began, or nothing while the node cannot be reached."""
    try:
        argv = ["systemctl", "show", "--value", "--property=UserspaceTimestampMonotonic"]
        return lab.run(node, argv, check=False, timeout=20).stdout.strip()
    except subprocess.TimeoutExpired:
        return ""
