# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""DHCP, router advertisements and DNS of one network, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp import _dnsmasq_values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address, AddressRange
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network

DEFAULT_LEASE = "24h"


@dataclass(frozen=True)
class Reservation:
    """An address that DHCP keeps for a MAC address."""

    mac: str
    addresses: tuple[Address, ...]
    hostname: str
    path: str


@dataclass(frozen=True)
class Dhcp:
    """DHCP, router advertisements and DNS of one network. ``dns_forwarders`` None: those that the node itself asks."""

    ranges: tuple[AddressRange, ...]
    lease: str
    dns_servers: tuple[Address, ...]
    dns_forwarders: Optional[tuple[Address, ...]]
    domain: str
    options: tuple[dict[str, Any], ...]
    hosts: tuple[Reservation, ...]
    node: str
    address: Optional[IPv4Address]
    address6: Optional[IPv6Address]
    path: str


def server(network: Network, version: int) -> Optional[Address]:
    """Return the address of a DHCP server that does not run beside a router."""
    if version == 4:
        return (network.dhcp and network.dhcp.address) or (None if network.mode == "bridged" else network.gateway)
    return (network.dhcp and network.dhcp.address6) or (None if network.mode == "bridged" else network.gateway6)


def ranges(network: Network, version: int) -> list[AddressRange]:
    """Return the ranges from which DHCP gives leases of IP version 4 or 6.

    Without a range in the document: for IPv4 the longer of the two stretches that the gateway leaves of the subnet,
    but none on a physical segment, where others may have addresses; for IPv6 none, since guests then configure
    themselves (SLAAC).
    """
    if not network.dhcp or not network.subnet(version):
        return []
    given = [item for item in network.dhcp.ranges if item.version == version]
    if given or version == 6 or network.mode == "bridged":
        return given
    if not network.cidr or not network.gateway or network.gateway not in network.cidr:
        return given
    below = AddressRange(network.cidr[1], network.gateway - 1)
    above = AddressRange(network.gateway + 1, network.cidr[-2])
    return [max(below, above, key=AddressRange.size)]


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


def read(reader: Reader) -> Mapping[str, Any]:
    """Return what a network has of it."""
    return {"dhcp": reader.child("dhcp", _dhcp)}


def _dhcp(reader: Reader) -> Dhcp:
    ranges = reader.located("ranges", _convert.address_range)
    single = reader.get("range", _convert.address_range, None)
    if single:
        ranges.append((reader.at("range"), single))
    return Dhcp(
        ranges=tuple(AddressRange(first, last, path) for path, (first, last) in ranges),
        lease=reader.get("lease", _values.duration, _values.duration(DEFAULT_LEASE)),
        dns_servers=reader.values("dns_servers", _convert.address),
        dns_forwarders=(
            None if reader.raw("dns_forwarders") is None else reader.values("dns_forwarders", _convert.address)
        ),
        domain=reader.get("domain", _values.hostname, ""),
        options=_dhcp_options(reader),
        hosts=reader.children("hosts", _reservation),
        node=reader.get("node", _convert.node, ""),
        address=reader.get("address", _convert.address4, None),
        address6=reader.get("address6", _convert.address6, None),
        path=reader.path,
    )


def _dhcp_options(reader: Reader) -> tuple[dict[str, Any], ...]:
    """Return further DHCP options, by the rules of the kind that gets them."""
    options = reader.children("options", _dhcp_option)
    try:
        _dnsmasq_values.dhcp_options([{"family": 4, **option} for option in options if option["option"]])
    except ValueError as error:
        reader.faults.add(reader.at("options"), str(error))
    return options


def _dhcp_option(reader: Reader) -> dict[str, Any]:
    option = {
        "option": reader.get("option", lambda value: _convert.text(_values.written(value)), "", required=True),
        "value": reader.get(
            "value", _dnsmasq_values.DHCP_OPTION["value"].canonical or _convert.text, "", required=True
        ),
        "family": reader.get("family", lambda value: int(_convert.choice("4", "6")(_values.written(value))), None),
    }
    return {key: value for key, value in option.items() if value is not None}


def _reservation(reader: Reader) -> Reservation:
    addresses = (reader.get("address", _convert.address4, None), reader.get("address6", _convert.address6, None))
    return Reservation(
        mac=reader.get("mac", _values.mac, "", required=True),
        addresses=tuple(address for address in addresses if address),
        hostname=reader.get("hostname", _convert.label, ""),
        path=reader.path,
    )
