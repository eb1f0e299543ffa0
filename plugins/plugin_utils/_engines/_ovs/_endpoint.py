# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps frames of guests and of physical networks from being taken for packets of the tunnels.

The userspace datapath decapsulates a frame when three things come together: it is about to leave by a port that has an
IP address, its destination MAC and IP addresses are those of a tunnel endpoint, and its header is that of a tunnel
(ofproto/ofproto-dpif-xlate.c, lib/tnl-ports.c). Only br-phy is meant to be such a port. So no other port of the bridges
has an address: IPv6 is off on each device that is one. And whatever goes to the MAC address of br-phy is dropped where
it comes in. Either of the two is enough by itself; flows are lost when Open vSwitch restarts.
"""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site


def guard(site: Site, plan: Plan) -> None:
    """Drop frames to the tunnel endpoint on all bridges but its own."""
    bridges = [bridge["name"] for bridge in plan.of_kind("ovs_bridge")]
    mac = site.state.underlay_mac
    if _names.UNDERLAY not in bridges or not mac:
        return
    for bridge in bridges:
        if bridge != _names.UNDERLAY:
            plan.flows(bridge, "to the tunnel endpoint", [f"priority=65535,dl_dst={mac} actions=drop"])
