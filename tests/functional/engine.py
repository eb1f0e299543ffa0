# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine as functional tests call it: one resource or a list, on the node that the test runs on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils._engine import Result, converge
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import parse

Spec = dict[str, Any]

DATAPATH = "system" if Path("/sys/module/openvswitch").exists() else "netdev"
"""The datapath that a fabric gets on this node: the kernel's where there is one, as in virtual machines."""

SLOWNESS = 1 if Path("/run/systemd/container").exists() else 15
"""How much longer this node takes than a container: a virtual machine may be emulated, on a machine with other work."""


def apply(resources: Sequence[Spec], check: bool = False, **settings: Any) -> Result:
    """Converge a list of ``{kind: options}``."""
    node = Node(Settings(**settings))
    try:
        return converge(node, parse(list(resources)), check)
    finally:
        node.close()


class Object:
    """One object of one kind: present and absent, run and predicted."""

    def __init__(self, kind: str, **identity: Any) -> None:
        self.kind = kind
        self.identity = identity

    def _converge(self, options: Spec, check: bool) -> tuple[Result, Spec, Spec]:
        result = apply([{self.kind: {**self.identity, **options}}], check)
        (item,) = result.resources
        return result, item.shown(item.have), item.shown(item.after)

    def plan(self, **options: Any) -> list[Spec]:
        """Return the operations that check mode announces."""
        return self._converge(options, True)[0].operations

    def present(self, **options: Any) -> Spec:
        """Converge twice, each time in check mode first, and return the state: the second run must do nothing."""
        planned, _before, predicted = self._converge(options, True)
        done, before, after = self._converge(options, False)
        assert done.operations == planned.operations
        assert {key: after.get(key) for key in predicted} == predicted
        assert bool(done.operations) == (before != after)
        for check in (True, False):
            assert self._converge(options, check)[0].operations == []
        assert self._converge(after, True)[0].operations == [], "what was returned cannot be fed back in"
        return after

    def changes(self, **options: Any) -> set[str]:
        """Converge like ``present`` and return the names of the options that one update changed."""
        (operation,) = self.plan(**options)
        assert operation["action"] == "update"
        self.present(**options)
        return set(operation["changes"])

    def absent(self, **options: Any) -> None:
        """Remove it, twice."""
        self._converge({**options, "state": "absent"}, False)
        for check in (True, False):
            assert self._converge({**options, "state": "absent"}, check)[0].operations == []


def output(*argv: str) -> str:
    """Return what a command prints; it must succeed."""
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30 * SLOWNESS).stdout


def column(table: str, row: str, name: str) -> Any:
    """Return one column of one row of the Open vSwitch database, as ovs-vsctl(8) prints it in JSON."""
    text = output("ovs-vsctl", "--format=json", f"--columns={name}", "list", table, row)
    return _value(json.loads(text)["data"][0][0])


def version(table: str, row: str) -> str:
    """Return what identifies the present content of a row: the server changes it with each write (RFC 7047)."""
    select = {"op": "select", "table": table, "where": [["name", "==", row]], "columns": ["_version"]}
    (reply,) = json.loads(output("ovsdb-client", "query", json.dumps(["Open_vSwitch", select])))
    return str(reply["rows"][0]["_version"])


def _value(value: Any) -> Any:
    """Turn OVSDB's JSON (RFC 7047) into plain lists and dictionaries."""
    if isinstance(value, list) and value[:1] == ["set"]:
        return [_value(item) for item in value[1]]
    if isinstance(value, list) and value[:1] == ["map"]:
        return dict(value[1])
    return value
