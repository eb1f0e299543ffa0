# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of the machine that labs run on, which they leave alone but for the links that bear their name."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

OF_LABS = "nvlab-"
PARAMETERS = (
    "ipv4/ip_forward",
    "ipv4/conf/all/rp_filter",
    "ipv4/conf/all/accept_redirects",
    "ipv4/neigh/default/gc_thresh3",
    "ipv6/conf/all/forwarding",
    "ipv6/conf/all/disable_ipv6",
)


def network() -> dict[str, Any]:
    """Return links, addresses, routes, rules, nft tables and kernel parameters, less what labs make for themselves."""
    links = _shown("ip", "-j", "address")
    shown = {
        "links": [
            {
                **{key: link.get(key) for key in ("ifname", "mtu", "address", "master", "operstate")},
                "addresses": [f"{item['local']}/{item['prefixlen']}" for item in link["addr_info"]],
            }
            for link in links
        ],
        "routes": [
            {key: route.get(key) for key in ("dst", "gateway", "dev", "metric", "table")}
            for family in ("-4", "-6")
            for route in _shown("ip", "-j", family, "route", "show", "table", "all")
            if route.get("protocol") != "ra"  # comes and goes
        ],
        "rules": [_shown("ip", "-j", family, "rule") for family in ("-4", "-6")],
        "namespaces": [item["name"] for item in _shown("ip", "-j", "netns", "list")],
        "tables": [item["table"]["name"] for item in _tables()],
        "parameters": {name: Path("/proc/sys/net", name).read_text(encoding="ascii") for name in PARAMETERS},
    }
    return {name: _less_labs(value) for name, value in shown.items()}


def _less_labs(value: Any) -> Any:
    return [item for item in value if OF_LABS not in json.dumps(item)] if isinstance(value, list) else value


def _tables() -> list[Any]:
    try:
        return [item for item in _shown("nft", "-j", "list", "tables")["nftables"] if "table" in item]
    except FileNotFoundError:
        return []


def _shown(*command: str) -> Any:
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True, timeout=30).stdout or "[]")
