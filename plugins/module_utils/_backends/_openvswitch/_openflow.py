# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""OpenFlow, by ovs-ofctl(8).

Flows are compared as they are after a trip over the wire: what a user writes goes through ``ovs-ofctl parse-flows``,
which encodes it and decodes it again, offline; what a bridge holds comes from ``dump-flows``. Both speak the same
OpenFlow version, so both print a flow alike. Changes are collected and sent as one atomic bundle per bridge.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs

VERSIONS = ("OpenFlow14", "OpenFlow15", "OpenFlow13")
"""The versions in which Open vSwitch takes bundles, the preferred one first; 1.3 has them as an extension."""

Place = tuple[int, int, str]
"""Table, priority and match. It is unique in a bridge: a second flow in the same place replaces the first."""

_REMEDY = "install openvswitch-switch, or run the role netvirt.fabric.hypervisor"
_DEFAULT_PRIORITY = 32768
_SETTINGS = (
    *("idle_timeout", "hard_timeout", "importance"),
    *("send_flow_rem", "no_packet_counts", "no_byte_counts"),
)
_INSTRUCTIONS = ("check_overlap", "reset_counts")  # how a flow is added; reset_counts also shows in some dumps
# What a declared flow must not have, as parse-flows calls it.
_REFUSED = {
    "cookie": "cookie: the cookie is an option of its own",
    "idle": "idle_timeout: a declared flow does not time out",
    "hard": "hard_timeout: a declared flow does not time out",
    **{word: f"{word}: it says how to add a flow, not what the flow is" for word in _INSTRUCTIONS},
}
_FIELD = re.compile(r"(table|importance):")  # parse-flows has a colon where dump-flows has an equals sign
_FLOW = re.compile(r"(.*?)(?:^|\s)actions=(.*)")


@dataclass(frozen=True)
class Flow:
    """One flow as ovs-ofctl prints it, taken apart. ``settings`` are importance and flags."""

    table: int
    priority: int
    match: str
    settings: str
    actions: str
    cookie: int = 0

    @property
    def place(self) -> Place:
        """Where the flow is in the bridge."""
        return self.table, self.priority, self.match

    @property
    def pattern(self) -> str:
        """Table, priority and match in the syntax of flows."""
        return ",".join(part for part in (f"table={self.table},priority={self.priority}", self.match) if part)

    def __str__(self) -> str:
        """The flow in the syntax of flows, without its cookie."""
        return ",".join(part for part in (self.pattern, self.settings) if part) + f" actions={self.actions}"


class Openflow:
    """The flow tables of the bridges of one ovs-vswitchd."""

    def __init__(self, ovsdb: str, timeout: int) -> None:
        self.timeout = timeout
        self._directory = os.path.dirname(ovsdb[len("unix:") :]) if ovsdb.startswith("unix:") else ""
        self._tables: dict[str, list[Flow]] = {}
        self._parsed: dict[tuple[str, ...], list[Flow]] = {}
        self._sets: dict[str, dict[int, tuple[str, Sequence[str]]]] = {}

    def flows(self, bridge: str, version: str) -> list[Flow]:
        """Return all flows of a bridge but the hidden ones of table 254; raises Unavailable."""
        if bridge not in self._tables:
            output = self._run(version, ["--no-stats", "--no-names", "dump-flows", self._target(bridge)])
            flows = (_flow(line) for line in output.splitlines())
            self._tables[bridge] = [flow for flow in flows if flow is not None and flow.table != 254]
        return self._tables[bridge]

    def parse(self, lines: Sequence[str], version: str, written: Sequence[str] = ()) -> list[Flow]:
        """Return what each line means, in the same order; raises InvalidValue with the reason of ovs-ofctl.

        ``written`` is how messages show the lines.
        """
        key = (version, *lines)
        if key not in self._parsed:
            self._parsed[key] = self._parse(lines, version, written or lines) if lines else []
        return self._parsed[key]

    def replace(self, bridge: str, version: str, cookie: int, lines: Sequence[str]) -> None:
        """Let these be the bridge's flows with that cookie after the coming commit."""
        self._sets.setdefault(bridge, {})[cookie] = version, lines

    def expect_empty(self, bridge: str) -> None:
        """Show no flows in the bridge until ``forget``: another operation of the run makes it lose them."""
        self._tables[bridge] = []

    def commit(self) -> None:
        """Change what differs, in one bundle per bridge; raises Unavailable when the bridge refuses it."""
        sets, self._sets = self._sets, {}
        self.forget()
        for bridge, by_cookie in sets.items():
            deletions: list[str] = []
            additions: list[str] = []
            version = ""
            for cookie, (version, lines) in by_cookie.items():
                have = {flow.place: flow for flow in self.flows(bridge, version) if flow.cookie == cookie}
                want = {flow.place: flow for flow in self.parse(lines, version)}
                gone = (have[place] for place in have.keys() - want.keys())
                new = (flow for place, flow in want.items() if place not in have or str(have[place]) != str(flow))
                deletions.extend(f"flow delete_strict cookie={cookie:#x}/-1,{flow.pattern}" for flow in gone)
                additions.extend(f"flow add cookie={cookie:#x},{flow}" for flow in new)
            if deletions or additions:
                # The deletions come first, so that a flow may pass from one set to another.
                self._run(version, ["bundle", self._target(bridge), "-"], [*deletions, *additions])
        self.forget()

    def forget(self) -> None:
        """Drop what was read."""
        self._tables.clear()

    def close(self) -> None:
        """Nothing is open."""

    def _target(self, bridge: str) -> str:
        """Return the bridge's management socket, which is beside the database's."""
        return f"unix:{self._directory}/{bridge}.mgmt" if self._directory else bridge

    def _run(self, version: str, arguments: list[str], lines: Iterable[str] = ()) -> str:
        result = self._call(version, arguments, lines)
        if result.returncode:
            reason = _reason(result)
            remedy = "" if reason.startswith("Error ") else "; see: systemctl status ovs-vswitchd"
            raise _errors.Unavailable(f"ovs-ofctl {' '.join(arguments)} failed: {reason}{remedy}")
        return result.stdout

    def _call(self, version: str, arguments: list[str], lines: Iterable[str]) -> subprocess.CompletedProcess[str]:
        argv = ["ovs-ofctl", f"--protocols={version}", f"--timeout={self.timeout}", *arguments]
        return _programs.run_program(argv, self.timeout + 1, _REMEDY, "".join(f"{line}\n" for line in lines))

    def _parse(self, lines: Sequence[str], version: str, written: Sequence[str]) -> list[Flow]:
        result = self._call(version, ["--no-names", "parse-flows", "-"], lines)
        if result.returncode:
            raise self._invalid(lines, version, written, _reason(result))
        printed = [line for line in result.stdout.splitlines() if line.startswith("OFPT_FLOW_MOD")]
        if len(printed) != len(lines):
            raise _errors.Unavailable("ovs-ofctl parse-flows answers in a form that is not understood")
        _refuse_normalised(result.stderr)
        return [_checked(answer, version, text) for answer, text in zip(printed, written)]

    def _invalid(self, lines: Sequence[str], version: str, written: Sequence[str], reason: str) -> _errors.InvalidValue:
        numbered = re.fullmatch(r"-:([0-9]+): (.*)", reason)
        if numbered:
            return _errors.InvalidValue(
                f"the flow {values.shown(written[int(numbered[1]) - 1])} is wrong: {numbered[2]}"
            )
        if len(lines) > 1:
            for line, text in zip(lines, written):
                self._parse([line], version, [text])  # the one that is wrong raises
        return _errors.InvalidValue(f"the flow {values.shown(written[0])} cannot be expressed in {version}: {reason}")


def _reason(result: subprocess.CompletedProcess[str]) -> str:
    """Return what ovs-ofctl says was wrong; log messages may come before it."""
    if result.returncode == -signal.SIGALRM:
        return "no answer in time"
    for line in result.stderr.splitlines():
        if line.startswith(("ovs-ofctl: ", "Error ")):
            return line.split(": ", 1)[1] if line.startswith("ovs-ofctl: ") else line
    return _programs.complaint(result)


def _refuse_normalised(messages: str) -> None:
    """Raise InvalidValue where ovs-ofctl dropped a part of a match because what it depends on is not matched."""
    if "normalization changed" in messages:
        pre, post = (re.search(rf"{word}: (.*)", messages) for word in (r"\bpre", r"\bpost"))
        raise _errors.InvalidValue(
            f"the match {values.shown(pre[1] if pre else '')} lacks what it depends on, such as ip or tcp; "
            f"Open vSwitch would take it for {values.shown(post[1] if post else '')}"
        )


def _checked(answer: str, version: str, written: str) -> Flow:
    flow = _flow(answer.partition(": ADD ")[2])
    if flow is None:
        raise _errors.InvalidValue(
            f"the flow {values.shown(written)} cannot be expressed in {version}: "
            f"{answer.partition('***')[2].strip('*')}"
        )
    for word in answer.partition(" actions=")[0].split():
        if word.partition(":")[0] in _REFUSED:
            raise _errors.InvalidValue(
                f"the flow {values.shown(written)} must not have {_REFUSED[word.partition(':')[0]]}"
            )
    return flow


def _flow(line: str) -> Optional[Flow]:
    """Return the flow that dump-flows or parse-flows printed, or None when the line holds none."""
    found = _FLOW.fullmatch(line.strip())
    if not found:
        return None
    numbers = {"table": 0, "priority": _DEFAULT_PRIORITY, "cookie": 0}
    match, settings = [], []
    for word in re.split(r"[,\s]+", found[1]):
        word = _FIELD.sub(r"\1=", word)
        name, _equals, value = word.partition("=")
        if name in numbers:
            numbers[name] = int(value, 0)
        elif name in _SETTINGS:
            settings.append(word)
        elif word and word not in _INSTRUCTIONS:
            match.append(word)
    return Flow(match=",".join(match), settings=",".join(sorted(settings)), actions=found[2], **numbers)
