#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module of the kind dnsmasq_netns."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dnsmasq_netns
short_description: Serve a network with DHCP, DNS and PXE from a network namespace
version_added: 0.1.0
description:
  - Manages a C(dnsmasq) of its own for one network. It runs in a network namespace under a systemd unit,
    C(netvirt-dnsmasq-NAME.service), which starts it again when it fails.
  - It hears one interface only, answers names of its own clients, and asks other servers only when it is given some.
    Private addresses in their answers are dropped. The system's own configuration of dnsmasq is not read.
  - A client is known by its MAC address alone. Names come from O(hosts) alone, not from what clients call themselves.
  - An address in O(hosts) that another MAC address has by a lease is taken back, for which dnsmasq is restarted.
  - dnsmasq has no rights over the namespace. Where O(ranges) has IPv6 ones, it is given a raw socket for ICMPv6, which
    takes a node of x86_64 or aarch64 with Linux 5.14.
  - A change of O(hosts), O(router), O(dns_servers), O(options) or, for IPv4, O(mtu) makes the running dnsmasq read its
    files again. Other changes restart it. Leases outlast both.
  - A stopped service, and a file that was changed by hand, show as a difference and are repaired.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_netlink
options:
  name:
    description:
      - The name of the network. The unit, the directory of the configuration C(/etc/netvirt/dnsmasq/NAME) and that
        of the leases C(/var/lib/netvirt/dnsmasq/NAME) are named after it.
      - O(state=absent) removes all three, leases included.
    type: str
    required: true
  namespace:
    description:
      - The network namespace in which it runs. Required for a new instance.
    type: str
  interface:
    description:
      - The interface in that namespace on which it serves. Required for a new instance.
    type: str
  ranges:
    description:
      - The exact set of address ranges. They must be inside the subnets of O(interface).
    type: list
    elements: dict
    suboptions:
      start:
        description:
          - The first address, or for the modes without an end an address of the subnet.
          - An IPv6 address without a prefix, such as V(::100), or V(::), stands for that part of the subnets which
            the interface has.
        type: str
        required: true
      end:
        description:
          - The last address. Required with O(ranges[].mode=dynamic).
        type: str
      prefix:
        description:
          - The prefix length of the subnet. IPv6 has V(64).
          - For IPv4 the default is that of the interface's address; it is needed while the interface has none.
        type: int
      mode:
        description:
          - V(dynamic) hands out the addresses from start to end.
          - V(static) hands out addresses to O(hosts) only.
          - V(ra-only) advertises an IPv6 router and the prefix, from which clients make their addresses.
          - V(slaac) does the same, and hands out addresses if there is an end.
          - V(ra-stateless) advertises, and answers questions for other options such as DNS servers.
        type: str
        choices: [dynamic, static, ra-only, slaac, ra-stateless]
        default: dynamic
      lease:
        description:
          - The lease time in seconds, or a time such as V(24h), or V(infinite).
        type: str
        default: 24h
  hosts:
    description:
      - The exact set of reservations. A host with an IPv4 and an IPv6 address has two entries.
    type: list
    elements: dict
    suboptions:
      mac:
        description:
          - The MAC address of the host's interface.
        type: str
        required: true
      address:
        description:
          - The address it gets, inside the subnet of one of the O(ranges). Without it, one of the range.
        type: str
      hostname:
        description:
          - The host name it is told, by which others find it. No domain. With O(hosts[].address) it is found without
            a lease as well.
        type: str
      lease:
        description:
          - The lease time of this host, as in O(ranges[].lease).
        type: str
  router:
    description:
      - The IPv4 address of the default router (option 3). An empty string is none.
    type: str
  ra_router:
    description:
      - Whether router advertisements offer this node as IPv6 default router. A new instance does.
      - Set V(false) in a network that has no way out.
    type: bool
  dns_servers:
    description:
      - The exact set of DNS servers that clients are told of. An empty list is this instance itself.
    type: list
    elements: str
  dns_forwarders:
    description:
      - The exact set of DNS servers that this instance asks for names it does not know. An empty list is none, so that
        it answers for its own clients only.
    type: list
    elements: str
  domain:
    description:
      - The domain of the clients. An empty string is none.
    type: str
  mtu:
    description:
      - The MTU that clients are to use (option 26, RFC 8106 for IPv6). V(0) is none.
    type: int
  options:
    description:
      - The exact set of other DHCP options.
    type: list
    elements: dict
    suboptions:
      option:
        description:
          - The number of the option, or a name that C(dnsmasq --help dhcp) or C(dnsmasq --help dhcp6) lists.
        type: str
        required: true
      value:
        description:
          - The value or a list of them, as dnsmasq writes them.
        type: raw
        required: true
      family:
        description:
          - Whether it is an option of DHCP (V(4)) or of DHCPv6 (V(6)).
        type: int
        choices: [4, 6]
        default: 4
  tftp_root:
    description:
      - The directory from which files are served by TFTP. An empty string is no TFTP.
    type: str
  boot_file:
    description:
      - The file that a client which boots from the network is told to load. An empty string is none.
    type: str
  boot_server:
    description:
      - The IPv4 address of the TFTP server that has O(boot_file). An empty string is this instance.
    type: str
  leases:
    description:
      - The IPv4 leases that a server knows from its start on, where it has none of its own yet, as one that has moved
        here from another node. It is not compared, and not persisted for the next boot.
    type: list
    elements: dict
    suboptions:
      mac:
        description:
          - The MAC address of the client.
        type: str
        required: true
      address:
        description:
          - The IPv4 address that it has.
        type: str
        required: true
      seconds:
        description:
          - How long it still has it. V(0) is without an end.
        type: int
        default: 0
requirements:
  - dnsmasq-base 2.90 or newer, procps (for sysctl) and systemd on the node
seealso:
  - module: netvirt.fabric.netns_router
  - module: netvirt.fabric.veth_pair
  - name: dnsmasq(8)
    description: What dnsmasq does with these options.
    link: https://thekelleys.org.uk/dnsmasq/docs/dnsmasq-man.html
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Addresses, router and MTU for the network blue
  netvirt.fabric.dnsmasq_netns:
    name: blue
    namespace: router-r1
    interface: blue
    ranges:
      - {start: 10.0.10.100, end: 10.0.10.200, lease: 24h}
    hosts:
      - {mac: "52:54:00:aa:bb:01", address: 10.0.10.11, hostname: vm1}
    router: 10.0.10.254
    domain: blue.example
    mtu: 1446

- name: A network with IPv6, a time server and network boot
  netvirt.fabric.dnsmasq_netns:
    name: lab
    namespace: dhcp-lab
    interface: lab
    ranges:
      - {start: 10.0.20.100, end: 10.0.20.200, prefix: 24}
      - {start: 'fd00:20::', mode: ra-stateless}
    ra_router: false
    dns_forwarders: [192.0.2.53]
    options:
      - {option: ntp-server, value: 10.0.20.1}
    tftp_root: /srv/tftp
    boot_file: pxelinux.0

- name: No service
  netvirt.fabric.dnsmasq_netns:
    name: lab
    state: absent
"""

RETURN = r"""
before:
  description:
    - The instance as it was, in the module's options; O(state) is V(absent) when there was none.
  returned: success
  type: dict
  sample: {name: blue, state: absent}
after:
  description:
    - The instance as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample:
    name: blue
    namespace: router-r1
    interface: blue
    ranges: [{start: 10.0.10.100, end: 10.0.10.200, prefix: 24, mode: dynamic, lease: "86400"}]
    router: 10.0.10.254
    mtu: 1446
operations:
  description:
    - What was done, or in check mode would be done. The action is V(create), V(delete), V(restart), V(start),
      V(reload), or V(update) for what the clients do not notice.
    - The change C(edited) names files changed by hand, C(service) what the service did instead of its work, and
      C(enabled) whether it starts at boot.
  returned: always
  type: list
  elements: dict
  sample: [{kind: dnsmasq_netns, name: blue, namespace: router-r1, action: create}]
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp.dnsmasq_netns import DnsmasqNetns
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(DnsmasqNetns())


if __name__ == "__main__":
    main()
