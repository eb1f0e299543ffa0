# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The files by which a node rebuilds by itself what it was told: the list, the engine, and the units."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _boot, _mended, _node, _program
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _nft_events
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files, _systemd

PROGRAM_DIRECTORY = "/usr/local/lib/netvirt"
LIST_DIRECTORY = "/etc/netvirt/rebuild"

_MANAGERS = "systemd-networkd.service NetworkManager.service networking.service"
_UNIT = """
[Unit]
Description=Virtual networks of {name}, as this node was last told
# network.target: what sets up the host's own links has begun; nobody waits for the network.
After=openvswitch-switch.service ovs-vswitchd.service network.target nftables.service {managers}
Before=libvirtd.service virtqemud.service libvirt-guests.service
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={python} -I {program} {list}
ExecStopPost=-{python} -I {program} --ended {list}
TimeoutStartSec=5min
Restart=on-abnormal
RestartSec=1
# Less than a second of work, which guests wait for; see _hurry() in the program.
Nice=-10
# Namespaces are mounts which all must see, so this unit can have no view of its own of the file system.
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_KILL CAP_NET_ADMIN
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_RAW CAP_SETGID CAP_SETUID CAP_SYS_ADMIN
CapabilityBoundingSet=CAP_SYS_NICE CAP_SYS_PTRACE
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
WantedBy=multi-user.target ovs-vswitchd.service {managers}
"""
_SOCKET = """
[Unit]
Description=Changes of nft tables, for the virtual networks of {name}

[Socket]
ListenNetlink=netfilter {group}
ReceiveBuffer=1M

[Install]
WantedBy=sockets.target
"""
_PATH = """
[Unit]
Description=Starts of Open vSwitch, for the virtual networks of {name}

[Path]
PathChanged={pid}

[Install]
WantedBy=paths.target
"""


def unit(name: str) -> str:
    """Return the name of the unit."""
    return _mended.unit(_mended.stem(name))


def triggers(name: str) -> list[str]:
    """Return the names of the units by which systemd starts it, besides the boot."""
    return [f"netvirt-rebuild-{_mended.stem(name)}.{sort}" for sort in ("path", "socket")]


def paths(name: str) -> dict[str, str]:
    """Return the paths of the files that ``render`` makes, by their short names."""
    file = _mended.stem(name)
    return {
        "list": f"{LIST_DIRECTORY}/{file}.json",
        "program": f"{PROGRAM_DIRECTORY}/rebuild-{file}.pyz",
        "unit": f"{_systemd.UNIT_DIRECTORY}/{unit(name)}",
        **{trigger.rpartition(".")[2]: f"{_systemd.UNIT_DIRECTORY}/{trigger}" for trigger in triggers(name)},
    }


def outdated(name: str) -> str:
    """Return the path of a file of release 0.1.0, by which guests waited for the rebuild that now starts them."""
    return f"{_systemd.UNIT_DIRECTORY}/netvirt-guest-.service.d/rebuild-{_mended.stem(name)}.conf"


def render(name: str, resources: list[Any], settings: _node.Settings) -> dict[str, _files.File]:
    """Return the files by their short names. Only root may read the list."""
    places = paths(name)
    told = {"resources": resources, "settings": settings.lasting()}
    texts = {
        "list": json.dumps(told, indent=1, sort_keys=True) + "\n",
        "program": _program.archive(_boot.__name__),
        "unit": _UNIT.format(
            name=name,
            managers=_MANAGERS,
            python=_program.python(),
            program=places["program"],
            list=places["list"],
        ),
        "path": _PATH.format(name=name, pid=_mended.pid_path(settings.ovsdb)),
        "socket": _SOCKET.format(name=name, group=_nft_events.GROUP_MASK),
    }
    return {
        short: _files.File(_files.header(settings.owner) + text, 0o600 if short == "list" else 0o644)
        for short, text in texts.items()
    }
