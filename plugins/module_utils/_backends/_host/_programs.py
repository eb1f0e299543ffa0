# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Programs of the node that speak a machine format. Never through a shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors, _values

held: set[int] = set()
"""Descriptors that programs hold as well, such as that of the node's lock."""

_PYTHON = "/usr/bin/python3"
_DIRECTORIES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # an SSH session may lack the sbin ones


def run_program(argv: Sequence[str], timeout: int, remedy: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program with ``text`` as its standard input and return its status, output and errors.

    Raises Missing, with the remedy, when there is no such program, and Unavailable when it takes longer than
    ``timeout`` seconds. A status other than 0 is the caller's to judge. What is no UTF-8 in the output, such as a name
    that somebody else gave to something, is replaced by U+FFFD.

    The program outlives a run that is killed. So it gets its input whole or not at all, since a part may have a meaning
    of its own, and it holds the node's lock until it ends.
    """
    environment = {**os.environ, "LC_ALL": "C", "PATH": _DIRECTORIES}
    try:
        with open(os.memfd_create("input"), "w+", encoding="utf-8") as given:
            given.write(text)
            given.seek(0)
            return subprocess.run(
                list(argv),
                stdin=given,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                env=environment,
                timeout=timeout,
                pass_fds=tuple(held),
                check=False,
            )
    except FileNotFoundError as error:
        raise _errors.Missing(f"the program {argv[0]} is missing on the node; {remedy}") from error
    except subprocess.TimeoutExpired as error:
        raise _errors.Unavailable(f"{argv[0]} did not end within {timeout} s") from error
    except OSError as error:
        raise _errors.Unavailable(f"{argv[0]} cannot be run: {os.strerror(error.errno or 0)}") from error


def missing_library(library: Optional[str], packages: str) -> _errors.Missing:
    """Return what says that a library is missing. Only the system's own interpreter finds the system's packages."""
    interpreter, where, also = sys.executable, "", ""
    if sys.prefix != sys.base_prefix or os.path.realpath(interpreter) != os.path.realpath(_PYTHON):
        where = f" for the interpreter {interpreter}"
        also = (
            f", and set ansible_python_interpreter to {_PYTHON}, which finds them; or install {_on_pypi(library)} for "
            f"{interpreter} with pip"
        )
    return _errors.Missing(
        f"the Python library {library} is missing on the node{where}; install {packages}, or run the role "
        f"netvirt.fabric.hypervisor{also}"
    )


def require_version(library: str, minimum: tuple[int, ...], packages: str) -> None:
    """Raise Missing where the library is older. One that does not tell its version is taken as it is."""
    from importlib import metadata  # takes 20 ms

    try:
        found = metadata.version(library)
    except metadata.PackageNotFoundError:
        return
    numbers = tuple(int(number) for number in re.findall("[0-9]+", found)[: len(minimum)])
    if numbers < minimum:
        raise _errors.Missing(
            f"the Python library {library} on the node is version {_values.quoted(found)}, which is too old; install "
            f"{packages}"
        )


def _on_pypi(library: Optional[str]) -> str:
    return "pyroute2" if library and library.startswith("pyroute2") else "ovsdbapp and ovs"


def installed(program: str) -> bool:
    """Tell whether there is such a program."""
    return shutil.which(program, path=_DIRECTORIES) is not None


def complaint(result: subprocess.CompletedProcess[str], default: Optional[str] = None) -> str:
    """Return the first line a program wrote on standard error, or a sentence with its status."""
    for line in result.stderr.splitlines():
        if line.strip():
            return _values.quoted(line)
    return default or f"status {result.returncode}"
