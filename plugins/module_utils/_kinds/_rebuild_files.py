# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The files by which a node rebuilds at boot what it was told: the list, the engine, and the units."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pkgutil
import sys
import zipfile
from collections.abc import Iterator
from importlib import import_module
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import Any, cast

from ansible_collections.netvirt.fabric.plugins.module_utils import _boot
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._files import File, header
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._systemd import UNIT_DIRECTORY
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Settings

PROGRAM_DIRECTORY = "/usr/local/lib/netvirt"
LIST_DIRECTORY = "/etc/netvirt/rebuild"
GUESTS_DIRECTORY = f"{UNIT_DIRECTORY}/netvirt-guest-.service.d"  # for all units whose name begins so

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
LockPersonality=yes
NoNewPrivileges=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes

[Install]
WantedBy=multi-user.target
"""
_GUESTS = """
[Unit]
After={unit}
"""
_MAIN = f"""\
import sys

from {_boot.__name__} import main

sys.exit(main(sys.argv[1:]))
"""


def unit(name: str) -> str:
    """Return the name of the unit."""
    return f"netvirt-rebuild-{name}.service"


def paths(name: str) -> dict[str, str]:
    """Return the paths of the files that ``render`` makes, by their short names."""
    return {
        "list": f"{LIST_DIRECTORY}/{name}.json",
        "program": f"{PROGRAM_DIRECTORY}/rebuild-{name}.pyz",
        "unit": f"{UNIT_DIRECTORY}/{unit(name)}",
        "guests": f"{GUESTS_DIRECTORY}/rebuild-{name}.conf",
    }


def render(name: str, resources: list[Any], settings: Settings) -> dict[str, File]:
    """Return the files by their short names. Only root may read the list."""
    places = paths(name)
    told = {"resources": resources, "settings": dataclasses.asdict(settings)}
    texts = {
        "list": json.dumps(told, indent=1, sort_keys=True) + "\n",
        "program": _archive(),
        "unit": _UNIT.format(name=name, python=_python(), program=places["program"], list=places["list"]),
        "guests": _GUESTS.format(unit=unit(name)),
    }
    return {
        short: File(header(settings.owner) + text, 0o600 if short == "list" else 0o644) for short, text in texts.items()
    }


def _python() -> str:
    """Return the interpreter that runs now, by the name that a new release of the distribution does not change."""
    default = "/usr/bin/python3"
    return default if os.path.realpath(default) == os.path.realpath(sys.executable) else sys.executable


def _archive() -> str:
    """Return the code that runs now as a Python archive, for a text file. The same code gives the same bytes.

    Python finds an archive from its end, so it may have our header before it, as zipapp puts a line there.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, content in sorted(_sources()):
            archive.writestr(zipfile.ZipInfo(path), content)
    return stream.getvalue().decode("utf-8", "surrogateescape")


def _sources() -> Iterator[tuple[str, bytes]]:
    """Return path and content of the package's files, wherever it was imported from, less what needs Ansible."""
    yield "__main__.py", _MAIN.encode()
    package = _boot.__name__.rpartition(".")[0]
    parts = package.split(".")
    for depth in range(1, len(parts) + 1):
        yield "/".join([*parts[:depth], "__init__.py"]), b""
    for found in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        if found.name != f"{package}._module":
            path = found.name.replace(".", "/") + ("/__init__.py" if found.ispkg else ".py")
            yield path, _source(found.name).encode()


def _source(name: str) -> str:
    spec = cast(ModuleSpec, find_spec(name))  # it was found
    return cast(InspectLoader, spec.loader).get_source(name) or ""
