# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of a guest."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key

SETTINGS = (
    Key(
        "memory",
        "Memory in MiB. The default is 512.",
        row="MiB, default 512",
        type="int",
    ),
    Key(
        "vcpus",
        "Number of virtual CPUs. The default is 1.",
        row="default 1",
        type="int",
    ),
    Key(
        "image",
        "The disk image on the node.",
        row="what it boots, as absolute paths on the node; see the role [guest](../roles/guest/README.md)",
    ),
    Key(
        "kernel",
        "The kernel on the node, to boot it directly.",
    ),
    Key(
        "initrd",
        "The initial RAM disk that goes with the kernel.",
    ),
    Key(
        "cmdline",
        "The kernel's command line.",
    ),
)
KEYS = (
    Key(
        "name",
        "The guest's name, which is its host name, too.",
        row="required; it is the host name, too",
        required=True,
    ),
    Key(
        "node",
        "The node on which it runs.",
        row="required",
        required=True,
    ),
    Key(
        "network",
        "The network of its only NIC. Required unless O(fabric_guests[].networks) is given.",
        row="its only NIC",
    ),
    Key(
        "mac",
        "The NIC's MAC address. The default follows from the guest's name.",
    ),
    Key(
        "address",
        "The IPv4 address that DHCP reserves for it.",
    ),
    Key(
        "address6",
        "The IPv6 address that DHCP reserves for it.",
    ),
    Key(
        "networks",
        "Its NICs, where it has several.",
        row="in place of these, a list of NICs with these keys",
        type="list",
        elements="dict",
        sorts=("nic",),
        keys=(
            Key(
                "network",
                "The network.",
                required=True,
            ),
            Key(
                "mac",
                "The MAC address. The default follows from the guest's name and the NIC's position.",
            ),
            Key(
                "address",
                "The IPv4 address that DHCP reserves for it.",
            ),
            Key(
                "address6",
                "The IPv6 address that DHCP reserves for it.",
            ),
        ),
    ),
)
SECTIONS = (
    Key(
        "fabric_guest_defaults",
        "Settings of all guests that do not have their own.",
        type="dict",
        default={},
        keys=SETTINGS,
    ),
    Key(
        "fabric_guests",
        "The guests. Their ports are made by this role, they themselves by the role P(netvirt.fabric.guest#role).",
        type="list",
        elements="dict",
        default=[],
        sorts=("guest", "nic"),
        keys=(*KEYS, *SETTINGS),
    ),
)
