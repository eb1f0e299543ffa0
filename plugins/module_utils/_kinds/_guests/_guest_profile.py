# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The AppArmor profile of a guest's unit (apparmor.d(5)), on nodes whose kernel has AppArmor and which have its parser.

It says once more what the unit's sandbox says, by another part of the kernel, and in one point more: of the files that
all may read, a guest reads its own images and what programs need.
"""

from __future__ import annotations

import os
import re

from ansible_collections.netvirt.fabric.plugins.module_utils import _program
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._guests import _disks, _qemu
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

DIRECTORY = "/etc/apparmor.d"

_LOADER = "/sys/kernel/security/apparmor/.replace"  # not there in a container
_PARSER = "apparmor_parser"

_PROFILE = """
profile {profile} flags=(attach_disconnected, mediate_deleted) {{
  # QEMU, and Python for the program that waits for it and stops it.
  /{{etc,usr,proc,sys}}/** r,
  /{{usr/,}}lib{{,32,64}}/** rm,
{programs}
  /dev/{{null,zero,full,random,urandom,kvm,net/tun}} rw,
  /{{,var/}}tmp/** rwk,
  {sockets}/ r,
  {sockets}/** rw,
{files}
  unix,
  signal (receive) peer=unconfined,
  signal peer={profile},
  ptrace (read, readby) peer={profile},
}}
"""

# A guest that started before it had a profile is stopped by a program without one.
_UNIT = """\
AppArmorProfile=-{profile}
ExecStartPre=+{parser} --replace --skip-cache {path}
ExecStopPost=+-{parser} --remove {path}
"""


def used() -> bool:
    """Tell whether the kernel confines programs by AppArmor, and the node can give it profiles."""
    return os.path.exists(_LOADER) and _programs.installed(_PARSER)


def path(guest: str) -> str:
    """Return the path of a guest's profile."""
    return f"{DIRECTORY}/{_name(guest)}"


def render(spec: Spec, sockets: str) -> str:
    """Return the profile of a guest with these options."""
    programs = sorted({_qemu.PROGRAM, _program.python(), *map(os.path.realpath, (_qemu.PROGRAM, _program.python()))})
    disk, image = (_disks.path(spec["name"]), os.path.realpath(spec["image"])) if spec["image"] else ("", "")
    read = [name for name in (image, spec["kernel"], spec["initrd"]) if name]
    files = {os.path.realpath(name) for name in read} | set(read)
    rules = [f"  {_quoted(disk)} rwk,"] if disk else []
    rules += [f"  {_quoted(name)} rk," for name in sorted(files)]
    return _PROFILE.format(
        profile=_name(spec["name"]),
        programs="\n".join(f"  {_quoted(program)} rmix," for program in programs),
        sockets=sockets,
        files="\n".join(rules),
    )


def unit_lines(guest: str) -> str:
    """Return the lines of the unit by which systemd loads the profile and starts its programs under it."""
    return _UNIT.format(profile=_name(guest), parser=_PARSER, path=path(guest))


def _name(guest: str) -> str:
    return f"netvirt-guest-{guest}"


def _quoted(name: str) -> str:
    """Return a path that matches itself alone, whatever is in it."""
    return '"' + re.sub(r'(["\\*?\[\]{}^@,])', r"\\\1", name) + '"'
