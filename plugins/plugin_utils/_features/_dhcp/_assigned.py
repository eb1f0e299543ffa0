# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which addresses guests have that the document gives none: DHCP keeps one for each, so that all are known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address, AddressRange
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._model import ranges, reservations, server
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Nic
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network

Assigned = dict[tuple[str, int], Address]
"""By MAC address and IP version."""


def addresses_of(document: Document, network: Network, nic: Nic) -> list[Address]:
    """Return the addresses that a NIC has, by the document or by DHCP; IPv4 first."""
    given = {address.version: address for address in nic.addresses()}
    found = assigned(document, network)
    both = (given.get(version) or found.get((nic.mac, version)) for version in (4, 6))
    return [address for address in both if address]


def assigned(document: Document, network: Network) -> Assigned:
    """Return the addresses that DHCP keeps for guests without one in the document.

    An address follows from the MAC address, so that other guests come and go without changing it, unless two
    want the same one: the later one of the document gets the next that is free. Where none is left, a guest has none.
    """
    return document.once(("assigned", network.name), lambda: _assigned(document, network))


def _assigned(document: Document, network: Network) -> Assigned:
    result: Assigned = {}
    for version in (4, 6):
        free = ranges(network, version)
        taken = _taken(document, network)
        for _guest, nic in document.nics_on(network.name) if free else ():
            if not any(address.version == version for address in nic.addresses()):
                address = next(_wanted(nic.mac, free, taken), None)
                if address:
                    result[nic.mac, version] = address
                    taken.add(address)
    return result


def _taken(document: Document, network: Network) -> set[Address]:
    found = {address for item in reservations(document, network) for address in item.addresses}
    found |= {gateway for _subnet, gateway in network.subnets() if gateway}
    return found | {address for address in (server(network, 4), server(network, 6)) if address}


def _wanted(mac: str, free: list[AddressRange], taken: set[Address]) -> Iterator[Address]:
    """Yield the addresses of the ranges that nobody has, from the one on that follows from a MAC address."""
    size = sum(item.size() for item in free)
    start = int.from_bytes(hashlib.sha256(mac.encode()).digest()[:8], "big") % size
    for step in range(min(size, len(taken) + 1)):
        number = (start + step) % size
        for item in free:
            if number < item.size():
                address = item.first + number
                break
            number -= item.size()
        if address not in taken:
            yield address
