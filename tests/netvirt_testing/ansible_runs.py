# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of Ansible's commands by a process that has Ansible loaded, since loading it takes longer than most runs.

The process forks for each run, so a run sees nothing of those before it; only the modules that they packed are kept.
Run as a program, this file is that process. It reads requests, one line of JSON each, and answers each with two lines:
the number of the process that runs the command, then the status that it ended with.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PROGRAMS = {
    "ansible": ("ansible.cli.adhoc", "AdHocCLI"),
    "ansible-playbook": ("ansible.cli.playbook", "PlaybookCLI"),
}
PRELOADED = (
    *(module for module, _program in PROGRAMS.values()),
    "ansible.executor.module_common",
    "ansible.plugins.action.normal",
    "ansible.plugins.connection.ssh",
    "ansible.plugins.shell.sh",
    "ansible.plugins.strategy.linear",
)


class Runner:
    """The process, which starts with the first run and ends with this one."""

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        self.environment = environment  # Ansible reads most of its settings when it is loaded.
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, command: Sequence[str], variables: Mapping[str, str], timeout: float) -> tuple[int, str]:
        """Run ``ansible`` or ``ansible-playbook`` with more variables; return its status and what it printed.

        Raises subprocess.TimeoutExpired.
        """
        with tempfile.NamedTemporaryFile(prefix="netvirt-output-") as output:
            request = {"command": list(command), "variables": dict(variables), "output": output.name}
            process = self._started()
            assert process.stdin
            process.stdin.write(json.dumps(request).encode() + b"\n")
            pid = self._answer(process, 60)
            try:
                if pid is None:
                    raise subprocess.TimeoutExpired(command, 60)
                status = self._answer(process, timeout)
                if status is None:
                    os.kill(pid, signal.SIGKILL)
                    self._answer(process, 60)
                    raise subprocess.TimeoutExpired(command, timeout)
            except BaseException:  # An answer that nobody took must not be taken for the next one's.
                self.close()
                raise
            return status, Path(output.name).read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """End the process; the next run starts another."""
        if self.process:
            assert self.process.stdin
            self.process.stdin.close()
            self.process = None

    def _started(self) -> subprocess.Popen[bytes]:
        if not self.process or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, "-P", __file__],
                cwd=self.directory,
                env=dict(self.environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
        return self.process

    @staticmethod
    def _answer(process: subprocess.Popen[bytes], timeout: float) -> int | None:
        """Return the next answer, or None when there is none in time."""
        assert process.stdout
        if not select.select([process.stdout], [], [], timeout)[0]:
            return None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the process that runs Ansible has ended")
        return int(line)


def run(request: Mapping[str, Any]) -> int:
    """Do, in a process of its own, what ansible or ansible-playbook does; return the status it ends with."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output = os.open(request["output"], os.O_WRONLY | os.O_APPEND)
    for number, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(number, target)
    os.environ.update(request["variables"])
    sys.argv = list(request["command"])
    module, program = PROGRAMS[sys.argv[0]]
    try:
        getattr(sys.modules[module], program).cli_executor(sys.argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def load() -> None:
    """Load what every run needs: Ansible, and the long table of where its plugins went, which each run would parse."""
    for name in PRELOADED:
        importlib.import_module(name)
    finder: Any = importlib.import_module("ansible.utils.collection_loader._collection_finder")
    parse = finder._meta_yml_to_dict = functools.cache(finder._meta_yml_to_dict)
    table = Path(importlib.import_module("ansible").__path__[0], "config", "ansible_builtin_runtime.yml")
    parse(table.read_bytes(), ("ansible.builtin", "runtime.yml"))


def main() -> None:
    """Serve until there is nobody to ask."""
    # An interrupt ends the run; what cleans up after it needs more runs.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    load()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            status = 1
            try:
                status = run(json.loads(line))
            except BaseException:
                traceback.print_exc()
            finally:
                with contextlib.suppress(OSError, ValueError):
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(status)  # The temporary directory, which this process would remove, is the parent's.
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
