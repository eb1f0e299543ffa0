# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check floating IPs and port forwards: routers, targets, addresses and ports that are used twice."""

from __future__ import annotations

from ipaddress import IPv4Address

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters._inbound_table import unfit
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import unusable
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._inbound._model import (
    FloatingIp,
    PortForward,
    Target,
    floating_ips,
    port_forwards,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._routers._model import Router


def check(document: Document, faults: Faults) -> None:
    """Note every fault of what is to be reached from outside."""
    floating: dict[tuple[str, int, IPv4Address], str] = {}
    guests: dict[tuple[str, IPv4Address], str] = {}
    for leg in document.legs():
        for address in (leg.address and leg.address.ip, leg.gateway):
            if address:
                floating.setdefault((leg.network, leg.vlan, address), f"{leg.path}")
    for item in floating_ips(document):
        router = document.router(item.router)
        faults.missing(f"{item.path}.router", item.router, router, "router", "fabric_routers")
        if router and item.address and _leads_outside(router, f"{item.path}.router", faults):
            _check_floating_ip(document, router, item, item.address, floating, guests, faults)
    for router in document.routers:
        forwards = port_forwards(router)
        if not forwards or not _leads_outside(router, f"{router.path}.port_forwards", faults):
            continue
        for forward in forwards:
            _check_target(document, router, forward.target, faults)
            if forward.port:
                faults.add_if(f"{forward.path}.to_port", unfit(forward.port, forward.to_port))
        _check_clashes(forwards, faults)


def _leads_outside(router: Router, path: str, faults: Faults) -> bool:
    if router.external and router.external.address:
        return True
    if not router.external or not faults.at(f"{router.external.path}.address"):
        faults.add(path, f"router '{router.name}' has no address outside; give it external.address")
    return False


def _check_floating_ip(
    document: Document,
    router: Router,
    item: FloatingIp,
    address: IPv4Address,
    floating: dict[tuple[str, int, IPv4Address], str],
    guests: dict[tuple[str, IPv4Address], str],
    faults: Faults,
) -> None:
    leg = router.external
    if leg is None or leg.address is None:
        return
    path = f"{item.path}.address"
    other = floating.setdefault((leg.network, leg.vlan, address), item.path)
    if other != item.path:
        faults.add(path, f"{address} is already used by {other}")
    subnet = leg.address.network
    if address in subnet and subnet.prefixlen < 31:
        faults.add_if(path, unusable(address, subnet))
    for network in document.networks_of(router.name):
        if network.cidr and address in network.cidr:
            faults.add(path, f"{address} is in {network.cidr} of '{network.name}', inside router '{router.name}'")
    target = _check_target(document, router, item.target, faults)
    if target:
        other = guests.setdefault((router.name, target), item.path)
        if other != item.path:
            faults.add(item.path, f"{target} has a floating IP already, in {other}; what it sends can have but one")


def _check_target(document: Document, router: Router, target: Target, faults: Faults) -> IPv4Address | None:
    if faults.at(f"{target.path}.guest", f"{target.path}.to", f"{target.path}.network") or faults.in_names(
        "fabric_guests"
    ):
        return None
    found = target.resolve(document, router)
    if isinstance(found, str):
        faults.add(f"{target.path}.{'to' if target.address else 'guest'}", found)
        return None
    for network in document.networks_of(router.name):
        if network.cidr and found in network.cidr:
            faults.add_if(f"{target.path}.to", unusable(found, network.cidr))
            if found == network.gateway:
                faults.add(f"{target.path}.to", f"{found} is the address of router '{router.name}' itself")
    return found


def _check_clashes(forwards: tuple[PortForward, ...], faults: Faults) -> None:
    ordered = sorted((item.protocol, *item.bounds(), item.path, item.port) for item in forwards if item.port)
    for one, other in zip(ordered, ordered[1:]):
        if one[0] == other[0] and other[1] <= one[2]:
            faults.add(f"{other[3]}.port", f"{other[0]} {other[4]} is already forwarded, as {one[4]} by {one[3]}")
