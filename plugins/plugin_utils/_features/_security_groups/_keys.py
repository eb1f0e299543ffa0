# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of security groups and address groups."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key

RULE = (
    Key(
        "direction",
        "Whether the rule is for what others begin with the guest, or for what the guest begins.",
        row="required: `ingress` (others begin), or `egress` (the guest begins)",
        choices=("ingress", "egress"),
        required=True,
    ),
    Key(
        "ethertype",
        "The IP version. Without it, that of the remote addresses or of the protocol, else both.",
        row="`ipv4` or `ipv6`; default that of `remote_cidr` or of the protocol, else both",
        choices=("ipv4", "ipv6"),
    ),
    Key(
        "protocol",
        "The protocol: V(any), V(tcp), V(udp), V(sctp), V(icmp), V(icmpv6), or its number.",
        row="`any` (default), `tcp`, `udp`, `sctp`, `icmp`, `icmpv6`, or a number such as `112`",
        type="raw",
        default="any",
    ),
    Key(
        "ports",
        "The ports that it goes to, or ranges such as C(8000-8010). Without them, all.",
        row="with `tcp`, `udp` and `sctp`: the ports that it goes to, or ranges such as `8000-8010`; default all",
        type="list",
        elements="raw",
    ),
    Key(
        "icmp_type",
        "The type of an ICMP message. Without it, all that can begin something.",
        row="with `icmp` and `icmpv6`: the type of the message, and the code; default all",
        type="int",
    ),
    Key("icmp_code", "The code of an ICMP message.", type="int"),
    Key(
        "remote_cidr",
        "The subnet or address at the other end.",
        row="who is at the other end: a subnet or an address; by default anybody",
    ),
    Key(
        "remote_group",
        "The security group whose members are at the other end.",
        row="in place of it, the members of a security group",
    ),
    Key(
        "remote_address_group",
        "The group in O(fabric_address_groups) that is at the other end.",
        row="in place of it, a group of `fabric_address_groups`",
    ),
)
SECTIONS = (
    Key(
        "fabric_security_groups",
        (
            "What guests may begin, and what may be begun with them, by groups. Once this is given, even as an empty "
            "list, each NIC is in the groups that it names, or else in the group V(default)."
        ),
        type="list",
        elements="dict",
        keys=(
            Key("name", "The group's name.", row="required", required=True),
            Key(
                "rules",
                "What the group allows; nothing else.",
                row="what it allows, see below; nothing else",
                type="list",
                elements="dict",
                keys=RULE,
            ),
        ),
    ),
    Key(
        "fabric_address_groups",
        "Groups of addresses that rules of security groups refer to.",
        type="list",
        elements="dict",
        default=[],
        keys=(
            Key("name", "The group's name.", row="required", required=True),
            Key(
                "addresses",
                "Addresses and subnets.",
                row="required: addresses and subnets, of IPv4 and IPv6",
                type="list",
                elements="str",
                required=True,
            ),
        ),
    ),
)
OF_NICS = (
    Key(
        "security_groups",
        "Its groups in O(fabric_security_groups). Without the key, V(default); in none, it is cut off.",
        row="its groups in `fabric_security_groups`; default `[default]`",
        type="list",
        elements="str",
    ),
)
