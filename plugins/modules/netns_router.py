#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Module of the kind netns_router."""

from __future__ import annotations

DOCUMENTATION = r"""
module: netns_router
short_description: Manage network namespaces that route
version_added: 0.1.0
description:
  - Creates, changes and removes a network namespace with its interfaces, addresses, routes, forwarding and other
    kernel parameters.
  - A new namespace is marked with the owner in the alias of its C(lo), which is always up.
  - The usual way to give it an interface is M(netvirt.fabric.veth_pair) with one end in the namespace, in the same run
    of M(netvirt.fabric.apply).
  - When it is removed, its virtual interfaces go with it, and physical ones return to the root namespace. Processes
    that still run in it keep running in a namespace that has no name any more; stop them first.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_netlink
options:
  name:
    description:
      - The name of the namespace, as C(ip netns) shows it. It is a name, never a path.
    type: str
    required: true
  interfaces:
    description:
      - Interfaces of the namespace. Others are left alone, so that an empty list changes nothing.
      - One that is not in the namespace is moved in from the root namespace, and keeps its MTU, MAC address and state.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The name of the interface.
        type: str
        required: true
      addresses:
        description:
          - The addresses with their prefix lengths, such as V(10.0.10.254/24) or V(2001:db8::1/64).
          - New ones are added before others are removed. Link-local addresses, and IPv6 addresses from router
            advertisements, are left alone unless listed.
          - Of several IPv4 addresses of one subnet, the kernel takes the one that came first as the source of what it
            sends. The order of this list is not looked at. Give the others a prefix length of 32 where it matters.
          - IPv6 addresses are added without duplicate address detection, so that services can use them at once.
        type: list
        elements: str
      purge_addresses:
        description:
          - Whether addresses that are not listed are removed.
        type: bool
        default: true
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
          - Interfaces that come later have it unless O(sysctls) sets V(net.ipv6.conf.default.disable_ipv6).
          - An MTU below 1280 switches it off, too.
        type: bool
  routes:
    description:
      - The exact set of routes in the namespace that carry the protocol number of this collection, V(78). Routes of
        others are left alone, and are an error where they have the same destination and metric.
      - They are in the main table.
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
          - The gateway. Without it the network is on the link of O(routes[].interface).
        type: str
      interface:
        description:
          - The interface. When left out, the kernel finds it by the gateway.
        type: str
      metric:
        description:
          - The lower is preferred. V(0) for IPv4 and V(1024) for IPv6 when left out.
        type: int
      source:
        description:
          - The source address of what this namespace sends there.
        type: str
      onlink:
        description:
          - Whether the gateway is on the link although no address of the interface is in its subnet. It needs
            O(routes[].interface).
        type: bool
  ip_forward:
    description:
      - Whether IPv4 packets are forwarded.
    type: bool
  ipv6_forward:
    description:
      - Whether IPv6 packets are forwarded. Interfaces that forward ignore router advertisements.
    type: bool
  rp_filter:
    description:
      - The reverse path filter in effect on every interface. V(0) is none, V(1) strict (RFC 3704), V(2) loose.
      - The kernel applies the higher of the value of an interface and that of all; both are set, and the value of
        interfaces to come.
    type: int
  sysctls:
    description:
      - Other kernel parameters of the namespace, such as V(net.ipv4.conf.all.arp_ignore). Those not listed are left
        alone.
      - A dot inside the name of an interface is written as a slash, as C(sysctl\(8\)) wants it.
      - A new namespace has the listed defaults of interfaces (V(net.ipv4.conf.default.…), V(net.ipv6.conf.default.…))
        from its making on, before it has any interface.
      - In a new namespace, router advertisements are not accepted, and redirects neither accepted nor sent, unless this
        says otherwise.
    type: dict
seealso:
  - module: netvirt.fabric.veth_pair
  - module: netvirt.fabric.ip_interface
  - module: netvirt.fabric.nat_masquerade
  - module: netvirt.fabric.dnsmasq_netns
  - name: IP sysctl
    description: The kernel parameters.
    link: https://docs.kernel.org/networking/ip-sysctl.html
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: A namespace with nothing but lo
  netvirt.fabric.netns_router:
    name: blue

- name: A router with one port, made in one go
  netvirt.fabric.apply:
    resources:
      - veth_pair:
          name: r1-blue
          peer:
            name: blue
            namespace: r1
            tx_checksum: false
      - netns_router:
          name: r1
          interfaces:
            - name: blue
              up: true
              addresses: [10.0.10.254/24]
          routes:
            - destination: default
              via: 10.0.10.1
          ip_forward: true
          rp_filter: 1
          sysctls:
            net.ipv4.conf.all.arp_ignore: 1
            net.ipv4.conf.all.arp_announce: 2

- name: No namespace
  netvirt.fabric.netns_router:
    name: blue
    state: absent
"""

RETURN = r"""
before:
  description:
    - The namespace as it was, in the module's options; O(state) is V(absent) when there was none.
    - Of interfaces and kernel parameters it has those that are listed; when O(state) is V(absent), all interfaces.
    - O(rp_filter) is missing when the interfaces differ in it.
  returned: success
  type: dict
  sample: {name: r1, state: absent}
after:
  description:
    - The namespace as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample:
    name: r1
    interfaces: [{name: blue, addresses: [10.0.10.254/24], mtu: 1500, mac: "52:54:00:12:34:56", up: true}]
    routes: [{destination: 0.0.0.0/0, via: 10.0.10.1, metric: 0}]
    ip_forward: true
    ipv6_forward: false
    rp_filter: 1
    sysctls: {net.ipv4.conf.all.arp_announce: "2", net.ipv4.conf.all.arp_ignore: "1"}
operations:
  description:
    - What was done, or in check mode would be done. The actions are V(create), V(set lo up), V(move IF in),
      V(configure IF), V(set sysctls), V(set addresses of IF), V(set routes) and V(delete).
  returned: always
  type: list
  elements: dict
  sample: [{kind: netns_router, name: r1, action: create}]
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._routing.netns_router import NetnsRouter
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(NetnsRouter())


if __name__ == "__main__":
    main()
