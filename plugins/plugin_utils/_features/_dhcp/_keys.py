# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of a network's DHCP server."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key

KEYS = (
    Key(
        "range",
        (
            "The first and the last address for leases. The default is the longer stretch of the IPv4 "
            "subnet that the gateway leaves."
        ),
        row="first and last address; default the longer stretch of the IPv4 subnet that the gateway leaves",
        type="list",
        elements="str",
    ),
    Key(
        "ranges",
        ("Several such pairs, of IPv4 or IPv6. Without one of IPv6, guests configure IPv6 themselves (SLAAC)."),
        row="several such pairs, of IPv4 or IPv6",
        type="list",
        elements="list",
    ),
    Key(
        "lease",
        "How long a lease lasts, such as V(24h) or V(infinite).",
        row="default `24h`; `infinite` and plain seconds are understood",
        default="24h",
    ),
    Key(
        "dns_servers",
        "The DNS servers that guests are told of. The default is the DHCP server itself.",
        row="the DNS servers that guests are told of, default the DHCP server itself",
        type="list",
        elements="str",
    ),
    Key(
        "dns_forwarders",
        (
            "DNS servers that the DHCP server asks for other names than the guests'. The default is those "
            "of the router's node where the router has a way out, else none. An empty list is none."
        ),
        row=(
            "whom the DHCP server asks for names that are not the guests'; default the DNS servers of the "
            "router's node where the router has a way out, else nobody; `[]` is nobody"
        ),
        type="list",
        elements="str",
    ),
    Key(
        "domain",
        "The guests' domain.",
        row="the guests' domain",
    ),
    Key(
        "options",
        "Further DHCP options.",
        row=("list of `{option, value, family}`: a number or dnsmasq's name, a value or a list, 4 (default) or 6"),
        type="list",
        elements="dict",
        keys=(
            Key(
                "option",
                "The option's number, or its name in dnsmasq.",
                required=True,
            ),
            Key(
                "value",
                "The value, or a list of values.",
                type="raw",
                required=True,
            ),
            Key(
                "family",
                "The IP version.",
                type="int",
                choices=(4, 6),
            ),
        ),
    ),
    Key(
        "hosts",
        "Reservations for machines that are not in O(fabric_guests).",
        row=("list of `{mac, address, address6, hostname}`: reservations for machines that are not in `fabric_guests`"),
        type="list",
        elements="dict",
        keys=(
            Key(
                "mac",
                "The MAC address.",
                required=True,
            ),
            Key(
                "address",
                "The reserved IPv4 address.",
            ),
            Key(
                "address6",
                "The reserved IPv6 address.",
            ),
            Key(
                "hostname",
                "The host name.",
            ),
        ),
    ),
    Key(
        "node",
        ("The node on which the server runs. Required in a network without a router, not allowed in another."),
        row="the server's node; required in a network without a router, refused in another",
    ),
    Key(
        "address",
        "The server's own IPv4 address in a bridged network without a router. Not allowed in another.",
        row="the server's own address, in a bridged network without a router. There `range` is required, too",
    ),
    Key(
        "address6",
        "The same for IPv6.",
    ),
)
OF_NETWORKS = (
    Key(
        "dhcp",
        (
            "The DHCP server, which also answers for the guests' names and sends IPv6 router "
            "advertisements. Without it there is none. V({}) takes all defaults."
        ),
        row="the DHCP server; none without it, `{}` for all defaults",
        type="dict",
        keys=KEYS,
    ),
)
