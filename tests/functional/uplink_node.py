# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of bridge_uplink share: a NIC a neighbour on its wire, and what the system shows."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from engine import Spec, output
from netlink_node import addresses, clean, ip, link, sysctl

NIC, BRIDGE, NEIGHBOUR = "nvtnic", "nvtbr", "nvtpeer"
PENDING = Path("/run/netvirt/uplink.json")
MARK = Path(f"/etc/systemd/network/00-netvirt-{NIC}.network")
KEPT = Path("/var/lib/netvirt/uplinks", f"{NIC}.json")


def uplink(**options: Any) -> Spec:
    """Return the resource, by default the NIC in the bridge."""
    return {"bridge_uplink": {"name": NIC, **({} if options.get("state") else {"bridge": BRIDGE}), **options}}


def remove() -> None:
    """Remove what the tests make."""
    output("ovs-vsctl", "--if-exists", "del-br", BRIDGE)
    clean()
    KEPT.unlink(missing_ok=True)
    if MARK.exists():
        MARK.unlink()
        output("networkctl", "reload")
    for family in ("inet", "arp"):
        subprocess.run(["nft", "delete", "table", family, f"netvirt-uplink-{NIC}"], check=False, capture_output=True)


def everything() -> Any:
    """Return what of the node a move concerns, as the system shows it."""
    shown: dict[str, Any] = {}
    for name in (NIC, BRIDGE):
        found = link(name)
        if found is None:
            continue
        shown[name] = {key: found.get(key) for key in ("address", "mtu", "master")}
        shown[name]["up"] = "UP" in found["flags"]
        listed = ip("address", "show", "dev", name)[0]["addr_info"]
        # The kernel gives the bridge, when it is up, a link-local address of its own.
        shown[name]["addresses"] = [item for item in listed if name == NIC or item["scope"] != "link"]
        keys = ("accept_dad", "disable_ipv6")
        shown[name]["sysctls"] = [sysctl(None, f"net.ipv6.conf.{name}.{key}") for key in keys]
    shown["routes"] = [
        sorted(filter(_is_steady, output("ip", family, "route", "show", "table", "all").splitlines()))
        for family in ("-4", "-6")
    ]
    shown["ports"] = output("ovs-vsctl", "--columns=name,tag,external_ids", "find", "port", f"name={NIC}")
    shown["config"] = output("ovs-vsctl", "--columns=name,other_config", "list", "bridge")
    shown["rules"] = output("nft", "list", "ruleset")
    return shown


def _is_steady(route: str) -> bool:
    """Tell whether a route is none of those that come with the bridge's own link-local address."""
    return f"dev {BRIDGE}" not in route or not route.startswith(
        ("fe80", "local fe80", "anycast fe80", "multicast ff00")
    )


def reached(*options: str) -> bool:
    """Tell whether the neighbour reaches this host, and each reply comes once."""
    argv = ["ip", "netns", "exec", NEIGHBOUR, "ping", "-c", "3", "-i", "0.2", "-W", "2", *options]
    result = subprocess.run(argv, check=False, capture_output=True, text=True)
    return "3 received, 0% packet loss" in result.stdout


def moved() -> bool:
    """Tell whether all addresses are on the bridge, True, or on the NIC, False; anything between is an error."""
    on_nic, on_bridge = addresses(NIC), addresses(BRIDGE) if link(BRIDGE) else []
    assert len(on_nic) + len(on_bridge) == 5, f"on the NIC {on_nic}, on the bridge {on_bridge}"
    assert not (on_nic and on_bridge), f"on the NIC {on_nic}, on the bridge {on_bridge}"
    return bool(on_bridge)


def wait_for_guard(seconds: float = 60) -> None:
    """Wait until no guarded move is under way."""
    deadline = time.monotonic() + seconds
    while PENDING.exists():
        assert time.monotonic() < deadline, "the guard did not end"
        time.sleep(0.1)
