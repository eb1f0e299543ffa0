# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check what carries the networks: physical networks and their uplinks, VLANs on the wire, tunnels."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._model import (
    FLAT,
    LOCAL,
    VLAN,
    Network,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names


def check_physical(document: Document, faults: Faults) -> None:
    """Note every fault of what carries the document's networks."""
    _check_bridges(document, faults)
    for node in document.members():
        _check_uplinks(document, node, faults)
    for network in document.networks:
        _check_type(document, network, faults)
        if network.network_type == LOCAL:
            _check_local(document, network, faults)
    _check_segmentation(document, faults)


def _check_bridges(document: Document, faults: Faults) -> None:
    used: dict[str, str] = {}
    for physical in document.physical_networks:
        path = f"{physical.path}.bridge"
        if physical.bridge in _names.RESERVED:
            faults.add(path, f"{physical.bridge} is the fabric's own; choose another name")
        elif used.setdefault(physical.bridge, physical.name) != physical.name:
            faults.add(path, f"{physical.bridge} is already the bridge of '{used[physical.bridge]}'; name another")


def _check_uplinks(document: Document, node: str, faults: Faults) -> None:
    settings = document.nodes.get(node)
    underlay = document.underlay.interface if document.underlay else ""
    underlay = (settings.underlay_interface if settings else "") or underlay
    used: dict[str, str] = {}
    for physical in document.attached(node):
        uplink = document.uplink(physical, node)
        if not uplink.devices() and not faults.at(uplink.key()):
            here = f"fabric_nodes.{node}.physical_networks.{physical.name}.interface"
            faults.add(uplink.key(), f"is required, or interfaces or linux_bridge, or {here}")
        for device in uplink.devices():
            if device == underlay:
                faults.add(uplink.key(), f"{device} is the underlay's interface")
            elif used.setdefault(device, physical.name) != physical.name:
                faults.add(uplink.key(), f"{device} is already the uplink of '{used[device]}'")


def _check_type(document: Document, network: Network, faults: Faults) -> None:
    """Check that the keys that say what carries a network go together."""
    path, kind = network.path, network.network_type
    if faults.at(f"{path}.network_type", f"{path}.physical_network", f"{path}.segmentation_id"):
        return
    if kind in (FLAT, VLAN):
        if not network.physical_network:
            faults.add(f"{path}.physical_network", f"is required with network_type {kind}")
    elif network.physical_network:
        faults.add(f"{path}.network_type", "must be flat or vlan, since physical_network is given")
    elif network.mode == "bridged":
        faults.add(f"{path}.physical_network", "is required in mode bridged")
    elif network.tunnelled() and kind and not document.underlay:
        faults.add("fabric_underlay", f"is required, since {kind} carries network '{network.name}'")
    elif network.tunnelled() and kind and document.underlay and kind != (document.underlay.type or kind):
        faults.add(f"{path}.network_type", f"the tunnels are {document.underlay.type}, not {kind}; leave it out")
    if network.segmentation_id and kind != VLAN:
        remedy = "vlan tells networks apart inside the tunnels" if network.tunnelled() else f"{kind} has none"
        faults.add(f"{path}.segmentation_id", f"is the VLAN on the wire with network_type vlan; {remedy}")


def _check_local(document: Document, network: Network, faults: Faults) -> None:
    nodes = sorted(document.nodes_of(network))
    if len(nodes) > 1:
        message = f"nothing joins the nodes of a local network, and '{network.name}' has several: {', '.join(nodes)}"
        faults.add(f"{network.path}.network_type", message)


def _check_segmentation(document: Document, faults: Faults) -> None:
    """One VLAN of a physical network carries one network. Routers may have their external legs in it, too."""
    used: dict[tuple[str, int], str] = {}
    for network in document.networks:
        if network.physical_network and network.network_type in (FLAT, VLAN):
            other = used.setdefault((network.physical_network, network.segmentation_id), network.name)
            if other != network.name:
                what = f"VLAN {network.segmentation_id}" if network.segmentation_id else "untagged"
                key = "segmentation_id" if network.segmentation_id else "physical_network"
                message = f"{what} on '{network.physical_network}' is already used by '{other}'"
                faults.add(f"{network.path}.{key}", message)
