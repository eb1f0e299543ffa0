# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of the machine that labs run on, which they leave alone but for the links that bear their name."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

OF_LABS = "nvlab-"
# The kernel makes them with a module that it loads for a node.
OF_MODULES = {"bond0", "gre0", "gretap0", "erspan0", "ip6gre0", "sit0", "tunl0", "ip6tnl0"}
PARAMETERS = (
    "ipv4/ip_forward",
    "ipv4/conf/all/rp_filter",
    "ipv4/conf/all/accept_redirects",
    "ipv4/neigh/default/gc_thresh3",
    "ipv6/conf/all/forwarding",
    "ipv6/conf/all/disable_ipv6",
)


def network() -> dict[str, Any]:
    """Return links, addresses, routes, rules, nft tables and kernel parameters, less what labs make for themselves.

    What no program is there to show, before the first lab has installed it, is left out.
    """
    if not shutil.which("ip"):
        return {}
    links = [link for link in _shown("ip", "-j", "address") if link["ifname"] not in OF_MODULES]
    shown: dict[str, Any] = {
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
        "parameters": {
            str(path): path.read_text(encoding="ascii")
            for path in (Path("/proc/sys/net", name) for name in PARAMETERS)
            if path.exists()
        },
    }
    if shutil.which("nft"):
        tables = _shown("nft", "-j", "list", "tables")["nftables"]
        shown["tables"] = [item["table"]["name"] for item in tables if "table" in item]
    return {name: _less_labs(value) for name, value in shown.items()}


def _less_labs(value: Any) -> Any:
    return [item for item in value if OF_LABS not in json.dumps(item)] if isinstance(value, list) else value


def _shown(*command: str) -> Any:
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True, timeout=30).stdout or "[]")
