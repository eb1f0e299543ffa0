#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Module of the kind link_bond."""

from __future__ import annotations

DOCUMENTATION = r"""
module: link_bond
short_description: Manage bonds of the Linux kernel
version_added: 0.1.0
description:
  - Creates, changes and removes an interface that makes one out of several by the kernel's bonding.
  - Use it where the bond carries a Linux bridge, a VLAN interface or an address. A bond that is a port of Open vSwitch
    is better made by M(netvirt.fabric.ovs_port_vlan) itself.
  - A new bond is marked with the owner in its alias. A bond is changed in place; it goes down for a moment when
    O(mode) or O(lacp_rate) changes, which costs its routes and IPv6 addresses.
  - An interface that leaves a bond, or whose bond is removed, has its own MAC address and MTU again, and is up.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_netlink
options:
  name:
    description:
      - The name of the bond, at most 15 characters.
    type: str
    required: true
  namespace:
    description:
      - The network namespace of the bond and its members. The root namespace when left out.
      - It must exist, or be declared with M(netvirt.fabric.netns_router) in the same run of M(netvirt.fabric.apply).
    type: str
  mode:
    description:
      - How members are used. A new bond has V(active-backup).
    type: str
    choices: [balance-rr, active-backup, balance-xor, broadcast, 802.3ad, balance-tlb, balance-alb]
  members:
    description:
      - The exact set of interfaces that are bonded. An empty list frees all of them.
      - An interface that has an address, is in another bond or in a bridge, or is a port of Open vSwitch, is refused.
    type: list
    elements: str
  miimon:
    description:
      - How often the carrier of the members is looked at, in milliseconds. A new bond has 100. V(0) means never, and is
        not possible in the modes V(802.3ad), V(balance-tlb) and V(balance-alb).
    type: int
  updelay:
    description:
      - For how long a member must have its carrier before it is used, in milliseconds; a multiple of O(miimon).
    type: int
  downdelay:
    description:
      - For how long a member may lack its carrier before it is given up, in milliseconds; a multiple of O(miimon).
    type: int
  lacp_rate:
    description:
      - How often the partner is asked to send LACP frames. Only in mode V(802.3ad), where a new bond has V(slow).
    type: str
    choices: [slow, fast]
  xmit_hash_policy:
    description:
      - What of a packet decides by which member it leaves. A new bond has V(layer2).
    type: str
    choices: [layer2, layer3+4, layer2+3, encap2+3, encap3+4, vlan+srcmac]
  primary:
    description:
      - The member that is used whenever it can be, in the modes V(active-backup), V(balance-tlb) and V(balance-alb). An
        empty string means none.
    type: str
  min_links:
    description:
      - How many members must have a carrier before the bond has one, in mode V(802.3ad).
    type: int
  mtu:
    description:
      - The largest packet that the bond and its members take, in bytes, from 68 to 65535. A new bond has 1500.
    type: int
  mac:
    description:
      - The MAC address. When it was never set it is that of the first member.
    type: str
  up:
    description:
      - Whether the bond is up. A new bond is.
    type: bool
seealso:
  - module: netvirt.fabric.ovs_port_vlan
  - module: netvirt.fabric.linux_bridge
  - module: netvirt.fabric.link_vlan
  - name: Linux Ethernet Bonding Driver HOWTO
    description: The modes and options.
    link: https://www.kernel.org/doc/html/latest/networking/bonding.html
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Two NICs to one switch by LACP
  netvirt.fabric.link_bond:
    name: uplink
    mode: 802.3ad
    lacp_rate: fast
    xmit_hash_policy: layer3+4
    members: [eth1, eth2]

- name: Two NICs to two switches, one of them in reserve
  netvirt.fabric.link_bond:
    name: uplink
    mode: active-backup
    members: [eth1, eth2]
    primary: eth1

- name: No bond; its members are free again
  netvirt.fabric.link_bond:
    name: uplink
    state: absent
"""

RETURN = r"""
before:
  description:
    - The bond as it was, in the module's options; O(state) is V(absent) when there was none.
  returned: success
  type: dict
  sample: {name: uplink, state: absent}
after:
  description:
    - The bond as it is now, or in check mode as it would be, without what means nothing in its mode. It can be fed back
      in.
  returned: success
  type: dict
  sample:
    name: uplink
    mode: active-backup
    members: [eth1, eth2]
    miimon: 100
    updelay: 0
    downdelay: 0
    xmit_hash_policy: layer2
    primary: eth1
    min_links: 0
    mtu: 1500
    mac: "52:54:00:12:34:56"
    up: true
operations:
  description:
    - What was done, or in check mode would be done. The action is V(create), V(update), V(reattach) or V(delete).
  returned: always
  type: list
  elements: dict
  sample: [{kind: link_bond, name: uplink, action: create}]
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links.link_bond import LinkBond
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(LinkBond())


if __name__ == "__main__":
    main()
