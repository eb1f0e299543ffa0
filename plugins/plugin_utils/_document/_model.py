# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fabric document as data.

Every object keeps the ``path`` at which it stands in the document, so that a fault found later can still say where.
A field whose value was refused holds the empty value of its type (``""``, ``0``, ``None``): checks skip what is empty,
and one fault does not draw others after it. ``validate()`` hands out a document only when there was no fault at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
class NodeState:
    """What a node is found to be, as far as the compiler needs it.

    ``address`` is the underlay address; ``underlay_addresses`` are all that the underlay interface carries, or carried
    before it went into br-phy; ``underlay_mac`` and ``mtus`` (bytes by interface) come from the interfaces themselves.
    ``resolvers`` are the DNS servers that it asks.
    ``addressed`` are the interfaces that have an address which they do not have by themselves, ``parents`` those on
    which others of the host stand.
    """

    datapath_type: str
    address: Optional[Interface] = None
    underlay_interface: str = ""
    underlay_addresses: tuple[Interface, ...] = ()
    underlay_mac: str = ""
    mtus: dict[str, int] = field(default_factory=dict)
    resolvers: tuple[Address, ...] = ()
    addressed: frozenset[str] = frozenset()
    parents: frozenset[str] = frozenset()
