# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The underlay: what carries the fabric from node to node."""

from __future__ import annotations

from typing import Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site

DEFAULT_DST_PORT = {"vxlan": 4789, "geneve": 6081}  # RFC 7348, RFC 8926; GRE has no ports


class UnderlayFeature(Feature):
    """``fabric_underlay``."""

    name = "underlay"

    def build(self, site: Site, plan: Plan) -> None:
        """Say that there are tunnels, and the bridge that carries them where Open vSwitch needs one."""
        if site.document.underlay is None:
            return
        plan.bridge(_names.TUNNEL)
        if site.state.datapath_type == "netdev":
            _uplink(site, plan)
        _patch(site.document, plan)
        _tunnels(site, plan)


def _uplink(site: Site, plan: Plan) -> None:
    """OVS in userspace sends tunnels only through a bridge of its own (OVS documentation, "Userspace tunneling").

    The NIC is a port of the bridge, which has the NIC's addresses before the NIC loses them.
    """
    state = site.state
    name = state.underlay_interface
    mtu = {"mtu": state.mtus[name]} if name in state.mtus else {}
    plan.bridge(_names.UNDERLAY, hwaddr=state.underlay_mac)
    plan.link(_names.UNDERLAY, addresses=[str(address) for address in state.underlay_addresses], up=True, **mtu)
    plan.nic(name, addresses=[])
    plan.access_port(name, _names.UNDERLAY, 0)


def _patch(document: Document, plan: Plan) -> None:
    """Say that there is a patch to br-tun; only VLANs that tunnels carry pass, and without any there is none."""
    vlans = sorted(network.vlan for network in document.networks if network.tunnelled())
    if not vlans:
        return
    inner, outer = _names.PATCH_TO_TUNNEL, _names.PATCH_TO_INTEGRATION
    plan.patch(inner, _names.INTEGRATION, outer, mode="trunk", trunks=vlans)
    plan.patch(outer, _names.TUNNEL, inner, mode="trunk", trunks=vlans)


def _tunnels(site: Site, plan: Plan) -> None:
    """Say that there are tunnels to all other nodes.

    Tunnel ports are protected: a full mesh that forwards from tunnel to tunnel loops.
    """
    underlay = site.document.underlay
    if underlay is None:
        return
    mesh: dict[str, Any] = {"bridge": _names.TUNNEL, "type": underlay.type, "remotes": site.remotes}
    if site.state.address:
        mesh["local_ip"] = str(site.state.address.ip)
    dst_port = underlay.dst_port or DEFAULT_DST_PORT.get(underlay.type)
    if dst_port:
        mesh["dst_port"] = dst_port
    plan.tunnel(underlay.type, **mesh, key=str(underlay.key), protected=True)
