# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Files that belong to the collection: marked in their first line, written atomically, with an explicit mode.

A file without the mark is somebody else's, and is neither overwritten nor removed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors

_OURS = "/netvirt"  # in the path of a directory that only the collection writes into
_PASSABLE = 0o755
_HEADER = re.compile(r"# Managed by netvirt\.fabric, owner ([^\s,]+)\n")
_GUEST_OF_0_1 = re.compile(r"(?:#.*\n){1,9}?# netvirt-owner: ([^\s,]+)\n\[Unit\]\n")  # units of guests of release 0.1.0


def header(owner: str) -> str:
    """Return the first line of a file of ours."""
    return f"# Managed by netvirt.fabric, owner {owner}\n"


def make_directories(path: str) -> None:
    """Make a directory and those above it with mode 0755, whatever the umask is; raises OSError.

    Our own that are there already get that mode, too: daemons that are not root have to pass them.
    """
    above, name = os.path.split(path)
    if name:
        make_directories(above)
    try:
        os.mkdir(path, mode=0o700)
    except FileExistsError:
        if _OURS not in path or stat.S_IMODE(os.lstat(path).st_mode) & _PASSABLE == _PASSABLE:
            return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(handle, _PASSABLE)
    finally:
        os.close(handle)


@dataclass(frozen=True)
class File:
    """What is known of a regular file: its text (undecodable bytes as surrogates) and its permission bits."""

    text: str
    mode: int

    @property
    def owner(self) -> Optional[str]:
        """The owner named in the first line, or None for a file that is not ours."""
        found = _HEADER.match(self.text) or _GUEST_OF_0_1.match(self.text)
        return found[1] if found else None


class Files:
    """The node's files."""

    def __init__(self) -> None:
        self._files: dict[str, Optional[File]] = {}
        self._writes: dict[str, File] = {}

    def read(self, path: str) -> Optional[File]:
        """Return the file, or None when there is none; raises Conflict when it is not a regular file of ours."""
        if path not in self._files:
            self._files[path] = _read(path)
        return self._files[path]

    def owner(self, path: str) -> Optional[str]:
        """Return the owner that the file names, or None for one that is not ours or not there."""
        try:
            file = self.read(path)
        except _errors.Conflict:
            return None
        return file.owner if file is not None else None

    def names(self, directory: str) -> list[str]:
        """Return what is in a directory, sorted; nothing when there is none."""
        with _translated("read", directory), contextlib.suppress(FileNotFoundError):
            return sorted(os.listdir(directory))
        return []

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write the file with the coming commit; directories above it have mode 0755, whatever the umask is."""
        self._writes[path] = File(text, mode)

    def adopt(self, path: str, owner: str) -> None:
        """Name another owner in a file of ours with the coming commit, if it is there; all else stays as it is."""
        file = self.read(path)
        if file is not None and file.owner != owner:
            self.write(path, _HEADER.sub(header(owner), file.text, count=1), file.mode)

    def commit(self) -> None:
        """Write all collected files, or none: each beside its place first, then all moved into place.

        Raises Conflict for a file that is not ours, Unavailable when the disk is full or writing is not allowed.
        """
        writes, self._writes = self._writes, {}
        ready: dict[str, str] = {}
        try:
            for path, file in writes.items():
                _read(path)
                with _translated("write", path):
                    make_directories(os.path.dirname(path))
                    ready[path] = _write_beside(path, file)
            for path in list(ready):
                with _translated("write", path):
                    os.replace(ready[path], path)
                del ready[path]
            for directory in {os.path.dirname(path) for path in writes}:
                with _translated("write", directory):
                    _sync_directory(directory)
        finally:
            for temporary in ready.values():
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
            self.forget()

    def make_directory(self, path: str) -> None:
        """Make a directory of ours at once, which all may pass as those above it."""
        with _translated("make", path):
            make_directories(path)

    def remove(self, path: str) -> None:
        """Remove a file of ours at once, if it is there; raises Conflict for one that is not ours."""
        if _read(path) is not None:
            with _translated("remove", path):
                _unlink(path)
        with _translated("remove", _beside(path)):
            _unlink(_beside(path))
        self._files.pop(path, None)

    def remove_directory(self, path: str) -> None:
        """Remove a directory that only the collection writes into, at once and with all it holds."""
        with _translated("remove", path):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
        self.forget()

    def remove_if_empty(self, path: str) -> None:
        """Remove a directory and those above it at once, as far as nobody keeps anything else in them."""
        with contextlib.suppress(OSError):
            os.removedirs(path)

    def forget(self) -> None:
        """Drop what was read."""
        self._files.clear()

    def close(self) -> None:
        """Nothing is open."""


def _read(path: str) -> Optional[File]:
    file = None
    with _translated("read", path):
        try:
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode):
                with open(path, encoding="utf-8", errors="surrogateescape", newline="") as handle:
                    file = File(handle.read(), stat.S_IMODE(status.st_mode))
        except (FileNotFoundError, NotADirectoryError):
            return None
    if file is None or file.owner is None:
        raise _errors.Conflict(f"{path} exists and is not ours (its first line does not say so); move it away")
    return file


def _write_beside(path: str, file: File) -> str:
    """Write a file in the directory of ``path``, on disk when this returns, and return its path.

    Its name is always the same, so that what a killed run leaves behind is overwritten or removed by the next one.
    """
    temporary = _beside(path)
    _unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as handle:
            handle.write(file.text)
            handle.flush()
            os.fchmod(handle.fileno(), file.mode)
            os.fchown(handle.fileno(), 0, 0)
            os.fsync(handle.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return temporary


def _beside(path: str) -> str:
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.netvirt")


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _translated(action: str, path: str) -> Iterator[None]:
    """Turn an error of the system into Unavailable."""
    try:
        yield
    except OSError as error:
        raise _errors.Unavailable(f"cannot {action} {path}: {os.strerror(error.errno or 0)}") from error
