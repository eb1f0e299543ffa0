# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything on a node that may be touched, as the system itself shows it, to be compared before and after."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from engine import output
from netlink_node import drop_restless, ip, namespaces


def rows(table: str) -> Any:
    """Return a table of the Open vSwitch database but what ovs-vswitchd counts, sorted."""
    told = json.loads(output("ovs-vsctl", "--format=json", "list", table))
    volatile = {"statistics", "status", "rstp_status", "lacp_current", "ifindex", "mac_in_use", "link_state"}
    kept = [index for index, name in enumerate(told["headings"]) if name not in volatile]
    return sorted(json.dumps([row[index] for index in kept]) for row in told["data"])


def links(namespace: str | None = None) -> Any:
    """Return links, addresses and routes as ip(8) shows them, less indexes, which are never given twice."""
    shown = []
    for arguments in (("address",), ("-4", "route", "show", "table", "all"), ("-6", "route", "show", "table", "all")):
        for item in ip(*arguments, namespace=namespace) or []:
            for name in ("ifindex", "link_index", "operstate", "flags", "link_netnsid"):
                item.pop(name, None)
            drop_restless(item)
            for address in item.get("addr_info", ()):
                address.pop("tentative", None)
            shown.append(json.dumps(item, sort_keys=True))
    return sorted(shown)


def ruleset(namespace: str | None = None) -> Any:
    enter = ["ip", "netns", "exec", namespace] if namespace else []
    return json.loads(output(*enter, "nft", "-j", "list", "ruleset"))


def flows(bridge: str) -> list[str]:
    dumped = output("ovs-ofctl", "-O", "OpenFlow14", "--no-stats", "--no-names", "dump-flows", bridge)
    return sorted(line.strip() for line in dumped.splitlines() if "actions=" in line)


def files() -> Any:
    found = [
        path for top in ("/etc/netvirt", "/etc/systemd/system", "/var/lib/netvirt") for path in Path(top).rglob("*")
    ]
    return sorted((str(path), path.read_bytes() if path.is_file() else b"") for path in found)


def node_state() -> Any:
    """Return all that may be touched on a node."""
    return {
        "ovs": {table: rows(table) for table in ("Bridge", "Port", "Interface")},
        "flows": {name: flows(name) for name in output("ovs-vsctl", "list-br").split() if name != "nvtbr-f"},
        "links": {name: links(name) for name in (None, *namespaces())},
        "nft": {name: ruleset(name) for name in (None, *namespaces())},
        "files": files(),
        "rules": ip("rule"),
    }


def settled_state() -> Any:
    """Return the same once the kernel and ovs-vswitchd have done what follows from the last change, as it seems."""
    deadline = time.monotonic() + 10
    state, before = node_state(), None
    while state != before and time.monotonic() < deadline:
        time.sleep(0.5)
        state, before = node_state(), state
    return state
