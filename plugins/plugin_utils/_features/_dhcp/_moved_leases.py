# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""DHCP leases that go along when a server moves to another node, or its network is renamed. Pure functions, no I/O.

Leases are what nodes told. The node that had the server is not trusted further than it was with it: only addresses of
the network's own ranges count, none that is reserved, and no lease lasts longer than a new one would.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._model import ranges, reservations
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network

Facts = Mapping[str, Any]
Servers = Mapping[str, list[dict[str, Any]]]


def of_networks(document: Document, node: str, facts: Facts) -> dict[str, list[dict[str, Any]]]:
    """Return by network the leases that its server on this node starts with: none where the node has one already."""
    if "dhcp_servers" not in (facts.get(node) or {}):
        return {}
    here = {name for _node, name, server in _servers(document, facts, node)}
    result = {}
    for network in document.networks:
        if _node_of(document, network) == node and network.name not in here:
            former = _former(document, network, facts)
            leases = [lease for server in former for lease in server["leases"]]
            if leases:
                result[network.name] = _admitted(document, network, leases)
    return {name: leases for name, leases in result.items() if leases}


def _node_of(document: Document, network: Network) -> str:
    """Return the node that has the network's DHCP server, which is where its router is, if it has one."""
    router = document.router(network.router)
    if network.dhcp is None:
        return ""
    return router.node if router else network.dhcp.node


def _servers(document: Document, facts: Facts, only: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the servers that are the document's, or will be, with their nodes and names."""
    for node, found in facts.items():
        if not only or node == only:
            for name, server in ((found or {}).get("dhcp_servers") or {}).items():
                if document.owns(server["owner"]):
                    yield node, name, server


def _former(document: Document, network: Network, facts: Facts) -> list[dict[str, Any]]:
    """Return the servers that served the network: of its name, or the one of a network that went, of the same ranges.

    Where several networks went or came with these ranges, it cannot be told which of them this was.
    """
    servers = list(_servers(document, facts))
    known = {name for _node, name, _server in servers}
    if network.name in known:
        return [server for _node, name, server in servers if name == network.name]
    own = _ranges(network)
    rivals = [item for item in document.networks if item.name not in known and item.dhcp and _ranges(item) == own]
    gone = [
        (name, server)
        for _node, name, server in servers
        if document.network(name) is None and sorted(map(tuple, server["ranges"])) == own
    ]
    alone = own and len(rivals) == 1 and len({name for name, _server in gone}) == 1
    return [server for _name, server in gone] if alone else []


def _ranges(network: Network) -> list[tuple[str, ...]]:
    return sorted((str(item.first), str(item.last)) for item in ranges(network, 4))


def _admitted(document: Document, network: Network, leases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the leases that the network's own server could have given, each address and each client once."""
    reserved = reservations(document, network)
    taken = {str(address) for item in reserved for address in item.addresses}
    clients = {item.mac for item in reserved if any(address.version == 4 for address in item.addresses)}
    longest = network.dhcp.lease if network.dhcp else ""
    result = []
    for lease in leases:
        mac, address, seconds = lease["mac"], ipaddress.ip_address(lease["address"]), lease["seconds"]
        inside = any(int(item.first) <= int(address) <= int(item.last) for item in ranges(network, 4))
        if not inside or str(address) in taken or mac in clients:
            continue
        taken.add(str(address))
        clients.add(mac)
        if longest != "infinite":
            seconds = min(seconds or int(longest), int(longest))
        result.append({"mac": mac, "address": str(address), **({"seconds": seconds} if seconds else {})})
    return result
