#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Module of the kind ip_interface."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ip_interface
short_description: Manage addresses and routes of an interface
version_added: 0.1.0
description:
  - Sets the addresses, routes, MTU, MAC address and state of an interface, in a network namespace or in the root one.
  - The interface itself is made by something else, such as M(netvirt.fabric.veth_pair) or M(netvirt.fabric.ovs_bridge),
    which may be in the same run of M(netvirt.fabric.apply).
  - Nothing of it survives a reboot or the removal of the interface.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_netlink
options:
  name:
    description:
      - The name of the interface.
    type: str
    required: true
  namespace:
    description:
      - The network namespace of the interface. The root namespace when left out.
    type: str
  addresses:
    description:
      - The addresses with their prefix lengths, such as V(10.0.10.254/24) or V(2001:db8::1/64).
      - New ones are added before others are removed. Other addresses of the same subnet survive the removal of the
        first one.
      - Of several IPv4 addresses of one subnet, the kernel takes the one that came first as the source of what it
        sends. The order of this list is not looked at. Give the others a prefix length of 32 where it matters.
      - Link-local and loopback addresses, and IPv6 addresses from router advertisements, are left alone unless listed.
      - IPv6 addresses are added without duplicate address detection, so that services can use them at once.
      - When O(state) is V(absent), these are removed; all of them when left out.
    type: list
    elements: str
  purge_addresses:
    description:
      - Whether addresses that are not listed are removed.
    type: bool
    default: true
  routes:
    description:
      - The exact set of routes through the interface that carry the protocol number of this collection, V(78).
        Routes of others are left alone, and are an error where they have the same destination and metric.
      - They are in the main table. The interface must be up.
      - Use either this or the routes of M(netvirt.fabric.netns_router) for an interface of a router.
    type: list
    elements: dict
    suboptions:
      destination:
        description:
          - The network that is reached, such as V(10.0.0.0/8). V(default) and V(default6) stand for V(0.0.0.0/0) and
            V(::/0).
        type: str
        required: true
      via:
        description:
          - The gateway. Without it the network is on the link itself.
        type: str
      metric:
        description:
          - The lower is preferred. V(0) for IPv4 and V(1024) for IPv6 when left out.
        type: int
      source:
        description:
          - The source address of what this host sends there.
        type: str
      onlink:
        description:
          - Whether the gateway is on the link although no address of the interface is in its subnet.
        type: bool
  mtu:
    description:
      - The largest packet that the interface takes, in bytes. IPv6 needs at least 1280.
    type: int
  mac:
    description:
      - The MAC address.
    type: str
  up:
    description:
      - Whether the interface is up. One that goes down loses its routes.
    type: bool
  ipv6:
    description:
      - Whether IPv6 is on on the interface. One without it has no IPv6 address, not even a link-local one.
      - An MTU below 1280 switches it off, too.
    type: bool
seealso:
  - module: netvirt.fabric.netns_router
  - module: netvirt.fabric.veth_pair
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: The address of a bridge, and a route
  netvirt.fabric.ip_interface:
    name: br-ex
    up: true
    addresses: [203.0.113.1/24]
    routes:
      - destination: 10.0.10.0/24
        via: 203.0.113.10

- name: One more address, whatever else is there
  netvirt.fabric.ip_interface:
    name: eth0
    namespace: blue
    addresses: [2001:db8::53/64]
    purge_addresses: false

- name: Neither addresses nor routes
  netvirt.fabric.ip_interface:
    name: br-ex
    state: absent
"""

RETURN = r"""
before:
  description:
    - The interface as it was, in the module's options. When O(state) is V(absent), what was to be removed.
  returned: success
  type: dict
  sample: {name: br-ex, addresses: [], routes: [], mtu: 1500, mac: "52:54:00:12:34:56", up: false}
after:
  description:
    - The interface as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample:
    name: br-ex
    addresses: [203.0.113.1/24]
    routes: [{destination: 10.0.10.0/24, via: 203.0.113.10, metric: 0}]
    mtu: 1500
    mac: "52:54:00:12:34:56"
    up: true
operations:
  description:
    - What was done, or in check mode would be done. The action is V(configure), V(set addresses), V(set routes) or
      V(delete).
  returned: always
  type: list
  elements: dict
  sample:
    - kind: ip_interface
      name: br-ex
      action: set addresses
      changes: {addresses: {before: [], after: [203.0.113.1/24]}}
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links.ip_interface import IpInterface
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(IpInterface())


if __name__ == "__main__":
    main()
