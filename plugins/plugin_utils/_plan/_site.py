# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One node's place in the fabric: what features build from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names

if TYPE_CHECKING:
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._physical_networks import PhysicalNetwork
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._routers._model import Router
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._state import NodeState


@dataclass(frozen=True)
class Site:
    """One node's place in the fabric.

    ``remotes``: the other nodes' underlay addresses; ``mtus``: bytes by network; ``leases``: by network those that a
    DHCP server which is new here starts with.
    """

    document: Document
    node: str
    state: NodeState
    remotes: list[str] = field(default_factory=list)
    mtus: dict[str, int] = field(default_factory=dict)
    leases: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def mac(self, role: str, network: Network) -> str:
        """Return the MAC address of a network's gateway or DHCP server, on each node and by each name the same."""
        return _names.mac(self.document.origin, role, str(network.vlan))

    def routers(self) -> list[Router]:
        """Return the routers that stand on this node."""
        return self.document.routers_on(self.node)

    def attached(self) -> list[PhysicalNetwork]:
        """Return the physical networks that this node is joined to."""
        return self.document.attached(self.node)
