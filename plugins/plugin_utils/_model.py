# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fabric document as data.

Every object keeps the ``path`` at which it stands in the document, so that a fault found later can still say where.
A field whose value was refused holds the empty value of its type (``""``, ``0``, ``None``): checks skip what is empty,
and one fault does not draw others after it. ``validate()`` hands out a document only when there was no fault at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, Optional, TypeVar, Union

Address = Union[IPv4Address, IPv6Address]
Interface = Union[IPv4Interface, IPv6Interface]
Subnet = Union[IPv4Network, IPv6Network]
T = TypeVar("T")

LOCAL, FLAT, VLAN = "local", "flat", "vlan"
"""Types of networks that no tunnel carries, as Neutron calls them."""


class FabricError(Exception):
    """The document cannot be built; ``faults`` holds one line for each reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Underlay:
    """What carries the fabric between the nodes. ``mtu`` 0: the least MTU of the nodes' underlay interfaces."""

    type: str
    interface: str
    key: int = 1
    dst_port: Optional[int] = None
    mtu: int = 0
    path: str = "fabric_underlay"


@dataclass(frozen=True)
class Uplink:
    """What joins a bridge to a physical network: NICs, of which several make a bond, or a Linux bridge.

    Without both it says nothing, and another one holds.
    """

    interfaces: tuple[str, ...] = ()
    linux_bridge: str = ""
    bond_mode: str = ""
    lacp: str = ""
    path: str = field(default="", compare=False)

    def devices(self) -> tuple[str, ...]:
        """Return the names of the devices that must be there already."""
        return self.interfaces or ((self.linux_bridge,) if self.linux_bridge else ())

    def key(self) -> str:
        """Return the path in the document of what it consists of."""
        names = ("linux_bridge",) if self.linux_bridge else ("interfaces",) if len(self.interfaces) > 1 else ()
        return f"{self.path}.{(names or ('interface',))[0]}"


@dataclass(frozen=True)
class NodeSettings:
    """What the document says of one node, in place of what is found there or holds for all nodes.

    ``physical_networks`` holds uplinks by the name of their physical network.
    """

    underlay_interface: str = ""
    underlay_address: Optional[Interface] = None
    datapath_type: str = ""
    physical_networks: dict[str, Uplink] = field(default_factory=dict)
    path: str = ""


@dataclass(frozen=True)
class PhysicalNetwork:
    """A network that is there without the fabric, and the bridge that joins nodes to it. ``mtu`` 0: its uplinks'."""

    name: str
    bridge: str
    uplink: Uplink
    mtu: int
    path: str


@dataclass(frozen=True)
class AddressRange:
    """The addresses from ``first`` to ``last``, both of one family."""

    first: Address
    last: Address
    path: str = field(default="", compare=False)

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.first.version

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def size(self) -> int:
        """Return how many addresses it has."""
        return int(self.last) - int(self.first) + 1

    def overlaps(self, other: AddressRange) -> bool:
        """Return whether the two have an address in common."""
        if self.version != other.version:
            return False
        return int(self.first) <= int(other.last) and int(other.first) <= int(self.last)


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


@dataclass(frozen=True)
class Network:
    """A network of guests: one VLAN of the fabric. ``mtu`` 0: as large as what carries it allows.

    ``network_type`` says what carries it from node to node: local, flat, vlan, a type of tunnel, or nothing, which is
    the underlay's. ``segmentation_id`` is the VLAN on the wire of a physical network, 0 for untagged.

    ``gateway`` is the address of the router; in an isolated network, that of its DHCP server; in a bridged one without
    a router of ours, that of whatever routes there.
    """

    name: str
    mode: str
    vlan: int
    network_type: str
    physical_network: str
    segmentation_id: int
    cidr: Optional[IPv4Network]
    gateway: Optional[IPv4Address]
    cidr6: Optional[IPv6Network]
    gateway6: Optional[IPv6Address]
    mtu: int
    router: str
    dhcp: Optional[Dhcp]
    path: str

    def tunnelled(self) -> bool:
        """Return whether tunnels carry it."""
        return self.network_type not in (LOCAL, FLAT, VLAN)

    def translated(self) -> bool:
        """Return whether it has another VLAN on the wire than inside; untagged is no VLAN."""
        return self.network_type == VLAN and self.segmentation_id != self.vlan

    def server(self, version: int) -> Optional[Address]:
        """Return the address of a DHCP server that does not run beside a router."""
        if version == 4:
            return (self.dhcp and self.dhcp.address) or (None if self.mode == "bridged" else self.gateway)
        return (self.dhcp and self.dhcp.address6) or (None if self.mode == "bridged" else self.gateway6)

    def subnets(self) -> list[tuple[Subnet, Optional[Address]]]:
        """Return its subnets, IPv4 first, each with the gateway's address in it."""
        pairs: list[tuple[Optional[Subnet], Optional[Address]]] = [
            (self.cidr, self.gateway),
            (self.cidr6, self.gateway6),
        ]
        return [(subnet, gateway) for subnet, gateway in pairs if subnet]

    def subnet(self, version: int) -> Optional[Subnet]:
        """Return the subnet of IP version 4 or 6."""
        return self.cidr if version == 4 else self.cidr6

    def ranges(self, version: int) -> list[AddressRange]:
        """Return the ranges from which DHCP gives leases of IP version 4 or 6.

        Without a range in the document: for IPv4 the longer of the two stretches that the gateway leaves of the subnet,
        but none on a physical segment, where others may have addresses; for IPv6 none, since guests then configure
        themselves (SLAAC).
        """
        if not self.dhcp or not self.subnet(version):
            return []
        given = [item for item in self.dhcp.ranges if item.version == version]
        if given or version == 6 or self.mode == "bridged":
            return given
        if not self.cidr or not self.gateway or self.gateway not in self.cidr:
            return given
        below = AddressRange(self.cidr[1], self.gateway - 1)
        above = AddressRange(self.gateway + 1, self.cidr[-2])
        return [max(below, above, key=AddressRange.size)]


@dataclass(frozen=True)
class ExternalLeg:
    """A router's leg on a physical network. ``vlan`` 0: untagged."""

    network: str
    address: Optional[IPv4Interface]
    gateway: Optional[IPv4Address]
    address6: Optional[IPv6Interface]
    gateway6: Optional[IPv6Address]
    vlan: int
    path: str

    def addresses(self) -> list[Interface]:
        """Return its addresses with their prefix lengths, IPv4 first."""
        return [address for address in (self.address, self.address6) if address]

    def gateways(self) -> list[Address]:
        """Return the next hops of the default routes, IPv4 first."""
        return [gateway for gateway in (self.gateway, self.gateway6) if gateway]


@dataclass(frozen=True)
class Router:
    """A router in a namespace of one node.

    ``routes_between`` holds groups of networks that reach one another, ``None`` where all do. With ``trunk`` one leg
    carries all of them.
    """

    name: str
    node: str
    external: Optional[ExternalLeg]
    routes_between: Optional[tuple[tuple[str, ...], ...]]
    trunk: bool
    path: str

    def joins(self, one: str, other: str) -> bool:
        """Return whether it routes between two of its networks."""
        return self.routes_between is None or any(one in group and other in group for group in self.routes_between)


@dataclass(frozen=True)
class Nic:
    """A guest's connection to a network."""

    network: str
    mac: str
    address: Optional[IPv4Address]
    address6: Optional[IPv6Address]
    path: str

    def addresses(self) -> tuple[Address, ...]:
        """Return its reserved addresses, IPv4 first."""
        return tuple(address for address in (self.address, self.address6) if address)


@dataclass(frozen=True)
class Guest:
    """A virtual machine. ``memory`` is in MiB; ``settings`` are those that only the hypervisor cares for."""

    name: str
    node: str
    nics: tuple[Nic, ...]
    settings: dict[str, Any]
    path: str


@dataclass(frozen=True)
class Document:
    """A whole fabric.

    What is asked for by name or by node is looked up in indexes, made when first needed, so that a fleet is compiled
    in a time that grows with it and not with its square. Of a name that is used twice, which is a fault, the first
    counts.
    """

    owner: str
    underlay: Optional[Underlay]
    nodes: dict[str, NodeSettings] = field(default_factory=dict)
    physical_networks: tuple[PhysicalNetwork, ...] = ()
    networks: tuple[Network, ...] = ()
    routers: tuple[Router, ...] = ()
    guests: tuple[Guest, ...] = ()

    def named_nodes(self) -> Iterator[tuple[str, str]]:
        """Yield (path, node) wherever the document names a node."""
        for name, settings in self.nodes.items():
            yield settings.path, name
        for network in self.networks:
            if network.dhcp and network.dhcp.node:
                yield f"{network.dhcp.path}.node", network.dhcp.node
        yield from ((f"{router.path}.node", router.node) for router in self.routers if router.node)
        yield from ((f"{guest.path}.node", guest.node) for guest in self.guests if guest.node)

    def members(self) -> list[str]:
        """Return the names of the fabric's nodes, sorted."""
        return self._members

    def network(self, name: str) -> Optional[Network]:
        """Return the network of that name."""
        return self._networks.get(name)

    def router(self, name: str) -> Optional[Router]:
        """Return the router of that name."""
        return self._routers.get(name)

    def physical_network(self, name: str) -> Optional[PhysicalNetwork]:
        """Return the physical network of that name."""
        return self._physical_networks.get(name)

    def carried_by(self, physical: PhysicalNetwork) -> list[Network]:
        """Return the networks that a physical network carries, in the order of their VLANs."""
        return self._carried.get(physical.name, [])

    def nodes_of(self, network: Network) -> set[str]:
        """Return the nodes on which a network has a guest, its router or its DHCP server."""
        router = self.router(network.router)
        nodes = {guest.node for guest, _nic in self.nics_on(network.name)}
        nodes |= {router.node} if router else set()
        nodes |= {network.dhcp.node} if network.dhcp else set()
        return nodes - {""}

    def attached(self, node: str) -> list[PhysicalNetwork]:
        """Return the physical networks that a node is joined to: what stands on it needs them, or the node lists them.

        A node carries all networks of a physical network or none.
        """
        used = set(self.nodes[node].physical_networks if node in self.nodes else ())
        used |= self._physical_by_node.get(node, set())
        return [physical for physical in self.physical_networks if physical.name in used]

    def uplink(self, physical: PhysicalNetwork, node: str) -> Uplink:
        """Return what joins a node to a physical network; of what the node has no own, that of all nodes holds."""
        settings, base = self.nodes.get(node), physical.uplink
        own = settings.physical_networks.get(physical.name, base) if settings else base
        devices = own if own.devices() else base
        return replace(devices, bond_mode=own.bond_mode or base.bond_mode, lacp=own.lacp or base.lacp)

    def networks_of(self, router: str) -> list[Network]:
        """Return the networks that a router serves, in the order of the document."""
        return self._networks_by_router.get(router, [])

    def routers_on(self, node: str) -> list[Router]:
        """Return the routers that stand on a node, in the order of the document."""
        return self._routers_by_node.get(node, [])

    def guests_on(self, node: str) -> list[Guest]:
        """Return the guests of a node, in the order of the document."""
        return self._guests_by_node.get(node, [])

    def legs(self) -> list[ExternalLeg]:
        """Return the external legs of all routers."""
        return [router.external for router in self.routers if router.external]

    def nics(self) -> list[Nic]:
        """Return the NICs of all guests."""
        return [nic for guest in self.guests for nic in guest.nics]

    def nics_on(self, network: str) -> list[tuple[Guest, Nic]]:
        """Return the guests' connections to a network."""
        return self._nics_by_network.get(network, [])

    @cached_property
    def _members(self) -> list[str]:
        return sorted({node for _path, node in self.named_nodes()})

    @cached_property
    def _networks(self) -> dict[str, Network]:
        return {network.name: network for network in reversed(self.networks)}

    @cached_property
    def _routers(self) -> dict[str, Router]:
        return {router.name: router for router in reversed(self.routers)}

    @cached_property
    def _physical_networks(self) -> dict[str, PhysicalNetwork]:
        return {physical.name: physical for physical in reversed(self.physical_networks)}

    @cached_property
    def _carried(self) -> dict[str, list[Network]]:
        ordered = sorted(self.networks, key=lambda network: network.vlan)
        return _grouped((network.physical_network, network) for network in ordered)

    @cached_property
    def _networks_by_router(self) -> dict[str, list[Network]]:
        return _grouped((network.router, network) for network in self.networks)

    @cached_property
    def _routers_by_node(self) -> dict[str, list[Router]]:
        return _grouped((router.node, router) for router in self.routers)

    @cached_property
    def _guests_by_node(self) -> dict[str, list[Guest]]:
        return _grouped((guest.node, guest) for guest in self.guests)

    @cached_property
    def _nics_by_network(self) -> dict[str, list[tuple[Guest, Nic]]]:
        return _grouped((nic.network, (guest, nic)) for guest in self.guests for nic in guest.nics)

    @cached_property
    def _physical_by_node(self) -> dict[str, set[str]]:
        """The names of the physical networks that routers and networks of a node need."""
        used: dict[str, set[str]] = {}
        for router in self.routers:
            if router.external:
                used.setdefault(router.node, set()).add(router.external.network)
        for network in self.networks:
            for node in self.nodes_of(network) if network.physical_network else ():
                used.setdefault(node, set()).add(network.physical_network)
        return used


def _grouped(pairs: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    result: dict[str, list[T]] = {}
    for key, item in pairs:
        result.setdefault(key, []).append(item)
    return result


@dataclass(frozen=True)
class NodeState:
    """What a node is found to be, as far as the compiler needs it.

    ``address`` is the underlay address; ``underlay_addresses`` are all that the underlay interface carries, or carried
    before it went into br-phy; ``underlay_mac`` and ``mtus`` (bytes by interface) come from the interfaces themselves.
    ``resolvers`` are the DNS servers that it asks.
    ``addressed`` are the interfaces that have an address which they do not have by themselves.
    """

    datapath_type: str
    address: Optional[Interface] = None
    underlay_interface: str = ""
    underlay_addresses: tuple[Interface, ...] = ()
    underlay_mac: str = ""
    mtus: dict[str, int] = field(default_factory=dict)
    resolvers: tuple[Address, ...] = ()
    addressed: frozenset[str] = frozenset()
