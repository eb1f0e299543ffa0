# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an encapsulation leaves of the underlay's MTU."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.module_utils import _values

# Bytes between the underlay's MTU and the inner frame's payload over IPv4: outer IP 20, then
# VXLAN (RFC 7348): UDP 8, header 8, inner Ethernet 14; GRE (RFC 2890): header with key 8, inner Ethernet 14;
# Geneve (RFC 8926): UDP 8, header 8, room for 8 bytes of options, inner Ethernet 14.
OVERHEAD = {"vxlan": 50, "gre": 42, "geneve": 58}
IPV6_EXTRA = 20  # an IPv6 header has 40 bytes, an IPv4 header 20
VLAN_TAG = 4  # networks are told apart inside the tunnel by an 802.1Q tag
IPV4_MIN = 576  # RFC 791: what every IPv4 host accepts
IPV6_MIN = 1280  # RFC 8200, section 5
VALUE = _values.integer(IPV4_MIN, 65535)


def inner_mtu(underlay_mtu: int, encapsulation: str, version: int) -> int:
    """Return the largest MTU of guests, in bytes, for tunnels over IP version 4 or 6."""
    return underlay_mtu - OVERHEAD[encapsulation] - (IPV6_EXTRA if version == 6 else 0) - VLAN_TAG
