#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Module of the kind veth_pair."""

from __future__ import annotations

DOCUMENTATION = r"""
module: veth_pair
short_description: Manage pairs of virtual Ethernet interfaces
version_added: 0.1.0
description:
  - Creates, changes and removes a pair of virtual Ethernet interfaces, such as the port of a router. Each end is in the
    root namespace or in a network namespace.
  - A new pair is made with each end directly in its namespace, and marked with the owner in the alias of both ends.
  - When one end of a marked pair was renamed or moved by hand, it is brought back. When it cannot be reached, because
    it is in a namespace that has no name, the pair is made anew. A pair without the mark is neither renamed nor moved.
  - A move or a new pair loses addresses and routes; declare them with M(netvirt.fabric.ip_interface) or
    M(netvirt.fabric.netns_router).
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_netlink
  - netvirt.fabric.needs_ovs
options:
  name:
    description:
      - The name of one end, at most 15 characters.
    type: str
    required: true
  namespace:
    description:
      - The network namespace of that end. The root namespace when left out.
      - It must exist, or be declared with M(netvirt.fabric.netns_router) in the same run of M(netvirt.fabric.apply).
    type: str
  mtu:
    description:
      - The largest packet that the end takes, in bytes, from 68 to 65535. A new end has 1500.
    type: int
  mac:
    description:
      - The MAC address of the end. The kernel chooses one for a new end.
    type: str
  up:
    description:
      - Whether the end is up. A new end is.
    type: bool
  master:
    description:
      - The Linux bridge of which the end is a port. It must exist. An empty string means none.
      - A port of Open vSwitch is made with M(netvirt.fabric.ovs_port_vlan), and has no master here.
    type: str
  tx_checksum:
    description:
      - Whether the end leaves the checksums of what it sends to the receiver (C(ethtool -K IF tx)). A new end does.
      - Set it to V(false) on the end in a namespace when the other end is a port on the userspace datapath of
        Open vSwitch, which delivers such packets as they are, to be dropped by the receiver.
    type: bool
  ipv6:
    description:
      - Whether IPv6 is on on the end. It is switched before the end goes up.
      - On a new end it is as the namespace has it for new interfaces, but off where the end is a port of Open vSwitch,
        or the same run of M(netvirt.fabric.apply) makes it one. See
        O(netvirt.fabric.ovs_port_vlan#module:ipv6).
    type: bool
  peer:
    description:
      - The other end. Required to make or change a pair.
    type: dict
    suboptions:
      name:
        description:
          - The name of the end, at most 15 characters.
        type: str
        required: true
      namespace:
        description:
          - The network namespace of the end. The root namespace when left out.
        type: str
      mtu:
        description:
          - As O(mtu).
        type: int
      mac:
        description:
          - As O(mac).
        type: str
      up:
        description:
          - As O(up).
        type: bool
      master:
        description:
          - As O(master).
        type: str
      tx_checksum:
        description:
          - As O(tx_checksum).
        type: bool
      ipv6:
        description:
          - As O(ipv6).
        type: bool
seealso:
  - module: netvirt.fabric.netns_router
  - module: netvirt.fabric.ip_interface
  - module: netvirt.fabric.ovs_port_vlan
  - name: veth(4)
    description: The device and its uses.
    link: https://man7.org/linux/man-pages/man4/veth.4.html
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: A wire into the namespace blue
  netvirt.fabric.veth_pair:
    name: blue-sw
    mtu: 1446
    peer:
      name: eth0
      namespace: blue
      mtu: 1446
      tx_checksum: false

- name: A wire between two Linux bridges
  netvirt.fabric.veth_pair:
    name: v0
    master: br0
    peer:
      name: v1
      master: br1

- name: No wire
  netvirt.fabric.veth_pair:
    name: blue-sw
    state: absent
"""

RETURN = r"""
before:
  description:
    - The pair as it was, in the module's options; O(state) is V(absent) when there was none.
  returned: success
  type: dict
  sample: {name: blue-sw, state: absent}
after:
  description:
    - The pair as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample:
    name: blue-sw
    mtu: 1446
    mac: "52:54:00:12:34:56"
    up: true
    master: ""
    tx_checksum: true
    peer: {name: eth0, namespace: blue, mtu: 1446, mac: "52:54:00:12:34:57", up: true, master: "", tx_checksum: false}
operations:
  description:
    - What was done, or in check mode would be done. The action is V(create), V(update), V(recreate) or V(delete).
  returned: always
  type: list
  elements: dict
  sample: [{kind: veth_pair, name: blue-sw, action: create}]
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links.veth_pair import VethPair
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(VethPair())


if __name__ == "__main__":
    main()
