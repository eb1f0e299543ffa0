# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The group ``lint``: each tool is one test."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from netvirt_testing import environments
from netvirt_testing.paths import ROOT, environment, source_files
from netvirt_testing.report import Tally, say

CHANGELOG = ("-r", str(ROOT / "tests" / "changelog.txt"))
MAX_LINES = 450
GENERATED = {Path("COPYING"), Path("CHANGELOG.md"), Path("changelogs/changelog.yaml")}
ONE_FILE = {Path("roles/fabric/meta/argument_specs.yml")}  # the whole document, where Ansible looks for it
NO_HEADER_SUFFIXES = {".json", ".png", ".svg", ".typed"}  # Listed in REUSE.toml.
SPDX = re.compile(r"SPDX-License-Identifier: (GPL-3\.0-or-later|BSD-2-Clause)\b")
TYPED = tuple(f"plugins/{part}" for part in ("action", "filter", "module_utils", "modules", "plugin_utils"))


def readable_sources() -> Iterator[tuple[Path, list[str]]]:
    """Yield every text file somebody writes here, with its lines."""
    for path in source_files():
        if path in GENERATED or path.parts[0] == "LICENSES":
            continue
        try:
            yield path, (ROOT / path).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue


def file_length() -> list[str]:
    """Return a message for each file that is too long to be read in one go."""
    long = [(path, len(lines)) for path, lines in readable_sources() if len(lines) > MAX_LINES and path not in ONE_FILE]
    return [f"{path}: {length} lines" for path, length in long]


def licences() -> list[str]:
    """Return a message for each file whose first lines name no licence, or the wrong one for its place."""
    faults = []
    for path, lines in readable_sources():
        if path.suffix in NO_HEADER_SUFFIXES or not lines:
            continue
        found = SPDX.search("\n".join(lines[:12]))
        expected = "BSD-2-Clause" if path.parts[:2] == ("plugins", "module_utils") else "GPL-3.0-or-later"
        if not found or found[1] != expected:
            faults.append(f"{path}: expected SPDX-License-Identifier {expected}, found {found[1] if found else 'none'}")
    return faults


def bugfixes_of_no_release() -> list[str]:
    """Return a message for each fragment that tells bugfixes before the first release: nobody has met those faults."""
    if (ROOT / "changelogs/changelog.yaml").exists():
        return []
    told = [path for path in source_files("changelogs/fragments/*.yml") if "bugfixes:" in (ROOT / path).read_text()]
    return [f"{path}: bugfixes of no release; remove them, or say it under minor_changes" for path in told]


def shell_files() -> list[str]:
    """Return the shell scripts, by name or by their first line."""
    candidates = [path for path in source_files() if path.suffix in {"", ".sh"} and path not in GENERATED]
    return [str(path) for path in candidates if path.suffix == ".sh" or is_shell(ROOT / path)]


def is_shell(path: Path) -> bool:
    """Tell whether a file's first line asks for a shell."""
    with path.open("rb") as stream:
        return bool(re.match(rb"#!.*\b(ba|da)?sh\b", stream.readline()))


def typed_packages() -> list[str]:
    """Return mypy's arguments for the packages that exist."""
    present = [package.replace("/", ".") for package in TYPED if source_files(f"{package}/*.py")]
    return [word for package in present for word in ("-p", f"ansible_collections.netvirt.fabric.{package}")]


def tools() -> dict[str, list[str]]:
    """Return the command of each tool; an empty one when there is nothing to check."""
    packages, scripts = typed_packages(), shell_files()
    return {
        "ruff check": ["ruff", "check", "--quiet", "."],
        "ruff format": ["ruff", "format", "--check", "--quiet", "."],
        "mypy plugins": ["mypy", *packages] if packages else [],
        "mypy roles": ["mypy", "roles/lab/files"],
        "mypy tests": ["mypy", "tests/netvirt_testing"],
        "yamllint": ["yamllint", "--strict", "."],
        "ansible-lint": ["ansible-lint", "--offline", "--nocolor", "-q"],
        "shellcheck": ["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *scripts] if scripts else [],
    }


CHECKS: dict[str, Callable[[], list[str]]] = {
    f"no file over {MAX_LINES} lines": file_length,
    "licence in each file": licences,
    "no bugfixes before a release": bugfixes_of_no_release,
}


def run_tool(tally: Tally, name: str, command: list[str]) -> None:
    """Run one tool, quiet unless it finds something."""
    if not command:
        tally.skip(f"{name}: nothing to check in this checkout")
        return
    result = subprocess.run(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode:
        say(result.stdout.rstrip())
        tally.fail(f"{name} ({' '.join(command)})")
    else:
        tally.passed += 1


def changelog(tally: Tally) -> None:
    """Check the fragments of the changelog."""
    try:
        programs = environments.made("changelog", CHANGELOG)
    except environments.NoEnvironment as error:
        tally.fail(str(error))
    else:
        run_tool(tally, "changelog", [str(programs / "antsibull-changelog"), "lint"])


def run(tally: Tally) -> None:
    """Run every linter and every check of our own."""
    changelog(tally)
    for name, command in tools().items():
        run_tool(tally, name, command)
    for name, check in CHECKS.items():
        if faults := check():
            say("\n".join(faults))
            tally.fail(name)
        else:
            tally.passed += 1
