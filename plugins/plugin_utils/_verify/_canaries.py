# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Canaries: namespaces that stand in for guests while a document is proven. Pure functions, no I/O.

A canary is a further guest of the document as far as networks, port security and security groups go, and has an
address that nobody has. On the node it is a port of br-int with a namespace behind it. Its flows are those that the
document has with canaries and has not without them: no flow of a guest is touched. All of it belongs to an owner of its
own, so that the next run removes what one that was killed has left behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import (
    Address,
    AddressRange,
    Interface,
    Subnet,
    key,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _layout, _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._assigned import addresses_of
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._model import ranges, reservations, server
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Nic
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._port_security import _model as _port_security
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._port_security._port_security import (
    interface_address,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups import _model as _groups
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._state import NodeState
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan, Resource
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site

INTERFACE = "eth0"
"""The interface of a canary, in its namespace."""
_TRIED = 4096  # addresses of a subnet that are looked at for a free one

Leases = Mapping[str, Iterable[tuple[str, str]]]
"""Pairs of a MAC address and an address by network."""


def owner(document: Document) -> str:
    """Return whose canaries are, in as many characters as an owner may have."""
    return f"{document.owner[:55]}-canaries"


def namespace(name: str) -> str:
    """Return the namespace of a canary."""
    return f"netvirt-{name}"


@dataclass(frozen=True)
class _Sort:
    """NICs to which the same is allowed."""

    network: str
    secured: bool
    groups: Optional[tuple[str, ...]]


def declared(
    document: Document, nodes: Collection[str], silent: Collection[tuple[str, str]], leases: Leases
) -> list[dict[str, Any]]:
    """Return the canaries on these nodes, as further guests of a document in the form of ``fabric_guests``.

    Each sort of NIC has one, and where security groups filter it another, on the last node that has such a NIC: groups
    let members reach one another. Where a guest's agent is silent, given by guest and network, there is one on its
    node. A network without guests has one where its router or DHCP server is, or else on the first node.
    """
    free = {network.name: _Free(document, network, leases) for network in document.networks}
    taken = {guest.name for guest in document.guests}
    names = (name for name in (f"canary{number}" for number in range(1, 2**31)) if name not in taken)
    found = []
    for sort, node in _places(document, nodes, silent):
        addresses = free[sort.network].take()
        if addresses is not None:
            found.append({**_said(sort), **addresses, "node": node, "name": next(names)})
    return found


def _said(sort: _Sort) -> dict[str, Any]:
    said: dict[str, Any] = {"network": sort.network, "port_security": sort.secured}
    return said if sort.groups is None else {**said, "security_groups": list(sort.groups)}


def _places(
    document: Document, nodes: Collection[str], silent: Collection[tuple[str, str]]
) -> Iterator[tuple[_Sort, str]]:
    """Yield the sort and the node of each canary."""
    found: dict[_Sort, list[str]] = {}
    wanted: dict[tuple[_Sort, str], int] = {}
    for guest in document.guests:
        for nic in guest.nics if guest.node in nodes else ():
            sort = _sort(document, nic)
            found.setdefault(sort, []).append(guest.node)
            if (guest.name, nic.network) in silent:
                wanted[sort, guest.node] = 1
    for sort, places in found.items():
        filtered = sort.groups is not None
        wanted[sort, places[0]] = 2 if filtered and len(set(places)) == 1 else 1
        if filtered:
            wanted.setdefault((sort, places[-1]), 1)
    for network in document.networks:
        if not document.nics_on(network.name):
            near = [node for node in nodes if node in document.nodes_of(network)]
            wanted.update(
                {(_sort(document, Nic(network.name, "", None, None, "")), node): 1 for node in [*near, *nodes][:1]}
            )
    for (sort, node), count in wanted.items():
        yield from ((sort, node) for _copy in range(count))


def _sort(document: Document, nic: Nic) -> _Sort:
    return _Sort(nic.network, _port_security.of(nic).enabled, _groups.of(document, nic))


class _Free:
    """The addresses of a network that nobody has: from the end of each subnet, at best none that DHCP gives."""

    def __init__(self, document: Document, network: Network, leases: Leases) -> None:
        taken = {str(address) for _mac, address in leases.get(network.name, ())}
        for _guest, nic in document.nics_on(network.name):
            taken.update(map(str, addresses_of(document, network, nic)))
        for reservation in reservations(document, network):
            taken.update(map(str, reservation.addresses))
        gateways = [gateway for _subnet, gateway in network.subnets()]
        taken.update(str(item) for item in (*gateways, server(network, 4), server(network, 6)) if item)
        # On a physical segment others have addresses, too, and nobody here knows which.
        subnets = [subnet for subnet, _gateway in network.subnets() if network.mode != "bridged"]
        self._any = bool(subnets)
        self._queues = {
            subnet.version: _unused(network, subnet, taken)
            for subnet in subnets
            if subnet.version == 4 or ranges(network, 6)  # Else it makes itself one, see ``addresses``.
        }

    def take(self) -> Optional[dict[str, str]]:
        """Return an address of each version that is free and to be given; None where there is to be one and is none."""
        found = {key("address", version): next(queue, None) for version, queue in self._queues.items()}
        if None in found.values() or not self._any:
            return None
        return {name: str(address) for name, address in found.items()}


def _unused(network: Network, subnet: Subnet, taken: set[str]) -> Iterator[Address]:
    last = min(subnet.num_addresses - (2 if subnet.version == 4 else 1), 2**63)
    given = ranges(network, subnet.version)
    for by_dhcp in (False, True):
        for number in range(last, max(0, last - _TRIED), -1):
            address = subnet[number]
            offered = any(item.overlaps(AddressRange(address, address)) for item in given)
            if offered == by_dhcp and str(address) not in taken:
                yield address


def resources(
    before: Document, after: Document, node: str, names: Collection[str], mtus: Mapping[str, int]
) -> list[Resource]:
    """Return what a node needs for its canaries: their ports, namespaces and flows.

    ``before`` is the document without canaries, ``after`` with them, and ``mtus`` has bytes by network.
    """
    canaries = [guest for guest in after.guests_on(node) if guest.name in names]
    state = NodeState("system")  # Nothing of a canary depends on it.
    with_canaries = _layout.plan(Site(after, node, state))
    known = {_match(flow) for flow in _flows(_layout.plan(Site(before, node, state)))}
    flows = [flow for flow in _flows(with_canaries) if _match(flow) not in known]
    plan = Plan(Site(after, node, state)).by("canaries")
    ports = {item["name"]: item for item in with_canaries.of_kind("ovs_port_vlan")}
    for guest in canaries:
        port = _names.tap(guest.name, 0)
        plan.say("ovs_port_vlan", **{**ports[port], "device_required": True})
        _inside(plan, guest.name, port, guest.nics[0], mtus)
    if flows:
        plan.flows(_names.INTEGRATION, "canaries", flows)
    return plan.resources()


def _inside(plan: Plan, name: str, port: str, nic: Nic, mtus: Mapping[str, int]) -> None:
    network = plan.site.document.network(nic.network)
    inside = plan.namespace(namespace(name))
    inside.declare(forward=False, forward6=False)
    # Each refused datagram is told, not one in a second (Linux, Documentation/networking/ip-sysctl.rst).
    inside.sysctl(**{"net.ipv4.icmp_ratelimit": "0", "net.ipv6.icmp.ratelimit": "0"})
    inside.veth((port, INTERFACE), mtus.get(nic.network) or None, nic.mac)
    inside.interface(INTERFACE, [str(item) for item in addresses(nic, network)] if network else [])
    for _subnet, gateway in network.subnets() if network else ():
        if gateway and network and network.router and (gateway.version == 6 or nic.address):
            default = "default" if gateway.version == 4 else "default6"
            inside.route(default, str(gateway), INTERFACE)


def _flows(plan: Plan) -> list[str]:
    return [flow for item in plan.of_kind("ovs_flow") if item["bridge"] == _names.INTEGRATION for flow in item["flows"]]


def _match(flow: str) -> str:
    return flow.partition("actions=")[0].strip(" ,")


def addresses(nic: Nic, network: Network) -> tuple[Interface, ...]:
    """Return the addresses of a canary with their prefix lengths; of IPv6 what it makes itself if it has no other."""
    found: list[Address] = list(nic.addresses())
    if network.cidr6 and nic.address6 is None and network.mode != "bridged":
        found.append(interface_address(network.cidr6, nic.mac))
    subnets = [subnet for subnet, _gateway in network.subnets()]
    return tuple(
        ip_interface(f"{address}/{subnet.prefixlen}")
        for address in found
        for subnet in subnets
        if subnet.version == address.version
    )
