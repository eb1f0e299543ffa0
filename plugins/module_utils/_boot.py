# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What a node does by itself: it brings back what it was last told, from a file of its own, without Ansible.

This is the program in the archive that the kind ``rebuild`` installs. systemd starts it at boot, when ovs-vswitchd was
started anew and when nft tables change; it ends when there is nothing left to do. By hand it shows what is not as it
was told: ``python3 /usr/local/lib/netvirt/rebuild-OWNER.pyz --check /etc/netvirt/rebuild/OWNER.json``.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import (
    _engine,
    _errors,
    _lost_database,
    _mended,
    _node,
    _options,
    _registry,
    _triggers,
)
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files, _systemd
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node

TRY_SECONDS = 60.0
"""How long an error may last: devices, addresses and daemons may be late."""

HOLD_SECONDS = {_triggers.BOOT: 60.0, _triggers.ASKED: 20.0}
"""How long the node is looked at again and again: what sets up the host's own links may undo something."""

_QUIET_SECONDS = 4.0  # without anything that concerns us, after which this ends; so long is a start by others' changes
_HOLD_PAUSE_SECONDS = 5.0
_PAUSE_SECONDS = (1.0, 30.0)  # after a look that mended something, the longer the more of them come one after the other
_RETRY_SECONDS = (0.5, 5.0)
_SYSTEMD_SECONDS = 30
_LINES = 40  # of a mending that are said
_NICE = -10  # as ovs-vswitchd; the unit allows it


class _Unusable(_errors.NetvirtError):
    """The list itself cannot be read, which no waiting helps."""


def main(arguments: Sequence[str]) -> int:
    """Rebuild; return the exit status. ``--check`` prints as JSON what would be done, ``--ended`` is for the unit."""
    option = arguments[0] if len(arguments) == 2 else ""
    if not arguments or option not in ("", "--check", "--ended"):
        sys.stderr.write(f"usage: {sys.argv[0]} [--check] FILE\n")
        return 2
    try:
        if option == "--check":
            sys.stdout.write(json.dumps(_converge(arguments[-1], True), indent=1) + "\n")
        elif option == "--ended":
            _Rebuild(arguments[-1]).look_back()
        else:
            _hurry()
            _Rebuild(arguments[-1]).run()
    except _errors.NetvirtError as error:
        sys.stderr.write(f"the virtual networks are not as this node was told: {error}\n")
        return 1
    return 0


def _hurry() -> None:
    """Have a processor before others, since guests wait for their network.

    Where the kernel groups processes by their session (sched(7), autogroup), it is the group's value that counts.
    """
    if os.getsid(0) == os.getpid():  # as a unit; by hand the session is somebody's
        with contextlib.suppress(OSError), open("/proc/self/autogroup", "w", encoding="ascii") as group:
            group.write(str(_NICE))


class _Rebuild:
    """One start of the program: look, mend, tell systemd, and look again for as long as there is a reason."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.said = self.status = ""
        text = _text(path)
        settings = _parse(path, text)[1] if text is not None else _node.Settings()
        self.owner, self.stem = settings.owner, _mended.stem(settings.owner)
        self.triggers = _triggers.Triggers(self.stem, settings.owner, settings.ovsdb)

    def run(self) -> None:
        """Return when nothing is left to do; an error must last for TRY_SECONDS to be raised."""
        first = reason = self.triggers.first()
        hold_until = time.monotonic() + HOLD_SECONDS.get(first, 0.0)
        pause = _PAUSE_SECONDS[0]
        while True:
            mended = reason != _triggers.NOTHING and self._look(reason)
            self._tell()
            pause = min(pause * 2, _PAUSE_SECONDS[1]) if mended else _PAUSE_SECONDS[0]
            time.sleep(pause if mended else 0)
            left = hold_until - time.monotonic()
            event = self.triggers.wait(min(left, _HOLD_PAUSE_SECONDS) if left > 0 else _QUIET_SECONDS)
            if event is None and left <= 0:
                return
            reason = event or first

    def look_back(self) -> None:
        """Have the unit started once more where Open vSwitch was started while it ended by itself.

        systemd passes over a change of the pid file as long as the unit is active, also after the last look. A start
        by systemd after this look waits for the unit's end, since it wants the unit (see its [Install]).
        """
        if os.environ.get("EXIT_CODE") == "exited" and self.triggers.first() == _triggers.SWITCH:
            _systemd.Systemd(_SYSTEMD_SECONDS).start_soon(_mended.unit(self.stem))

    def _look(self, reason: str) -> bool:
        """Bring the node to what it was told, and tell whether anything had to be done for that."""
        started = time.monotonic()
        done: list[dict[str, Any]] = []
        pause = _RETRY_SECONDS[0]
        while True:
            try:
                done += _converge(self.path, False)
                break
            except _Unusable:
                raise
            except _errors.LockTimeout:  # the run that has the lock looks at the node itself
                started = time.monotonic()
            except _errors.NetvirtError as error:
                if time.monotonic() - started >= TRY_SECONDS:
                    raise
                done += getattr(error, "done", [])
                self._say(f"trying again: {error}")
                if reason == _triggers.BOOT:
                    self._revive()
            time.sleep(pause)
            pause = min(pause * 2, _RETRY_SECONDS[1])
        self.triggers.seen_as_told()
        for operation in done[:_LINES]:
            self._say(f"{operation['action']} {operation['kind']} {operation['name']}{_where(operation)}")
        number = f"{len(done)} operation{'s' if len(done) > 1 else ''}" if done else "nothing"
        self.status = f"{reason}: {number} to do, looked at {time.strftime('%Y-%m-%d %H:%M:%S %Z')}"
        self._say(f"{reason}: {number} to do")
        if done and reason != _triggers.BOOT:
            _mended.count(self.stem, self.owner, reason)
        return bool(done)

    def _revive(self) -> None:
        """Let Open vSwitch start where it cannot for its own database, and have the next run say so."""
        aside = _lost_database.move_aside()
        if aside:
            reason = f"the database of Open vSwitch could not be read and was moved to {aside}"
            self._say(reason)
            _mended.count(self.stem, self.owner, reason)

    def _say(self, line: str) -> None:
        """Write a line to the journal, but not twice in a row."""
        if line != self.said:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        self.said = line

    def _tell(self) -> None:
        """Tell systemd what is shown as the unit's status, and that it is started: sd_notify(3)."""
        address = os.environ.get("NOTIFY_SOCKET")
        if address:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.sendto(f"READY=1\nSTATUS={self.status}".encode(), address.replace("@", "\0", 1))


def _where(operation: dict[str, Any]) -> str:
    return f" in namespace {operation['namespace']}" if "namespace" in operation else ""


def _converge(path: str, check: bool) -> list[dict[str, Any]]:
    """Bring the node to what the file says and return the operations; none where nothing is kept any more.

    Nor are there any after the guard has undone the move of an uplink, which nothing but a run may try again.
    """
    text = _text(path)
    if text is None:
        return []
    resources, settings = _parse(path, text)
    node = Node(settings, unattended=True)
    try:
        if check:
            return _engine.converge(node, resources, True).operations
        with node.lock():
            undone = os.path.exists(_mended.undone_path(_mended.stem(settings.owner)))
            if _text(path) != text or undone:  # another run came first, and has told the node otherwise
                return []
            return _engine.converge(node, resources, False).operations
    finally:
        node.close()


def _text(path: str) -> Optional[str]:
    file = _files.Files().read(path)
    return file.text if file is not None else None


def _parse(path: str, text: str) -> tuple[list[_engine.Resource], _node.Settings]:
    """Return what is below the header; raises _Unusable."""
    try:
        told = json.loads(text.partition("\n")[2])
        return _registry.parse(told["resources"]), _node.Settings(
            **_options.validate(_node.SETTINGS, told["settings"], "settings")
        )
    except (_errors.InvalidValue, KeyError, TypeError, ValueError) as error:
        raise _Unusable(f"{path} cannot be used ({error}); run the playbook again") from error
