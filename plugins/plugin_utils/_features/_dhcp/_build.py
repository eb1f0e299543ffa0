# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""DHCP servers, beside their router or in a namespace of their own."""

from __future__ import annotations

from typing import Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._assigned import assigned
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._model import (
    Dhcp,
    ranges,
    reservations,
    server,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site


def build(site: Site, plan: Plan) -> None:
    """Say that there are the DHCP servers of this node."""
    for router in site.routers():
        for network in site.document.networks_of(router.name):
            if network.dhcp:
                interface = _names.router_leg(network.name)[1]
                _serve(site, network, network.dhcp, plan, _names.router_namespace(router.name), interface)
    for network in site.document.networks:
        if not network.router and network.dhcp and network.dhcp.node == site.node:
            _serve_alone(site, network, network.dhcp, plan)


def _serve_alone(site: Site, network: Network, dhcp: Dhcp, plan: Plan) -> None:
    """Say that a network without a router has its DHCP server in a namespace of its own."""
    ends = _names.dhcp_leg(network.name)
    plan.access_port(ends[0], _names.INTEGRATION, network.vlan)
    namespace = plan.namespace(_names.dhcp_namespace(network.name))
    namespace.veth(ends, site.mtus.get(network.name), site.mac("dhcp", network))
    namespace.declare(forward=False, forward6=False)
    servers = [f"{server(network, subnet.version)}/{subnet.prefixlen}" for subnet, _gateway in network.subnets()]
    namespace.interface(ends[1], servers)
    _serve(site, network, dhcp, plan, namespace.name, ends[1])


def _serve(site: Site, network: Network, dhcp: Dhcp, plan: Plan, namespace: str, interface: str) -> None:
    further: dict[str, Any] = {"mtu": site.mtus[network.name]} if network.name in site.mtus else {}
    if network.name in site.leases:
        further["leases"] = site.leases[network.name]
    plan.namespace(namespace).dhcp(
        network.name,
        interface=interface,
        ranges=_ranges(network, dhcp.lease),
        hosts=hosts(site.document, network),
        dns_servers=_texts(dhcp.dns_servers),
        dns_forwarders=_texts(_forwarders(site, network, dhcp)),
        options=[dict(option) for option in dhcp.options],
        domain=dhcp.domain,
        router=str(network.gateway) if network.mode != "isolated" and network.gateway else "",
        ra_router=bool(network.router),
        **further,
    )


def _forwarders(site: Site, network: Network, dhcp: Dhcp) -> tuple[Address, ...]:
    """Return whom the server asks: what the document says, else the node's own where the router has a way there."""
    if dhcp.dns_forwarders is not None:
        return dhcp.dns_forwarders
    router = site.document.router(network.router)
    if router is None or router.external is None:
        return ()
    versions = {address.version for address in router.external.addresses()}
    own = [subnet for other in site.document.networks_of(router.name) for subnet, _gateway in other.subnets()]
    return tuple(
        address
        for address in site.state.resolvers
        if address.version in versions and not any(address in subnet for subnet in own)
    )


def _texts(addresses: tuple[Address, ...]) -> list[str]:
    return [str(address) for address in addresses]


def _ranges(network: Network, lease: str) -> list[dict[str, Any]]:
    """Return dnsmasq's ranges. An IPv6 subnet without one gets router advertisements and SLAAC (RFC 4862)."""
    found = [
        {"start": str(item.first), "end": str(item.last), "lease": lease, "prefix": subnet.prefixlen}
        for subnet, _gateway in network.subnets()
        for item in ranges(network, subnet.version)
    ]
    if network.cidr6 and not ranges(network, 6):
        start = str(network.cidr6.network_address)
        found.append({"start": start, "prefix": network.cidr6.prefixlen, "mode": "ra-stateless", "lease": lease})
    return found


def hosts(document: Document, network: Network) -> list[dict[str, Any]]:
    """Return the reservations, one entry for each address; a guest without one still gets its host name."""
    result = []
    kept = assigned(document, network)
    for reservation in reservations(document, network):
        hostname = {"hostname": reservation.hostname} if reservation.hostname else {}
        keys = ((reservation.mac, 4), (reservation.mac, 6))
        found = [*reservation.addresses, *(kept[key] for key in keys if key in kept)]
        addresses = [{"address": str(address)} for address in found] or [{}]
        result.extend([{"mac": reservation.mac, **address, **hostname} for address in addresses])
    return result
