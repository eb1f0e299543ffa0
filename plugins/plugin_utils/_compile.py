# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compile a fabric document into what one node needs. Pure functions: the same input gives the same output, no I/O.

A network model is the sum of layers: the switch (``_layout``) makes it isolated; a physical network (``_physical``) in
place of the tunnels makes it bridged; the router makes it routed; address translation makes it nat (``_router``). Each
layer is a function from a node's place in the fabric to resources.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils import _layout, _names, _nodes, _physical, _router
from ansible_collections.netvirt.fabric.plugins.plugin_utils._checks import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._layout import Resource, Site
from ansible_collections.netvirt.fabric.plugins.plugin_utils._model import Document, FabricError
from ansible_collections.netvirt.fabric.plugins.plugin_utils._reader import Faults

LAYERS = (
    _layout.bridges,
    _physical.bridges,
    _layout.uplinks,
    _physical.uplinks,
    _layout.tunnels,
    _physical.patches,
    _router.leg_ports,
    _layout.guest_ports,
    _router.legs,
    _router.namespaces,
    _router.translations,
    _router.filters,
    _physical.translations,
    _router.dhcp_servers,
)


def compile_node(
    variables: Any, node: str, facts: _nodes.Facts, hosts: Optional[Iterable[str]] = None, state: str = "present"
) -> dict[str, list[dict[str, Any]]]:
    """Return ``{"resources": [...], "guests": [...]}`` of one node, both empty for a node that is not in the document.

    ``variables`` holds the document (``fabric_networks`` ...), ``facts`` what ``node_info`` returned by node, ``hosts``
    the names that nodes may have. With ``state`` absent the node is left as if it were not in the document. The
    resources are to be applied with ``purge``, which removes what is not among them. Raises FabricError with one line
    for every fault.
    """
    document = validate(variables, hosts)
    resources: list[Resource] = []
    guests: list[dict[str, Any]] = []
    if state == "present" and node in document.members():
        site = _site(document, node, facts)
        resources = [resource for layer in LAYERS for resource in layer(site)]
        resources += _layout.isolation(document.owner, resources)
        guests = _layout.guests(site)
    return {"resources": resources + _returned_addresses(document, node, facts, resources), "guests": guests}


def _site(document: Document, node: str, facts: _nodes.Facts) -> Site:
    faults = Faults()
    state = _nodes.node_state(document, node, facts, faults)
    addresses = _nodes.underlay_addresses(document, facts, faults) if document.underlay else {}
    mtus = _nodes.network_mtus(document, facts, faults)
    peers = {peer: address for peer, address in addresses.items() if peer != node}
    if state.datapath_type == "netdev":
        _nodes.check_on_link(state, node, peers, faults)
    site = Site(document, node, state, [str(address.ip) for address in peers.values()], mtus)
    _check_uplinks(site, facts, faults)
    if faults.lines():
        raise FabricError(faults.lines())
    return site


def _check_uplinks(site: Site, facts: _nodes.Facts, faults: Faults) -> None:
    """A NIC loses its addresses when it joins a bridge, so that of a physical network must have none to lose."""
    for physical in site.attached():
        uplink = site.document.uplink(physical, site.node)
        for name in uplink.devices():
            if site.state.mtus and name not in site.state.mtus:
                faults.add(uplink.key(), f"{site.node} has no interface {name}")
        for name in uplink.interfaces:
            addresses = ", ".join(map(str, _nodes.global_addresses(facts, site.node, name)))
            if addresses:
                message = f"{name} of {site.node} carries {addresses}; remove it, or name another interface"
                faults.add(uplink.key(), message)


def _returned_addresses(
    document: Document, node: str, facts: _nodes.Facts, resources: Iterable[Resource]
) -> list[Resource]:
    """Give the underlay's addresses back to the NIC where br-phy is this owner's, has them, and is to go."""
    bridge = ((facts.get(node) or {}).get("bridges") or {}).get(_names.UNDERLAY) or {}
    stays = any(item.get("ovs_bridge", {}).get("name") == _names.UNDERLAY for item in resources)
    addresses = _nodes.global_addresses(facts, node, _names.UNDERLAY)
    if stays or bridge.get("owner") != document.owner or not bridge["ports"] or not addresses:
        return []
    name = bridge["ports"][0]
    addresses = list(dict.fromkeys([*_nodes.global_addresses(facts, node, name), *addresses]))
    return [{"ip_interface": {"name": name, "addresses": [str(address) for address in addresses], "up": True}}]
