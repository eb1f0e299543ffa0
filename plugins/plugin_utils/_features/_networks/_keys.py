# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of a network."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import MODES, NETWORK_TYPES

KEYS = (
    Key(
        "name",
        "The network's name.",
        row="required: up to 48 letters, digits, `-` or `_`",
        required=True,
    ),
    Key(
        "mode",
        [
            "V(isolated) joins guests to one another only.",
            "V(routed) adds a router, with addresses untranslated.",
            "V(nat) has the router translate to its external address.",
            ("V(bridged) puts guests onto a physical network, where they take their address from whatever serves it."),
        ],
        row="required: `isolated`, `routed`, `nat` or `bridged`, see below",
        choices=MODES,
        required=True,
    ),
    Key(
        "vlan",
        "The VLAN inside the fabric, different for each network.",
        row="required: 1 to 4094, different for each network; its VLAN on `br-int` and in the tunnels",
        type="int",
        required=True,
    ),
    Key(
        "network_type",
        [
            ("What carries the network from node to node. The default is the tunnels of O(fabric_underlay)."),
            (
                "V(flat) and V(vlan) stand for untagged frames and one VLAN of "
                "O(fabric_networks[].physical_network), V(local) for a network of one node. A tunnel's "
                "must be that of O(fabric_underlay)."
            ),
        ],
        row=(
            "what carries it from node to node: `flat` or `vlan` on a physical network, `local` (one node "
            "only); default the tunnels of `fabric_underlay`, whose type may be named"
        ),
        choices=NETWORK_TYPES,
    ),
    Key(
        "physical_network",
        ("The physical network in O(fabric_physical_networks) that carries it. Required in mode V(bridged)."),
        row=(
            "the one in `fabric_physical_networks` that carries it; required with `flat` and `vlan`, and "
            "in mode `bridged`"
        ),
    ),
    Key(
        "segmentation_id",
        "The VLAN on the wire with type V(vlan). The default is O(fabric_networks[].vlan).",
        row="with `vlan`, its VLAN on the wire, default the same as `vlan`",
        type="int",
    ),
    Key(
        "cidr",
        "The IPv4 subnet.",
        row="the subnets; the IPv6 one is a /64",
    ),
    Key(
        "cidr6",
        "The IPv6 subnet, a /64.",
    ),
    Key(
        "gateway",
        (
            "The router's IPv4 address, or that of the DHCP server in an isolated network. The default is "
            "the first of the subnet, but none in a bridged network, where it is the address of whatever "
            "routes there."
        ),
        row=(
            "the router's addresses, default the first of the subnet. In an isolated network, those of "
            "its DHCP server. In a bridged one, those of whatever routes there, without a default"
        ),
    ),
    Key(
        "gateway6",
        "The same for IPv6.",
    ),
    Key(
        "router",
        ("The router in O(fabric_routers). Required in the modes V(routed) and V(nat), not allowed in V(isolated)."),
        row="the router; required in the modes `routed` and `nat`, refused in `isolated`",
    ),
    Key(
        "mtu",
        "The MTU in bytes. The default is the most that the underlay carries.",
        row="bytes, default the most that what carries the network does",
        type="int",
    ),
)
SECTIONS = (
    Key(
        "fabric_networks",
        "The networks of guests.",
        type="list",
        elements="dict",
        default=[],
        sorts=("network",),
        keys=KEYS,
    ),
)
