# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests on a node: their ports, and their definitions for the role guest."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import key
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site


def build(site: Site, plan: Plan) -> None:
    """Say that there is a port for every tap device. A guest may start later than the network."""
    for guest in site.document.guests_on(site.node):
        for index, nic in enumerate(guest.nics):
            network = site.document.network(nic.network)
            vlan = network.vlan if network else 0
            plan.access_port(_names.tap(guest.name, index), _names.INTEGRATION, vlan, device_required=False)


def definitions(site: Site) -> list[dict[str, Any]]:
    """Return the definitions of the node's guests for the role ``guest``. Memory is in MiB, MTU in bytes."""
    return [
        {
            "name": guest.name,
            "uuid": _names.guest_uuid(site.document.origin, guest.name),
            **guest.settings,
            "interfaces": [
                _interface(site, site.document.network(nic.network), _names.tap(guest.name, index))
                | {"mac": nic.mac, **{key("address", address.version): str(address) for address in nic.addresses()}}
                for index, nic in enumerate(guest.nics)
            ],
        }
        for guest in site.document.guests_on(site.node)
    ]


def _interface(site: Site, network: Optional[Network], tap: str) -> dict[str, Any]:
    if network is None:
        return {"tap": tap}
    return {
        "tap": tap,
        "bridge": _names.INTEGRATION,
        "network": network.name,
        "vlan": network.vlan,
        "mtu": site.mtus.get(network.name, 0),
        "offload": site.state.datapath_type == "system",
    }
