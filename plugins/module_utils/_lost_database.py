# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""A database of Open vSwitch that a power cut or a full disk has left unreadable, so that nothing starts any more.

What it held is lost to Open vSwitch in any case. The file is moved aside, never removed: a new one is made, into which
the rebuild puts what the node was told. What others had in it is theirs to bring back, from the file that was moved.
"""

from __future__ import annotations

import os
import time

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs

DATABASE = "/etc/openvswitch/conf.db"
SERVER = "ovsdb-server.service"

_SECONDS = 60
_REMEDY = "install openvswitch-switch"


def move_aside() -> str:
    """Start Open vSwitch anew where it cannot read its database; return the file's new name, or nothing."""
    path = os.path.realpath(DATABASE)
    if not os.path.exists(path) or not _failed() or _readable(path):
        return ""
    aside = f"{path}.unreadable-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        os.rename(path, aside)
    except OSError as error:
        raise _errors.Unavailable(
            f"{path} cannot be read by Open vSwitch, nor moved: {os.strerror(error.errno or 0)}"
        ) from error
    _programs.run_program(["systemctl", "reset-failed", SERVER, "ovs-vswitchd.service"], _SECONDS, _REMEDY)
    _programs.run_program(["systemctl", "restart", "openvswitch-switch.service"], _SECONDS, _REMEDY)
    return aside


def _failed() -> bool:
    return not _programs.run_program(["systemctl", "--quiet", "is-failed", SERVER], _SECONDS, _REMEDY).returncode


def _readable(path: str) -> bool:
    """Tell whether the file is a database; one that only ends too early is, and Open vSwitch goes on with its start."""
    return not _programs.run_program(["ovsdb-tool", "db-name", path], _SECONDS, _REMEDY).returncode
