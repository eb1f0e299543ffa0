# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The group ``sanity``: ansible-test on a copy, since it wants a git checkout at ansible_collections/netvirt/fabric."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from netvirt_testing.paths import CACHE, LOGS, ROOT, VENV_BIN, environment, source_files
from netvirt_testing.report import Tally, say

RUNNING = re.compile(r'^Running sanity test "(.+)$', re.MULTILINE)
FAILED = re.compile(r"^FATAL: The (\d+) sanity test\(s\) listed below", re.MULTILINE)

# ansible-test fetches get-pip.py from a host that is no package registry. This does the same with what Python carries,
# whose pip is good enough. ansible-test hands no variables on, so the settings of pip go into the environment it makes.
MARK = "# netvirt.fabric: stands in for get-pip.py"
GET_PIP = """\
{mark}
import ensurepip
import os
import subprocess
import sys

with open(os.path.join(sys.prefix, "pip.conf"), "w") as stream:
    stream.write({settings!r})
environment = dict(os.environ)
ensurepip.bootstrap()
os.environ.clear()  # ensurepip switches pip's configuration off.
os.environ.update(environment)
arguments = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel") and word[:5] != "pip=="]
if all(word.startswith("-") for word in arguments):
    sys.exit(0)
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install"] + arguments))
"""


def pip_settings() -> str:
    """Return the registry and certificate that the environment names, as a configuration file of pip."""
    names = ("cert", "client-cert", "extra-index-url", "find-links", "index-url", "proxy", "trusted-host")
    values = {name: os.environ.get(f"PIP_{name.upper().replace('-', '_')}") for name in names}
    values["cert"] = values["cert"] or os.environ.get("REQUESTS_CA_BUNDLE")
    return "\n".join(["[global]", *(f"{name} = {value}" for name, value in values.items() if value), ""])


def provide_get_pip(programs: Path) -> None:
    """Put the script where ansible-test keeps its download, unless a real download is there."""
    ansible_test = next(programs.parent.glob("lib/python3*/site-packages/ansible_test/_internal"))
    for version in re.findall(
        r"\bpip='([\d.]+)'", (ansible_test / "python_requirements.py").read_text(encoding="utf-8")
    ):
        target = Path("~/.ansible/test/cache", f"get_pip_{version.replace('.', '_')}.py").expanduser()
        if target.exists() and not target.read_text(encoding="utf-8").startswith(MARK):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)  # An index may have a password in its address.
        target.write_text(GET_PIP.format(mark=MARK, settings=pip_settings()), encoding="utf-8")


def python_path(programs: Path) -> str:
    """Return PATH without the directories that offer a Python that does not start, and with the oldest one for nodes.

    ansible-test takes any ``python3.N`` it finds, and pyenv's stubs exist for versions that are not switched on.
    """
    directories = [str(programs), *os.environ["PATH"].split(":")]
    directories += [str(path) for path in Path("~/.pyenv/versions").expanduser().glob("3.9.*/bin")]
    return ":".join(directory for directory in directories if all(map(starts, Path(directory).glob("python3.[0-9]*"))))


def starts(python: Path) -> bool:
    """Tell whether a program is a Python that runs; its companions, such as python3.11-config, pass."""
    if not re.fullmatch(r"python3\.\d+", python.name):
        return True
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def copy_checkout(target: Path) -> None:
    """Copy the files git knows of, and make the copy a repository of its own."""
    for path in source_files():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target / path, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet", "."], cwd=target, check=True)


def run(tally: Tally, programs: Path = VENV_BIN, name: str = "sanity") -> None:
    """Run the ansible-test sanity of an environment; each of its tests is one test."""
    provide_get_pip(programs)
    with tempfile.TemporaryDirectory(prefix="sanity-", dir=CACHE) as collections:
        checkout = Path(collections, "ansible_collections", "netvirt", "fabric")
        copy_checkout(checkout)
        result = subprocess.run(
            ["ansible-test", "sanity", "--color", "no"],
            cwd=checkout,
            env={**environment(), "ANSIBLE_COLLECTIONS_PATH": collections, "PATH": python_path(programs)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    log = LOGS / f"{name}.log"
    log.write_text(result.stdout, encoding="utf-8")
    count(tally, result.returncode, result.stdout, log)


def count(tally: Tally, status: int, output: str, log: Path) -> None:
    """Count what ansible-test ran and what of it failed."""
    ran = len(set(RUNNING.findall(output)))
    if not status:
        tally.passed += ran
        return
    errors, fatal, rest = output.partition("\nFATAL: ")
    say("\n".join(line for line in errors.splitlines() if not line.startswith(("Running ", "WARNING: ", "See doc"))))
    say((fatal + rest).strip()[-4000:])
    listed = FAILED.search(output)
    failed = int(listed[1]) if listed else 1
    tally.failed += failed
    tally.passed += max(ran - failed, 0)
    say(f"ansible-test failed ({status}); full output in {log}")
