# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from . import checks, kinds, lifecycle, model, supervisor, upstream
from .system import LabError

STATE = Path("/var/lib/netvirt-lab")


def main() -> int:
    """Run one command; print its result as JSON, or one line saying what failed."""
    arguments = _parser().parse_args()
    try:
        result = arguments.run(arguments)
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    if isinstance(result, int):
        return result
    print(json.dumps(result))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nvlab.py", description="Machines that behave like a fleet on this one.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("packages", lambda _: _packages(), "list the packages that this machine lacks"),
        ("build", lambda _: lifecycle.build(_description()), "build the images of the lab described on standard input"),
        ("up", lambda _: lifecycle.up(_description()), "make the lab what is described on standard input"),
    ):
        commands.add_parser(name, help=text).set_defaults(run=run)
    _add_lab_commands(commands)
    _add_inner_commands(commands)
    return parser


def _add_lab_commands(commands: Any) -> None:
    down = _lab_command(commands, "down", "remove everything that the lab made")
    down.set_defaults(run=lambda a: lifecycle.down(a.lab, _directory(a)))
    status = _lab_command(commands, "status", "list the lab's nodes")
    status.set_defaults(run=lambda a: lifecycle.status(_directory(a)))
    power = _lab_command(commands, "power", "switch a node on or off, cut its power, or reboot it")
    power.add_argument("node")
    power.add_argument("action", choices=["on", "off", "cut", "reboot"])
    power.set_defaults(run=lambda a: lifecycle.power(_machine(a), a.action))
    execute = _lab_command(commands, "exec", "run a command in a node")
    execute.add_argument("node")
    execute.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND")
    execute.set_defaults(run=lambda a: _execute(_machine(a), a.argv))


def _add_inner_commands(commands: Any) -> None:
    """Add the commands that the program starts itself with: a node's supervisor, its boot, the upstream host."""
    for name, run in (("supervise", _supervise), ("boot", _boot)):
        inner = commands.add_parser(name)
        inner.add_argument("directory", type=Path)
        inner.set_defaults(run=run)
    inner = commands.add_parser("upstream")
    inner.add_argument("lab")
    inner.add_argument("pidfile", type=Path)
    inner.add_argument("port", type=int)
    inner.set_defaults(run=_upstream)


def _lab_command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text)
    parser.add_argument("--directory", type=Path, help=f"the lab's directory (default: {STATE}/LAB)")
    parser.add_argument("lab", help="the lab's name")
    return parser


def _description() -> model.Lab:
    return model.parse(json.load(sys.stdin))


def _packages() -> dict[str, Any]:
    return {"missing": checks.missing_packages(_description())}


def _directory(arguments: argparse.Namespace) -> Path:
    given: Path | None = arguments.directory
    return given or STATE / arguments.lab


def _machine(arguments: argparse.Namespace) -> model.Machine:
    directory = _directory(arguments) / "nodes" / arguments.node
    try:
        return supervisor.load(directory)
    except FileNotFoundError:
        raise LabError(f"lab {arguments.lab} has no node {arguments.node}") from None


def _execute(machine: model.Machine, argv: list[str]) -> int:
    return kinds.of(machine).execute(machine, argv)


def _supervise(arguments: argparse.Namespace) -> int:
    supervisor.supervise(arguments.directory)
    return 0


def _boot(arguments: argparse.Namespace) -> int:
    machine = supervisor.load(arguments.directory)
    kinds.of(machine).boot(machine)
    return 0


def _upstream(arguments: argparse.Namespace) -> int:
    upstream.serve(arguments.lab, arguments.pidfile, arguments.port)
    return 0
