# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the lab needs from the system: commands, waiting, locks, and one kind of error."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

PROGRAM = "nvlab.py"


class LabError(Exception):
    """A step of the lab failed. The text is one line: which step, why, and what to do about it."""


def run(step: str, argv: Sequence[str | Path], *, timeout: float = 30, stdin: str | None = None) -> str:
    """Run a command and return what it printed; raise :class:`LabError` naming the step if it fails or hangs."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout, check=False, cwd="/",
        )  # fmt: skip
    except FileNotFoundError:
        raise LabError(f"{step}: the program {words[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{step}: '{' '.join(words)}' did not end within {timeout:g} s") from None
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        why = " | ".join(said[-3:]) or f"exit status {done.returncode}"
        raise LabError(f"{step}: '{' '.join(words)}' failed: {why}")
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, timeout: float = 30) -> bool:
    """Tell whether a command can be run and exits with 0."""
    try:
        run("", argv, timeout=timeout)
    except LabError:
        return False
    return True


def wait_until(step: str, condition: Callable[[], object], *, timeout: float, interval: float = 0.05) -> None:
    """Wait until the condition is true; raise :class:`LabError` after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{step}: not done after {timeout:g} s")
        time.sleep(interval)


@contextlib.contextmanager
def exclusive(directory: Path, step: str, *, timeout: float) -> Iterator[None]:
    """Hold a directory for this process alone; whoever comes second waits."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        wait_until(f"{step}: waiting for another process that uses {directory}", lambda: try_lock(handle),
                   timeout=timeout)  # fmt: skip
        yield
    finally:
        os.close(handle)


def try_lock(handle: int, *, shared: bool = False) -> bool:
    """Take an advisory lock on an open file if it is free; it ends with the handle, or with the process."""
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class PidFile:
    """The pid of a process that is alive exactly while the file is locked, so that a reused pid is never mistaken."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def claim(self) -> int:
        """Lock the file and write this process's pid; return the handle, to be kept open. Raise if it is taken."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + 1  # who asks for the pid holds it for a moment, too
        while not try_lock(handle):
            if time.monotonic() > deadline:
                os.close(handle)
                raise LabError(f"{self.path}: another process holds it")
            time.sleep(0.01)
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        return handle

    def pid(self) -> int | None:
        """Return the pid of the process that holds the file, or None."""
        try:
            handle = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            if try_lock(handle, shared=True):
                return None
            text = os.read(handle, 32).decode().strip()
        finally:
            os.close(handle)
        return int(text) if text else None


def spawn(argv: Sequence[str | Path], log: Path) -> int:
    """Start a process that outlives this one, with its output appended to ``log``; return its pid."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, cwd="/",
        )  # fmt: skip
    return process.pid


def copy_program(directory: Path) -> None:
    """Keep a copy of this program in the lab's directory: a lab that runs needs no other."""
    source = Path(__file__).parent
    shutil.copytree(source, directory / source.name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    shutil.copy(source.parent / PROGRAM, directory / PROGRAM)


def program(directory: Path) -> list[str]:
    """Return the words that run the copy."""
    return [sys.executable, str(directory / PROGRAM)]


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file whole: nobody sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(mode)
    temporary.rename(path)
