# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything on the node that the collection could change, as the system's own programs show it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Optional

from netlink_node import drop_restless, namespaces

# What Open vSwitch measures and reports about itself while nobody changes anything.
MEASURED = {
    "Open_vSwitch": {"statistics"},
    "Bridge": {"status", "rstp_status"},
    "Port": {"statistics", "status", "rstp_status", "rstp_statistics", "bond_active_slave"},
    "Interface": {"statistics", "status", "link_state", "admin_state", "link_resets", "bfd_status", "cfm_health"},
    "Controller": {"status", "is_connected", "role"},
}
# What a row has anew each time it is made, and counters of changes.
NAMED_ANEW = {
    "Open_vSwitch": {"next_cfg", "cur_cfg"},
    "Bridge": {"datapath_id", "datapath_version"},
    "Interface": {"ofport", "ifindex", "mac_in_use"},
}
_FILES = ("/etc/netvirt", "/var/lib/netvirt", "/etc/systemd/system", "/usr/local/lib/netvirt")


def snapshot(anew: bool = False) -> dict[str, Any]:
    """Return the state of the node; with ``anew``, less what an object that is made anew cannot have as before."""
    shown: dict[str, Any] = {"files": _files(), **{f"ovsdb {name}": rows for name, rows in _ovsdb(anew).items()}}
    for namespace in (None, *namespaces()):
        where = namespace or "root"
        shown[f"links of {where}"] = _links(namespace, anew)
        for family in ("-4", "-6"):
            routes = _ip(namespace, family, "route", "show", "table", "all")
            # The kernel's own follow the addresses, those of IPv6 with a delay.
            shown[f"routes {family} of {where}"] = _sorted([route for route in routes if route["protocol"] != "kernel"])
        shown[f"nft of {where}"] = _nft(namespace, anew)
    for bridge in _output("ovs-vsctl", "list-br").split():
        target = f"unix:/var/run/openvswitch/{bridge}.mgmt"
        flows = subprocess.run(
            ["ovs-ofctl", "-O", "OpenFlow14", "--no-stats", "dump-flows", target], check=False, capture_output=True
        )
        shown[f"flows of {bridge}"] = sorted(flows.stdout.splitlines()[1:])
    return shown


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return what differs, by what shows it."""
    return {
        key: (before.get(key), after.get(key)) for key in sorted({*before, *after}) if before.get(key) != after.get(key)
    }


def _output(*argv: str) -> str:
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout


def _ip(namespace: Optional[str], *arguments: str) -> list[Any]:
    inside = ["-n", namespace] if namespace else []
    text = _output("ip", "-j", "-d", *inside, *arguments)
    return json.loads(text) if text.strip() else []


def _sorted(items: list[Any]) -> list[Any]:
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def _links(namespace: Optional[str], anew: bool) -> list[Any]:
    links = _ip(namespace, "address", "show")
    for item in links:
        drop_restless(item)
        for key in ("operstate", "flags", "txqlen"):  # the first two follow what they report with a delay
            item["up"] = "UP" in item["flags"] if key == "flags" else item.get("up")
            item.pop(key, None)
        for address in item["addr_info"]:
            for key in ("tentative", "valid_life_time", "preferred_life_time"):
                address.pop(key, None)
        if anew:
            drawn = ("address",) if item.get("linkinfo", {}).get("info_kind") == "tun" else ()  # by Open vSwitch
            for key in ("ifindex", "link_index", "link_netnsid", *drawn):
                item.pop(key, None)
            item["linkinfo"] = {key: value for key, value in item.get("linkinfo", {}).items() if key != "info_data"}
        item["addr_info"] = [item for item in item["addr_info"] if item["scope"] != "link" or not anew]
    return sorted(links, key=lambda item: str(item["ifname"])) if anew else links


def _nft(namespace: Optional[str], anew: bool) -> Any:
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    items = json.loads(_output(*inside, "nft", "-j", "list", "ruleset"))["nftables"][1:]
    for item in items if anew else ():
        for content in item.values():
            content.pop("handle", None)
    return items


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
    found = {}
    for directory in _FILES:
        for path in sorted(Path(directory).rglob("*")):
            if "netvirt" in str(path):
                found[str(path)] = path.read_text(errors="replace") if path.is_file() else "not a file"
    return found
