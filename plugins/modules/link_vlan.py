#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Module of the kind link_vlan."""

from __future__ import annotations

DOCUMENTATION = r"""
module: link_vlan
short_description: Manage VLAN interfaces of the Linux kernel
version_added: 0.1.0
description:
  - Creates, changes and removes an interface for one VLAN of another interface, such as V(eth1.10). What is sent there
    leaves the other interface with the tag, and what comes in with the tag appears there without.
  - A new interface is marked with the owner in its alias.
  - Another parent, VLAN or protocol makes the interface anew, which costs its addresses and routes; declare them with
    M(netvirt.fabric.ip_interface) or M(netvirt.fabric.netns_router). An interface without the mark is not made anew.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_netlink
options:
  name:
    description:
      - The name of the interface, at most 15 characters.
    type: str
    required: true
  namespace:
    description:
      - The network namespace of the interface. The root namespace when left out.
      - It must exist, or be declared with M(netvirt.fabric.netns_router) in the same run of M(netvirt.fabric.apply).
    type: str
  parent:
    description:
      - The interface whose VLAN it is. Required to make a new one.
    type: str
  parent_namespace:
    description:
      - The network namespace of the parent. The root namespace when left out.
    type: str
  vlan:
    description:
      - The VLAN, from 1 to 4094. Required to make a new one.
    type: int
  protocol:
    description:
      - The kind of tag. A new interface has V(802.1q); V(802.1ad) is the outer tag of QinQ.
    type: str
    choices: [802.1q, 802.1ad]
  mtu:
    description:
      - The largest packet that the interface takes, in bytes; at most that of the parent, which a new one has.
    type: int
  mac:
    description:
      - The MAC address. When it was never set it is that of the parent.
    type: str
  up:
    description:
      - Whether the interface is up. A new one is. The parent must be up, too, or be set up in the same run.
    type: bool
seealso:
  - module: netvirt.fabric.linux_bridge
  - module: netvirt.fabric.link_bond
  - module: netvirt.fabric.ip_interface
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: VLAN 10 of eth1
  netvirt.fabric.link_vlan:
    name: eth1.10
    parent: eth1
    vlan: 10

- name: The same, as a port of the router in the namespace blue
  netvirt.fabric.link_vlan:
    name: leg-10
    namespace: blue
    parent: eth1
    vlan: 10
    mtu: 1446

- name: No VLAN interface
  netvirt.fabric.link_vlan:
    name: eth1.10
    state: absent
"""

RETURN = r"""
before:
  description:
    - The interface as it was, in the module's options; O(state) is V(absent) when there was none.
  returned: success
  type: dict
  sample: {name: eth1.10, state: absent}
after:
  description:
    - The interface as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample:
    name: eth1.10
    parent: eth1
    vlan: 10
    protocol: 802.1q
    mtu: 1500
    mac: "52:54:00:12:34:56"
    up: true
operations:
  description:
    - What was done, or in check mode would be done. The action is V(create), V(set up), V(update), V(recreate),
      V(reattach) or V(delete).
  returned: always
  type: list
  elements: dict
  sample: [{kind: link_vlan, name: eth1.10, action: create}]
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links.link_vlan import LinkVlan
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(LinkVlan())


if __name__ == "__main__":
    main()
