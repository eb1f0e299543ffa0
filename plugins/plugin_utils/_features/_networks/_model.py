# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network of guests, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address, Subnet
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes import _mtu

if TYPE_CHECKING:
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._model import Dhcp

LOCAL, FLAT, VLAN = "local", "flat", "vlan"
"""Types of networks that no tunnel carries, as Neutron calls them."""
MODES = ("isolated", "routed", "nat", "bridged")
NETWORK_TYPES = (LOCAL, FLAT, VLAN, *_mtu.OVERHEAD)


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
    path: str
    parts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dhcp(self) -> Optional[Dhcp]:
        """What the document says of its DHCP server."""
        return self.parts.get("dhcp")

    def tunnelled(self) -> bool:
        """Return whether tunnels carry it."""
        return self.network_type not in (LOCAL, FLAT, VLAN)

    def translated(self) -> bool:
        """Return whether it has another VLAN on the wire than inside; untagged is no VLAN."""
        return self.network_type == VLAN and self.segmentation_id != self.vlan

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


def read(reader: Reader) -> Network:
    """Return a network."""
    cidr = reader.get("cidr", _convert.network4, None)
    cidr6 = reader.get("cidr6", _convert.network6, None)
    mode = reader.get("mode", _convert.choice(*MODES), "", required=True)
    vlan = reader.get("vlan", _values.vlan_id, 0, required=True)
    network_type = reader.get("network_type", _convert.choice(*NETWORK_TYPES), "")
    return Network(
        name=reader.get("name", _convert.name, "", required=True),
        mode=mode,
        vlan=vlan,
        network_type=network_type,
        physical_network=reader.get("physical_network", _convert.name, ""),
        segmentation_id=reader.get("segmentation_id", _values.vlan_id, vlan if network_type == VLAN else 0),
        cidr=cidr,
        gateway=reader.get("gateway", _convert.address4, _first(cidr, mode)),
        cidr6=cidr6,
        gateway6=reader.get("gateway6", _convert.address6, _first(cidr6, mode)),
        mtu=reader.get("mtu", _mtu.VALUE, 0),
        router=reader.get("router", _convert.name, ""),
        path=reader.path,
        parts=reader.extended("network"),
    )


def _first(subnet: Any, mode: str) -> Any:
    """Return the first address for hosts, which is the gateway unless the document says otherwise (as in Neutron).

    On a physical segment somebody else has it, or another.
    """
    return subnet[1] if subnet and mode != "bridged" else None
