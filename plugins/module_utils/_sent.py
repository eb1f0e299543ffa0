# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Code that a node keeps from one task to the next, so that it is sent and compiled once; by its hash.

It is in /run, so that a boot removes it. The directory is root's alone, and what is in it is hashed each time before it
is used: what has another hash than the controller asks for is not used.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tempfile
import time
import zipfile
from collections.abc import Iterator
from typing import Optional

ABOVE = "/run/netvirt"
DIRECTORY = f"{ABOVE}/engines"
_OLD_SECONDS = 86400.0  # after which code that nobody has asked for is removed, and no task that uses it still runs


def digest(directory: str) -> str:
    """Return the hash of the names and contents of the Python sources below a directory."""
    total = hashlib.sha256()
    for name in _names(directory):
        with open(os.path.join(directory, name), "rb") as file:
            content = file.read()
        total.update(f"{name}\n{len(content)}\n".encode() + content)
    return total.hexdigest()


def packed(directory: str) -> bytes:
    """Return the Python sources below a directory as a zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for name in _names(directory):
            target.write(os.path.join(directory, name), name)
    return stream.getvalue()


def found(wanted: str) -> Optional[str]:
    """Return the directory with the code of this hash, or None if there is none that is whole and root's."""
    path = os.path.join(DIRECTORY, os.path.basename(wanted))
    try:
        if not all(map(_is_roots, (ABOVE, DIRECTORY, path))) or digest(path) != wanted:
            return None
        os.utime(path)
    except (OSError, UnicodeError):
        return None
    return path


def keep(wanted: str, content: bytes) -> Optional[str]:
    """Unpack the code and return its directory, or None where that cannot be."""
    if os.geteuid() != 0:
        return None
    try:
        for path, mode in ((ABOVE, 0o755), (DIRECTORY, 0o700)):
            if not os.path.isdir(path):
                os.mkdir(path, 0o700)
                os.chmod(path, mode)
        if not _is_roots(DIRECTORY):
            return None
        _remove_old()
        target = os.path.join(DIRECTORY, os.path.basename(wanted))
        beside = tempfile.mkdtemp(dir=DIRECTORY)
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as source:
                source.extractall(beside)
            if found(wanted) is None:  # another task may have been faster
                if os.path.lexists(target):
                    os.rename(target, f"{beside}.damaged")
                os.rename(beside, target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except (OSError, zipfile.BadZipFile):
        return None
    return found(wanted)


def _names(directory: str) -> Iterator[str]:
    for above, directories, files in os.walk(directory):
        directories.sort()
        for name in sorted(files):
            if name.endswith(".py"):
                yield os.path.relpath(os.path.join(above, name), directory)


def _is_roots(path: str) -> bool:
    """Tell whether a path is a directory that nobody but root can change."""
    status = os.lstat(path)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == 0 and not status.st_mode & 0o022


def _remove_old() -> None:
    for entry in os.scandir(DIRECTORY):
        if time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLD_SECONDS:
            shutil.rmtree(entry.path, ignore_errors=True)
