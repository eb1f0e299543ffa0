# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Users of the system that services run as."""

from __future__ import annotations

import pwd
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs

_REMEDY = "install passwd"


def find(name: str, comment: str) -> Optional[pwd.struct_passwd]:
    """Return a user, or None when there is none; raises Conflict for one without our comment."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    if found.pw_gecos != comment:
        raise _errors.Conflict(f"the user {name} exists and is not ours (its comment is not {comment!r}); remove it")
    return found


def name_of(uid: int) -> str:
    """Return how a user is called, the number for one that has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def add(name: str, comment: str, timeout: int) -> pwd.struct_passwd:
    """Return a system user of its own group that nobody can log in as; it is made where it is missing."""
    found = find(name, comment)
    if found is None:
        options = ["--system", "--user-group", "--no-create-home", "--home-dir=/nonexistent"]
        options += ["--shell=/usr/sbin/nologin", f"--comment={comment}"]
        _change(["useradd", *options, "--", name], timeout)
        found = find(name, comment)
    if found is None:
        raise _errors.Unavailable(f"useradd did not make the user {name}")
    return found


def remove(name: str, comment: str, timeout: int) -> None:
    """Remove a user of ours; none is fine."""
    if find(name, comment) is not None:
        _change(["userdel", "--", name], timeout)


def _change(argv: list[str], timeout: int) -> None:
    result = _programs.run_program(argv, timeout, _REMEDY)
    if result.returncode:
        raise _errors.Unavailable(f"{argv[0]} {argv[-1]} failed: {_programs.complaint(result)}")
