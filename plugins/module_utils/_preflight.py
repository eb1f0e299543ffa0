# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What else on a node is known to eat guest traffic or to undo the network, one line each. Read-only."""

from __future__ import annotations

import configparser
import fnmatch
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs

LINKS = ("br-int", "br-tun", "br-phy", "tap-guest", "rl-network", "xl-router", "dl-network")
"""Names such as the fabric gives to links in the root namespace."""

SERVICES = {
    "dnsmasq.service": (
        "dnsmasq.service is running and may answer DHCP and DNS on the addresses of the fabric; "
        "restrict it to interfaces of its own (bind-dynamic, interface=...), or disable it"
    ),
    "firewalld.service": (
        "firewalld is running and drops tunnel and guest traffic in zones that do not allow it; "
        "put the underlay interface and the bridges into the zone trusted"
    ),
}
NETWORK_MANAGER = (
    "NetworkManager is running and manages every link it is not told to leave alone; "
    "set [keyfile] unmanaged-devices=interface-name:br-*;interface-name:tap-*;interface-name:?l-* in "
    "/etc/NetworkManager/conf.d"
)
FORWARD_POLICY = (
    "chain {name} of table {family} {table} drops what the host forwards{bridged}, as Docker has it; "
    "accept there what is forwarded for guests"
)
BRIDGED = " or, as net.bridge.bridge-nf-call-iptables is 1, bridges"
NETWORK_DIRECTORIES = ("etc/systemd/network", "run/systemd/network", "usr/lib/systemd/network")

Run = Callable[[list[str]], str]


def preflight_warnings(timeout: int, root: Path = Path("/")) -> list[str]:
    """Return one line for each preflight warning. What cannot be asked gives none."""

    def output(argv: list[str]) -> str:
        try:
            return _programs.run_program(argv, timeout, "").stdout
        except _errors.NetvirtError:
            return ""

    return list(_warnings(output, root))


def _warnings(run: Run, root: Path) -> Iterator[str]:
    bridged = BRIDGED if _content(root / "proc/sys/net/bridge/bridge-nf-call-iptables") == "1" else ""
    for chain in _dropping(run(["nft", "-j", "list", "chains"])):
        yield FORWARD_POLICY.format(bridged=bridged, **chain)
    active = _active(run, [*SERVICES, "NetworkManager.service", "systemd-networkd.service"])
    for unit, warning in SERVICES.items():
        if unit in active:
            yield warning
    if "NetworkManager.service" in active and not _told_to_leave_alone(root):
        yield NETWORK_MANAGER
    if "systemd-networkd.service" in active:
        for path in _network_files(root):
            links = [link for link in LINKS if _manages(path, link)]
            if links:
                yield (
                    f"systemd-networkd manages links such as {links[0]} by {path}; narrow its [Match] section, "
                    "or it changes links of the fabric"
                )


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _dropping(listing: str) -> list[dict[str, Any]]:
    """Return the chains that drop forwarded packets unless a rule accepts them."""
    chains = [item["chain"] for item in json.loads(listing or "{}").get("nftables", ()) if "chain" in item]
    return [chain for chain in chains if chain.get("hook") == "forward" and chain.get("policy") == "drop"]


def _active(run: Run, units: list[str]) -> set[str]:
    """Return those of the units that are running."""
    active = set()
    for block in run(["systemctl", "show", "--property=Id,ActiveState", *units]).split("\n\n"):
        properties = dict(line.partition("=")[::2] for line in block.splitlines())
        if properties.get("ActiveState") == "active":
            active.add(properties.get("Id", ""))
    return active


def _told_to_leave_alone(root: Path) -> bool:
    files = [root / "etc/NetworkManager/NetworkManager.conf", *root.glob("etc/NetworkManager/conf.d/*.conf")]
    return any(
        line.partition("=")[0].strip().endswith("unmanaged-devices")
        for path in files
        for line in _content(path).splitlines()
    )


def _network_files(root: Path) -> list[Path]:
    """Return the files in force: one in /etc hides those of the same name in /run and /usr."""
    found: dict[str, Path] = {}
    for directory in NETWORK_DIRECTORIES:
        for path in sorted((root / directory).glob("*.network")):
            found.setdefault(path.name, path)
    return sorted(found.values())


def _manages(path: Path, link: str) -> bool:
    """Tell whether a .network file (systemd.network(5)) matches an Ethernet link by no more than name and type."""
    parser = configparser.RawConfigParser(strict=False, interpolation=None, allow_no_value=True)
    try:
        parser.read_string(_content(path))
    except configparser.Error:
        return False
    match = dict(parser["Match"]) if parser.has_section("Match") else {}
    if not match or not match.keys() <= {"name", "type"}:
        return False
    if parser.get("Link", "unmanaged", fallback="no").lower() in ("1", "on", "true", "yes"):
        return False
    patterns = (match.get("name") or "*").split()
    return match.get("type", "ether") == "ether" and any(fnmatch.fnmatchcase(link, pattern) for pattern in patterns)
