# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Provider bridges: what joins a node's br-int to physical networks.

A patch joins a provider bridge to br-int, and each of its ends lets pass only the VLANs that mean something there:
those of the fabric on br-int, those of the wire on the provider bridge, where 0 stands for untagged frames. Where a
network has different numbers, flows translate them in both directions and drop all else that comes over the patch. A
bridge that has such flows fails secure: without them nothing passes, rather than into the wrong VLAN.
"""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._model import Network, PhysicalNetwork, Uplink
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs._flows import flow_set
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs._layout import (
    Resource,
    Site,
    bridge,
    device_port,
    taken_nic,
)

UNTAGGED = 0


def bridges(site: Site) -> list[Resource]:
    """Return the provider bridges, without their ports."""
    return [
        resource
        for physical in site.attached()
        for resource in bridge(
            physical.bridge, site, fail_mode="secure" if _translates(site, physical) else "standalone"
        )
    ]


def uplinks(site: Site) -> list[Resource]:
    """Return what joins the provider bridges to the wire."""
    return [resource for physical in site.attached() for resource in _uplink(site, physical)]


def _uplink(site: Site, physical: PhysicalNetwork) -> list[Resource]:
    uplink = site.document.uplink(physical, site.node)
    vlans: dict[str, Any] = {"mode": "trunk", "trunks": _on_the_wire(site, physical)}
    if uplink.linux_bridge:
        name, other = _names.linux_bridge_pair(physical.name)
        port = device_port(name, physical.bridge, **vlans)
        return [port, _to_linux_bridge(site, physical, uplink, name, other)]
    nics = [resource for name in uplink.interfaces for resource in taken_nic(name, site.state)]
    if len(uplink.interfaces) == 1:
        return [device_port(uplink.interfaces[0], physical.bridge, **vlans), *nics]
    members = [{"name": name, "ipv6": False} for name in uplink.interfaces]
    bond = {"bond_mode": uplink.bond_mode or "active-backup", "lacp": uplink.lacp or "off"}
    place = {"name": _names.bond(physical.name), "bridge": physical.bridge}
    return [{"ovs_port_vlan": {**place, **vlans, "interfaces": members, **bond}}, *nics]


def _to_linux_bridge(site: Site, physical: PhysicalNetwork, uplink: Uplink, name: str, other: str) -> Resource:
    """Return a veth pair. The end in the Linux bridge completes checksums, which the userspace datapath does not."""
    size = mtu(site, physical)
    both: dict[str, Any] = {"up": True, "ipv6": False, **({"mtu": size} if size else {})}
    mac = _names.mac(site.document.origin, site.node, other)
    peer = {"name": other, "master": uplink.linux_bridge, "mac": mac, **both, "tx_checksum": False}
    return {"veth_pair": {"name": name, **both, "peer": peer}}


def mtu(site: Site, physical: PhysicalNetwork) -> Optional[int]:
    """Return the MTU of a physical network on this node, in bytes, None where it is not known."""
    devices = site.document.uplink(physical, site.node).devices()
    return physical.mtu or min((site.state.mtus[name] for name in devices if name in site.state.mtus), default=None)


def segment_port(name: str, bridge: str, vlan: int) -> Resource:
    """Return a port of a provider bridge that is in one VLAN of the wire, or in none."""
    mode = {"mode": "access", "tag": vlan} if vlan else {"mode": "trunk", "trunks": [UNTAGGED]}
    return device_port(name, bridge, **mode)


def _on_the_wire(site: Site, physical: PhysicalNetwork) -> list[int]:
    """Return the VLANs of networks and of routers' external legs, UNTAGGED among them."""
    legs = [router.external for router in site.routers() if router.external]
    used = {leg.vlan for leg in legs if leg.network == physical.name}
    return sorted(used | {network.segmentation_id for network in site.document.carried_by(physical)})


def _translates(site: Site, physical: PhysicalNetwork) -> bool:
    return any(network.translated() for network in site.document.carried_by(physical))


def patches(site: Site) -> list[Resource]:
    """Return both ends of the patches to the provider bridges that carry networks."""
    resources: list[Resource] = []
    for physical in site.attached():
        networks = site.document.carried_by(physical)
        if networks:
            inner, outer = _names.provider_patch(physical.bridge)
            inside = {"name": inner, "bridge": _names.INTEGRATION, "type": "patch", "peer": outer}
            outside = {"name": outer, "bridge": physical.bridge, "type": "patch", "peer": inner}
            wire = sorted(network.segmentation_id for network in networks)
            modes = _inside(networks, _translates(site, physical))
            resources.append({"ovs_port_vlan": {**inside, **modes}})
            resources.append({"ovs_port_vlan": {**outside, "mode": "trunk", "trunks": wire}})
    return resources


def _inside(networks: list[Network], translated: bool) -> dict[str, Any]:
    """Return the VLANs of the end in br-int: of what is not translated, the untagged network is the native one."""
    vlans = [network.vlan for network in networks]
    native = [network.vlan for network in networks if network.segmentation_id == UNTAGGED]
    if native and not translated:
        return {"mode": "native-untagged", "tag": native[0], "trunks": vlans}
    return {"mode": "trunk", "trunks": vlans}


def translations(site: Site) -> list[Resource]:
    """Return the flows that translate VLANs, those of br-int first: the provider bridges, closed before, open last."""
    inward: list[str] = []
    outward: list[Resource] = []
    for physical in site.attached():
        if _translates(site, physical):
            networks = site.document.carried_by(physical)
            inner, outer = _names.provider_patch(physical.bridge)
            inward += [_inward(inner, network) for network in networks] + [f"priority=2,in_port={inner} actions=drop"]
            flows = [_outward(outer, network) for network in networks]
            flows += [f"priority=2,in_port={outer} actions=drop", "priority=0 actions=NORMAL"]
            outward.append(flow_set(site, physical.bridge, f"to {physical.name}", flows))
    return [flow_set(site, _names.INTEGRATION, "from physical networks", inward), *outward] if outward else []


def _inward(port: str, network: Network) -> str:
    match = f"dl_vlan={network.segmentation_id}" if network.segmentation_id else "vlan_tci=0x0000/0x1fff"
    return f"priority=3,in_port={port},{match} actions=mod_vlan_vid:{network.vlan},NORMAL"


def _outward(port: str, network: Network) -> str:
    wire = network.segmentation_id
    action = f"mod_vlan_vid:{wire}" if wire else "strip_vlan"
    return f"priority=3,in_port={port},dl_vlan={network.vlan} actions={action},NORMAL"
