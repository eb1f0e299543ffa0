# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of a router."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key

EXTERNAL = (
    Key(
        "network",
        "The physical network in O(fabric_physical_networks).",
        row="the physical network in `fabric_physical_networks`",
        required=True,
    ),
    Key(
        "vlan",
        "The VLAN there. Without it frames are untagged.",
        row="its VLAN there; untagged without it",
        type="int",
    ),
    Key(
        "address",
        "The IPv4 address with its prefix length. Networks of mode V(nat) are translated to it.",
        row=(
            "its addresses there, with prefix length; at least one. Networks of mode `nat` are translated "
            "to it, so it needs one of each IP version that they have"
        ),
    ),
    Key(
        "address6",
        (
            "The IPv6 address with its prefix length. At least one of "
            "O(fabric_routers[].external.address) and this is required."
        ),
    ),
    Key(
        "gateway",
        "The next hop of the default route.",
        row="next hops of the default routes",
    ),
    Key(
        "gateway6",
        "The next hop of the IPv6 default route.",
    ),
)
KEYS = (
    Key(
        "name",
        "The router's name.",
        row="required",
        required=True,
    ),
    Key(
        "node",
        "The node on which it runs.",
        required=True,
    ),
    Key(
        "routes_between",
        (
            "Groups of its networks that reach one another; others do not. Without this all its networks "
            "do, with an empty list none."
        ),
        row=(
            "groups of its networks that reach one another, such as `[[blue, red], [red, green]]`; those "
            "that share no group reach neither guests nor gateway of the other. Default all, `[]` none"
        ),
        type="list",
        elements="list",
    ),
    Key(
        "legs",
        (
            "Whether it has a veth in each network, or one that is a trunk of all, with VLAN interfaces "
            "in the namespace. The latter needs the kernel's module 8021q."
        ),
        row=(
            "`access` (default): a veth in each network. `trunk`: one veth for all, and VLAN interfaces "
            "in the namespace; it needs the kernel's module 8021q"
        ),
        choices=("access", "trunk"),
        default="access",
    ),
    Key(
        "external",
        "Its leg on a physical network. Without it the router joins its networks only.",
        type="dict",
        keys=EXTERNAL,
    ),
)
SECTIONS = (
    Key(
        "fabric_routers",
        "The routers.",
        type="list",
        elements="dict",
        default=[],
        sorts=("router",),
        keys=KEYS,
    ),
)
