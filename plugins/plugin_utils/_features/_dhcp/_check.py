# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check the DHCP servers of a document: ranges, addresses, reservations."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import (
    Address,
    AddressRange,
    key,
    unusable,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._model import (
    Dhcp,
    ranges,
    reservations,
    server,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network


def check(document: Document, faults: Faults) -> None:
    """Note every fault of the DHCP servers and of what they reserve."""
    for network in document.networks:
        if not faults.at(f"{network.path}.cidr", f"{network.path}.cidr6"):
            _check_dhcp(network, faults)
            _check_reservations(document, network, faults)
    _check_macs(document, faults)


def _check_dhcp(network: Network, faults: Faults) -> None:
    dhcp = network.dhcp
    if dhcp is None:
        return
    if not network.subnets():
        faults.add(dhcp.path, "needs cidr or cidr6 of the network")
    if network.router and dhcp.node:
        faults.add(f"{dhcp.path}.node", f"the server runs beside router '{network.router}'; leave the node out")
    if network.mode in ("isolated", "bridged") and not network.router and not dhcp.node:
        faults.add(f"{dhcp.path}.node", "is required in a network without a router")
    _check_server(network, dhcp, faults)
    for index, item in enumerate(dhcp.ranges):
        _check_range(network, item, faults)
        for other in dhcp.ranges[:index]:
            if item.overlaps(other):
                faults.add(item.path, f"{item} overlaps {other}")


def _check_server(network: Network, dhcp: Dhcp, faults: Faults) -> None:
    """On a physical segment nothing is taken for granted: the server has an address and a range that were given."""
    alone = network.mode == "bridged" and not network.router
    for version, address in ((4, dhcp.address), (6, dhcp.address6)):
        path, subnet = f"{dhcp.path}.{key('address', version)}", network.subnet(version)
        if address and not alone:
            faults.add(path, "is for mode bridged without a router; elsewhere the gateway serves")
        elif alone and subnet and not address:
            faults.add(path, "is required in mode bridged: the server's own address")
        elif address and subnet:
            faults.add_if(path, unusable(address, subnet))
        elif address:
            faults.add(path, f"needs {key('cidr', version)} of the network")
    path = f"{dhcp.path}.range"
    if network.mode == "bridged" and network.cidr and not ranges(network, 4) and not faults.below(path):
        faults.add(path, "is required in mode bridged, where others may have addresses")


def _check_range(network: Network, item: AddressRange, faults: Faults) -> None:
    subnet = network.subnet(item.version)
    if subnet is None:
        if network.subnets():
            faults.add(item.path, f"{item} needs {key('cidr', item.version)} of the network")
        return
    faults.add_if(item.path, unusable(item.first, subnet) or unusable(item.last, subnet))
    gateway = network.gateway if item.version == 4 else network.gateway6
    for address, whose in ((gateway, "the gateway"), (server(network, item.version), "the DHCP server's address")):
        if address and item.overlaps(AddressRange(address, address)):
            faults.add(item.path, f"{item} contains {whose} {address}")
            return


def _check_reservations(document: Document, network: Network, faults: Faults) -> None:
    if document.network(network.name) is not network:
        return  # a name used twice, which is reported as such
    used: dict[Address, str] = {}
    hostnames: set[str] = set()
    for host in reservations(document, network):
        if host.hostname and host.hostname in hostnames:
            faults.add(f"{host.path}.hostname", f"'{host.hostname}' is already used in '{network.name}'")
        hostnames.add(host.hostname)
        for address in host.addresses:
            path = f"{host.path}.{key('address', address.version)}"
            subnet = network.subnet(address.version)
            if subnet is None:
                faults.add(path, f"network '{network.name}' has no {key('cidr', address.version)}")
                continue
            faults.add_if(path, unusable(address, subnet))
            if address in (network.gateway, network.gateway6):
                faults.add(path, f"{address} is the gateway of '{network.name}'")
            elif address == server(network, address.version):
                faults.add(path, f"{address} is the DHCP server's of '{network.name}'")
            if address in used:
                faults.add(path, f"{address} is already used by '{used[address]}'")
            used.setdefault(address, host.hostname or host.mac)
            if address.version == 6 and network.dhcp and not ranges(network, 6):
                faults.add(path, f"needs a DHCPv6 range in {network.dhcp.path}.ranges; without one guests use SLAAC")


def _check_macs(document: Document, faults: Faults) -> None:
    used: dict[str, str] = {}
    for guest in document.guests:
        for nic in guest.nics:
            used.setdefault(nic.mac, guest.name)
    for network in document.networks:
        for host in network.dhcp.hosts if network.dhcp else ():
            if host.mac and host.mac in used:
                faults.add(f"{host.path}.mac", f"{host.mac} is already used by '{used[host.mac]}'")
            used.setdefault(host.mac, host.hostname or host.path)
