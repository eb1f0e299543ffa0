# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers, address translation and DHCP: what makes a switched network a routed or translated one."""

from __future__ import annotations

from typing import Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._check_addresses import reservations
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._model import (
    Address,
    Dhcp,
    ExternalLeg,
    Network,
    PhysicalNetwork,
    Router,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _autoconf, _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs._layout import (
    Resource,
    Site,
    access_port,
    device_port,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features import _physical_networks as _physical

# An address of one leg must not be answered or used on another (Documentation/networking/ip-sysctl.rst of the kernel).
ROUTER_SYSCTLS = {"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2"}
RP_FILTER_STRICT = 1
DEFAULT_ROUTE = {4: "0.0.0.0/0", 6: "::/0"}


def leg_ports(site: Site) -> list[Resource]:
    """Return the bridge ports of the legs of routers and DHCP servers."""
    resources = []
    for router in site.routers():
        networks = site.document.networks_of(router.name)
        if router.trunk and networks:
            vlans = {"mode": "trunk", "trunks": sorted(network.vlan for network in networks)}
            resources.append(device_port(_names.trunk_leg(router.name)[0], _names.INTEGRATION, **vlans))
        for network in () if router.trunk else networks:
            resources.append(access_port(_names.router_leg(network.name)[0], _names.INTEGRATION, network.vlan))
        physical = _outside(site.document, router)
        if physical and router.external:
            name, vlan = _names.external_leg(router.name)[0], router.external.vlan
            resources.append(_physical.segment_port(name, physical.bridge, vlan))
    for network, _dhcp_options in _served_alone(site):
        resources.append(access_port(_names.dhcp_leg(network.name)[0], _names.INTEGRATION, network.vlan))
    return resources


def legs(site: Site) -> list[Resource]:
    """Return the veth pairs of the legs of routers and DHCP servers."""
    resources = []
    for router in site.routers():
        namespace = _names.router_namespace(router.name)
        if router.trunk:
            resources += _trunk(site, router)
        for network in () if router.trunk else site.document.networks_of(router.name):
            ends = _names.router_leg(network.name)
            resources.append(_leg(site, ends, namespace, site.mtus.get(network.name)))
        physical = _outside(site.document, router)
        if physical:
            ends = _names.external_leg(router.name)
            resources.append(_leg(site, ends, namespace, _physical.mtu(site, physical)))
    for network, _dhcp_options in _served_alone(site):
        namespace = _names.dhcp_namespace(network.name)
        resources.append(_leg(site, _names.dhcp_leg(network.name), namespace, site.mtus.get(network.name)))
    return resources


def _leg(site: Site, ends: tuple[str, str], namespace: str, mtu: int | None) -> Resource:
    """Return a veth pair into a namespace.

    The outer end is a port of a bridge and has no IPv6: see ``_endpoint``. The inner one computes its checksums itself,
    since the userspace datapath passes on partial ones as they are. Its MAC address is derived, so that neighbours'
    caches outlive a rebuilt leg.
    """
    outer, inner = ends
    both: dict[str, Any] = {"up": True, **({"mtu": mtu} if mtu else {})}
    mac = _names.mac(site.document.origin, namespace, inner)
    peer = {"name": inner, "namespace": namespace, "mac": mac, **both, "tx_checksum": False}
    return {"veth_pair": {"name": outer, **both, "ipv6": False, "peer": peer}}


def _trunk(site: Site, router: Router) -> list[Resource]:
    """Return one veth pair for all networks, and in the namespace an interface for the VLAN of each."""
    networks = site.document.networks_of(router.name)
    namespace, ends = _names.router_namespace(router.name), _names.trunk_leg(router.name)
    mtus = [site.mtus[network.name] for network in networks if site.mtus.get(network.name)]
    pair = _leg(site, ends, namespace, max(mtus, default=None))
    place = {"namespace": namespace, "parent": ends[1], "parent_namespace": namespace, "up": True}
    interfaces: list[Resource] = []
    for network in networks:
        name, mtu = _names.router_leg(network.name)[1], site.mtus.get(network.name)
        mac = _names.mac(site.document.origin, namespace, name)
        size = {"mtu": mtu} if mtu else {}
        interfaces.append({"link_vlan": {"name": name, **place, "vlan": network.vlan, "mac": mac, **size}})
    return [pair, *interfaces] if networks else []


def _outside(document: Document, router: Router) -> PhysicalNetwork | None:
    return document.physical_network(router.external.network) if router.external else None


def _served_alone(site: Site) -> list[tuple[Network, Dhcp]]:
    """Return the networks without a router that have their DHCP server on this node."""
    return [
        (network, network.dhcp)
        for network in site.document.networks
        if not network.router and network.dhcp and network.dhcp.node == site.node
    ]


def namespaces(site: Site) -> list[Resource]:
    """Return the namespaces of routers and of DHCP servers that stand alone, with addresses and routes."""
    return [
        *(_router(site.document, router) for router in site.routers()),
        *(_dhcp_namespace(network) for network, _dhcp_options in _served_alone(site)),
    ]


def _router(document: Document, router: Router) -> Resource:
    networks = document.networks_of(router.name)
    interfaces = [
        _autoconf.interface(_names.router_leg(network.name)[1], _gateway_addresses(network)) for network in networks
    ]
    if router.trunk and networks:
        interfaces.append(_autoconf.interface(_names.trunk_leg(router.name)[1], []))
    routes = []
    leg = router.external
    if leg:
        name = _names.external_leg(router.name)[1]
        interfaces.append(_autoconf.interface(name, [str(address) for address in leg.addresses()]))
        routes = [
            {"destination": DEFAULT_ROUTE[gateway.version], "via": str(gateway), "interface": name}
            for gateway in leg.gateways()
        ]
    return {
        "netns_router": {
            "name": _names.router_namespace(router.name),
            "interfaces": interfaces,
            "routes": routes,
            "ip_forward": True,
            "ipv6_forward": bool(any(network.cidr6 for network in networks) or (leg and leg.address6)),
            "rp_filter": RP_FILTER_STRICT,
            "sysctls": {**ROUTER_SYSCTLS, **_autoconf.parameters(interfaces)},
        }
    }


def _dhcp_namespace(network: Network) -> Resource:
    interfaces = [_autoconf.interface(_names.dhcp_leg(network.name)[1], _server_addresses(network))]
    return {
        "netns_router": {
            "name": _names.dhcp_namespace(network.name),
            "interfaces": interfaces,
            "routes": [],
            "ip_forward": False,
            "ipv6_forward": False,
            "sysctls": _autoconf.parameters(interfaces),
        }
    }


def _gateway_addresses(network: Network) -> list[str]:
    return [f"{gateway}/{subnet.prefixlen}" for subnet, gateway in network.subnets()]


def _server_addresses(network: Network) -> list[str]:
    return [f"{network.server(subnet.version)}/{subnet.prefixlen}" for subnet, _gateway in network.subnets()]


def translations(site: Site) -> list[Resource]:
    """Return the address translation of every router on this node that serves a network of mode nat."""
    resources = []
    for router in site.routers():
        networks = site.document.networks_of(router.name)
        translated = [network for network in networks if network.mode == "nat"]
        if router.external and translated:
            resources.append(_nat(router, router.external, translated, networks))
    return resources


def _nat(router: Router, leg: ExternalLeg, translated: list[Network], networks: list[Network]) -> Resource:
    """Return SNAT to the router's own address, for what leaves by the external leg, and never between its networks.

    A neighbour on the external segment that has a route to the translated networks is kept out of them all the same.
    """
    sources = _subnets(translated)
    versions = {subnet.version for network in translated for subnet, _gateway in network.subnets()}
    return {
        "nat_masquerade": {
            "name": "nat",
            "namespace": _names.router_namespace(router.name),
            "sources": sources,
            "exclude_destinations": _subnets(networks),
            "out_interface": _names.external_leg(router.name)[1],
            "to_source": [str(address.ip) for address in leg.addresses() if address.version in versions],
            "inbound": "drop",
        }
    }


def filters(site: Site) -> list[Resource]:
    """Return what admits packets to each router, by port and source, and says which connections may pass it."""
    return [{"packet_filter": _filter(site.document, router)} for router in site.routers()]


def _filter(document: Document, router: Router) -> dict[str, Any]:
    """Return the filter of a router: nothing passes but what the document says.

    A port without sources is the one to the outside: whatever is not of the router's networks may come in by it.
    """
    networks = document.networks_of(router.name)
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
    return {
        "name": "router",
        "namespace": _names.router_namespace(router.name),
        "ports": listed,
        "admitted": [entry for entry in admitted if entry["from"] and entry["to"]],
    }


def _subnets(networks: list[Network]) -> list[str]:
    return [str(subnet) for network in networks for subnet, _gateway in network.subnets()]


def dhcp_servers(site: Site) -> list[Resource]:
    """Return the DHCP servers on this node: beside the router, or in a namespace of their own."""
    resources = []
    for router in site.routers():
        for network in site.document.networks_of(router.name):
            if network.dhcp:
                namespace = _names.router_namespace(router.name)
                interface = _names.router_leg(network.name)[1]
                resources.append(_dhcp(site, network, network.dhcp, namespace, interface))
    for network, dhcp in _served_alone(site):
        namespace = _names.dhcp_namespace(network.name)
        resources.append(_dhcp(site, network, dhcp, namespace, _names.dhcp_leg(network.name)[1]))
    return resources


def _dhcp(site: Site, network: Network, dhcp: Dhcp, namespace: str, interface: str) -> Resource:
    options: dict[str, Any] = {
        "name": network.name,
        "namespace": namespace,
        "interface": interface,
        "ranges": _ranges(network, dhcp.lease),
        "hosts": hosts(site.document, network),
        "dns_servers": _texts(dhcp.dns_servers),
        "dns_forwarders": _texts(_forwarders(site, network, dhcp)),
        "options": [dict(option) for option in dhcp.options],
        "domain": dhcp.domain,
        "router": str(network.gateway) if network.mode != "isolated" and network.gateway else "",
        "ra_router": bool(network.router),
    }
    if network.name in site.mtus:
        options["mtu"] = site.mtus[network.name]
    return {"dnsmasq_netns": options}


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
    ranges = [
        {"start": str(item.first), "end": str(item.last), "lease": lease, "prefix": subnet.prefixlen}
        for subnet, _gateway in network.subnets()
        for item in network.ranges(subnet.version)
    ]
    if network.cidr6 and not network.ranges(6):
        start = str(network.cidr6.network_address)
        ranges.append({"start": start, "prefix": network.cidr6.prefixlen, "mode": "ra-stateless", "lease": lease})
    return ranges


def hosts(document: Document, network: Network) -> list[dict[str, Any]]:
    """Return the reservations, one entry for each address; a guest without one still gets its host name."""
    result = []
    for reservation in reservations(document, network):
        hostname = {"hostname": reservation.hostname} if reservation.hostname else {}
        addresses = [{"address": str(address)} for address in reservation.addresses] or [{}]
        result.extend([{"mac": reservation.mac, **address, **hostname} for address in addresses])
    return result
