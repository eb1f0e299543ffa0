#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module of the kind nat_inbound."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nat_inbound
short_description: Reach guests behind a router by floating IPs and forwarded ports
version_added: 0.1.0
description:
  - Manages what of an outer address reaches a guest inside, with nftables, in a network namespace or in the root one.
  - A floating IP belongs to one guest, in both directions. All that is sent to it reaches the guest, and what the
    guest sends to the outside has it as its source.
  - A port forward gives a port of an outer address, or a range of ports, to a guest.
  - All work from outside, from other networks of the router, and from the guest's own network. There the guest sees
    the router as the source, so that its answers pass the router.
  - The outer addresses must be on the outer interface, see M(netvirt.fabric.netns_router); this module does not add
    them. A packet filter may still drop what is translated; M(netvirt.fabric.packet_filter) lets it pass.
  - The rules are in one table of their own, C(inet netvirtinbound_NAME). It is replaced as a whole in one transaction.
    Other tables are never touched. A rule that somebody added to it or removed from it is repaired.
  - When a floating IP or a forward goes, or goes to another guest, the connections that it made are forgotten; no
    others are.
  - IPv4 only. With IPv6, give guests addresses that are routed, and say with a packet filter what may reach them.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_netlink
  - netvirt.fabric.needs_nft
options:
  name:
    description:
      - The name of the translation. Several may be in one namespace.
      - A table of that name without the collection's mark is an error, and stays as it is.
    type: str
    default: inbound
  namespace:
    description:
      - The network namespace. Without it, the root namespace.
    type: str
  out_interface:
    description:
      - The interface to the outside. Required for a new translation.
    type: str
  floating_ips:
    description:
      - The exact list of floating IPs. Each has one guest, and each guest has at most one.
    type: list
    elements: dict
    suboptions:
      address:
        description: The outer IPv4 address.
        type: str
        required: true
      to:
        description: The guest's IPv4 address.
        type: str
        required: true
  port_forwards:
    description:
      - The exact list of forwarded ports. An outer address that is a floating IP cannot be among them.
    type: list
    elements: dict
    suboptions:
      protocol:
        description: The protocol of the port.
        type: str
        choices: [tcp, udp, sctp]
        default: tcp
      address:
        description: The outer IPv4 address.
        type: str
        required: true
      port:
        description: The outer port, or a range of ports such as C(8000-8010).
        type: str
        required: true
      to:
        description: The guest's IPv4 address.
        type: str
        required: true
      to_port:
        description:
          - The port at the guest; for a range, the one that its first port becomes.
          - A range that becomes another one has at most 1000 ports.
          - The default is the outer port.
        type: int
seealso:
  - module: netvirt.fabric.nat_masquerade
  - module: netvirt.fabric.netns_router
  - module: netvirt.fabric.packet_filter
  - name: nft(8)
    description: The rules of nftables.
    link: https://www.netfilter.org/projects/nftables/manpage.html
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Give a guest an outer address of its own
  netvirt.fabric.nat_inbound:
    namespace: router-r1
    out_interface: ext
    floating_ips:
      - {address: 203.0.113.20, to: 10.0.10.11}

- name: Reach a web server and a range of ports behind the host's own address
  netvirt.fabric.nat_inbound:
    name: services
    out_interface: eth0
    port_forwards:
      - {address: 198.51.100.7, port: 80, to: 10.0.10.11, to_port: 8080}
      - {address: 198.51.100.7, protocol: udp, port: 60000-60100, to: 10.0.10.12}

- name: Nothing is reached from outside any more
  netvirt.fabric.nat_inbound:
    name: services
    state: absent
"""

RETURN = r"""
before:
  description:
    - The translation as it was, in the module's options; O(state) is V(absent) when there was none.
  returned: success
  type: dict
  sample: {name: inbound, namespace: router-r1, state: absent}
after:
  description:
    - The translation as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample:
    name: inbound
    namespace: router-r1
    out_interface: ext
    floating_ips: [{address: 203.0.113.20, to: 10.0.10.11}]
    port_forwards: []
operations:
  description:
    - What was done, or in check mode would be done. The change C(edits) is what was changed in the table by hand.
  returned: always
  type: list
  elements: dict
  sample: [{kind: nat_inbound, name: inbound, namespace: router-r1, action: create}]
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters.nat_inbound import NatInbound
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(NatInbound())


if __name__ == "__main__":
    main()
