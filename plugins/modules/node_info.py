#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts of a node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_info
short_description: Tell what a node offers to virtual networks
version_added: 0.1.0
description:
  - Reads what the fabric compiler and the roles need to know of a node.
  - Without a running Open vSwitch and its libraries the module fails. The result then has what can be told of the node
    without them, such as its interfaces, which other nodes need to know.
extends_documentation_fragment:
  - netvirt.fabric.attributes.info_module
  - netvirt.fabric.needs_ovs
options:
  ovsdb:
    description:
      - Where the Open vSwitch database listens.
    type: str
    default: unix:/var/run/openvswitch/db.sock
  timeout:
    description:
      - The seconds to wait for each answer of a daemon or program.
    type: int
    default: 8
  wanted:
    description:
      - What the host is to have. The result says in RV(lacking) what it has not.
    type: dict
    suboptions:
      packages:
        description:
          - Packages of Debian or Ubuntu.
        type: list
        elements: str
        default: []
      kernel_modules:
        description:
          - Kernel modules. One that does not exist or is built in is never lacking.
        type: list
        elements: str
        default: []
      files:
        description:
          - Files and directories of root.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description:
              - The absolute path.
            type: str
            required: true
          mode:
            description:
              - The permissions in octal digits.
            type: str
            required: true
          content:
            description:
              - The whole content. Without it, it is a directory.
            type: str
      services:
        description:
          - Units of systemd that are to run now and after a boot.
        type: list
        elements: str
        default: []
  known:
    description:
      - The answer of this module that an earlier task of the same play has registered. If that task did not fail, it is
        returned, and the node is not asked again.
    type: dict
requirements:
  - root on the node
seealso:
  - module: netvirt.fabric.apply
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Learn about the node
  netvirt.fabric.node_info:
  register: node

- name: Say which datapath its bridges will have
  ansible.builtin.debug:
    var: node.datapath_type
"""

RETURN = r"""
datapath_types:
  description:
    - The datapath types that work on the node, the preferred one first.
    - V(system), the kernel's datapath, is listed only where the kernel has it; Open vSwitch itself lists it always.
  returned: success
  type: list
  elements: str
  sample: [system, netdev]
datapath_type:
  description: The first of RV(datapath_types).
  returned: success
  type: str
  sample: system
ovs_version:
  description: The version of Open vSwitch.
  returned: success
  type: str
  sample: 3.1.0
interfaces:
  description: All interfaces of the root namespace, by name.
  returned: success
  type: dict
  contains:
    addresses:
      description: The addresses with prefix length, link-local ones included, IPv6 ones with a lifetime left out.
      type: list
      elements: str
    leased:
      description: The IPv4 addresses among them that have a lifetime, as those from DHCP have.
      type: list
      elements: str
    mtu:
      description: The MTU in bytes.
      type: int
    mac:
      description: The hardware address.
      type: str
    up:
      description: Whether the interface is up.
      type: bool
    parent:
      description: The interface that it stands on, if it is a VLAN interface or the like.
      type: str
    vlan_filtering:
      description: V(true) for a Linux bridge that filters VLANs, otherwise left out.
      type: bool
  sample: {eth1: {addresses: [172.30.0.11/24], mtu: 1500, mac: "02:18:3a:64:fb:96", up: true}}
dhcp_servers:
  description: All DHCP servers that M(netvirt.fabric.dnsmasq_netns) made, by network.
  returned: success
  type: dict
  contains:
    owner:
      description: The owner whose mark the server bears.
      type: str
    ranges:
      description: First and last address of each IPv4 range.
      type: list
      elements: list
    leases:
      description: The IPv4 leases that have not ended, at most 4096.
      type: list
      elements: dict
      contains:
        mac:
          description: The hardware address of the client.
          type: str
        address:
          description: The address it has.
          type: str
        seconds:
          description: How long it still has it. V(0) is without an end.
          type: int
  sample: {}
lacking:
  description: What the host lacks of O(wanted), also where the module fails otherwise.
  returned: when O(wanted) is given
  type: dict
  contains:
    packages:
      description: Packages that are not installed.
      type: list
      elements: str
    kernel_modules:
      description: Kernel modules that exist and are not loaded.
      type: list
      elements: str
    files:
      description: Paths at which there is nothing, or something else.
      type: list
      elements: str
    services:
      description: Units that do not run, or that do not start at boot.
      type: list
      elements: str
  sample: {packages: [], kernel_modules: [openvswitch], files: [], services: []}
bridges:
  description: All bridges of Open vSwitch, by name.
  returned: success
  type: dict
  contains:
    owner:
      description: The owner whose mark the bridge bears, or an empty string.
      type: str
    ports:
      description: The names of its ports, without its own.
      type: list
      elements: str
  sample: {br-int: {owner: fabric, ports: [patch-tun, tap-vm1]}}
guests:
  description: The guests that M(netvirt.fabric.kvm_guest) runs on the node or has left a disk of, by name.
  returned: success
  type: dict
  contains:
    owner:
      description: The owner of the guest, or an empty string where only its disk is there.
      type: str
    disk:
      description: Whether it has a disk.
      type: bool
  sample: {vm1: {owner: fabric, disk: true}}
reservations:
  description:
    - A digest of the MAC addresses and addresses that each DHCP server of the node keeps for hosts, by its name.
  returned: success
  type: dict
  sample: {blue: 5f0c3a5e1b5d4f6f}
kept:
  description: What the node was last told to be and keeps for its next boot, in short, by owner.
  returned: success
  type: dict
  contains:
    routers:
      description: The namespaces.
      type: list
      elements: str
    guests:
      description:
        - The VLANs of guests by their names. A guest that something else runs is named by its port.
      type: dict
    addresses:
      description: The addresses of its own interfaces by name.
      type: dict
  sample: {fabric: {routers: [nv-r1], guests: {vm1: [10]}, addresses: {br-phy: [192.0.2.1/24]}}}
kvm:
  description:
    - Whether there is KVM. It may still boot no guest, which the role P(netvirt.fabric.guest#role) finds out.
  returned: success
  type: bool
  sample: true
resolvers:
  description:
    - The DNS servers that the node asks, at most three. In place of the stub of systemd-resolved, which answers on the
      node alone, these are the servers that it asks.
  returned: success
  type: list
  elements: str
  sample: [192.0.2.53]
kernel:
  description: The release of the running kernel.
  returned: success
  type: str
  sample: 6.1.0-28-amd64
preflight_warnings:
  description:
    - What else on the node is known to eat guest traffic or to undo the network, one line each.
  returned: success
  type: list
  elements: str
  sample:
    - firewalld is running and drops tunnel and guest traffic in zones that do not allow it; put the underlay interface
      and the bridges into the zone trusted
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._look import main

if __name__ == "__main__":
    main()
