# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The files of one guest, rendered from its options: the unit, the program that it uses, and the options themselves.

The unit sees nothing of other guests, and no socket below /run but its own.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _program
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._guests import _disks, _qemu
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files, _systemd
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests import (
    _guest_profile,
    _guest_program,
    _guest_qemu,
    _guest_values,
)
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

DIRECTORY = "/etc/netvirt/guests"
RECORD = "options"
MODE = 0o644  # the guest's user runs the program
STOP_GRACE = 10  # seconds beyond stop_timeout until QEMU is killed

_UNIT = """
[Unit]
Description=Guest {name} of {owner}
Documentation=https://www.qemu.org/docs/master/system/invocation.html
Wants=openvswitch-switch.service
After=openvswitch-switch.service ovs-vswitchd.service
StartLimitIntervalSec=0

[Service]
Type=exec
User={user}
{group}RuntimeDirectory=netvirt/guests/{name}
RuntimeDirectoryMode=0700
UMask=0077
ExecStart={command}
ExecStartPost={python} -I {program} wait {sockets} $MAINPID
ExecStop=-{python} -I {program} stop {sockets} {stop_timeout}
Restart=on-failure
RestartSec=2
TimeoutStopSec={stop_limit}
StandardInput=null
StandardOutput=journal
SyslogIdentifier={name}
# The console is the guest's: no line of it is more urgent than another, and none may drown the journal.
SyslogLevelPrefix=no
LogRateLimitIntervalSec=30s
LogRateLimitBurst=2000

# Of what guests have below these, only its own is there.
TemporaryFileSystem=/run:ro {disks}:ro
BindPaths={sockets}{disk}
ReadWritePaths={sockets}{disk}
CapabilityBoundingSet=
NoNewPrivileges=yes
DevicePolicy=closed
DeviceAllow=/dev/net/tun rw
DeviceAllow=/dev/kvm rw
InaccessiblePaths=-/etc/netvirt
KeyringMode=private
LimitCORE=0
LockPersonality=yes
PrivateIPC=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot @swap
{apparmor}"""


def unit(name: str) -> str:
    """Return the name of the guest's unit."""
    return f"netvirt-guest-{name}.service"


def guest(file: str) -> str:
    """Return the name of the guest that has a file of that name, a unit or options; empty for other files."""
    found = re.fullmatch(r"netvirt-guest-(.+)\.service|(.+)\.json", file)
    return (found[1] or found[2]) if found else ""


def paths(name: str) -> dict[str, str]:
    """Return the paths of the files that a guest may have, by their short names."""
    return {
        "profile": _guest_profile.path(name),
        "unit": f"{_systemd.UNIT_DIRECTORY}/{unit(name)}",
        "program": f"/usr/local/lib/netvirt/guest-{name}.py",
        RECORD: f"{DIRECTORY}/{name}.json",
    }


def render(spec: Spec, owner: str) -> dict[str, str]:
    """Return the files' texts by their short names."""
    name = spec["name"]
    group = _qemu.device_group() if spec["accelerator"] == _qemu.KVM else ""
    unit_text = _UNIT.format(
        name=name,
        owner=owner,
        user=_guest_values.account(name),
        group=f"SupplementaryGroups={group}\n" if group else "",
        command=_guest_qemu.systemd_words(_guest_qemu.arguments(spec)),
        python=_program.python(),
        program=paths(name)["program"],
        sockets=f"{_guest_qemu.RUN_DIRECTORY}/{name}",
        stop_timeout=spec["stop_timeout"],
        stop_limit=spec["stop_timeout"] + STOP_GRACE,
        disks=_disks.DIRECTORY,
        disk=f" {_disks.directory(name)}" if spec["image"] else "",
        apparmor=_guest_profile.unit_lines(name) if _guest_profile.used() else "",
    )
    texts = {
        "unit": unit_text,
        "program": _program.source(_guest_program.__name__),
        RECORD: json.dumps(spec, indent=1, sort_keys=True) + "\n",
    }
    if _guest_profile.used():
        texts["profile"] = _guest_profile.render(spec, f"{_guest_qemu.RUN_DIRECTORY}/{name}")
    return {short: _files.header(owner) + text for short, text in texts.items()}


def of_owner(text: str, name: str, former: str, owner: str) -> str:
    """Return the text of a file of a guest with another owner, in the two places that ``render`` names it."""
    for line in ("Description=Guest {name} of {owner}\n", _files.header("{owner}")):
        text = text.replace(line.format(name=name, owner=former), line.format(name=name, owner=owner), 1)
    return text


def parse_options(text: str) -> Any:
    """Return what the options' file holds below its header; raises ValueError when that is no JSON."""
    return json.loads(text.partition("\n")[2])
