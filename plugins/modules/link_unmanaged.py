#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Wrapper around the kind link_unmanaged."""

from __future__ import annotations

DOCUMENTATION = r"""
module: link_unmanaged
short_description: Have the host's own network managers leave an interface alone
version_added: 0.1.0
description:
  - Tells each network manager in use on the node that an interface is not its own, in the manager's own way. Otherwise
    a restart of it may give the interface the addresses that were moved to a bridge.
  - For systemd-networkd, also below netplan, this is the file C(/etc/systemd/network/00-netvirt-NAME.network) with
    C(Unmanaged=yes). For NetworkManager it is C(/etc/NetworkManager/conf.d/netvirt-NAME.conf) with C(managed=0). For
    ifupdown it is C(/etc/network/interfaces.d/netvirt-NAME) with C(no-auto-down), so that a restart of its service
    leaves the interface as it is; C(/etc/network/interfaces) must source that directory, as it does on Debian.
  - A running manager reads the file at once. The addresses that it gave to the interface go then, so this is for
    interfaces whose addresses are moved by the same run, or that need none. MTU and state of the interface stay. After
    a boot no manager sets them, so that M(netvirt.fabric.ip_interface) should.
  - VLAN interfaces and the like that the manager makes on top of this interface would be missing after a boot.
  - With O(state=absent) the files are removed, and the managers have the interface again.
  - M(netvirt.fabric.bridge_uplink) does the same for its NIC by itself.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
options:
  name:
    description:
      - The name of the interface. It need not exist.
    type: str
    required: true
seealso:
  - module: netvirt.fabric.bridge_uplink
  - module: netvirt.fabric.ovs_port_vlan
requirements:
  - systemd on the node
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: A NIC is a port of a bridge, and nothing else
  netvirt.fabric.apply:
    resources:
      - link_unmanaged:
          name: eth2
      - ovs_bridge:
          name: br-ex
      - ovs_port_vlan:
          name: eth2
          bridge: br-ex
"""

RETURN = r"""
before:
  description:
    - What the managers were told, in the module's options.
  returned: success
  type: dict
  sample: {name: eth2, state: absent}
after:
  description:
    - What they are told now, or in check mode would be. It can be fed back in.
  returned: success
  type: dict
  sample: {name: eth2}
operations:
  description:
    - What was done, or in check mode would be done.
  returned: always
  type: list
  elements: dict
  sample: [{kind: link_unmanaged, name: eth2, action: create}]
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links.link_unmanaged import LinkUnmanaged
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(LinkUnmanaged())


if __name__ == "__main__":
    main()
