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
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site

UNTAGGED = 0


class PhysicalNetworksFeature(Feature):
    """``fabric_physical_networks``."""

    name = "physical networks"

    def build(self, site: Site, plan: Plan) -> None:
        """Say that there are provider bridges, what joins them to the wire, and what to br-int."""
        for physical in site.attached():
            translated = _translates(site, physical)
            plan.bridge(physical.bridge, fail_mode="secure" if translated else "standalone")
            _uplink(site, physical, plan)
            _patch(site, physical, translated, plan)
        _translate(site, plan)


def _uplink(site: Site, physical: PhysicalNetwork, plan: Plan) -> None:
    uplink = site.document.uplink(physical, site.node)
    vlans: dict[str, Any] = {"mode": "trunk", "trunks": _on_the_wire(site, physical)}
    if uplink.linux_bridge:
        name, other = _names.linux_bridge_pair(physical.name)
        plan.port(name, physical.bridge, **vlans)
        _to_linux_bridge(site, physical, uplink, plan, name, other)
        return
    for interface in uplink.interfaces:
        plan.nic(interface)
    if len(uplink.interfaces) == 1:
        plan.port(uplink.interfaces[0], physical.bridge, **vlans)
        return
    bond = {"bond_mode": uplink.bond_mode or "active-backup", "lacp": uplink.lacp or "off"}
    plan.bond(_names.bond(physical.name), physical.bridge, uplink.interfaces, **vlans, **bond)


def _to_linux_bridge(site: Site, physical: PhysicalNetwork, uplink: Uplink, plan: Plan, name: str, other: str) -> None:
    """Say that there is a veth pair.

    The end in the Linux bridge completes checksums, which the userspace datapath does not.
    """
    size = mtu(site, physical)
    both: dict[str, Any] = {"up": True, "ipv6": False, **({"mtu": size} if size else {})}
    mac = _names.mac(site.document.origin, site.node, other)
    plan.veth(
        name, **both, peer={"name": other, "master": uplink.linux_bridge, "mac": mac, **both, "tx_checksum": False}
    )


def mtu(site: Site, physical: PhysicalNetwork) -> Optional[int]:
    """Return the MTU of a physical network on this node, in bytes, None where it is not known."""
    devices = site.document.uplink(physical, site.node).devices()
    return physical.mtu or min((site.state.mtus[name] for name in devices if name in site.state.mtus), default=None)


def segment_port(plan: Plan, name: str, physical: PhysicalNetwork, vlan: int) -> None:
    """Say that there is a port of a provider bridge that is in one VLAN of the wire, or in none."""
    mode = {"mode": "access", "tag": vlan} if vlan else {"mode": "trunk", "trunks": [UNTAGGED]}
    plan.port(name, physical.bridge, **mode)


def _on_the_wire(site: Site, physical: PhysicalNetwork) -> list[int]:
    """Return the VLANs of networks and of routers' external legs, UNTAGGED among them."""
    legs = [router.external for router in site.routers() if router.external]
    used = {leg.vlan for leg in legs if leg.network == physical.name}
    return sorted(used | {network.segmentation_id for network in site.document.carried_by(physical)})


def _translates(site: Site, physical: PhysicalNetwork) -> bool:
    return any(network.translated() for network in site.document.carried_by(physical))


def _patch(site: Site, physical: PhysicalNetwork, translated: bool, plan: Plan) -> None:
    """Say that there is a patch to a provider bridge that carries networks."""
    networks = site.document.carried_by(physical)
    if not networks:
        return
    inner, outer = _names.provider_patch(physical.bridge)
    wire = sorted(network.segmentation_id for network in networks)
    plan.patch(inner, _names.INTEGRATION, outer, **_inside(networks, translated))
    plan.patch(outer, physical.bridge, inner, mode="trunk", trunks=wire)


def _inside(networks: list[Network], translated: bool) -> dict[str, Any]:
    """Return the VLANs of the end in br-int: of what is not translated, the untagged network is the native one."""
    vlans = [network.vlan for network in networks]
    native = [network.vlan for network in networks if network.segmentation_id == UNTAGGED]
    if native and not translated:
        return {"mode": "native-untagged", "tag": native[0], "trunks": vlans}
    return {"mode": "trunk", "trunks": vlans}


def _translate(site: Site, plan: Plan) -> None:
    """Say which flows translate VLANs, those of br-int first: the provider bridges, closed before, open last.

    Their cookie is older than the names of features, and has none.
    """
    translated = [physical for physical in site.attached() if _translates(site, physical)]
    for physical in translated:
        inner, _outer = _names.provider_patch(physical.bridge)
        flows = [_inward(inner, network) for network in site.document.carried_by(physical)]
        flows.append(f"priority=2,in_port={inner} actions=drop")
        plan.flows(_names.INTEGRATION, "from physical networks", flows, of="")
    for physical in translated:
        _inner, outer = _names.provider_patch(physical.bridge)
        flows = [_outward(outer, network) for network in site.document.carried_by(physical)]
        flows += [f"priority=2,in_port={outer} actions=drop", "priority=0 actions=NORMAL"]
        plan.flows(physical.bridge, f"to {physical.name}", flows, of="")


def _inward(port: str, network: Network) -> str:
    match = f"dl_vlan={network.segmentation_id}" if network.segmentation_id else "vlan_tci=0x0000/0x1fff"
    return f"priority=3,in_port={port},{match} actions=mod_vlan_vid:{network.vlan},NORMAL"


def _outward(port: str, network: Network) -> str:
    wire = network.segmentation_id
    action = f"mod_vlan_vid:{wire}" if wire else "strip_vlan"
    return f"priority=3,in_port={port},dl_vlan={network.vlan} actions={action},NORMAL"
