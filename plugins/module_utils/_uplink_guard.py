# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The guard of a move that may cut its own caller off: a process of its own that undoes it unless it is confirmed.

The run that wants the move starts this module as a transient unit of systemd and waits until the move is made. The
controller then reconnects and confirms. Whatever is killed meanwhile, the run, its SSH session or the guard, which
systemd starts again, the move ends confirmed or undone.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors, _mended, _node, _program
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._uplinks import _uplink, _uplink_layout
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node

PROGRAM = f"{_node.RUN_DIRECTORY}/uplink.pyz"
REQUEST = f"{_node.RUN_DIRECTORY}/uplink-request.json"
LAST = f"{_node.RUN_DIRECTORY}/uplink-last.json"
CONFIRMATION = f"{_node.RUN_DIRECTORY}/uplink-confirmed.json"

MOVED, CONFIRMED, REVERTED = "moved", "confirmed", "reverted"
_MOVING, _REVERTING = "moving", "reverting"
_MOVE_SECONDS = 60  # for the guard to start and to move; it is much quicker where nothing hangs
_PAUSE = 0.05
_AGAIN = 2.0  # between two attempts to go back

State = dict[str, Any]


def start(node: Node, request: _uplink_layout.Request, seconds: int) -> str:
    """Have the move made by a guard and return the token that confirms it, once it is made.

    Raises Unavailable with the guard's own words when it could not be made; then it is undone.
    """
    token = uuid.uuid4().hex
    order = {
        "token": token,
        "run": os.getpid(),
        "seconds": seconds,
        "request": dataclasses.asdict(request),
        "settings": dataclasses.asdict(node.settings),
    }
    files = _files.Files()
    files.write(PROGRAM, _files.header(node.settings.owner) + _program.archive(__name__))
    files.write(REQUEST, _text(node.settings.owner, order), 0o600)
    files.commit()
    node.systemd.run_detached(
        f"netvirt-uplink-{token[:8]}.service",
        f"Move of {request.nic}, undone unless it is confirmed",
        [_program.python(), "-I", PROGRAM, REQUEST, token],
    )
    deadline = time.monotonic() + _MOVE_SECONDS
    while True:
        state = status(token)
        if state is not None and state["phase"] in (MOVED, CONFIRMED):
            return token
        if state is not None and state["phase"] == REVERTED:
            raise _errors.Unavailable(f"{state['error']}; it was undone")
        if time.monotonic() > deadline:
            raise _errors.Unavailable(
                f"the guard did not report within {_MOVE_SECONDS} s; see: journalctl -t netvirt-uplink"
            )
        time.sleep(_PAUSE)


def status(token: str = "") -> Optional[State]:
    """Return phase, error, nic, bridge and age of a guarded move, or None when it is unknown; no token: of the last."""
    for path in (_node.PENDING, LAST):
        state = _read(path)
        if state is not None and token in ("", state["token"]):
            age = time.clock_gettime(time.CLOCK_BOOTTIME) - state["written"]
            return {**{name: state[name] for name in ("phase", "error", "nic", "bridge")}, "age": int(age)}
    return None


def known(token: str) -> State:
    """Return what ``status`` does; raises Conflict for an unknown move."""
    state = status(token)
    if state is None:
        raise _errors.Conflict(
            f"no move has the token {values.shown(token)}; the node may have been restarted since"
            if token
            else "no move is known"
        )
    return state


def confirm(token: str) -> State:
    """Tell the guard that the node was reached after the move, and return how it ended; raises NetvirtError."""
    state = known(token)
    if state["phase"] == MOVED:
        files = _files.Files()
        files.write(CONFIRMATION, _text(_node.Settings().owner, {"token": token}), 0o600)
        files.commit()
    deadline = time.monotonic() + _MOVE_SECONDS
    while state["phase"] not in (CONFIRMED, REVERTED):
        if time.monotonic() > deadline:
            raise _errors.Unavailable(
                f"the move of {state['nic']} did not end; see: systemctl status 'netvirt-uplink-*'"
            )
        time.sleep(_PAUSE)
        state = status(token) or state
    return state


def _text(owner: str, data: Mapping[str, Any]) -> str:
    return _files.header(owner) + json.dumps(data, indent=1) + "\n"


def _read(path: str) -> Optional[State]:
    file = _files.Files().read(path)
    return json.loads(file.text.partition("\n")[2]) if file is not None else None


def _say(line: str) -> None:
    """Write a line to the journal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _is_announcement(state: State) -> bool:
    """Tell whether a guard has not begun to move."""
    return "original" not in state


def _withdraw(token: str) -> None:
    """Remove a guard's own announcement."""
    state = _read(_node.PENDING)
    if state is not None and _is_announcement(state) and state["token"] == token:
        os.unlink(_node.PENDING)


class Guard:
    """The process on the node. Its state is in a file at every moment, so that it goes on after a kill."""

    def __init__(self, order: State) -> None:
        self.order = order
        self.owner: str = order["settings"]["owner"]
        self.request = _uplink_layout.Request(**order["request"])
        self.node = Node(_node.Settings(**order["settings"]))
        self.mover = _uplink.Mover(self.node)
        self.stopped = False
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, _number: int, _frame: Any) -> None:
        """Go back at the next occasion: systemd stops the unit, as when the node shuts down."""
        self.stopped = True

    def run(self) -> None:
        """Move and wait, or go on where a guard that was killed has got."""
        state = _read(_node.PENDING)
        if state is None or (_is_announcement(state) and state["token"] != self.order["token"]):
            if (_read(LAST) or {}).get("token") == self.order["token"]:
                return
            state = self._announce()
            if not self._is_wanted():
                _withdraw(self.order["token"])
                return
            self._move(state)
        elif state["phase"] == _MOVING:
            state["error"] = "the guard was killed while it moved"
        if state["phase"] == MOVED and self._confirmed(state):
            state["phase"] = CONFIRMED
        if state["phase"] not in (CONFIRMED, REVERTED):
            self._revert(state)
        self._finish(state)

    def _announce(self) -> State:
        """Have other runs wait from now on, and return the state, in which nothing is moved."""
        state = {
            "token": self.order["token"],
            "seconds": self.order["seconds"],
            "nic": self.request.nic,
            "bridge": self.request.bridge,
            "error": "",
            "phase": _MOVING,
        }
        self._save(state)
        return state

    def _is_wanted(self) -> bool:
        """Tell whether the run still waits that asked for the move; it has the lock for as long."""
        return os.path.isdir(f"/proc/{self.order['run']}") and self.node.is_locked()

    def _move(self, state: State) -> None:
        """Move, which leads to the phase MOVED, or to an error."""
        try:
            state["inside"], state["vlan"] = self.mover.membership(self.request)
            original = self.mover.read(self.request)
            kept = _uplink_layout.read_kept(_files.Files(), self.request.nic)
            state["original"], state["kept"] = original.dump(), kept
            self._save(state)
            self.mover.carry_out(original, kept)
        except _errors.NetvirtError as error:
            state["error"] = str(error)
            return
        state["deadline"] = time.clock_gettime(time.CLOCK_BOOTTIME) + state["seconds"]
        state["phase"] = MOVED
        self._save(state)

    def _confirmed(self, state: State) -> bool:
        while not self.stopped:
            confirmation = _read(CONFIRMATION)
            if confirmation is not None and confirmation["token"] == state["token"]:
                return True
            if time.clock_gettime(time.CLOCK_BOOTTIME) >= state["deadline"]:
                state["error"] = f"nobody confirmed it within {state['seconds']} s"
                return False
            time.sleep(_PAUSE)
        state["error"] = "the guard was told to stop"
        return False

    def _revert(self, state: State) -> None:
        """Go back if anything was moved, as often as it takes: Open vSwitch may be down just now."""
        state["phase"] = _REVERTING
        self._save(state)
        while not _is_announcement(state):
            try:
                self.mover.undo(
                    _uplink_layout.Layout.load(state["original"]), state["inside"], state["vlan"], state["kept"]
                )
                break
            except _errors.NetvirtError as error:
                _say(f"cannot undo the move of {state['nic']} yet: {error}")
                self.node.close()
                time.sleep(_AGAIN)
        state["phase"] = REVERTED

    def _finish(self, state: State) -> None:
        _say(f"move of {state['nic']} {state['phase']} {state['error']}".strip())
        self._save(state)
        if state["phase"] == REVERTED:
            with open(_mended.undone_path(_mended.stem(self.owner)), "w", encoding="ascii"):
                pass
        os.replace(_node.PENDING, LAST)

    def _save(self, state: State) -> None:
        state["written"] = time.clock_gettime(time.CLOCK_BOOTTIME)
        files = _files.Files()
        files.write(_node.PENDING, _text(self.owner, state), 0o600)
        files.commit()


def main(arguments: Sequence[str]) -> int:
    """Guard the move that a file asks for, under a token; return the exit status.

    One other than 0 has systemd start it again, as after a kill. By then, the file may ask for another move, which has
    a guard of its own.
    """
    path, token = arguments
    order = _read(path)
    if order is None or order["token"] != token:
        _say(f"{path} does not ask for the move {token} any more")
        _withdraw(token)
        return 0
    Guard(order).run()
    return 0
