# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments besides .venv, for other versions of Ansible and for tools with pins of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from netvirt_testing.paths import CACHE, LOGS, environment


class NoEnvironment(Exception):
    """An environment that cannot be made."""


def made(name: str, requirements: Sequence[str], python: str = sys.executable) -> Path:
    """Return the directory of programs of an environment with these requirements; make it unless it is there."""
    directory = CACHE / "env" / name
    stamp = directory / "stamp"
    wanted = "\n".join([str(directory), python, *requirements])
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return directory / "bin"
    shutil.rmtree(directory, ignore_errors=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"env-{name}.log"
    with log.open("w", encoding="utf-8") as output:
        for command in (
            [python, "-m", "venv", str(directory)],
            [str(directory / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", *requirements],
        ):
            if subprocess.run(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, check=False).returncode:
                raise NoEnvironment(f"cannot make the environment {name}; full output in {log}")
    stamp.write_text(wanted, encoding="utf-8")
    return directory / "bin"


def variables(programs: Path) -> dict[str, str]:
    """Return the environment in which the programs of such a directory run first."""
    return {**environment(), "PATH": f"{programs}:{os.environ['PATH']}", "VIRTUAL_ENV": str(programs.parent)}


def pythons() -> dict[tuple[int, int], str]:
    """Return the versions of Python 3 of this machine that work and can make environments, by version."""
    found: dict[tuple[int, int], str] = {}
    candidates = [Path(sys.executable), *(Path("/usr/bin", f"python3.{minor}") for minor in range(9, 16))]
    candidates += sorted(Path("~/.pyenv/versions").expanduser().glob("3.*/bin/python3"))
    probe = "import sys, ssl, venv, ensurepip; print(sys.version_info[0], sys.version_info[1])"
    for candidate in candidates:
        if not candidate.exists():
            continue
        answer = subprocess.run([candidate, "-c", probe], capture_output=True, text=True, check=False)
        if not answer.returncode:
            major, minor = answer.stdout.split()
            found.setdefault((int(major), int(minor)), str(candidate))
    return found
