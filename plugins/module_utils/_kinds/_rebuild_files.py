# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The files by which a node rebuilds at boot what it was told: the list, the engine, and the units."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _boot, _node, _program
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends import _files, _systemd

PROGRAM_DIRECTORY = "/usr/local/lib/netvirt"
LIST_DIRECTORY = "/etc/netvirt/rebuild"
GUESTS_DIRECTORY = f"{_systemd.UNIT_DIRECTORY}/netvirt-guest-.service.d"  # for all units whose name begins so

_UNIT = """
[Unit]
Description=Virtual networks of {name}, as this node was last told
Wants=openvswitch-switch.service
# network.target: what sets up the host's own links has begun; nobody waits for the network.
After=openvswitch-switch.service ovs-vswitchd.service network.target
Before=libvirtd.service virtqemud.service libvirt-guests.service

[Service]
Type=notify
RemainAfterExit=yes
ExecStart={python} -I {program} {list}
TimeoutStartSec=5min
# Namespaces are mounts which all must see, so this unit can have no view of its own of the file system.
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_KILL CAP_NET_ADMIN
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SETGID CAP_SETUID CAP_SYS_ADMIN CAP_SYS_PTRACE
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_PACKET AF_UNIX
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @debug @module @obsolete @raw-io @reboot @swap

[Install]
WantedBy=multi-user.target
"""
_GUESTS = """
[Unit]
After={unit}
"""


def stem(name: str) -> str:
    """Return what names of files and units have in place of an owner's name, which need not be fit for a unit."""
    try:
        return values.word(name)
    except ValueError:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        return f"{re.sub('[^A-Za-z0-9_.-]', '-', name)[:39]}-{digest}"


def unit(name: str) -> str:
    """Return the name of the unit."""
    return f"netvirt-rebuild-{stem(name)}.service"


def paths(name: str) -> dict[str, str]:
    """Return the paths of the files that ``render`` makes, by their short names."""
    file = stem(name)
    return {
        "list": f"{LIST_DIRECTORY}/{file}.json",
        "program": f"{PROGRAM_DIRECTORY}/rebuild-{file}.pyz",
        "unit": f"{_systemd.UNIT_DIRECTORY}/{unit(name)}",
        "guests": f"{GUESTS_DIRECTORY}/rebuild-{file}.conf",
    }


def render(name: str, resources: list[Any], settings: _node.Settings) -> dict[str, _files.File]:
    """Return the files by their short names. Only root may read the list."""
    places = paths(name)
    told = {"resources": resources, "settings": dataclasses.asdict(settings)}
    texts = {
        "list": json.dumps(told, indent=1, sort_keys=True) + "\n",
        "program": _program.archive(_boot.__name__),
        "unit": _UNIT.format(name=name, python=_program.python(), program=places["program"], list=places["list"]),
        "guests": _GUESTS.format(unit=unit(name)),
    }
    return {
        short: _files.File(_files.header(settings.owner) + text, 0o600 if short == "list" else 0o644)
        for short, text in texts.items()
    }
