# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check the routers of a document: what they refer to, and addresses."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address, Subnet, key, unusable
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._physical_networks import check_reference
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._routers._model import Router


def check(document: Document, faults: Faults) -> None:
    """Note every fault of the routers."""
    for router in document.routers:
        if document.router(router.name) is router:  # or a name is used twice, which is reported as such
            _check_translation(document, router, faults)
        _check_references(document, router, faults)
        _check_external(router, faults)
        _check_overlaps(document, router, faults)
    _check_external_addresses(document, faults)


def _check_translation(document: Document, router: Router, faults: Faults) -> None:
    """Networks of mode nat are translated to an address of the router, of each of their IP versions."""
    for network in document.networks_of(router.name):
        if network.mode != "nat":
            continue
        if router.external is None:
            faults.add(f"{router.path}.external", f"is required: network '{network.name}' is translated to its address")
            continue
        versions = {address.version for address in router.external.addresses()}
        for subnet, _gateway in network.subnets():
            if versions and subnet.version not in versions:
                path = f"{router.external.path}.{key('address', subnet.version)}"
                faults.add(path, f"is required: {subnet} of '{network.name}' is translated to it")


def _check_references(document: Document, router: Router, faults: Faults) -> None:
    if router.external:
        check_reference(document, f"{router.external.path}.network", router.external.network, faults)
    for index, group in enumerate(router.routes_between or ()):
        for name in group:
            path, member = f"{router.path}.routes_between[{index}]", document.network(name)
            faults.missing(path, name, member, "network", "fabric_networks")
            if member and member.router != router.name:
                faults.add(path, f"network '{name}' is not on router '{router.name}'")


def _check_external(router: Router, faults: Faults) -> None:
    leg = router.external
    if leg is None:
        return
    for version, address, gateway in ((4, leg.address, leg.gateway), (6, leg.address6, leg.gateway6)):
        if address is None:
            if gateway:
                faults.add(f"{leg.path}.{key('gateway', version)}", f"needs {key('address', version)}")
            continue
        subnet = address.network
        if subnet.prefixlen < subnet.max_prefixlen - 1:  # RFC 3021, RFC 6164: two addresses, both for hosts
            faults.add_if(f"{leg.path}.{key('address', version)}", unusable(address.ip, subnet))
        if gateway and gateway == address.ip:
            faults.add(f"{leg.path}.{key('gateway', version)}", f"{gateway} is the router's own address")
        elif gateway and gateway not in subnet:
            faults.add(f"{leg.path}.{key('gateway', version)}", f"{gateway} is not in {subnet}")


def _router_subnets(document: Document, router: Router) -> Iterator[tuple[str, str, Subnet]]:
    """Yield (path, whose, subnet) of a router's legs."""
    if router.external:
        for address in router.external.addresses():
            path = f"{router.external.path}.{key('address', address.version)}"
            yield path, f"router '{router.name}'", address.network
    for network in document.networks_of(router.name):
        for subnet, _gateway in network.subnets():
            yield f"{network.path}.{key('cidr', subnet.version)}", f"'{network.name}'", subnet


def _check_overlaps(document: Document, router: Router, faults: Faults) -> None:
    seen: list[tuple[str, Subnet]] = []
    for path, whose, subnet in _router_subnets(document, router):
        for other_whose, other in seen:
            if subnet.version == other.version and subnet.overlaps(other):
                faults.add(path, f"{subnet} overlaps {other} of {other_whose}, on the same router '{router.name}'")
        seen.append((whose, subnet))


def _check_external_addresses(document: Document, faults: Faults) -> None:
    """One address on one segment belongs to one router."""
    used: dict[tuple[str, int, Address], str] = {}
    for router in document.routers:
        leg = router.external
        if leg is None:
            continue
        for address in leg.addresses():
            other = used.setdefault((leg.network, leg.vlan, address.ip), router.name)
            if other != router.name:
                path = f"{leg.path}.{key('address', address.version)}"
                faults.add(path, f"{address.ip} is already used by router '{other}'")
