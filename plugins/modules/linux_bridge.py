#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Module of the kind linux_bridge."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linux_bridge
short_description: Manage bridges of the Linux kernel
version_added: 0.1.0
description:
  - Creates, changes and removes a bridge of the kernel, in the root namespace or in a network namespace, and says which
    interfaces are its ports.
  - A new bridge is marked with the owner in its alias.
  - A bridge of Open vSwitch is made with M(netvirt.fabric.ovs_bridge); the two are joined with
    M(netvirt.fabric.veth_pair).
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_netlink
options:
  name:
    description:
      - The name of the bridge, at most 15 characters.
    type: str
    required: true
  namespace:
    description:
      - The network namespace of the bridge. The root namespace when left out.
      - It must exist, or be declared with M(netvirt.fabric.netns_router) in the same run of M(netvirt.fabric.apply).
    type: str
  stp:
    description:
      - Whether the bridge takes part in the spanning tree protocol. A new bridge does not.
    type: bool
  forward_delay:
    description:
      - How many seconds a port listens, and then learns, before it forwards. A new bridge has 15.
      - From 2 to 30 with O(stp=true), from 0 otherwise.
    type: int
  ageing_time:
    description:
      - After how many seconds without a frame a MAC address is forgotten. A new bridge has 300.
    type: int
  vlan_filtering:
    description:
      - Whether the bridge tells VLANs apart. A new bridge does not. The kernel must have this capability.
    type: bool
  vlan_default_pvid:
    description:
      - The VLAN that a port belongs to when nothing is said of its VLANs; V(0) means none. A new bridge has 1.
      - When it changes, the ports that belong to the old one untagged follow.
    type: int
  mtu:
    description:
      - The largest packet that the bridge itself takes, in bytes, from 68 to 65535. When it was never set it follows
        the smallest one of the ports.
    type: int
  mac:
    description:
      - The MAC address. When it was never set it follows the lowest one of the ports.
    type: str
  up:
    description:
      - Whether the bridge is up. A new bridge is.
    type: bool
  ports:
    description:
      - Interfaces that are ports of the bridge. Others that are ports already stay, unless O(purge_ports) is set.
      - An interface that has an address, is in another bridge or bond, or is a port of Open vSwitch, is refused.
      - The state of the interface itself is set with M(netvirt.fabric.ip_interface) or where it is made.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The name of the interface. It is in the namespace of the bridge, or made in the same run of
            M(netvirt.fabric.apply).
        type: str
        required: true
      pvid:
        description:
          - The VLAN of frames that come in without a tag; V(0) means that they are dropped.
          - This option, O(ports[].untagged) and O(ports[].tagged) are one statement. When any of them is given, those
            left out are empty, but the pvid is untagged unless it is listed elsewhere. So O(ports[].pvid=10) alone
            makes an access port, and O(ports[].tagged) alone a trunk.
          - All three need O(vlan_filtering=true).
        type: int
      untagged:
        description:
          - The VLANs whose frames leave without a tag. The text V(30-32) stands for all from 30 to 32.
        type: list
        elements: str
      tagged:
        description:
          - The VLANs whose frames leave with their tag. The text V(30-32) stands for all from 30 to 32.
        type: list
        elements: str
      isolated:
        description:
          - Whether the port exchanges frames only with ports that are not isolated. A new port is not.
        type: bool
  purge_ports:
    description:
      - Whether ports that are not listed in O(ports) leave the bridge.
    type: bool
    default: false
seealso:
  - module: netvirt.fabric.ovs_bridge
  - module: netvirt.fabric.veth_pair
  - module: netvirt.fabric.link_vlan
  - module: netvirt.fabric.link_bond
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: A bridge for the guests of a host
  netvirt.fabric.linux_bridge:
    name: br0
    ports:
      - name: eth1

- name: A bridge that tells VLANs apart
  netvirt.fabric.linux_bridge:
    name: br0
    vlan_filtering: true
    ports:
      - name: eth1
        tagged: [10, 20]
      - name: tap-web
        pvid: 10
      - name: tap-db
        pvid: 20
        isolated: true

- name: Exactly these ports
  netvirt.fabric.linux_bridge:
    name: br0
    ports:
      - name: eth1
    purge_ports: true

- name: No bridge; its ports are free again
  netvirt.fabric.linux_bridge:
    name: br0
    state: absent
"""

RETURN = r"""
before:
  description:
    - The bridge with all its ports as it was, in the module's options; O(state) is V(absent) when there was none.
      To restore it exactly, set O(purge_ports) as well.
  returned: success
  type: dict
  sample: {name: br0, state: absent}
after:
  description:
    - The bridge as it is now, or in check mode as it would be. It can be fed back in.
    - The VLANs of the ports are shown while O(vlan_filtering) is on.
  returned: success
  type: dict
  sample:
    name: br0
    stp: false
    forward_delay: 15
    ageing_time: 300
    vlan_filtering: true
    vlan_default_pvid: 1
    mtu: 1500
    mac: "52:54:00:12:34:56"
    up: true
    ports:
      - {name: eth1, isolated: false, pvid: 0, untagged: [], tagged: [10, 20]}
operations:
  description:
    - What was done, or in check mode would be done. The action is V(create), V(set ports), V(update) or V(delete).
  returned: always
  type: list
  elements: dict
  sample: [{kind: linux_bridge, name: br0, action: create}]
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links.linux_bridge import LinuxBridge
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(LinuxBridge())


if __name__ == "__main__":
    main()
