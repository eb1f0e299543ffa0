# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of floating IPs and port forwards."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key

TARGET = (
    Key(
        "guest",
        "The guest, by the address that the document gives it.",
        row="the guest, by the `address` that the document gives it",
    ),
    Key(
        "network",
        "The network of the guest's NIC, where it has several behind the router.",
        row="which of the guest's NICs, where it has several behind the router",
    ),
    Key(
        "to",
        "In place of a guest, an address in a network of the router.",
        row="in place of `guest`, an address in a network of the router",
    ),
)
SECTIONS = (
    Key(
        "fabric_floating_ips",
        "Outer IPv4 addresses that belong to one guest each, in both directions.",
        type="list",
        elements="dict",
        default=[],
        keys=(
            Key(
                "address",
                "The address, on the router's physical network.",
                row="required: an IPv4 address on the router's physical network",
                required=True,
            ),
            Key(
                "router",
                "The router in O(fabric_routers).",
                row="required: a router with `external.address`",
                required=True,
            ),
            *TARGET,
        ),
    ),
)
OF_ROUTERS = (
    Key(
        "port_forwards",
        "Ports of its external IPv4 address that lead to guests.",
        row="ports of `external.address` that lead to guests, see below",
        type="list",
        elements="dict",
        keys=(
            Key(
                "protocol",
                "The protocol.",
                row="`tcp` (default), `udp` or `sctp`",
                choices=("tcp", "udp", "sctp"),
                default="tcp",
            ),
            Key(
                "port",
                "The port outside, or a range such as C(8000-8010).",
                row="required: the port outside, or a range such as `8000-8010`",
                type="raw",
                required=True,
            ),
            *TARGET,
            Key(
                "to_port",
                "What the port, or the first one of the range, becomes. The default is the same port.",
                row=(
                    "what the port, or the first one of the range, becomes; default the same. A range that becomes "
                    "another one has at most 1000 ports"
                ),
                type="int",
            ),
        ),
    ),
)
