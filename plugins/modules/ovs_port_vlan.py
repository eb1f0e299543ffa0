#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Module of the kind ovs_port_vlan."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ovs_port_vlan
short_description: Manage ports of Open vSwitch bridges and their VLANs
version_added: 0.1.0
description:
  - Creates, changes, moves and removes a port of an Open vSwitch bridge. A port consists of one interface, or of
    several as a bond.
  - All options of an existing port are compared, and changed in place in one transaction.
  - A VLAN of a port matters to the flow action C(NORMAL), which is what a bridge without a controller uses.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_ovs
options:
  name:
    description:
      - The name of the port, at most 15 characters. Without O(interfaces) it is the name of its only interface, too.
    type: str
    required: true
  bridge:
    description:
      - The bridge that the port is on. Required for O(state=present).
      - A port on a fake bridge is an access port of that bridge's VLAN.
    type: str
  mode:
    description:
      - How the port treats VLANs.
      - V(access) carries the VLAN O(tag), untagged. V(trunk) carries O(trunks), tagged.
        V(native-tagged) and V(native-untagged) are trunks on which untagged frames belong to O(tag).
        V(dot1q-tunnel) puts each frame, tagged or not, into the VLAN O(tag) (IEEE 802.1ad); for that, bridges need
        C(other_config:vlan-limit=2) of table Open_vSwitch.
      - Without this option, O(tag) alone means V(access), and O(trunks) alone V(trunk). A new port with none of them is
        a trunk of all VLANs.
    type: str
    choices: [access, trunk, native-tagged, native-untagged, dot1q-tunnel]
  tag:
    description:
      - The VLAN of an access, native or tunnel port, from 1 to 4094.
    type: int
  trunks:
    description:
      - The exact set of VLANs that a trunk or native port carries, or the word V(all). The number 0 stands for untagged
        frames, the text V(30-32) for all from 30 to 32.
      - An empty list is refused, since Open vSwitch takes it for all VLANs.
    type: raw
  cvlans:
    description:
      - The exact set of customer VLANs that a V(dot1q-tunnel) port accepts. An empty list accepts all.
      - The text V(30-32) stands for all from 30 to 32.
    type: list
    elements: str
  type:
    description:
      - What the interface is. V(system) is a network device of the host (NIC, veth, tap), V(internal) one that Open
        vSwitch makes,
        V(patch) a link to another bridge.
    type: str
    choices: [system, internal, patch]
  peer:
    description:
      - The patch port at the other end of a patch port.
    type: str
  mtu:
    description:
      - The MTU to request for the interface, in bytes. V(0) takes the request back.
    type: int
  mac:
    description:
      - The MAC address of an internal interface. An empty string leaves the choice to Open vSwitch.
    type: str
  ofport_request:
    description:
      - The OpenFlow port number to ask for. V(0) takes the request back.
    type: int
  ingress_policing_rate:
    description:
      - The rate in kbit/s above which received packets are dropped. V(0) does not police. Needs police support in the
        kernel.
    type: int
  ingress_policing_burst:
    description:
      - The burst in kbit that policing lets pass. V(0) is the default of Open vSwitch.
    type: int
  ipv6:
    description:
      - Whether the host's own IPv6 is on on a device of type V(system).
      - Keep it off. The userspace datapath takes a frame for a packet of its own tunnels whenever the frame is about to
        leave by a port with an IP address, and each device that is up has a link-local one unless IPv6 is off on it.
      - It is off on the device of a new port, unless that has an IPv6 address already, or is given one in the same run.
        It comes back on when the port is removed. A record of it is in C(external_ids) of the table Open_vSwitch.
      - A device that is not there counts as one without IPv6. The next run switches it off on one that came later.
    type: bool
  interfaces:
    description:
      - The exact set of two or more interfaces that make the port a bond. Members are added and removed in place.
      - An option that is left out for a member that is there already is left alone.
    type: list
    elements: dict
    suboptions:
      name:
        description: The name of the interface, at most 15 characters.
        type: str
        required: true
      type:
        description: See O(type). A patch port cannot be part of a bond.
        type: str
        choices: [system, internal, patch]
      peer:
        description: See O(peer).
        type: str
      mtu:
        description: See O(mtu).
        type: int
      mac:
        description: See O(mac).
        type: str
      ofport_request:
        description: See O(ofport_request).
        type: int
      ingress_policing_rate:
        description: See O(ingress_policing_rate).
        type: int
      ingress_policing_burst:
        description: See O(ingress_policing_burst).
        type: int
      ipv6:
        description: See O(ipv6).
        type: bool
  bond_mode:
    description:
      - How a bond uses its interfaces. V(balance-tcp) needs O(lacp). A new bond has V(active-backup).
    type: str
    choices: [active-backup, balance-slb, balance-tcp]
  lacp:
    description:
      - Whether the bond speaks the Link Aggregation Control Protocol (IEEE 802.1AX), and who begins.
    type: str
    choices: ["off", active, passive]
  bond_updelay:
    description:
      - The milliseconds for which a link must be up before the bond uses it.
    type: int
  bond_downdelay:
    description:
      - The milliseconds for which a link must be down before the bond stops using it.
    type: int
  protected:
    description:
      - Whether the port is kept from forwarding to other protected ports of the bridge.
    type: bool
  external_ids:
    description:
      - The exact set of keys and values for use by other programs, on the port. Keys that start with V(netvirt-) are
        the collection's own and are neither shown nor changed.
    type: dict
  other_config:
    description:
      - The exact set of the port's other settings (C(ovs-vswitchd.conf.db\(5\)), table Port).
    type: dict
  merge:
    description:
      - Whether keys of O(external_ids) and O(other_config) that are not listed stay as they are. Otherwise what is
        listed is the exact set.
    type: bool
    default: false
  move:
    description:
      - Whether a port that is on another bridge is moved. Otherwise that is an error.
    type: bool
    default: false
  device_required:
    description:
      - Whether it is an error that the device of a V(system) interface is missing. A new port without a device is
        refused before anything is changed. Turn this off for a tap that a guest brings later; Open vSwitch attaches it
        when it appears.
    type: bool
    default: true
seealso:
  - module: netvirt.fabric.ovs_bridge
  - module: netvirt.fabric.ovs_tunnel
  - name: ovs-vswitchd.conf.db(5)
    description: The tables of Open vSwitch and the meaning of their columns.
    link: https://docs.openvswitch.org/en/latest/ref/ovs-vswitchd.conf.db.5/
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: A guest's tap in VLAN 10, before the guest has started
  netvirt.fabric.ovs_port_vlan:
    name: tap-vm1
    bridge: br-int
    tag: 10
    device_required: false

- name: A trunk of two VLANs to the switch
  netvirt.fabric.ovs_port_vlan:
    name: eth1
    bridge: br-ex
    mode: trunk
    trunks: [10, 20, 30-32]

- name: One end of a patch between two bridges
  netvirt.fabric.ovs_port_vlan:
    name: int-to-ex
    bridge: br-int
    type: patch
    peer: ex-to-int

- name: A bond of two NICs
  netvirt.fabric.ovs_port_vlan:
    name: bond0
    bridge: br-ex
    interfaces:
      - name: eth1
      - name: eth2
    bond_mode: balance-slb
    lacp: "off"

- name: No port
  netvirt.fabric.ovs_port_vlan:
    name: tap-vm1
    state: absent
"""

RETURN = r"""
before:
  description:
    - The port as it was, in the module's options; O(state) is V(absent) when there was none.
  returned: success
  type: dict
  sample: {name: tap-vm1, state: absent}
after:
  description:
    - The port as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample: {name: tap-vm1, bridge: br-int, mode: access, tag: 10, type: system}
operations:
  description:
    - What was done, or in check mode would be done.
  returned: always
  type: list
  elements: dict
  sample: [{kind: ovs_port_vlan, name: tap-vm1, action: update, changes: {tag: {before: 10, after: 20}}}]
uuid:
  description:
    - The UUID of the port in the Open vSwitch database.
  returned: when the port is there
  type: str
  sample: 6b1b0d9e-5a3f-4d0c-9f43-3f3f6a6f2f7c
ofport:
  description:
    - The OpenFlow number of the port; V(-1) when its device is missing.
  returned: when the port is there and no bond
  type: int
  sample: 5
ofports:
  description:
    - The OpenFlow numbers of the interfaces of a bond, by name.
  returned: when the port is there and a bond
  type: dict
  sample: {eth1: 5, eth2: 6}
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch.ovs_port_vlan import OvsPortVlan
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(OvsPortVlan())


if __name__ == "__main__":
    main()
