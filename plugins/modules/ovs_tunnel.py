#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Module of the kind ovs_tunnel."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ovs_tunnel
short_description: Manage GRE, VXLAN and Geneve tunnels of Open vSwitch
version_added: 0.1.0
description:
  - Creates, changes and removes a tunnel port of an Open vSwitch bridge, or the ports of a mesh to a list of remotes.
  - All options of an existing tunnel are compared, and changed in place in one transaction.
  - A tunnel carries all VLANs of its bridge, tagged inside.
  - With the kernel's datapath the host takes tunnel packets by whichever of its interfaces they come in. Close its end
    to those that do not lead to peers with O(netvirt.fabric.packet_filter#module:tunnel_endpoints). The role
    P(netvirt.fabric.fabric#role) does that by itself.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_ovs
options:
  name:
    description:
      - With O(remote), the name of the port, at most 15 characters.
      - With O(remotes), the name of the mesh, at most 6 characters. Each port is called after it and its remote, such
        as
        V(vx-c0000202) for V(192.0.2.2).
    type: str
    required: true
  bridge:
    description:
      - The bridge that the tunnel is on. Required for O(state=present).
    type: str
  type:
    description:
      - The encapsulation. V(gre) carries Ethernet frames (RFC 2784, RFC 2890), V(vxlan) is RFC 7348, V(geneve) RFC
        8926.
        Required for O(state=present).
    type: str
    choices: [gre, vxlan, geneve]
  remote:
    description:
      - The address of the other end of a single tunnel.
    type: str
  remotes:
    description:
      - The exact set of addresses that a mesh leads to. An empty list removes all its ports.
    type: list
    elements: str
  local_ip:
    description:
      - The address that the tunnel sends from and listens on. An empty string leaves the choice to the routing table.
    type: str
  key:
    description:
      - The key of GRE (32 bits), or the network identifier of VXLAN and Geneve (24 bits), or V(flow) to let flows
        choose.
        An empty string means none.
    type: str
  dst_port:
    description:
      - The UDP port that VXLAN and Geneve send to, by default V(4789) and V(6081).
    type: int
  ttl:
    description:
      - The TTL of outer packets, from V(0) to V(255), or V(inherit) to copy that of inner ones. A new tunnel has V(64).
    type: str
  tos:
    description:
      - The TOS byte of outer packets, from V(0) to V(255), or V(inherit) to copy that of inner ones. A new tunnel has
        V(0).
    type: str
  csum:
    description:
      - Whether outer packets carry a checksum over the whole packet.
    type: bool
  df_default:
    description:
      - Whether outer packets are marked not to be fragmented. A new tunnel has V(true).
    type: bool
  bfd:
    description:
      - The exact set of settings of Bidirectional Forwarding Detection (RFC 5880), such as C(enable) and C(min_rx).
    type: dict
  protected:
    description:
      - Whether the port is kept from forwarding to other protected ports of the bridge.
      - A new mesh is protected, so that nothing goes from tunnel to tunnel; a full mesh that forwards would be a loop.
    type: bool
  external_ids:
    description:
      - The exact set of keys and values for use by other programs, on each port. Keys that start with V(netvirt-) are
        the collection's own and are neither shown nor changed.
    type: dict
  merge:
    description:
      - Whether keys of O(external_ids) that are not listed stay as they are. Otherwise what is listed is the exact set.
    type: bool
    default: false
notes:
  - Open vSwitch tells tunnels apart by type, local address, remote, key and port. A second one with the same is
    refused.
  - The userspace datapath needs O(local_ip) on a bridge of its own; a kernel device with that address is not enough.
seealso:
  - module: netvirt.fabric.ovs_bridge
  - name: ovs-vswitchd.conf.db(5)
    description: The tables of Open vSwitch and the meaning of their columns.
    link: https://docs.openvswitch.org/en/latest/ref/ovs-vswitchd.conf.db.5/
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: One tunnel
  netvirt.fabric.ovs_tunnel:
    name: gre-dc2
    bridge: br-tun
    type: gre
    remote: 198.51.100.7
    key: 42

- name: A mesh to all other nodes
  netvirt.fabric.ovs_tunnel:
    name: vx
    bridge: br-tun
    type: vxlan
    local_ip: 192.0.2.1
    remotes: [192.0.2.2, 192.0.2.3]
    bfd:
      enable: true

- name: No tunnels
  netvirt.fabric.ovs_tunnel:
    name: vx
    state: absent
"""

RETURN = r"""
before:
  description:
    - The tunnel as it was, in the module's options; O(state) is V(absent) when there was none.
    - An option on which the ports of a mesh differ is a dictionary by port.
  returned: success
  type: dict
  sample: {name: vx, state: absent}
after:
  description:
    - The tunnel as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample: {name: vx, bridge: br-tun, type: vxlan, remotes: [192.0.2.2, 192.0.2.3], dst_port: 4789, protected: true}
operations:
  description:
    - What was done, or in check mode would be done.
  returned: always
  type: list
  elements: dict
  sample: [{kind: ovs_tunnel, name: vx, action: create}]
ofports:
  description:
    - The OpenFlow numbers of the tunnel's ports, by name.
  returned: when the tunnel is there
  type: dict
  sample: {vx-c0000202: 5, vx-c0000203: 6}
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch.ovs_tunnel import OvsTunnel
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(OvsTunnel())


if __name__ == "__main__":
    main()
