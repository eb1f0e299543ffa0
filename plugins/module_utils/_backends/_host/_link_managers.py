# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The host's own network managers, and the files by which each of them is told to leave an interface alone.

Sources: systemd.network(5), option Unmanaged; NetworkManager.conf(5), section device; interfaces(5), no-auto-down.
netplan writes files for one of the first two. ifupdown knows nothing like "unmanaged": it configures the interface at
boot, but a restart of its service does not touch what is up.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files, _programs, _systemd

NETWORKD = "systemd-networkd"
_REMEDY = "it belongs to a service that is running"
_PATIENCE = 5.0  # seconds; addresses that are looked for at others take some
_PAUSE = 0.1
_UNTOLD = "/run/netvirt/link-managers"  # after a boot, managers know their files
_UNDER_WAY = ("pending", "initialized", "configuring")  # of networkctl(1)


@dataclass(frozen=True)
class Manager:
    """One network manager: its unit, the file for an interface, what is written there, and how it is told of it.

    A command is run only while the unit is active.
    """

    unit: str
    path: str
    text: str
    commands: tuple[tuple[str, ...], ...] = ()


MANAGERS = {
    NETWORKD: Manager(
        "systemd-networkd.service",
        "/etc/systemd/network/00-netvirt-{name}.network",  # The first file in the order of names that matches, counts.
        "[Match]\nName={name}\n\n[Link]\nUnmanaged=yes\n",
        (("networkctl", "reload"),),
    ),
    "NetworkManager": Manager(
        "NetworkManager.service",
        "/etc/NetworkManager/conf.d/netvirt-{name}.conf",
        "[device-netvirt-{name}]\nmatch-device=interface-name:{name}\nmanaged=0\n",
        (("nmcli", "general", "reload", "conf"), ("nmcli", "device", "set", "{name}", "managed", "{managed}")),
    ),
    "ifupdown": Manager("networking.service", "/etc/network/interfaces.d/netvirt-{name}", "no-auto-down {name}\n"),
}


class LinkManagers:
    """What the node's network managers are told; changes are made at once.

    A file below /run is there from before the managers' files change until they have been told, so that the run after
    one that was killed tells them.
    """

    def __init__(self, systemd: _systemd.Systemd, timeout: int) -> None:
        self.systemd = systemd
        self.timeout = timeout
        self._used: dict[str, bool] = {}

    def told(self, name: str) -> list[str]:
        """Return the managers that have a file of ours for the interface, or have not heard yet that it has gone."""
        files = _files.Files()
        untold = files.read(_untold(name)) is not None
        return [
            key
            for key, manager in MANAGERS.items()
            if files.read(manager.path.format(name=name)) is not None or (untold and self._in_use(manager))
        ]

    def stale(self, name: str) -> list[str]:
        """Return the managers in use that do not know: their file is missing, says something else or is new."""
        files, result = _files.Files(), []
        untold = files.read(_untold(name)) is not None
        for key, manager in MANAGERS.items():
            if self._in_use(manager):
                file = files.read(manager.path.format(name=name))
                if untold or file is None or file.text.partition("\n")[2] != manager.text.format(name=name):
                    result.append(key)
        return result

    def release(self, name: str, owner: str) -> None:
        """Have all managers in use leave the interface alone."""
        files, told = _files.Files(), self.stale(name)
        if not told:
            return
        _begin(files, name, owner)
        for key in told:
            manager = MANAGERS[key]
            files.write(manager.path.format(name=name), _files.header(owner) + manager.text.format(name=name))
        files.commit()
        self._tell(told, name, "no")
        files.remove(_untold(name))

    def give_back(self, name: str) -> None:
        """Let all managers have the interface again."""
        files, told = _files.Files(), self.told(name)
        if not told:
            return
        _begin(files, name, self.owner(name))
        for key in told:
            files.remove(MANAGERS[key].path.format(name=name))
        self._tell(told, name, "yes")
        files.remove(_untold(name))

    def owner(self, name: str) -> str:
        """Return the owner that the first of the interface's files names, nothing where there is none."""
        files = _files.Files()
        owners = (files.owner(path) for path in _paths(name))
        return next(filter(None, owners), "")

    def adopt(self, name: str, owner: str) -> None:
        """Name another owner in the interface's files at once."""
        files = _files.Files()
        for path in _paths(name):
            files.adopt(path, owner)
        files.commit()

    def owned(self, owner: str) -> list[str]:
        """Return the interfaces of which a file with this owner's mark tells."""
        files, result = _files.Files(), set()
        for path in _paths("{name}"):
            directory, pattern = os.path.split(path)
            expression = re.compile(re.escape(pattern).replace(r"\{name\}", "(.+)"))
            for file in files.names(directory):
                found = expression.fullmatch(file)
                if found and not file.startswith(".") and files.owner(f"{directory}/{file}") == owner:
                    result.add(found[1])
        return sorted(result)

    def _in_use(self, manager: Manager) -> bool:
        """Tell whether the host has this manager, which does not change during a run."""
        if not os.path.isdir("/run/systemd/system"):
            return False
        if manager.unit not in self._used:
            state = self.systemd.show(manager.unit)
            enabled = state["UnitFileState"] in ("enabled", "enabled-runtime")
            self._used[manager.unit] = enabled or state["ActiveState"] == "active"
        return self._used[manager.unit]

    def _tell(self, told: list[str], name: str, managed: str) -> None:
        """Run the commands of these managers. One that fails has been told by its file all the same, from its start."""
        for key in told:
            if self.systemd.show(MANAGERS[key].unit)["ActiveState"] == "active":
                for command in MANAGERS[key].commands:
                    argv = [word.format(name=name, managed=managed) for word in command]
                    _programs.run_program(argv, self.timeout, _REMEDY)
                if key == NETWORKD:
                    self._await_networkd(name)

    def _await_networkd(self, name: str) -> None:
        """Wait until systemd-networkd has done with an interface what its files say: a reload only begins it."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            time.sleep(_PAUSE)
            said = _programs.run_program(["networkctl", "--json=short", "status", "--", name], self.timeout, _REMEDY)
            try:
                if json.loads(said.stdout).get("AdministrativeState") not in _UNDER_WAY:
                    return
            except (AttributeError, ValueError):  # it does not know the interface, or does not answer in JSON
                return


def _untold(name: str) -> str:
    return f"{_UNTOLD}/{name}"


def _paths(name: str) -> list[str]:
    """Return the paths of all files that may be there for an interface."""
    return [*(manager.path.format(name=name) for manager in MANAGERS.values()), _untold(name)]


def _begin(files: _files.Files, name: str, owner: str) -> None:
    files.write(_untold(name), _files.header(owner))
    files.commit()
