#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module of the kind ovs_flow."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ovs_flow
short_description: Manage sets of OpenFlow flows of Open vSwitch bridges
version_added: 0.1.0
description:
  - Lets a bridge have exactly the flows listed among those that carry a cookie. The cookie says whose flows they are;
    flows with other cookies are left alone.
  - Flows are compared in the form that Open vSwitch itself gives them, so it does not matter how they are written.
    Only what differs is changed, in one atomic bundle per bridge; the other flows keep their counters.
  - Open vSwitch does not keep flows when C(ovs-vswitchd) starts anew, nor when a bridge's datapath type or fail mode
    changes or it gets its first controller or loses its last one. The next run brings them back.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_ovs
options:
  bridge:
    description:
      - The bridge, which may be made by the same run. A fake bridge has no flows of its own.
      - It must speak OpenFlow 1.3 or newer, as it does when its C(protocols) are not set.
    type: str
    required: true
  cookie:
    description:
      - The number that marks the flows of this set, of 64 bits and not 0, decimal or hexadecimal such as V(0x1f).
    type: str
    required: true
  name:
    description:
      - What messages call the set, beside its bridge and cookie.
    type: str
  flows:
    description:
      - The exact set of flows, in the syntax of C(ovs-ofctl\(8\)), each with C(actions=). An empty list makes sure that
        there are none. Required for O(state=present).
      - In C(in_port=) and C(output:), a port of the bridge may be called by its name. The port may be made by the same
        run. Elsewhere, ports are called by number.
      - A flow has no cookie of its own and does not time out.
      - It is an error when a flow with another cookie has the same table, priority and match, since it would be
        overwritten. A bridge without controller has such a flow with priority 0 and the action C(NORMAL), unless its
        fail mode is V(secure).
    type: list
    elements: str
seealso:
  - module: netvirt.fabric.ovs_bridge
  - module: netvirt.fabric.ovs_port_vlan
  - name: ovs-ofctl(8)
    description: The syntax of flows.
    link: https://docs.openvswitch.org/en/latest/ref/ovs-ofctl.8/
  - name: ovs-fields(7)
    description: What a flow can match.
    link: https://docs.openvswitch.org/en/latest/ref/ovs-fields.7/
  - name: ovs-actions(7)
    description: What a flow can do.
    link: https://docs.openvswitch.org/en/latest/ref/ovs-actions.7/
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Drop what a guest sends with an address that is not its own
  netvirt.fabric.ovs_flow:
    bridge: br-int
    cookie: 0x11
    flows:
      - priority=20,ip,in_port=tap-vm1,nw_src=10.0.10.11 actions=NORMAL
      - priority=20,arp,in_port=tap-vm1,arp_spa=10.0.10.11 actions=NORMAL
      - priority=10,in_port=tap-vm1 actions=drop

# The VLANs 1 and 2 inside are 100 and 200 on the wire; no other VLAN passes between the two bridges.
- name: Translate VLANs between the integration bridge and the physical one
  netvirt.fabric.apply:
    resources:
      - ovs_port_vlan:
          name: int-to-phy
          bridge: br-int
          type: patch
          peer: phy-to-int
      - ovs_port_vlan:
          name: phy-to-int
          bridge: br-phy
          type: patch
          peer: int-to-phy
      - ovs_flow:
          name: outward
          bridge: br-phy
          cookie: 0x100
          flows:
            - priority=20,in_port=phy-to-int,dl_vlan=1 actions=mod_vlan_vid:100,NORMAL
            - priority=20,in_port=phy-to-int,dl_vlan=2 actions=mod_vlan_vid:200,NORMAL
            - priority=10,in_port=phy-to-int actions=drop
      - ovs_flow:
          name: inward
          bridge: br-int
          cookie: 0x100
          flows:
            - priority=20,in_port=int-to-phy,dl_vlan=100 actions=mod_vlan_vid:1,NORMAL
            - priority=20,in_port=int-to-phy,dl_vlan=200 actions=mod_vlan_vid:2,NORMAL
            - priority=10,in_port=int-to-phy actions=drop

- name: None of these flows
  netvirt.fabric.ovs_flow:
    bridge: br-int
    cookie: 0x11
    state: absent
"""

RETURN = r"""
before:
  description:
    - The set as it was, in the module's options; O(state) is V(absent) when there was none.
  returned: success
  type: dict
  sample: {bridge: br-int, cookie: "0x11", state: absent}
after:
  description:
    - The set as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample:
    bridge: br-int
    cookie: "0x11"
    flows: ["table=0,priority=10,in_port=tap-vm1 actions=drop"]
operations:
  description:
    - What was done, or in check mode would be done. The changes of an update are the flows that differ.
  returned: always
  type: list
  elements: dict
  sample: [{kind: ovs_flow, name: br-int/0x11, action: create}]
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch.ovs_flow import OvsFlow
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(OvsFlow())


if __name__ == "__main__":
    main()
