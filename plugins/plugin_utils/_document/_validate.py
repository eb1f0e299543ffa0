# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check how the parts of a document relate: names, nodes, modes.

Addresses and what carries the networks have files of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils._values import shown
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._check_addresses import check_addresses
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._check_physical import check_physical
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._model import (
    FabricError,
    Network,
    PhysicalNetwork,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._read import read_document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes import _mtu


def validate(variables: Any, hosts: Optional[Iterable[str]] = None) -> Document:
    """Return the document in these variables; raises FabricError with every fault.

    ``hosts`` are the names that nodes may have (the inventory); ``None`` accepts any.
    """
    faults = Faults()
    document = read_document(variables, faults)
    _check_unique_names(document, faults)
    _check_nodes(document, None if hosts is None else frozenset(hosts), faults)
    _check_underlay(document, faults)
    check_physical(document, faults)
    for network in document.networks:
        _check_mode(document, network, faults)
        _check_mtu(network, faults)
    _check_references(document, faults)
    check_addresses(document, faults)
    _check_interface_names(document, faults)
    if faults.lines():
        raise FabricError(faults.lines())
    return document


def _check_unique_names(document: Document, faults: Faults) -> None:
    for items in (document.physical_networks, document.networks, document.routers, document.guests):
        seen: set[str] = set()
        for item in items:
            if item.name and item.name in seen:
                faults.add(f"{item.path}.name", f"'{item.name}' is used twice")
            seen.add(item.name)
    vlans: dict[int, str] = {}
    for network in document.networks:
        if network.vlan in vlans:
            faults.add(f"{network.path}.vlan", f"{network.vlan} is already used by '{vlans[network.vlan]}'")
        elif network.vlan:
            vlans[network.vlan] = network.name


def _check_nodes(document: Document, hosts: Optional[frozenset[str]], faults: Faults) -> None:
    for path, node in document.named_nodes():
        if hosts is not None and node not in hosts:
            faults.add(path, f"{shown(node)} is not a host of the inventory")


def _check_underlay(document: Document, faults: Faults) -> None:
    members = document.members()
    underlay = document.underlay
    if underlay is None:
        tunnelled = [item for item in document.networks if not item.network_type and not item.physical_network]
        if len(members) > 1 and tunnelled:
            faults.add("fabric_underlay", f"is required, since the document has several nodes ({', '.join(members)})")
        return
    for node in members if not faults.at(f"{underlay.path}.interface") else ():
        settings = document.nodes.get(node)
        if not underlay.interface and not (settings and settings.underlay_interface):
            faults.add(f"{underlay.path}.interface", f"is required, or fabric_nodes.{node}.underlay_interface")


def _check_mode(document: Document, network: Network, faults: Faults) -> None:
    if network.mode == "isolated":
        if network.router:
            faults.add(f"{network.path}.router", "an isolated network has no router; choose mode routed or nat")
        return
    if not network.mode or network.mode == "bridged":
        return
    if not network.router:
        faults.add(f"{network.path}.router", f"is required in mode {network.mode}")
    if not network.subnets() and not faults.at(f"{network.path}.cidr", f"{network.path}.cidr6"):
        faults.add(f"{network.path}.cidr", f"is required in mode {network.mode}, or cidr6")
    router = document.router(network.router)
    if network.mode != "nat" or router is None:
        return
    if router.external is None:
        faults.add(f"{router.path}.external", f"is required: network '{network.name}' is translated to its address")
        return
    versions = {address.version for address in router.external.addresses()}
    for subnet, _gateway in network.subnets():
        if versions and subnet.version not in versions:
            key = "address" if subnet.version == 4 else "address6"
            faults.add(
                f"{router.external.path}.{key}", f"is required: {subnet} of '{network.name}' is translated to it"
            )


def _check_mtu(network: Network, faults: Faults) -> None:
    if network.cidr6 and 0 < network.mtu < _mtu.IPV6_MIN:
        faults.add(f"{network.path}.mtu", f"{network.mtu} is too small for IPv6, which needs {_mtu.IPV6_MIN}")


def _check_references(document: Document, faults: Faults) -> None:
    def check(path: str, name: str, found: object, what: str, section: str) -> None:
        if name and found is None and not faults.in_names(section):
            faults.add(path, f"there is no {what} '{name}' in {section}")

    for network in document.networks:
        check(f"{network.path}.router", network.router, document.router(network.router), "router", "fabric_routers")
    for leg in document.legs():
        physical = document.physical_network(leg.network)
        check(f"{leg.path}.network", leg.network, physical, "physical network", "fabric_physical_networks")
    for network in document.networks:
        name, physical = network.physical_network, document.physical_network(network.physical_network)
        check(f"{network.path}.physical_network", name, physical, "physical network", "fabric_physical_networks")
    for settings in document.nodes.values():
        for name, uplink in settings.physical_networks.items():
            check(uplink.path, name, document.physical_network(name), "physical network", "fabric_physical_networks")
    for router in document.routers:
        for index, group in enumerate(router.routes_between or ()):
            for name in group:
                path, member = f"{router.path}.routes_between[{index}]", document.network(name)
                check(path, name, member, "network", "fabric_networks")
                if member and member.router != router.name:
                    faults.add(path, f"network '{name}' is not on router '{router.name}'")
    for nic in document.nics():
        check(f"{nic.path}.network", nic.network, document.network(nic.network), "network", "fabric_networks")


def _check_interface_names(document: Document, faults: Faults) -> None:
    owners: dict[str, str] = {}
    for path, owner, name in _interface_names(document):
        other = owners.setdefault(name, owner)
        if other != owner:
            faults.add(path, f"interface name {name} is already used by {other}; choose another name")


def _interface_names(document: Document) -> Iterator[tuple[str, str, str]]:
    """Yield (path, what it belongs to, name) of every interface in the root namespace of any node."""
    for name in sorted(_names.RESERVED):
        yield "", "the fabric itself", name
    for physical in document.physical_networks:
        yield from _physical_names(document, physical)
    for network in document.networks:
        leg = _names.router_leg if network.router else _names.dhcp_leg
        yield f"{network.path}.name", f"network '{network.name}'", leg(network.name)[0]
    for router in document.routers:
        for name, _inner in (_names.external_leg(router.name), _names.trunk_leg(router.name)):
            yield f"{router.path}.name", f"router '{router.name}'", name
    for guest in document.guests:
        for index in range(len(guest.nics)):
            yield f"{guest.path}.name", f"guest '{guest.name}'", _names.tap(guest.name, index)


def _physical_names(document: Document, physical: PhysicalNetwork) -> Iterator[tuple[str, str, str]]:
    """Yield the same of what joins the nodes to a physical network."""
    if physical.bridge not in _names.RESERVED:  # which is reported where physical networks are checked
        yield f"{physical.path}.bridge", f"bridge {physical.bridge}", physical.bridge
    for name in _names.provider_patch(physical.bridge):
        yield f"{physical.path}.bridge", f"bridge {physical.bridge}", name
    for name in (*_names.linux_bridge_pair(physical.name), _names.bond(physical.name)):
        yield f"{physical.path}.name", f"physical network '{physical.name}'", name
    for uplink in (physical.uplink, *(document.uplink(physical, node) for node in document.members())):
        for device in uplink.devices():
            yield uplink.key(), f"interface {device}", device
