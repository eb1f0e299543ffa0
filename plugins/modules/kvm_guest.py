#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wrapper around the kind kvm_guest."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kvm_guest
short_description: Run a virtual machine with QEMU, without libvirt
version_added: 0.2.0
description:
  - Runs a virtual machine in a systemd unit of its own, C(netvirt-guest-NAME.service), as a user of its own that can
    reach nothing of other guests.
  - Makes the guest's tap devices. The ports that hold them are for M(netvirt.fabric.ovs_port_vlan), with
    O(netvirt.fabric.ovs_port_vlan#module:device_required=false) where the port may come first.
  - A running guest is only restarted for what QEMU learns when it starts, and only with O(allow_restart). Without it
    such a guest stays wholly as it is, its definition on disk included, and the run says so with a warning and in
    RV(pending). Stop the guest and run again, or allow the restart, or let the node boot.
  - A changed MTU is given to the tap device at once; the guest learns of it by DHCP, or when it starts again.
  - A guest that crashes comes back after two seconds; one that shuts itself down stays off until the next run.
  - At boot the guest is started by the rebuild of M(netvirt.fabric.apply) with
    O(netvirt.fabric.apply#module:keep=true), after the networks, and not without it.
  - The console goes to the journal, as text without urgency, and no more than 2,000 lines in 30 seconds. The sockets of
    QEMU's monitor and of the guest agent are in C(/run/netvirt/guests/NAME).
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
options:
  name:
    description:
      - The guest's name, which is its host name, too.
    type: str
    required: true
  uuid:
    description:
      - Its UUID. A new guest needs it.
    type: str
  memory:
    description:
      - Memory in MiB. A new guest needs it.
    type: int
  vcpus:
    description:
      - Number of virtual CPUs. A new guest needs it.
    type: int
  interfaces:
    description:
      - The exact list of the guest's network interfaces. A new guest needs it. The device of one that is removed goes.
    type: list
    elements: dict
    suboptions:
      tap:
        description: The tap device on the node.
        type: str
        required: true
      mac:
        description: The MAC address that the guest sees.
        type: str
        required: true
      mtu:
        description: The MTU of the device, of which the guest is told, in bytes.
        type: int
        default: 1500
      offload:
        description: Whether the guest may leave checksums and segments to the host. That needs the kernel's datapath.
        type: bool
        default: false
  image:
    description:
      - The absolute path of a disk image on the node, raw or qcow2. It must not refer to other files, such as a backing
        file, since the guest could read what it names.
      - The guest writes to a qcow2 image of its own on top of it, C(/var/lib/netvirt/guests/NAME/disk.qcow2), which
        stays when the guest is removed. The image itself must stay as it is, and be readable for all users.
      - Of a guest that has a disk, the image cannot change. Empty for none.
    type: str
  kernel:
    description:
      - The absolute path of a kernel on the node, to boot it directly. Without O(image) and this the guest boots from
        its network. Empty for none.
    type: str
  initrd:
    description:
      - The absolute path of the initial RAM disk that goes with O(kernel). Empty for none.
    type: str
  cmdline:
    description:
      - The command line of O(kernel). Empty for V(console=ttyS0 quiet hostname=NAME).
    type: str
  accelerator:
    description:
      - What the guest runs on. V(auto) is KVM where it boots a guest within seconds, and emulation (V(tcg)) otherwise.
        A guest that runs stays on what it has. A new guest without it has V(auto).
    type: str
    choices: [auto, kvm, tcg]
  stop_timeout:
    description:
      - The seconds that the guest has to shut down, by ACPI and the guest agent, before it is switched off. A new guest
        without it has 30.
    type: int
  allow_restart:
    description:
      - Whether a running guest may be restarted where that is needed.
    type: bool
    default: false
requirements:
  - QEMU on the node, and qemu-img for O(image)
seealso:
  - module: netvirt.fabric.ovs_port_vlan
  - module: netvirt.fabric.guest_agent
  - module: netvirt.fabric.apply
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: A guest with a disk, in VLAN 10
  netvirt.fabric.apply:
    owner: vm1
    keep: true
    resources:
      - kvm_guest:
          name: vm1
          uuid: 8f7c3c1e-6a7f-4d51-9d0b-1f8e2f8f1a55
          memory: 1024
          vcpus: 2
          image: /srv/images/debian-12.qcow2
          interfaces:
            - tap: tap-vm1
              mac: "52:54:00:aa:bb:01"
      - ovs_port_vlan:
          name: tap-vm1
          bridge: br-int
          tag: 10
          device_required: false

- name: More memory for it, now
  netvirt.fabric.kvm_guest:
    owner: vm1
    name: vm1
    memory: 2048
    allow_restart: true

- name: No guest any more; its disk stays
  netvirt.fabric.kvm_guest:
    owner: vm1
    name: vm1
    state: absent
"""

RETURN = r"""
before:
  description:
    - The guest as it was, in the module's options; O(state) is V(absent) when there was none. Of a guest that release
      0.1.0 has started there is only the name.
  returned: success
  type: dict
  sample: {name: vm1, state: absent}
after:
  description:
    - The guest as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample:
    name: vm1
    uuid: 8f7c3c1e-6a7f-4d51-9d0b-1f8e2f8f1a55
    memory: 1024
    vcpus: 2
    interfaces:
      - {tap: tap-vm1, mac: "52:54:00:aa:bb:01", mtu: 1500, offload: false}
    image: /srv/images/debian-12.qcow2
    kernel: ""
    initrd: ""
    cmdline: ""
    accelerator: kvm
    stop_timeout: 30
operations:
  description:
    - What was done, or in check mode would be done.
  returned: always
  type: list
  elements: dict
  sample: [{kind: kvm_guest, name: vm1, action: create}]
pending:
  description:
    - Why the guest is not wholly as declared, where it would have to restart for that and may not.
  returned: when it is so
  type: list
  elements: dict
  sample: [{kind: kvm_guest, name: vm1, reason: memory is 1024 and should be 2048}]
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests.kvm_guest import KvmGuest
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(KvmGuest())


if __name__ == "__main__":
    main()
