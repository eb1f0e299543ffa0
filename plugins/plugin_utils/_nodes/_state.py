# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node is found to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address, Interface


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
