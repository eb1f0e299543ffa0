#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Module of the kind ovs_bridge."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ovs_bridge
short_description: Manage bridges of Open vSwitch
version_added: 0.1.0
description:
  - Creates, changes and removes a bridge of Open vSwitch, or a fake bridge, which is a VLAN of its parent bridge.
  - All options of an existing bridge are compared, and changed in place in one transaction.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_ovs
options:
  name:
    description:
      - The name of the bridge, at most 15 characters.
    type: str
    required: true
  parent:
    description:
      - The bridge of which this one is a VLAN. With O(vlan) it makes a fake bridge.
      - A real bridge cannot become a fake one, nor the other way round.
    type: str
  vlan:
    description:
      - The VLAN of a fake bridge, from 1 to 4094.
      - When it changes, the ports on the fake bridge move along.
    type: int
  datapath_type:
    description:
      - The kernel's datapath (V(system)) or the userspace one (V(netdev)). A new bridge has
        V(system), or V(netdev) where the kernel has no Open vSwitch datapath.
    type: str
    choices: [system, netdev]
  fail_mode:
    description:
      - What a bridge does that has no controller to talk to. V(standalone) makes it an ordinary learning switch.
        V(secure) makes it drop everything for which no flow was installed.
      - Flows do not survive a reboot; with V(secure) nothing passes until they are installed again.
      - Open vSwitch drops all flows of the bridge, also those of others, when this or the datapath type changes, and
        when the bridge gets its first controller or loses its last one.
    type: str
    choices: [standalone, secure]
  protocols:
    description:
      - The exact set of OpenFlow versions, V(OpenFlow10) to V(OpenFlow15).
        An empty list is the default of Open vSwitch.
    type: list
    elements: str
  controllers:
    description:
      - The exact set of OpenFlow controllers, as connection methods such as V(tcp:192.0.2.1:6653).
    type: list
    elements: str
  datapath_id:
    description:
      - The OpenFlow datapath identifier, 16 hexadecimal digits. An empty string leaves the choice to Open vSwitch.
    type: str
  hwaddr:
    description:
      - The MAC address of the bridge's own interface. Pin it on a bridge that carries an address.
        An empty string leaves the choice to Open vSwitch.
    type: str
  mac_table_size:
    description:
      - The number of MAC addresses that the bridge can learn, from 10 to 1000000. With more, it forgets some and floods
        what is sent to them. V(0) leaves the choice to Open vSwitch, which takes 8192.
    type: int
  stp:
    description:
      - Whether the bridge takes part in the Spanning Tree Protocol (IEEE 802.1D-1998).
    type: bool
  rstp:
    description:
      - Whether the bridge takes part in the Rapid Spanning Tree Protocol (IEEE 802.1D-2004).
    type: bool
  mcast_snooping:
    description:
      - Whether the bridge learns from IGMP and MLD where multicast is wanted.
    type: bool
  external_ids:
    description:
      - The exact set of keys and values for use by other programs. Keys that start with V(netvirt-) are the
        collection's own and are neither shown nor changed.
    type: dict
  other_config:
    description:
      - The exact set of the bridge's other settings (C(ovs-vswitchd.conf.db\(5\)), table Bridge), without those that
        have an option of their own.
    type: dict
  merge:
    description:
      - Whether keys of O(external_ids) and O(other_config) that are not listed stay as they are. Otherwise what is
        listed is the exact set.
    type: bool
    default: false
seealso:
  - module: netvirt.fabric.ovs_port_vlan
  - name: ovs-vswitchd.conf.db(5)
    description: The tables of Open vSwitch and the meaning of their columns.
    link: https://docs.openvswitch.org/en/latest/ref/ovs-vswitchd.conf.db.5/
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: The integration bridge, on the userspace datapath
  netvirt.fabric.ovs_bridge:
    name: br-int
    datapath_type: netdev

- name: A bridge that drops what no flow allows
  netvirt.fabric.ovs_bridge:
    name: br-sec
    fail_mode: secure
    protocols: [OpenFlow13]

- name: A fake bridge for VLAN 10
  netvirt.fabric.ovs_bridge:
    name: br-blue
    parent: br-int
    vlan: 10

- name: No bridge
  netvirt.fabric.ovs_bridge:
    name: br-sec
    state: absent
"""

RETURN = r"""
before:
  description:
    - The bridge as it was, in the module's options; O(state) is V(absent) when there was none.
  returned: success
  type: dict
  sample: {name: br-int, state: absent}
after:
  description:
    - The bridge as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample: {name: br-int, datapath_type: netdev, fail_mode: standalone, external_ids: {}}
operations:
  description:
    - What was done, or in check mode would be done.
  returned: always
  type: list
  elements: dict
  sample: [{kind: ovs_bridge, name: br-int, action: create}]
uuid:
  description:
    - The UUID of the bridge in the Open vSwitch database; of a fake bridge, that of its port.
  returned: when the bridge is there
  type: str
  sample: 6b1b0d9e-5a3f-4d0c-9f43-3f3f6a6f2f7c
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch.ovs_bridge import OvsBridge
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(OvsBridge())


if __name__ == "__main__":
    main()
