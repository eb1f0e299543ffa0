# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses, subnets and ranges, as all features have them."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Optional, Union

Address = Union[IPv4Address, IPv6Address]
Interface = Union[IPv4Interface, IPv6Interface]
Subnet = Union[IPv4Network, IPv6Network]


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


def key(key: str, version: int) -> str:
    """Return the document's key for an IP version: IPv6 has a 6 after it."""
    return key if version == 4 else f"{key}6"


def unusable(address: Address, subnet: Subnet) -> Optional[str]:
    """Return why a host of the subnet cannot have the address. IPv6 has no broadcast address (RFC 4291)."""
    if address not in subnet:
        return f"{address} is not in {subnet}"
    if address == subnet.network_address:
        return f"{address} is the address of {subnet} itself"
    if subnet.version == 4 and address == subnet.broadcast_address:
        return f"{address} is the broadcast address of {subnet}"
    return None
