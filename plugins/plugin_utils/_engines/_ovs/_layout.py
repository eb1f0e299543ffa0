# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a node's part of the fabric by Open vSwitch, network namespaces and nftables.

Every node has br-int, on which each network is a VLAN. All else is up to the features.

Each feature has a set of flows with a cookie of its own on each bridge that it needs. A node gets all sets of a bridge
in one bundle. Two sets cannot have a flow with the same match and priority, so the features share table 0 by priority:

========== ==========================================================
65535      frames to the tunnel endpoint, see ``_endpoint``
90 to 110  ports of guests, see ``_features/_port_security``
2 and 3    translation of VLANs, see ``_features/_physical_networks``
0          NORMAL: of ovs-vswitchd itself, or ours where the bridge fails secure
========== ==========================================================

On br-int it is the first of several. What a port may send goes on by them: 10 addresses, 20 forwarding by MAC address,
30 to 60 security groups.
"""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _endpoint, _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features import _registry
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site


def plan(site: Site) -> Plan:
    """Return the plan of a node."""
    result = Plan(site)
    result.by("bridges").bridge(_names.INTEGRATION)
    for feature in _registry.FEATURES:
        feature.build(site, result.by(feature.name))
    _endpoint.guard(site, result.by("endpoint"))
    _isolate(site, result.by("isolation"))
    return result


def _isolate(site: Site, plan: Plan) -> None:
    """Keep the node's own IP stack off its bridges: off the devices that are ports, and off the bridges' own.

    It gets each frame that a port receives, beside OVS in userspace (OVS documentation, "Userspace tunneling"), and
    would answer guests, and answer tunnel packets with errors. By a bridge's own device, if somebody sets that up, it
    gets what is sent there to any address of the node; with the kernel's datapath that would be tunnel packets, too.
    """
    ports = plan.of_kind("ovs_port_vlan")
    devices = [item["name"] for port in ports if "type" not in port for item in port.get("interfaces", [port])]
    host = {_names.UNDERLAY, *site.state.addressed}
    devices += [bridge["name"] for bridge in plan.of_kind("ovs_bridge") if bridge["name"] not in host]
    if devices:
        plan.filter(site.document.origin, isolated_interfaces=sorted(devices))
