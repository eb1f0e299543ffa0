# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The switch of a node: br-int, tunnels and the ports of guests. This much alone makes an isolated network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._model import (
    Network,
    NodeState,
    PhysicalNetwork,
    Router,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names

Resource = dict[str, dict[str, Any]]
"""One entry of an apply list: {module name: options}."""

MAC_TABLE_SIZE = 50_000
DEFAULT_DST_PORT = {"vxlan": 4789, "geneve": 6081}  # RFC 7348, RFC 8926; GRE has no ports


@dataclass(frozen=True)
class Site:
    """One node's place in the fabric. ``remotes``: the other nodes' underlay addresses; ``mtus``: bytes by network."""

    document: Document
    node: str
    state: NodeState
    remotes: list[str] = field(default_factory=list)
    mtus: dict[str, int] = field(default_factory=dict)

    def routers(self) -> list[Router]:
        """Return the routers that stand on this node."""
        return self.document.routers_on(self.node)

    def attached(self) -> list[PhysicalNetwork]:
        """Return the physical networks that this node is joined to."""
        return self.document.attached(self.node)


def access_port(name: str, bridge: str, vlan: int, **options: Any) -> Resource:
    """Return a port in one VLAN; VLAN 0 stands for a bridge that is not divided: the port carries what comes."""
    mode = {"mode": "access", "tag": vlan} if vlan else {"mode": "trunk", "trunks": "all"}
    return device_port(name, bridge, **mode, **options)


def device_port(name: str, bridge: str, **options: Any) -> Resource:
    """Return a port of a bridge that is a device of the host. It must have no address: see ``_endpoint``."""
    return {"ovs_port_vlan": {"name": name, "bridge": bridge, "ipv6": False, **options}}


def bridge(name: str, site: Site, **options: Any) -> list[Resource]:
    """Return a bridge with as much room for MAC addresses as Neutron's have, and without IPv6 on its own device.

    A bridge that has an address of the host keeps its IPv6.
    """
    common = {"datapath_type": site.state.datapath_type, "fail_mode": "standalone", "mac_table_size": MAC_TABLE_SIZE}
    made: list[Resource] = [{"ovs_bridge": {"name": name, **common, **options}}]
    if name == _names.UNDERLAY or name in site.state.addressed:
        return made
    return [*made, {"ip_interface": {"name": name, "ipv6": False}}]


def bridges(site: Site) -> list[Resource]:
    """Return br-int, br-tun and br-phy, without their ports."""
    state = site.state
    names: dict[str, dict[str, Any]] = {_names.INTEGRATION: {}}
    if site.document.underlay:
        names[_names.TUNNEL] = {}
    if has_underlay_bridge(site):
        names[_names.UNDERLAY] = {"hwaddr": state.underlay_mac}
    return [resource for name, options in names.items() for resource in bridge(name, site, **options)]


def uplinks(site: Site) -> list[Resource]:
    """Return what joins the underlay's NIC to its bridge, where OVS needs it."""
    return _underlay_uplink(site.state) if has_underlay_bridge(site) else []


def has_underlay_bridge(site: Site) -> bool:
    """OVS in userspace sends tunnels only through a bridge of its own (OVS documentation, "Userspace tunneling")."""
    return site.document.underlay is not None and site.state.datapath_type == "netdev"


def taken_nic(name: str, state: NodeState, **options: Any) -> list[Resource]:
    """Return a NIC that is a port of a bridge, and that the host's network managers leave alone.

    They do not set its MTU after a boot either, so that the node does. One on which other interfaces of the host stand
    stays with its manager, which would not make those otherwise.
    """
    mtu = {"mtu": state.mtus[name]} if name in state.mtus else {}
    link: Resource = {"ip_interface": {"name": name, **options, **mtu, "up": True}}
    return [link] if name in state.parents else [link, {"link_unmanaged": {"name": name}}]


def _underlay_uplink(state: NodeState) -> list[Resource]:
    """Return the NIC as a port of the bridge, which has the NIC's addresses before the NIC loses them."""
    name = state.underlay_interface
    addresses = [str(address) for address in state.underlay_addresses]
    bridge = {"name": _names.UNDERLAY, "addresses": addresses, "up": True}
    if name in state.mtus:
        bridge["mtu"] = state.mtus[name]
    return [
        {"ip_interface": bridge},
        *taken_nic(name, state, addresses=[]),
        access_port(name, _names.UNDERLAY, 0),
    ]


def tunnels(site: Site) -> list[Resource]:
    """Return the patch between br-int and br-tun and the tunnels to all other nodes.

    Tunnel ports are protected: a full mesh that forwards from tunnel to tunnel loops.
    """
    underlay = site.document.underlay
    if underlay is None:
        return []
    mesh: dict[str, Any] = {
        "name": underlay.type,
        "bridge": _names.TUNNEL,
        "type": underlay.type,
        "remotes": site.remotes,
        "key": str(underlay.key),
        "protected": True,
    }
    if site.state.address:
        mesh["local_ip"] = str(site.state.address.ip)
    dst_port = underlay.dst_port or DEFAULT_DST_PORT.get(underlay.type)
    if dst_port:
        mesh["dst_port"] = dst_port
    return [*_patches(site.document), {"ovs_tunnel": mesh}]


def _patches(document: Document) -> list[Resource]:
    """Return both ends of the patch; only VLANs that tunnels carry pass, and without any there is no patch."""
    vlans = sorted(network.vlan for network in document.networks if network.tunnelled())
    ends = (
        (_names.INTEGRATION, _names.PATCH_TO_TUNNEL, _names.PATCH_TO_INTEGRATION),
        (_names.TUNNEL, _names.PATCH_TO_INTEGRATION, _names.PATCH_TO_TUNNEL),
    )
    options = {"type": "patch", "mode": "trunk", "trunks": vlans}
    return [
        {"ovs_port_vlan": {"name": name, "bridge": bridge, "peer": peer, **options}}
        for bridge, name, peer in (ends if vlans else ())
    ]


def guest_ports(site: Site) -> list[Resource]:
    """Return a port for every tap device of the node's guests. A guest may start later than the network."""
    resources = []
    for guest in site.document.guests_on(site.node):
        for index, nic in enumerate(guest.nics):
            network = site.document.network(nic.network)
            vlan = network.vlan if network else 0
            tap = _names.tap(guest.name, index)
            resources.append(access_port(tap, _names.INTEGRATION, vlan, device_required=False))
    return resources


def isolation(owner: str, resources: Iterable[Resource]) -> list[Resource]:
    """Return what keeps the node's own IP stack off the devices that are ports of its bridges.

    It gets each frame that they receive, beside OVS in userspace (OVS documentation, "Userspace tunneling"), and would
    answer guests, and answer tunnel packets with errors.
    """
    ports = [resource["ovs_port_vlan"] for resource in resources if "ovs_port_vlan" in resource]
    devices = [item["name"] for port in ports if "type" not in port for item in port.get("interfaces", [port])]
    return [{"packet_filter": {"name": owner, "isolated_interfaces": sorted(devices)}}] if devices else []


def guests(site: Site) -> list[dict[str, Any]]:
    """Return the definitions of the node's guests for the role ``guest``. Memory is in MiB, MTU in bytes."""
    return [
        {
            "name": guest.name,
            "uuid": _names.guest_uuid(site.document.origin, guest.name),
            **guest.settings,
            "interfaces": [
                _guest_interface(site, site.document.network(nic.network), _names.tap(guest.name, index))
                | {"mac": nic.mac, **{_key(address.version): str(address) for address in nic.addresses()}}
                for index, nic in enumerate(guest.nics)
            ],
        }
        for guest in site.document.guests_on(site.node)
    ]


def _key(version: int) -> str:
    return "address" if version == 4 else "address6"


def _guest_interface(site: Site, network: Network | None, tap: str) -> dict[str, Any]:
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
