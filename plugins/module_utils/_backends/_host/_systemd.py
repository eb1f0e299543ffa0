# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Services, by ``systemctl``. Reads use ``show --property``, whose KEY=VALUE lines are meant for programs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import Callable, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors, _values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs

UNIT_DIRECTORY = "/etc/systemd/system"
_JOURNAL_SECONDS = 1.0  # for journald to take in what a unit said
START_SECONDS = 30  # a start waits for the daemon to say that it is ready

_PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "MainPID", "UnitFileState", "NeedDaemonReload")
_REMEDY = "services need systemd"
_NO_SYSTEMD = "systemd does not run on the node; services need it"


class Systemd:
    """The service manager of the node."""

    def __init__(self, timeout: int) -> None:
        self.timeout = timeout
        self._units: dict[str, dict[str, str]] = {}
        self._reread = False
        self._reread_late = False
        self._enable: set[str] = set()
        self._stop: dict[str, int] = {}
        self._restart: set[str] = set()
        self._hangup: set[str] = set()
        self._afterwards: list[Callable[[], None]] = []

    def show(self, unit: str) -> dict[str, str]:
        """Return the unit's properties as systemd spells them; an unknown unit has LoadState=not-found."""
        self.look(unit)
        return self._units[unit]

    def look(self, *units: str) -> None:
        """Read the properties of units in one go, for ``show`` to return."""
        unread = [unit for unit in units if unit not in self._units]
        if unread:
            self._units.update(zip(unread, self._show(*unread)))

    def enabled(self, unit: str) -> bool:
        """Tell whether the unit starts at boot."""
        return self.show(unit)["UnitFileState"] == "enabled"

    def restart(self, unit: str) -> None:
        """Start or restart the unit with the coming commit."""
        self._restart.add(unit)

    def reload(self, unit: str) -> None:
        """Send the unit's main process SIGHUP with the coming commit, unless it is restarted anyway."""
        self._hangup.add(unit)

    def enable(self, unit: str) -> None:
        """Let the unit start at boot, with the coming commit."""
        self._enable.add(unit)

    def reread(self) -> None:
        """Let systemd read its unit files again, with the coming commit."""
        self._reread = True

    def reread_late(self) -> None:
        """Let systemd read its unit files again by the end of the run: some are gone, and none is new or changed."""
        self._reread_late = True

    def afterwards(self, action: Callable[[], None]) -> None:
        """Have this done at the end of the coming commit, when the units have taken over what else it changes."""
        self._afterwards.append(action)

    def stop(self, *units: str) -> None:
        """Stop units at once and together, so that none starts another, and let them not start at boot.

        Returns when their processes are gone. The caller removes the unit files and has systemd read them again, so
        that it need not do so here.
        """
        self.look(*units)
        known = [unit for unit in units if self.show(unit)["LoadState"] != "not-found"]
        if known:
            self._run("stop", *known, timeout=START_SECONDS + self.timeout)
            self._run("reset-failed", *known, may_fail=True)
        # Also the links to unit files that somebody removed, for which some releases refuse all that are named with it.
        if self._run("disable", "--quiet", "--no-reload", *units, may_fail=True).returncode and len(units) > 1:
            for unit in units:
                self._run("disable", "--quiet", "--no-reload", unit, may_fail=True)
        self.forget()

    def halt(self, unit: str) -> None:
        """Stop the unit at once, for the coming commit to start it again."""
        self._run("stop", unit, timeout=START_SECONDS + self.timeout)
        self.forget()

    def end(self, *units: str) -> None:
        """Stop units at once and together, so that none starts another; those that are not there are fine."""
        self._run("stop", *units, timeout=START_SECONDS + self.timeout, may_fail=True)
        self.forget()

    def stop_together(self, unit: str, seconds: int) -> None:
        """Stop the unit with the coming commit, side by side with others; it may take this long."""
        self._stop[unit] = seconds

    def disable(self, unit: str) -> None:
        """Let the unit not start at boot any more, at once."""
        self._run("disable", "--quiet", unit, may_fail=True, timeout=START_SECONDS + self.timeout)
        self.forget()

    def reset(self, unit: str) -> None:
        """Let systemd forget at once that the unit failed."""
        self._run("reset-failed", unit, may_fail=True)
        self.forget()

    def commit(self) -> None:
        """Make the collected changes: unit files, enabling, restarts, reloads, what comes afterwards."""
        reread, self._reread = self._reread, False
        self._reread_late = self._reread_late and not reread and not self._enable
        enable, self._enable = sorted(self._enable), set()
        restart, self._restart = sorted(self._restart), set()
        hangup, self._hangup = sorted(self._hangup - set(restart)), set()
        afterwards, self._afterwards = self._afterwards, []
        stop, self._stop = self._stop, {}
        patient = START_SECONDS + self.timeout
        if stop:
            self._run("stop", *sorted(stop), timeout=max(stop.values()) + self.timeout)
        if enable:
            self._run("enable", "--quiet", *enable, timeout=patient)  # makes systemd read its unit files again
        elif reread:
            self._run("daemon-reload", timeout=patient)
        if restart:
            self._run("reset-failed", *restart, may_fail=True)  # a unit that failed too often refuses to start
            self._start(restart)
        if hangup:
            self._run("kill", "--signal=HUP", "--kill-who=main", *hangup)
        self.forget()
        for action in afterwards:
            action()

    def settle(self) -> None:
        """Make what may wait for the end of a run."""
        if self._reread_late:
            self.reread()
            self.commit()

    def last_words(self, unit: str) -> str:
        """Return the last two lines that the unit's own processes wrote to the journal, as one line, or nothing.

        They come to the journal some time after they were written. Of a unit without any, such as a path, it is what
        systemd said of it.
        """
        deadline = time.monotonic() + _JOURNAL_SECONDS
        lines: list[str] = []
        while not lines and time.monotonic() < deadline:
            lines = self._journal(f"_SYSTEMD_UNIT={unit}", 2)
            time.sleep(0 if lines else 0.1)
        lines = lines or self._journal(f"UNIT={unit}", 3)
        try:
            return "; ".join(_values.quoted(_message(line)) for line in lines)
        except (KeyError, RecursionError, TypeError, ValueError):
            return ""

    def _journal(self, match: str, count: int) -> list[str]:
        arguments = [match, f"--lines={count}", "--output=json", "--no-pager", "--quiet"]
        return _programs.run_program(["journalctl", *arguments], self.timeout, _REMEDY).stdout.splitlines()

    def start_soon(self, unit: str) -> None:
        """Have a unit start as soon as it can, and wait for nothing."""
        self._run("start", "--no-block", unit)

    def run_detached(self, unit: str, description: str, argv: list[str]) -> None:
        """Start a program at once as a transient unit, which systemd starts again for as long as it fails."""
        if not os.path.isdir("/run/systemd/system"):
            raise _errors.Unavailable(_NO_SYSTEMD)
        options = ["--property=Restart=on-failure", "--property=RestartSec=500ms", "--property=StartLimitIntervalSec=0"]
        command = ["systemd-run", "--quiet", "--collect", f"--unit={unit}", f"--description={description}", *options]
        result = _programs.run_program([*command, "--", *argv], START_SECONDS, _REMEDY)
        if result.returncode:
            raise _errors.Unavailable(f"systemd-run could not start {unit}: {_programs.complaint(result)}")

    def _start(self, units: list[str]) -> None:
        """Start or restart units; raises Unavailable with the last words of those that did not come up."""
        result = self._run("restart", *units, timeout=START_SECONDS + self.timeout, may_fail=True)
        if result.returncode:
            states = zip(units, self._show(*units))
            lost = [unit for unit, state in states if state["ActiveState"] != "active"]
            words = "; ".join(f"{unit} did not start: {self.last_words(unit)}" for unit in lost)
            raise _errors.Unavailable(words or f"systemctl restart failed: {_programs.complaint(result)}")

    def _show(self, *units: str) -> list[dict[str, str]]:
        """Return the properties of each; systemctl(1) has an empty line between units."""
        result = self._run("show", "--property=" + ",".join(_PROPERTIES), *units)
        found = []
        for part in result.stdout.split("\n\n"):
            lines = (line.partition("=") for line in part.splitlines())
            found.append({**dict.fromkeys(_PROPERTIES, ""), **{name: value for name, _equals, value in lines}})
        return found

    def _run(
        self, verb: str, *arguments: str, timeout: Optional[int] = None, may_fail: bool = False
    ) -> subprocess.CompletedProcess[str]:
        if not os.path.isdir("/run/systemd/system"):  # sd_booted(3)
            raise _errors.Unavailable(_NO_SYSTEMD)
        argv = ["systemctl", "--no-pager", "--no-ask-password", verb, *arguments]
        result = _programs.run_program(argv, timeout or self.timeout, _REMEDY)
        if result.returncode and not may_fail:
            raise _errors.Unavailable(f"systemctl {verb} {' '.join(arguments)} failed: {_programs.complaint(result)}")
        return result

    def forget(self) -> None:
        """Drop what was read."""
        self._units.clear()

    def close(self) -> None:
        """Nothing is open."""


def _message(line: str) -> str:
    """Return the message of an entry of the journal, which tells one that is not plain text as a list of bytes."""
    message = json.loads(line)["MESSAGE"]
    return bytes(message).decode("utf-8", "replace") if isinstance(message, list) else str(message)
