# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything on the node that the collection could change, as the system's own programs show it."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any, Optional

from netlink_node import drop_restless, namespaces

# What Open vSwitch measures and reports about itself while nobody changes anything.
MEASURED = {
    "Open_vSwitch": {"statistics"},
    "Bridge": {"status", "rstp_status"},
    "Port": {"statistics", "status", "rstp_status", "rstp_statistics", "bond_active_slave"},
    "Interface": {
        *("statistics", "status", "link_state", "admin_state", "link_resets", "bfd_status", "cfm_health"),
        *("ifindex", "mac_in_use", "mtu", "error"),  # of the device, as ip(8) says, but up to some seconds later
        "lacp_current",  # by what the partner says, or does not say in time
    },
    "Controller": {"status", "is_connected", "role"},
}
# What a row has anew each time it is made, and counters of changes.
NAMED_ANEW = {
    "Open_vSwitch": {"next_cfg", "cur_cfg"},
    "Bridge": {"datapath_id", "datapath_version"},
    "Interface": {"ofport"},
}
NO_FILE = "not a file"
_IMAGE = 2**20
_SETTLE_SECONDS = 15
_LATE_SECONDS = 1  # The kernel tells of carriers no more often, and so late.
_FILES = ("/etc/netvirt", "/var/lib/netvirt", "/etc/systemd/network", "/etc/systemd/system", "/usr/local/lib/netvirt")


def snapshot(anew: bool = False, still: bool = False) -> dict[str, Any]:
    """Return the state of the node.

    With ``anew``, less what an object that is made anew cannot have as before. Unless it is ``still``, less what the
    kernel does by itself soon after a change: link-local addresses, its own routes, and flags of links.
    """
    shown: dict[str, Any] = {"files": _files(), **{f"ovsdb {name}": rows for name, rows in _ovsdb(anew).items()}}
    for namespace in (None, *namespaces()):
        where = namespace or "root"
        shown[f"links of {where}"] = _links(namespace, anew, still)
        for family in ("-4", "-6"):
            shown[f"routes {family} of {where}"] = _routes(namespace, family, still)
        shown[f"rules of {where}"] = _ip(namespace, "rule")
        shown[f"nft of {where}"] = _nft(namespace, anew)
    for bridge in _output("ovs-vsctl", "list-br").split():
        shown[f"flows of {bridge}"] = flows(bridge)
    return shown


def settled() -> dict[str, Any]:
    """Return all of the state once kernel and ovs-vswitchd have done what follows from the last change, as it seems."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    waiting, state, before = _tentative(), snapshot(still=True), None
    while (waiting or state != before) and time.monotonic() < deadline:
        time.sleep(_LATE_SECONDS)
        waiting, state, before = _tentative(), snapshot(still=True), state
    return state


def changes(before: dict[str, Any]) -> dict[str, Any]:
    """Return what differs from a settled state, unless that settles, too."""
    return difference(before, snapshot(still=True)) and difference(before, settled())


def uncounted(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state without the number of changes that the database has seen."""
    rows = [{**row, "next_cfg": 0, "cur_cfg": 0} for row in state["ovsdb Open_vSwitch"]]
    return {**state, "ovsdb Open_vSwitch": rows}


def flows(bridge: str) -> list[str]:
    """Return the flows of a bridge; a fake one has none of its own."""
    target = f"unix:/var/run/openvswitch/{bridge}.mgmt"
    command = ["ovs-ofctl", "-O", "OpenFlow14", "--no-stats", "--names", "dump-flows", target]
    dumped = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return sorted(line.strip() for line in dumped.splitlines() if "actions=" in line)


def _tentative() -> bool:
    """Tell whether somewhere an address is still looked for at others (RFC 4862, 5.4), which takes a second or two."""
    return any(
        address.get("tentative") and not address.get("dadfailed")
        for namespace in (None, *namespaces())
        for item in _ip(namespace, "address", "show")
        for address in item["addr_info"]
    )


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return what differs, by what shows it: of lists the items that only one has, or both if it is their order."""
    result = {}
    for key in sorted({*before, *after}):
        pair = before.get(key), after.get(key)
        if pair[0] == pair[1]:
            continue
        if isinstance(pair[0], list) and isinstance(pair[1], list):
            only = [item for item in pair[0] if item not in pair[1]], [item for item in pair[1] if item not in pair[0]]
            pair = only if any(only) else pair
            if len(only[0]) == len(only[1]) and all(isinstance(item, dict) for item in (*only[0], *only[1])):
                pair = [_columns(one, other) for one, other in zip(*only)] if only[0] else pair
        result[key] = pair
    return result


def _columns(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return the name of a row, and what is different in it."""
    different = {
        key: (before.get(key), after.get(key)) for key in {*before, *after} if before.get(key) != after.get(key)
    }
    return {"name": before.get("name", before.get("ifname")), **different}


def _output(*argv: str) -> str:
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout


def _ip(namespace: Optional[str], *arguments: str) -> list[Any]:
    inside = ["-n", namespace] if namespace else []
    text = _output("ip", "-j", "-d", *inside, *arguments)
    return json.loads(text) if text.strip() else []


def _sorted(items: list[Any]) -> list[Any]:
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def _links(namespace: Optional[str], anew: bool, still: bool) -> list[Any]:
    links = _ip(namespace, "address", "show")
    for item in links:
        drop_restless(item)
        item.pop("operstate")  # The kernel tells it, and with it NO-CARRIER, up to a second late.
        item["flags"] = [flag for flag in item["flags"] if flag != "NO-CARRIER"] if still else "UP" in item["flags"]
        for address in item["addr_info"]:
            for key in ("tentative", "valid_life_time", "preferred_life_time"):  # time goes on
                address.pop(key, None)
        if anew:
            # Open vSwitch draws a MAC address, and has an MTU follow other ports: the requested one is in its database.
            drawn = ("address", "mtu") if item.get("linkinfo", {}).get("info_kind") == "tun" else ()
            # Numbers that are counted up; each way to make a link has another default of its queue; a link has no
            # queueing discipline until it is up for the first time; and a bridge keeps a limit of ports it has had.
            for key in ("ifindex", "link_index", "link_netnsid", "qdisc", "txqlen", "tso_max_size", *drawn):
                item.pop(key, None)
            for address in item["addr_info"]:
                address.pop("secondary", None)  # all but the one of a subnet that came first, which no list tells
            item["addr_info"] = _sorted(item["addr_info"])
        if not still:  # They come of MAC addresses, which may be drawn anew.
            item["addr_info"] = [item for item in item["addr_info"] if item["scope"] != "link"]
    return sorted(links, key=lambda item: str(item["ifname"])) if anew else links


def _routes(namespace: Optional[str], family: str, still: bool) -> list[Any]:
    """Return the routes; the kernel's own follow the addresses, those of IPv6 with a delay."""
    routes = _ip(namespace, family, "route", "show", "table", "all")
    if not still:
        routes = [route for route in routes if route["protocol"] != "kernel"]
    return _sorted(routes)


def _nft(namespace: Optional[str], anew: bool) -> Any:
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    items = json.loads(_output(*inside, "nft", "-j", "list", "ruleset"))["nftables"][1:]
    if not anew:
        return items
    for item in items:
        for content in item.values():
            content.pop("handle", None)  # a number that is counted up
    return sorted(items, key=_table)  # in the order of their making; what is inside of one stays in order


def _table(item: dict[str, Any]) -> tuple[str, str]:
    """Return family and name of the table that an item of nft is, or is in."""
    ((kind, content),) = item.items()
    return content["family"], content["name" if kind == "table" else "table"]


def _ovsdb(anew: bool) -> dict[str, Any]:
    """Return the rows of each table in the words of the database; with ``anew``, references by name, not by number."""
    text = _output("ovsdb-client", "--format=json", "dump", "unix:/var/run/openvswitch/db.sock", "Open_vSwitch")
    tables: dict[str, Any] = {}
    names: dict[str, str] = {}
    for line in text.splitlines():
        table = json.loads(line) if line.strip() else {}
        if not table.get("data"):
            continue
        caption, headings = table["caption"].split()[0], table["headings"]
        rows = [dict(zip(headings, row)) for row in table["data"]]
        names.update({row["_uuid"][1]: f"{caption} {row.get('name', row.get('target', ''))}" for row in rows})
        dropped = MEASURED.get(caption, set()) | (NAMED_ANEW.get(caption, set()) | {"_uuid"} if anew else set())
        tables[caption] = [{key: value for key, value in row.items() if key not in dropped} for row in rows]
    if anew:
        tables = {name: _sorted([_by_name(row, names) for row in rows]) for name, rows in tables.items()}
        for row in tables.get("Bridge", ()):
            if row["fail_mode"] == "standalone":
                row["fail_mode"] = ["set", []]  # which means the same: ovs-vswitchd.conf.db(5)
    return {name: _sorted(rows) for name, rows in tables.items()}


def _by_name(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _by_name(item, names) for key, item in value.items()}
    if isinstance(value, list) and value[:1] == ["uuid"]:
        return names.get(value[1], value[1])
    if isinstance(value, list) and value[:1] == ["set"]:
        return ["set", sorted((_by_name(item, names) for item in value[1]), key=str)]
    return [_by_name(item, names) for item in value] if isinstance(value, list) else value


def _files() -> dict[str, str]:
    paths = (path for directory in _FILES for path in sorted(Path(directory).rglob("*")))
    return {str(path): f"{path.lstat().st_mode:o} {_content(path)}" for path in paths}


def _content(path: Path) -> str:
    """Return what a file holds; of an image, which is slow to read, size and time of writing."""
    if not path.is_file():
        return NO_FILE
    status = path.stat()
    if status.st_size > _IMAGE:
        return f"{status.st_size} bytes of {status.st_mtime_ns}"
    return path.read_text(errors="replace")
