# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check the addresses of a document: subnets, gateways, DHCP ranges, reservations, MAC addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._model import (
    Address,
    AddressRange,
    Dhcp,
    Network,
    Reservation,
    Router,
    Subnet,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults


def check_addresses(document: Document, faults: Faults) -> None:
    """Note every fault of the document's addresses."""
    for network in document.networks:
        if not faults.at(f"{network.path}.cidr", f"{network.path}.cidr6"):
            _check_gateways(network, faults)
            _check_dhcp(network, faults)
            _check_reservations(document, network, faults)
    for router in document.routers:
        _check_external(router, faults)
        _check_overlaps(document, router, faults)
    _check_external_addresses(document, faults)
    _check_macs(document, faults)


def reservations(document: Document, network: Network) -> list[Reservation]:
    """Return what DHCP reserves in a network: for its guests, then what ``dhcp.hosts`` lists.

    A guest with two NICs in one network has its name on the first: dnsmasq knows a name once.
    """
    result = []
    named = set()
    for guest, nic in document.nics_on(network.name):
        hostname = "" if guest.name in named else guest.name
        named.add(guest.name)
        result.append(Reservation(nic.mac, nic.addresses(), hostname, nic.path))
    return result + list(network.dhcp.hosts if network.dhcp else ())


def _key(key: str, version: int) -> str:
    """Return the document's key for an IP version: IPv6 has a 6 after it."""
    return key if version == 4 else f"{key}6"


def _unusable(address: Address, subnet: Subnet) -> Optional[str]:
    """Return why a host of the subnet cannot have the address. IPv6 has no broadcast address (RFC 4291)."""
    if address not in subnet:
        return f"{address} is not in {subnet}"
    if address == subnet.network_address:
        return f"{address} is the address of {subnet} itself"
    if subnet.version == 4 and address == subnet.broadcast_address:
        return f"{address} is the broadcast address of {subnet}"
    return None


def _check_gateways(network: Network, faults: Faults) -> None:
    for version, gateway in ((4, network.gateway), (6, network.gateway6)):
        subnet = network.subnet(version)
        path = f"{network.path}.{_key('gateway', version)}"
        if gateway and not subnet:
            faults.add(path, f"needs {_key('cidr', version)}")
        elif gateway and subnet:
            _add(faults, path, _unusable(gateway, subnet))
        elif subnet and network.router and not faults.at(path):
            faults.add(path, f"is required in mode bridged: the address of router '{network.router}'")


def _add(faults: Faults, path: str, message: Optional[str]) -> None:
    if message:
        faults.add(path, message)


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
        path, subnet = f"{dhcp.path}.{_key('address', version)}", network.subnet(version)
        if address and not alone:
            faults.add(path, "is for mode bridged without a router; elsewhere the gateway serves")
        elif alone and subnet and not address:
            faults.add(path, "is required in mode bridged: the server's own address")
        elif address and subnet:
            _add(faults, path, _unusable(address, subnet))
        elif address:
            faults.add(path, f"needs {_key('cidr', version)} of the network")
    path = f"{dhcp.path}.range"
    if network.mode == "bridged" and network.cidr and not network.ranges(4) and not faults.below(path):
        faults.add(path, "is required in mode bridged, where others may have addresses")


def _check_range(network: Network, item: AddressRange, faults: Faults) -> None:
    subnet = network.subnet(item.version)
    if subnet is None:
        if network.subnets():
            faults.add(item.path, f"{item} needs {_key('cidr', item.version)} of the network")
        return
    _add(faults, item.path, _unusable(item.first, subnet) or _unusable(item.last, subnet))
    gateway = network.gateway if item.version == 4 else network.gateway6
    for address, whose in ((gateway, "the gateway"), (network.server(item.version), "the DHCP server's address")):
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
            path = f"{host.path}.{_key('address', address.version)}"
            subnet = network.subnet(address.version)
            if subnet is None:
                faults.add(path, f"network '{network.name}' has no {_key('cidr', address.version)}")
                continue
            _add(faults, path, _unusable(address, subnet))
            if address in (network.gateway, network.gateway6):
                faults.add(path, f"{address} is the gateway of '{network.name}'")
            elif address == network.server(address.version):
                faults.add(path, f"{address} is the DHCP server's of '{network.name}'")
            if address in used:
                faults.add(path, f"{address} is already used by '{used[address]}'")
            used.setdefault(address, host.hostname or host.mac)
            if address.version == 6 and network.dhcp and not network.ranges(6):
                faults.add(path, f"needs a DHCPv6 range in {network.dhcp.path}.ranges; without one guests use SLAAC")


def _check_external(router: Router, faults: Faults) -> None:
    leg = router.external
    if leg is None:
        return
    for version, address, gateway in ((4, leg.address, leg.gateway), (6, leg.address6, leg.gateway6)):
        if address is None:
            if gateway:
                faults.add(f"{leg.path}.{_key('gateway', version)}", f"needs {_key('address', version)}")
            continue
        subnet = address.network
        if subnet.prefixlen < subnet.max_prefixlen - 1:  # RFC 3021, RFC 6164: two addresses, both for hosts
            _add(faults, f"{leg.path}.{_key('address', version)}", _unusable(address.ip, subnet))
        if gateway and gateway == address.ip:
            faults.add(f"{leg.path}.{_key('gateway', version)}", f"{gateway} is the router's own address")
        elif gateway and gateway not in subnet:
            faults.add(f"{leg.path}.{_key('gateway', version)}", f"{gateway} is not in {subnet}")


def _router_subnets(document: Document, router: Router) -> Iterator[tuple[str, str, Subnet]]:
    """Yield (path, whose, subnet) of a router's legs."""
    if router.external:
        for address in router.external.addresses():
            path = f"{router.external.path}.{_key('address', address.version)}"
            yield path, f"router '{router.name}'", address.network
    for network in document.networks_of(router.name):
        for subnet, _gateway in network.subnets():
            yield f"{network.path}.{_key('cidr', subnet.version)}", f"'{network.name}'", subnet


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
                path = f"{leg.path}.{_key('address', address.version)}"
                faults.add(path, f"{address.ip} is already used by router '{other}'")


def _macs(document: Document) -> Iterator[tuple[str, str, str]]:
    """Yield (path, whose, MAC address) of everything that has one."""
    for guest in document.guests:
        for nic in guest.nics:
            yield nic.path, guest.name, nic.mac
    for network in document.networks:
        for host in network.dhcp.hosts if network.dhcp else ():
            yield host.path, host.hostname or host.path, host.mac


def _check_macs(document: Document, faults: Faults) -> None:
    used: dict[str, str] = {}
    for path, whose, mac in _macs(document):
        if mac and mac in used:
            faults.add(f"{path}.mac", f"{mac} is already used by '{used[mac]}'")
        used.setdefault(mac, whose)
