# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A router, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address, Interface
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Reader


@dataclass(frozen=True)
class ExternalLeg:
    """A router's port on a physical network. ``vlan`` 0: untagged."""

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
    parts: Mapping[str, Any] = field(default_factory=dict)

    def joins(self, one: str, other: str) -> bool:
        """Return whether it routes between two of its networks."""
        return self.routes_between is None or any(one in group and other in group for group in self.routes_between)


def read(reader: Reader) -> Router:
    """Return a router."""
    return Router(
        name=reader.get("name", _convert.name, "", required=True),
        node=reader.get("node", _convert.node, "", required=True),
        external=reader.child("external", _external_leg),
        routes_between=None if reader.raw("routes_between") is None else reader.values("routes_between", _group),
        trunk=reader.get("legs", _convert.choice("access", "trunk"), "access") == "trunk",
        path=reader.path,
        parts=reader.extended("router"),
    )


def _group(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) < 2:
        raise ValueError(f"must be a list of two networks or more, not {_values.shown(value)}")
    return tuple(_convert.name(item) for item in value)


def _external_leg(reader: Reader) -> ExternalLeg:
    leg = ExternalLeg(
        network=reader.get("network", _convert.name, "", required=True),
        address=reader.get("address", _convert.interface4, None),
        gateway=reader.get("gateway", _convert.address4, None),
        address6=reader.get("address6", _convert.interface6, None),
        gateway6=reader.get("gateway6", _convert.address6, None),
        vlan=reader.get("vlan", _values.vlan_id, 0),
        path=reader.path,
    )
    if reader.raw("address") is None and reader.raw("address6") is None:
        reader.faults.add(reader.at("address"), "is required, or address6")
    return leg
