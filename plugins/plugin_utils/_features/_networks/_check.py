# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check the networks of a document, each by itself and against the others."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import key, unusable
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import (
    FLAT,
    LOCAL,
    VLAN,
    Network,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._physical_networks import check_reference
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes import _mtu


def check(document: Document, faults: Faults) -> None:
    """Note every fault of the networks."""
    _check_vlans(document, faults)
    for network in document.networks:
        _check_type(document, network, faults)
        if network.network_type == LOCAL:
            _check_local(document, network, faults)
    _check_segmentation(document, faults)
    for network in document.networks:
        _check_mode(network, faults)
        _check_mtu(network, faults)
        router = document.router(network.router)
        faults.missing(f"{network.path}.router", network.router, router, "router", "fabric_routers")
        check_reference(document, f"{network.path}.physical_network", network.physical_network, faults)
        if not faults.at(f"{network.path}.cidr", f"{network.path}.cidr6"):
            _check_gateways(network, faults)


def _check_vlans(document: Document, faults: Faults) -> None:
    vlans: dict[int, str] = {}
    for network in document.networks:
        if network.vlan in vlans:
            faults.add(f"{network.path}.vlan", f"{network.vlan} is already used by '{vlans[network.vlan]}'")
        elif network.vlan:
            vlans[network.vlan] = network.name


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
    """One VLAN of a physical network carries one network. Routers may have their external ports in it, too."""
    used: dict[tuple[str, int], str] = {}
    for network in document.networks:
        if network.physical_network and network.network_type in (FLAT, VLAN):
            other = used.setdefault((network.physical_network, network.segmentation_id), network.name)
            if other != network.name:
                what = f"VLAN {network.segmentation_id}" if network.segmentation_id else "untagged"
                key = "segmentation_id" if network.segmentation_id else "physical_network"
                message = f"{what} on '{network.physical_network}' is already used by '{other}'"
                faults.add(f"{network.path}.{key}", message)


def _check_mode(network: Network, faults: Faults) -> None:
    if network.mode == "isolated":
        if network.router:
            faults.add(f"{network.path}.router", "an isolated network has no router; choose mode routed or nat")
        return
    if not network.mode or network.mode == "bridged":
        return
    if not network.router:
        faults.add(f"{network.path}.router", f"is required in mode {network.mode}")
    if not network.subnets() and not faults.at(f"{network.path}.cidr", f"{network.path}.cidr6"):
        faults.add(f"{network.path}.cidr", f"is required in mode {network.mode}, or cidr6")


def _check_mtu(network: Network, faults: Faults) -> None:
    if network.cidr6 and 0 < network.mtu < _mtu.IPV6_MIN:
        faults.add(f"{network.path}.mtu", f"{network.mtu} is too small for IPv6, which needs {_mtu.IPV6_MIN}")


def _check_gateways(network: Network, faults: Faults) -> None:
    for version, gateway in ((4, network.gateway), (6, network.gateway6)):
        subnet = network.subnet(version)
        path = f"{network.path}.{key('gateway', version)}"
        if gateway and not subnet:
            faults.add(path, f"needs {key('cidr', version)}")
        elif gateway and subnet:
            faults.add_if(path, unusable(gateway, subnet))
        elif subnet and network.router and not faults.at(path):
            faults.add(path, f"is required in mode bridged: the address of router '{network.router}'")
