# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fabric document as a whole: what it holds, by name, by node and by network."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Optional, TypeVar

if TYPE_CHECKING:  # features import this module, and say what the document holds
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Guest, Nic
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._nodes import NodeSettings
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._physical_networks import (
        PhysicalNetwork,
        Uplink,
    )
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._routers._model import ExternalLeg, Router
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._underlay import Underlay

T = TypeVar("T")


@dataclass(frozen=True)
class Document:
    """A whole fabric. ``parts`` holds by name the sections that only their own features know of.

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
    owner_was: str = ""
    parts: Mapping[str, Any] = field(default_factory=dict)
    _worked_out: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, key: Hashable, work_out: Callable[[], T]) -> T:
        """Return what a feature works out of the document, which it does once for a key."""
        if key not in self._worked_out:
            self._worked_out[key] = work_out()
        found: T = self._worked_out[key]
        return found

    @property
    def origin(self) -> str:
        """The name that MAC addresses, UUIDs and the like follow from. A fabric that is taken over keeps them."""
        return self.owner_was or self.owner

    def owns(self, owner: Any) -> bool:
        """Tell whether what bears this owner's mark is the document's, or will be."""
        return bool(owner) and owner in (self.owner, self.owner_was)

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
        """Return the external ports of all routers."""
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
