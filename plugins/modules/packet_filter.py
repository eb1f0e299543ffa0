#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module of the kind packet_filter."""

from __future__ import annotations

DOCUMENTATION = r"""
module: packet_filter
short_description: Drop what an IP stack must not see or pass on
version_added: 0.1.0
description:
  - Keeps the IP stack of a network namespace, or of the root one, off interfaces that only a switch uses, and keeps
    networks apart that it routes.
  - The rules are in nftables, in tables of their own, C(inet netvirtfilter_NAME) and C(arp netvirtfilter_NAME). They
    are replaced as a whole in one transaction. Other tables are never touched.
  - A rule that somebody added to these tables or removed from them shows as a difference and is repaired.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_netlink
  - netvirt.fabric.needs_nft
options:
  name:
    description:
      - The name of the filter. Several may be in one namespace.
      - Tables of that name without the collection's mark are an error, and stay as they are.
    type: str
    default: filter
  namespace:
    description:
      - The network namespace. Without it, the root namespace.
    type: str
  isolated_interfaces:
    description:
      - The exact set of interfaces by which neither IP nor ARP comes in or goes out. They need not be there yet.
      - Open vSwitch in userspace takes a copy of each frame that comes in by a port. Without this the node's own stack
        gets the frame as well, and answers guests, or tunnel packets whose port it does not know.
      - Programs that send and receive whole frames, such as Open vSwitch, QEMU and DHCP clients, are not concerned.
      - A connection by such an interface ends. Do not list the one that carries the connection of Ansible.
      - A new filter needs this, O(blocked), O(tunnel_endpoints) or O(ports).
    type: list
    elements: str
  blocked:
    description:
      - The exact set of what is dropped by interface and destination, whether it would be passed on or is for an
        address of the namespace itself.
    type: list
    elements: dict
    suboptions:
      interface:
        description: The interface by which packets come in.
        type: str
        required: true
      destinations:
        description: The IPv4 and IPv6 networks for which they are. Without any, nothing is dropped.
        type: list
        elements: str
        required: true
  tunnel_endpoints:
    description:
      - The exact set of the ends of tunnels that are closed to other interfaces than those of the underlay.
      - With the kernel's datapath, Open vSwitch takes tunnel packets by whichever interface they come in. A packet for
        such an end is dropped when it comes in by another interface than O(tunnel_endpoints[].interface), unless the
        host would send to the packet's source by that interface.
      - For an IPv6 address that is on C(lo) or a dummy interface, the kernel takes one path of a multipath route to be
        the route. So leave such an end out where peers are reached over several paths.
    type: list
    elements: dict
    suboptions:
      address:
        description: The address of the host at which its tunnels end.
        type: str
        required: true
      interface:
        description: The interface of the host that has the address.
        type: str
        required: true
      protocol:
        description: V(udp) for VXLAN and Geneve, V(gre) for GRE.
        type: str
        choices: [udp, gre]
        required: true
      port:
        description: The UDP port, required with V(udp), such as 4789 for VXLAN and 6081 for Geneve.
        type: int
  ports:
    description:
      - The exact set of the ports of a router. With any, the namespace forwards only what O(admitted) says, answers to
        it, and connections whose destination somebody translates on purpose (DNAT).
      - Packets with forged sources are dropped where they come in. Nobody else may use the router's own addresses.
      - A port reaches its own addresses of the router, and those of the ports that it may reach.
      - While the table is missing, nothing is forwarded at all. Two rules of policy routing see to that, of the
        preferences 77 and 78, and the parameter C(net.ipv4.conf.all.src_valid_mark).
      - The ports need not be there yet.
    type: list
    elements: dict
    suboptions:
      interface:
        description: The interface.
        type: str
        required: true
      sources:
        description:
          - The networks whose addresses packets may have that come in by it. What is for them does not leave outside.
          - Networks that make one larger are shown as that one.
          - A port without any leads outside. What comes in by it may have any source but those of the other ports. It
            reaches its own addresses of the router only, and there nothing but answers, echo requests and neighbour
            discovery.
        type: list
        elements: str
  admitted:
    description:
      - Which connections may be begun, from each port in C(from) to each one in C(to). Answers may go back.
    type: list
    elements: dict
    suboptions:
      from:
        description: Ports by which connections are begun. All of them are in O(ports).
        type: list
        elements: str
        required: true
      to:
        description: Ports to which they lead.
        type: list
        elements: str
        required: true
      translated:
        description:
          - Whether they only leave with other addresses than those of the ports in C(from), see
            M(netvirt.fabric.nat_masquerade).
        type: bool
        default: false
  rules:
    description:
      - The exact list of rules for connections between the ports, in their order. The first one that a connection meets
        decides. One that meets none is accepted.
      - A connection that is accepted still has to be admitted. So rules narrow O(admitted), and do not widen it.
      - They look at a connection when it begins. Its destination is the one after translation (DNAT), its source the
        one before.
      - When rules change, connections that other rules decide about now are forgotten, and no others.
      - Each rule counts what it decides about, see C(nft list table inet netvirtfilter_NAME). The counters begin anew
        with each change.
    type: list
    elements: dict
    suboptions:
      name:
        description: A name for the rule, once in the list.
        type: str
        required: true
      action:
        description:
          - What happens. V(reject) tells the sender that it is prohibited (ICMP), V(drop) does not.
        type: str
        choices: [accept, drop, reject]
        required: true
      from:
        description: Ports by which the connection begins. Without it, any.
        type: list
        elements: str
      to:
        description: Ports to which it leads. Without it, any.
        type: list
        elements: str
      source:
        description: The network that it comes from. Without it, or with an empty string, any.
        type: str
      destination:
        description: The network that it goes to. Without it, or with an empty string, any.
        type: str
      protocol:
        description: The protocol.
        type: str
        choices: [any, tcp, udp, sctp, icmp, icmpv6]
        default: any
      ports:
        description: The ports that it goes to, such as C(80) or C(8000-8010). Those that touch are shown as one range.
        type: list
        elements: str
      log:
        description:
          - Whether connections that meet it are written to the kernel's log with its name, five a second at most.
          - For a namespace the kernel does that only where C(net.netfilter.nf_log_all_netns) is 1 on the node.
        type: bool
        default: false
seealso:
  - module: netvirt.fabric.ovs_port_vlan
  - module: netvirt.fabric.netns_router
  - name: nft(8)
    description: The rules of nftables.
    link: https://www.netfilter.org/projects/nftables/manpage.html
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Let the host not answer its guests
  netvirt.fabric.packet_filter:
    isolated_interfaces: [tap-vm1, tap-vm2]

- name: Let tunnel packets in from the underlay alone
  netvirt.fabric.packet_filter:
    name: underlay
    tunnel_endpoints:
      - {address: 192.0.2.1, interface: eth1, protocol: udp, port: 4789}

- name: Let a router not route from one network to the other
  netvirt.fabric.packet_filter:
    namespace: router-r1
    blocked:
      - interface: blue
        destinations: [10.0.20.0/24]
      - interface: red
        destinations: [10.0.10.0/24]

- name: Let a router route to the outside, and nothing from there but answers
  netvirt.fabric.packet_filter:
    namespace: router-r1
    ports:
      - interface: blue
        sources: [10.0.10.0/24]
      - interface: ext
    admitted:
      - from: [blue]
        to: [ext]
        translated: true

- name: The same, but no mail leaves, and of the second network only the name server is reached
  netvirt.fabric.packet_filter:
    namespace: router-r1
    rules:
      - {name: no-mail, action: reject, to: [ext], protocol: tcp, ports: [25], log: true}
      - {name: dns, action: accept, to: [red], destination: 10.0.20.53, protocol: udp, ports: [53]}
      - {name: nothing-else, action: drop, to: [red]}

- name: No filter
  netvirt.fabric.packet_filter:
    namespace: router-r1
    state: absent
"""

RETURN = r"""
before:
  description:
    - The filter as it was, in the module's options; O(state) is V(absent) when there was none.
  returned: success
  type: dict
  sample: {name: filter, namespace: router-r1, state: absent}
after:
  description:
    - The filter as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample:
    name: filter
    namespace: router-r1
    isolated_interfaces: []
    blocked:
      - interface: blue
        destinations: [10.0.20.0/24]
    tunnel_endpoints: []
    ports: []
    admitted: []
    rules: []
operations:
  description:
    - What was done, or in check mode would be done. The change C(edits) is what was changed in the tables by hand.
  returned: always
  type: list
  elements: dict
  sample: [{kind: packet_filter, name: filter, namespace: router-r1, action: create}]
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters.packet_filter import PacketFilter
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(PacketFilter())


if __name__ == "__main__":
    main()
