#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Module of the kind bridge_uplink."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bridge_uplink
short_description: Move a NIC into a bridge, with its addresses, routes and gateway
version_added: 0.1.0
description:
  - Makes a NIC, or a bond of the kernel, a port of a bridge of Open vSwitch or of Linux, and moves its addresses and
    routes, the default route among them, to the bridge in the same step. The bridge takes over the MAC address and the
    MTU of the NIC.
  - With O(state=absent) the NIC leaves the bridge, and what was moved returns to it, with the routes that need these
    addresses. What else the bridge has stays there.
  - Addresses and routes keep all their properties. Link-local addresses do not move.
  - Where the NIC carries the SSH connection of Ansible, the move is B(guarded). A process of its own makes it on the
    node, and undoes it unless the controller has connected anew and confirmed within O(confirm_timeout). The task does
    that by itself, in M(netvirt.fabric.apply) as well. When the node was not reached again, the task waits until the
    node has undone the move, and fails.
  - The host's own network managers are told to leave the NIC alone, as M(netvirt.fabric.link_unmanaged) does, and get
    it back with O(state=absent). Addresses that are found on a NIC in a bridge are moved by the next run.
  - The node keeps the uplink, and its bridge where the same run of M(netvirt.fabric.apply) declares it, for its next
    boot, beside what it keeps for the owner already. After a boot it moves the NIC again, with the addresses and routes
    that were moved before. To change one of them, declare the addresses of the bridge with
    M(netvirt.fabric.ip_interface), or move the NIC back first.
  - A NIC whose address is leased (DHCP) is refused, since nobody would renew the lease on the bridge. Configure the
    address statically first.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_netlink
  - netvirt.fabric.needs_ovs
options:
  name:
    description:
      - The name of the NIC or bond.
    type: str
    required: true
  bridge:
    description:
      - The bridge, which is there or made by the same run of M(netvirt.fabric.apply). It has one uplink at most.
      - Required when O(state) is V(present).
    type: str
  vlan:
    description:
      - The VLAN of a bridge of Open vSwitch that the NIC is an access port of. V(0) takes it back.
      - The bridge's own port, which carries the addresses, must be in the same VLAN
        (see M(netvirt.fabric.ovs_port_vlan)), or the addresses cannot be reached.
    type: int
  confirm_timeout:
    description:
      - The seconds after which a guarded move is undone unless it was confirmed, from 5 to 3600.
    type: int
    default: 30
seealso:
  - module: netvirt.fabric.bridge_uplink_confirm
  - module: netvirt.fabric.ovs_bridge
  - module: netvirt.fabric.ovs_port_vlan
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: The management NIC becomes the uplink of a bridge
  netvirt.fabric.apply:
    resources:
      - ovs_bridge:
          name: br-ex
      - bridge_uplink:
          name: eth0
          bridge: br-ex

- name: Into a Linux bridge, with two minutes for the controller to come back
  netvirt.fabric.bridge_uplink:
    name: eth0
    bridge: br0
    confirm_timeout: 120

- name: The NIC is on its own again, with its addresses
  netvirt.fabric.bridge_uplink:
    name: eth0
    state: absent
"""

RETURN = r"""
before:
  description:
    - The uplink as it was, in the module's options.
  returned: success
  type: dict
  sample: {name: eth0, state: absent}
after:
  description:
    - The uplink as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample: {name: eth0, bridge: br-ex, vlan: 0}
operations:
  description:
    - What was done, or in check mode would be done. The action is V(move), V(update) or V(move back), followed by
      V(, guarded) where the NIC carries the connection. The changes list the addresses and the destinations of the
      routes that move.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: bridge_uplink
      name: eth0
      action: move, guarded
      changes:
        moved:
          before: {eth0: [192.0.2.11/24, 0.0.0.0/0]}
          after: {br-ex: [192.0.2.11/24, 0.0.0.0/0]}
unconfirmed:
  description:
    - The token of a move that is undone unless M(netvirt.fabric.bridge_uplink_confirm) confirms it. The module does so
      itself where it runs as a task, and the key is then left out.
  returned: when the move carries the connection and the module runs asynchronously
  type: str
  sample: 5f0c3a5e1b5d4f6f8d0a6f0c2f9e7b1a
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._boot import _rebuild
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._uplinks.bridge_uplink import BridgeUplink
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(BridgeUplink(), _rebuild.with_uplinks)


if __name__ == "__main__":
    main()
