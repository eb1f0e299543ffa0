# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A router on a node: a namespace with a port in each network, translation, and what may pass."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features import _physical_networks
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._physical_networks import PhysicalNetwork
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._routers._model import ExternalLeg, Router
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._namespace import Namespace
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site

# An address of one port must not be answered or used on another (Documentation/networking/ip-sysctl.rst of the kernel).
ROUTER_SYSCTLS = {"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2"}
RP_FILTER_STRICT = 1
DEFAULT_ROUTE = {4: "0.0.0.0/0", 6: "::/0"}


def build(site: Site, plan: Plan) -> None:
    """Say that there are the routers of this node."""
    for router in site.routers():
        namespace = plan.namespace(_names.router_namespace(router.name))
        networks = site.document.networks_of(router.name)
        leg = router.external
        forward6 = bool(any(network.cidr6 for network in networks) or (leg and leg.address6))
        namespace.declare(forward=True, forward6=forward6, rp_filter=RP_FILTER_STRICT)
        namespace.sysctl(**ROUTER_SYSCTLS)
        if router.trunk and networks:
            _trunk(site, router, networks, namespace, plan)
        else:
            _legs(site, networks, namespace, plan)
        if leg:
            _external(site, router, leg, namespace, plan)
        _translate(router, networks, namespace)
        _filter(router, networks, namespace)


def _legs(site: Site, networks: list[Network], namespace: Namespace, plan: Plan) -> None:
    """Say that there is a veth pair for each network."""
    for network in networks:
        ends = _names.router_leg(network.name)
        plan.access_port(ends[0], _names.INTEGRATION, network.vlan)
        namespace.veth(ends, site.mtus.get(network.name), site.mac("gateway", network))
        namespace.interface(ends[1], _gateway_addresses(network))


def _trunk(site: Site, router: Router, networks: list[Network], namespace: Namespace, plan: Plan) -> None:
    """Say that there is one veth pair for all networks, and in the namespace an interface for the VLAN of each."""
    ends = _names.trunk_leg(router.name)
    plan.port(ends[0], _names.INTEGRATION, mode="trunk", trunks=sorted(network.vlan for network in networks))
    namespace.veth(ends, max([site.mtus.get(network.name, 0) for network in networks], default=0))
    for network in networks:
        name = _names.router_leg(network.name)[1]
        namespace.vlan(name, ends[1], network.vlan, site.mtus.get(network.name), site.mac("gateway", network))
        namespace.interface(name, _gateway_addresses(network))
    namespace.interface(ends[1], [])


def _external(site: Site, router: Router, leg: ExternalLeg, namespace: Namespace, plan: Plan) -> None:
    """Say that there is a leg on a physical network, by which the default routes lead."""
    outer, inner = ends = _names.external_leg(router.name)
    physical = _outside(site.document, router)
    if physical:
        _physical_networks.segment_port(plan, outer, physical, leg.vlan)
        namespace.veth(ends, _physical_networks.mtu(site, physical))
    namespace.interface(inner, [str(address) for address in leg.addresses()])
    for gateway in leg.gateways():
        namespace.route(DEFAULT_ROUTE[gateway.version], str(gateway), inner)


def _outside(document: Document, router: Router) -> Optional[PhysicalNetwork]:
    return document.physical_network(router.external.network) if router.external else None


def _gateway_addresses(network: Network) -> list[str]:
    return [f"{gateway}/{subnet.prefixlen}" for subnet, gateway in network.subnets()]


def _translate(router: Router, networks: list[Network], namespace: Namespace) -> None:
    """Say that networks of mode nat are translated to the router's own address.

    That holds for what leaves by the external port, and never between its networks. A neighbour on the external segment
    that has a route to the translated networks is kept out of them all the same.
    """
    translated = [network for network in networks if network.mode == "nat"]
    if not router.external or not translated:
        return
    versions = {subnet.version for network in translated for subnet, _gateway in network.subnets()}
    namespace.nat(
        sources=_subnets(translated),
        exclude_destinations=_subnets(networks),
        out_interface=_names.external_leg(router.name)[1],
        to_source=[str(address.ip) for address in router.external.addresses() if address.version in versions],
        inbound="drop",
    )


def _filter(router: Router, networks: list[Network], namespace: Namespace) -> None:
    """Say which packets may pass: none but what the document says.

    A port without sources is the one to the outside: whatever is not of the router's networks may come in by it.
    """
    ports = {network.name: _names.router_leg(network.name)[1] for network in networks}
    joined = router.routes_between
    groups = [tuple(ports)] if joined is None else [*joined, *((name,) for name in ports)]
    named = [[ports[name] for name in group] for group in groups]
    admitted: list[dict[str, Any]] = [{"from": names, "to": names} for names in named]
    listed: list[dict[str, Any]] = [
        {"interface": ports[network.name], "sources": _subnets([network])} for network in networks
    ]
    if router.external:
        outside = _names.external_leg(router.name)[1]
        listed.append({"interface": outside})
        translated = [ports[network.name] for network in networks if network.mode == "nat"]
        public = [port for port in ports.values() if port not in translated]
        admitted.append({"from": translated, "to": [outside], "translated": True})
        admitted.append({"from": public, "to": [outside]})
        admitted.append({"from": [outside], "to": public})
    namespace.filter(ports=listed, admitted=[entry for entry in admitted if entry["from"] and entry["to"]])


def _subnets(networks: list[Network]) -> list[str]:
    return [str(subnet) for network in networks for subnet, _gateway in network.subnets()]
