# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The group ``controllers``: each supported version of ansible-core, in an environment of its own, drives a node.

A run with --all, or without a GROUP, takes all versions and runs their ansible-test sanity, too. Any other run takes
the oldest and the newest that this machine's versions of Python can run.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netvirt_testing import environments, sanity
from netvirt_testing.lab import Lab, lab_running
from netvirt_testing.paths import LOGS, ROOT
from netvirt_testing.report import Tally, say
from netvirt_testing.suites import Request, lab_name

NODES = ("network1",)
DOCUMENT: dict[str, Any] = {
    "fabric_underlay": {"type": "vxlan", "interface": "eth1"},
    "fabric_physical_networks": [{"name": "public", "interface": "eth2"}],
    "fabric_networks": [
        {"name": "blue", "mode": "nat", "vlan": 10, "cidr": "10.0.10.0/24", "router": "r1", "dhcp": {}},
    ],
    "fabric_routers": [
        {
            "name": "r1",
            "node": NODES[0],
            "external": {"network": "public", "address": "203.0.113.10/24", "gateway": "203.0.113.1"},
        }
    ],
}
RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Controller:
    """A version of ansible-core and the versions of Python 3 that it runs on as a controller."""

    version: str
    oldest: int
    newest: int

    @property
    def name(self) -> str:
        return ".".join(self.version.split(".")[:2])


CONTROLLERS = (
    Controller("2.16.19", 10, 12),
    Controller("2.17.14", 10, 12),
    Controller("2.18.19", 11, 13),
    Controller("2.19.14", 11, 13),
    Controller("2.20.10", 12, 14),
    Controller("2.21.5", 12, 14),
)


def python_for(controller: Controller, pythons: dict[tuple[int, int], str]) -> str | None:
    """Return a Python that the controller runs on, the newest that it knows."""
    fits = [version for version in pythons if controller.oldest <= version[1] <= controller.newest]
    return pythons[max(fits)] if fits else None


def run(tally: Tally, request: Request) -> None:
    """Drive the nodes with each version; each is one test, and its sanity another."""
    pythons = environments.pythons()
    possible = [controller for controller in CONTROLLERS if python_for(controller, pythons)]
    for controller in CONTROLLERS:
        if controller not in possible:
            tally.skip(f"ansible-core {controller.name}: needs Python 3.{controller.oldest} to 3.{controller.newest}")
    if not request.all_points:
        possible = [possible[0], possible[-1]]
    if request.again:
        possible = [controller for controller in possible if controller.name == request.again]
    with lab_running(lab_name("testctrl"), dict.fromkeys(NODES, "container"), request.keep_lab) as lab:
        for controller in possible:
            say(f"    ansible-core {controller.name}")
            try:
                python = python_for(controller, pythons) or ""
                programs = environments.made(f"core-{controller.name}", [f"ansible-core=={controller.version}"], python)
            except environments.NoEnvironment as error:
                tally.fail(str(error))
                continue
            if drives(lab, controller.name, programs):
                tally.passed += 1
            else:
                tally.fail_test(controller.name)
            if request.all_points and not request.again:
                sanity.run(tally, programs, f"sanity-{controller.name}")


def drives(lab: Lab, name: str, programs: Path) -> bool:
    """Tell whether site, site again, and teardown do what they should."""
    log = LOGS / f"controller-{name}.log"
    log.unlink(missing_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as document:
        json.dump(DOCUMENT, document)
        document.flush()
        for playbook, arguments, changes in (
            ("site", [], True),
            ("site", [], False),
            ("site", ["--check", "--diff"], False),
            ("teardown", [], True),
        ):
            command = ["ansible-playbook", "-i", str(lab.inventory), str(ROOT / "playbooks" / f"{playbook}.yml")]
            result = subprocess.run(
                [*command, "-e", f"@{document.name}", *arguments],
                cwd=ROOT,
                env=environments.variables(programs),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            with log.open("a", encoding="utf-8") as output:
                output.write(result.stdout)
            changed = {host: int(count) for host, _ok, count, _lost, _failed in RECAP.findall(result.stdout)}
            changed.pop("localhost", None)
            good = set(changed) == set(NODES) and all(bool(count) is changes for count in changed.values())
            if result.returncode or not good:
                say(f"{name}: {playbook} {' '.join(arguments)}: status {result.returncode}, changed {changed}")
                say(f"{result.stdout[-2500:]}\nfull output in {log}")
                return False
    return True
