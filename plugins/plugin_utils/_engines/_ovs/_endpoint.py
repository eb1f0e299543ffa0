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

from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _flows, _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs._layout import (
    Resource,
    Site,
    has_underlay_bridge,
)


def flows(site: Site) -> list[Resource]:
    """Return the flows that drop frames to the tunnel endpoint on all bridges but its own."""
    mac = site.state.underlay_mac
    if not has_underlay_bridge(site) or not mac:
        return []
    bridges = [_names.INTEGRATION, _names.TUNNEL, *(physical.bridge for physical in site.attached())]
    drop = f"priority=65535,dl_dst={mac} actions=drop"
    return [_flows.flow_set(site, bridge, "to the tunnel endpoint", [drop], "endpoint") for bridge in bridges]
