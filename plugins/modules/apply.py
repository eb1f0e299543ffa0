#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Module of the engine, for a whole list of resources."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
short_description: Bring a node to a whole list of declared resources in one run
version_added: 0.1.0
description:
  - Takes a list of resources of any kind and makes one plan of it, with one transaction on the Open vSwitch database,
    under one lock, in one task.
  - The order of the list does not matter. Links and namespaces are made first, then the Open vSwitch database is
    changed, then addresses and routes, address translation, OpenFlow flows, and services. What is absent goes in the
    opposite order.
  - A resource has the options of the module of the same name.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.settings
  - netvirt.fabric.needs_netlink
  - netvirt.fabric.needs_nft
  - netvirt.fabric.needs_ovs
options:
  resources:
    description:
      - The resources, each a dictionary with the name of a module of this collection as its only key, and the options
        of that module as the value.
      - The options of a whole run (O(owner), O(ovsdb), O(timeout), O(lock_timeout)) are given once, beside the list.
    type: list
    elements: dict
    required: true
  purge:
    description:
      - Whether to remove what bears the mark of O(owner) on the node and is not in O(resources). An empty list then
        removes all that the owner made.
      - Objects without the mark are never removed, such as those that were there before they were first listed, and
        neither are objects of other owners. Where such an object is inside one that should go, as a port in a bridge,
        nothing is changed and the module fails.
      - Addresses, routes and kernel parameters have no owner. They go with the interface or namespace that the owner
        made; on others they stay, until they are listed otherwise.
      - All lists that are applied with this option on a node need owners of their own. The default of O(owner) is
        refused, since it is also the mark of what single modules make, which no list names.
    type: bool
    default: false
  keep:
    description:
      - With V(true) the node keeps O(resources), under the name of O(owner), in C(/etc/netvirt/rebuild). The unit
        C(netvirt-rebuild-OWNER.service) brings them back at every boot, after Open vSwitch and before guests, with the
        code of this run, without Ansible and without the network.
      - systemd starts the same unit when Open vSwitch was started anew, and when an nft table of the collection was
        removed or edited. Nothing runs in between.
      - What is kept is written before anything else is done.
      - With V(false) it forgets what it kept for O(owner).
      - Without this option, what it keeps is left alone, but for the entries of M(netvirt.fabric.bridge_uplink) in
        O(resources) and of their bridges. These are kept beside it, since a host whose NIC is not moved again at boot
        may not be reached.
      - An empty list is not kept.
      - Open vSwitch forwards before the flows are back. A bridge on which that must not be needs
        O(netvirt.fabric.ovs_bridge#module:fail_mode=secure), and flows for all that it is to forward.
      - When the last rebuild failed, or the node mended itself since the last run, the run says so with a warning.
    type: bool
  owner_was:
    description:
      - The former name of O(owner). The run takes over what bears its mark, as O(adopt) does of all owners, and nothing
        of others.
      - With O(purge), what bears its mark and is not in O(resources) is removed. With O(keep), the node forgets what it
        kept for it.
      - The default of O(owner) is refused, since it is the mark of what single modules make.
    type: str
seealso:
  - module: netvirt.fabric.ovs_bridge
  - module: netvirt.fabric.ovs_port_vlan
  - module: netvirt.fabric.ovs_tunnel
  - module: netvirt.fabric.ovs_flow
  - module: netvirt.fabric.ovs_db
  - module: netvirt.fabric.veth_pair
  - module: netvirt.fabric.ip_interface
  - module: netvirt.fabric.linux_bridge
  - module: netvirt.fabric.link_vlan
  - module: netvirt.fabric.link_bond
  - module: netvirt.fabric.link_unmanaged
  - module: netvirt.fabric.netns_router
  - module: netvirt.fabric.nat_masquerade
  - module: netvirt.fabric.packet_filter
  - module: netvirt.fabric.dnsmasq_netns
  - module: netvirt.fabric.bridge_uplink
  - module: netvirt.fabric.kvm_guest
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: A switch with two access ports
  netvirt.fabric.apply:
    resources:
      - ovs_bridge:
          name: br-int
      - ovs_port_vlan:
          name: blue0
          bridge: br-int
          type: internal
          tag: 10
      - ovs_port_vlan:
          name: red0
          bridge: br-int
          type: internal
          tag: 20

- name: A switch that is there again after a boot
  netvirt.fabric.apply:
    owner: switch
    keep: true
    resources:
      - ovs_bridge:
          name: br-int

- name: A namespace that routes between a switch and the world
  netvirt.fabric.apply:
    resources:
      - netns_router:
          name: r1
          ip_forward: true
          interfaces:
            - name: blue
              addresses: [10.0.10.254/24]
      - veth_pair:
          name: r1-blue
          peer:
            name: blue
            namespace: r1
      - ovs_port_vlan:
          name: r1-blue
          bridge: br-int
          tag: 10

- name: Have one access port in the switch, and nothing else that was ever applied for this owner
  netvirt.fabric.apply:
    owner: lab
    purge: true
    resources:
      - ovs_bridge:
          name: br-int
      - ovs_port_vlan:
          name: blue0
          bridge: br-int
          type: internal
          tag: 10
"""

RETURN = r"""
before:
  description:
    - The resources that differed, as they were, in the form of O(resources). Those that match are left out.
  returned: success
  type: list
  elements: dict
  sample: [{ovs_bridge: {name: br-int, state: absent}}]
after:
  description:
    - The same resources as they are now, or in check mode as they would be. They can be fed back in.
  returned: success
  type: list
  elements: dict
  sample: [{ovs_bridge: {name: br-int, datapath_type: system}}]
operations:
  description:
    - What was done, or in check mode would be done, in that order.
  returned: always
  type: list
  elements: dict
  sample: [{kind: ovs_bridge, name: br-int, action: create}]
summary:
  description:
    - The same in words, one line for each object.
  returned: success
  type: list
  elements: str
  sample: ['ovs_bridge br-int: create', 'ovs_port_vlan tap-vm1: update tag']
pending:
  description:
    - The objects that are not wholly as declared, and why. Such a guest must restart, which
      O(netvirt.fabric.kvm_guest#module:allow_restart) does not allow. A warning says so, too.
  returned: when there are any
  type: list
  elements: dict
  sample: [{kind: kvm_guest, name: vm1, reason: memory is 96 and should be 128}]
unconfirmed:
  description:
    - The token of a move of an uplink that is undone unless M(netvirt.fabric.bridge_uplink_confirm) confirms it. The
      module does so itself where it runs as a task, and the key is then left out.
  returned: when the move carries the connection and the module runs asynchronously
  type: str
  sample: 5f0c3a5e1b5d4f6f8d0a6f0c2f9e7b1a
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._apply import main

if __name__ == "__main__":
    main()
