# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own network: a namespace with a bridge per network, one link to this machine, and the upstream host.

This machine's own network sees one more interface, the management link, and nothing else.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import signal
from typing import Any

from .model import MANAGEMENT, Lab, Network, Upstream, mac, namespace
from .system import LabError, PidFile, program, run, spawn, wait_until

HOST_END = "host"
UPSTREAM_END = "upstream"


def in_namespace(name: str) -> list[str]:
    """Return the words that run a command in a named namespace and leave its mounts alone.

    ``ip netns exec`` would mount another /sys, and hide the control groups with it.
    """
    return ["nsenter", f"--net=/run/netns/{name}", "--"]


def ip(*words: str, netns: str | None = None) -> None:
    """Run one ``ip`` command, in a named namespace if one is given."""
    run("configure the lab's network", ["ip", *(["-n", netns] if netns else []), *words])


def links(netns: str | None = None) -> dict[str, dict[str, Any]]:
    """Return the links of a namespace by name."""
    listed = run("list links", ["ip", *(["-n", netns] if netns else []), "-j", "link", "show"])
    return {link["ifname"]: link for link in json.loads(listed or "[]")}


def namespaces() -> set[str]:
    """Return the names of all namespaces."""
    return {item["name"] for item in json.loads(run("list namespaces", ["ip", "-j", "netns", "list"]) or "[]")}


def ensure(lab: Lab) -> list[str]:
    """Make what is missing of the lab's network; return what was made."""
    changes = _ensure_namespace(lab.namespace, ipv6=False)
    changes += _ensure_bridges(lab)
    changes += _ensure_host_link(lab)
    if lab.upstream:
        changes += _ensure_upstream(lab, lab.upstream)
    return changes


def remove(lab: str) -> list[str]:
    """Remove the lab's network; return what was removed."""
    name = namespace(lab)
    changes: list[str] = []
    if not shutil.which("ip"):  # Then nothing was ever made.
        return changes
    if name in links():
        ip("link", "delete", name)
        changes.append(f"link {name} removed")
    for found in sorted(namespaces() & {name, f"{name}-up"}):
        ip("netns", "delete", found)
        changes.append(f"namespace {found} removed")
    return changes


def attach(netns: str, end: str, bridge: str, mtu: int) -> None:
    """Make the lab's end of a link a port of its bridge."""
    ip("link", "set", "dev", end, "mtu", str(mtu), "master", bridge, "up", netns=netns)


def with_checksums(link: str, netns: str | None = None) -> None:
    """Have a link send as a wire does: with checksums. A switch in userspace passes on the frames as they are."""
    words = [*(in_namespace(netns) if netns else []), "ethtool", "-K", link, "tx", "off"]
    run("switch checksum offload off", words)


def _ensure_namespace(name: str, *, ipv6: bool) -> list[str]:
    new = name not in namespaces()
    if new:
        ip("netns", "add", name)
    # A new namespace may inherit forwarding from this machine.
    settings = ["net.ipv4.ip_forward=0"]
    if not ipv6:  # A bridge or a host end with IPv6 would send neighbour and multicast reports into the networks.
        settings += ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"]
    run("configure the lab's namespace", [*in_namespace(name), "sysctl", "-qw", *settings])
    ip("link", "set", "lo", "up", netns=name)
    return [f"namespace {name} created"] if new else []


def _ensure_bridges(lab: Lab) -> list[str]:
    changes = []
    found = links(lab.namespace)
    for network in lab.networks:
        changes += _ensure_bridge(lab, network, found.get(network.bridge))
    wanted = {network.bridge for network in lab.networks}
    for name in sorted(name for name in found if name.startswith("br-") and name not in wanted):
        ip("link", "delete", name, netns=lab.namespace)
        changes.append(f"bridge {name} removed")
    return changes


def _ensure_bridge(lab: Lab, network: Network, have: dict[str, Any] | None) -> list[str]:
    if have is None:
        ip("link", "add", network.bridge, "address", mac(lab.name, network.bridge), "mtu", str(network.mtu),
           "up", "type", "bridge", "mcast_snooping", "0", netns=lab.namespace)  # fmt: skip
        return [f"bridge {network.bridge} created"]
    if have["mtu"] != network.mtu:
        ip("link", "set", network.bridge, "mtu", str(network.mtu), netns=lab.namespace)
        return [f"bridge {network.bridge} changed"]
    return []


def _ensure_host_link(lab: Lab) -> list[str]:
    """Link this machine to the management network by a veth pair, with the network's own addresses and no others."""
    name = lab.namespace
    management = lab.network(MANAGEMENT)
    have = links().get(name)
    if have:
        if _is_up(have, management.mtu) and _addresses(name) == set(lab.host_addresses):
            return []
        ip("link", "delete", name)
    _refuse_overlap(management)
    ip("link", "add", name, "address", mac(lab.name, name), "mtu", str(management.mtu), "type", "veth",
       "peer", "name", HOST_END, "netns", name)  # fmt: skip
    run("keep the management link from making addresses", ["ip", "link", "set", name, "addrgenmode", "none"])
    attach(name, HOST_END, management.bridge, management.mtu)
    for address in lab.host_addresses:
        ip("address", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
    with_checksums(name)
    ip("link", "set", name, "up")
    return [f"link {name} created"]


def _is_up(link: dict[str, Any], mtu: int) -> bool:
    return "UP" in link["flags"] and link["mtu"] == mtu


def _addresses(name: str, netns: str | None = None) -> set[str]:
    """Return the addresses of a link that somebody gave it."""
    words = ["ip", *(["-n", netns] if netns else []), "-j", "address", "show", "dev", name]
    listed = json.loads(run("list addresses", words))
    given = [item for item in listed[0]["addr_info"] if item["scope"] not in ("host", "link")]
    return {f"{item['local']}/{item['prefixlen']}" for item in given}


def _refuse_overlap(management: Network) -> None:
    """Raise if this machine already has a route into the management network."""
    routes = []
    for family in ("-4", "-6"):
        routes += json.loads(run("list routes", ["ip", family, "-j", "route", "show", "table", "all"]) or "[]")
    for subnet in map(ipaddress.ip_network, management.subnets):
        for route in routes:
            try:
                used = ipaddress.ip_network(route["dst"])
            except ValueError:  # 'default'
                continue
            if used.version == subnet.version and used.prefixlen > 0 and used.overlaps(subnet):
                raise LabError(
                    f"management network: {subnet} overlaps {used}, which this machine reaches over "
                    f"{route.get('dev', 'another route')}; choose another lab_management_subnet"
                )


def _ensure_upstream(lab: Lab, upstream: Upstream) -> list[str]:
    netns = lab.upstream_namespace
    pidfile = PidFile(lab.directory / "upstream.pid")
    changes = []
    if not _upstream_is_right(lab, upstream):
        _remove_upstream(netns, pidfile)
        changes += _make_upstream(lab, upstream)
    if pidfile.pid() is None:
        serve = [*program(lab.directory), "upstream", lab.name, str(pidfile.path), str(upstream.port)]
        spawn([*in_namespace(netns), *serve], lab.directory / "upstream.log")
        wait_until("start the upstream HTTP server", pidfile.pid, timeout=60, interval=0.02)
        changes.append("upstream HTTP server started")
    return changes


def _upstream_is_right(lab: Lab, upstream: Upstream) -> bool:
    netns = lab.upstream_namespace
    if netns not in namespaces():
        return False
    link = links(netns).get("eth0")
    return (
        link is not None
        and _is_up(link, lab.network(upstream.network).mtu)
        and _addresses("eth0", netns) == set(upstream.addresses)
        and _addresses("lo", netns) == set(upstream.outside)
    )


def _remove_upstream(netns: str, pidfile: PidFile) -> None:
    pid = pidfile.pid()
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        wait_until("stop the upstream HTTP server", lambda: pidfile.pid() is None, timeout=10)
    if netns in namespaces():
        ip("netns", "delete", netns)


def _make_upstream(lab: Lab, upstream: Upstream) -> list[str]:
    netns = lab.upstream_namespace
    network = lab.network(upstream.network)
    changes = _ensure_namespace(netns, ipv6=True)
    if UPSTREAM_END in links(lab.namespace):
        ip("link", "delete", UPSTREAM_END, netns=lab.namespace)
    ip("link", "add", "eth0", "address", mac(lab.name, netns), "mtu", str(network.mtu), "type", "veth",
       "peer", "name", UPSTREAM_END, "netns", lab.namespace, netns=netns)  # fmt: skip
    attach(lab.namespace, UPSTREAM_END, network.bridge, network.mtu)
    for address in upstream.addresses:
        ip("address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []), netns=netns)
    for address in upstream.outside:
        ip("address", "add", address, "dev", "lo", netns=netns)
    with_checksums("eth0", netns)
    ip("link", "set", "eth0", "up", netns=netns)  # The last step: a link that is up has all the rest.
    return changes
