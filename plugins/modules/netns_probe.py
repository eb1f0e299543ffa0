#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask from within network namespaces."""

from __future__ import annotations

DOCUMENTATION = r"""
module: netns_probe
short_description: Ask from within a network namespace what answers there
version_added: 0.1.0
description:
  - Runs commands in network namespaces, and sends packets from there, to see what a network lets pass. The role
    P(netvirt.fabric.verify#role) uses it in the namespaces that stand in for guests.
  - Nothing is changed. Each question takes a few seconds at most, and all are put at the same time.
extends_documentation_fragment:
  - netvirt.fabric.attributes.info_module
options:
  probes:
    description:
      - The questions, each with one of C(command), C(connect), C(arp) and C(dhcp).
      - What goes wrong with one of them stands in C(error) of its result and does not fail the task.
    type: list
    elements: dict
    required: true
    suboptions:
      namespace:
        description: The name of the namespace, as C(ip netns) shows it.
        type: str
        required: true
      timeout:
        description: The seconds that a command may take.
        type: int
        default: 10
      command:
        description: A program and its arguments, to be run in the namespace. No shell is involved.
        type: list
        elements: str
      connect:
        description:
          - A port that is to answer. A refusal is an answer, too, since it shows that packets pass both ways; so nobody
            has to listen there.
        type: dict
        suboptions:
          protocol:
            description: The protocol.
            type: str
            choices: [tcp, udp]
            required: true
          address:
            description: The address.
            type: str
            required: true
          port:
            description: The port's number.
            type: int
            required: true
      arp:
        description: An IPv4 address. The result has the MAC addresses of all who say that they have it.
        type: dict
        suboptions:
          interface:
            description: The interface in the namespace that asks.
            type: str
            required: true
          address:
            description: The address that is asked for.
            type: str
            required: true
          source:
            description: The IPv4 address that asks. It need not be one of the interface's.
            type: str
            required: true
          mac:
            description: The MAC address that asks. It need not be the interface's.
            type: str
            required: true
      dhcp:
        description: The result has the addresses of the DHCP servers that offer a lease. None is taken.
        type: dict
        suboptions:
          interface:
            description: The interface in the namespace that asks.
            type: str
            required: true
          mac:
            description: The MAC address that asks for a lease.
            type: str
            required: true
requirements:
  - root on the node
seealso:
  - module: netvirt.fabric.guest_agent
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Whether the web server behind a router answers, and who has an address
  netvirt.fabric.netns_probe:
    probes:
      - namespace: nv-r1
        connect: {protocol: tcp, address: 10.0.10.11, port: 80}
      - namespace: nv-r1
        arp: {interface: gw-blue, address: 10.0.10.11, source: 10.0.10.254, mac: "52:54:00:aa:bb:fe"}
"""

RETURN = r"""
results:
  description:
    - One result for each of O(probes), in their order. Either C(error), or C(rc), C(stdout) and C(stderr). With
      C(connect) C(rc) is V(0) if something answered; with C(arp) and C(dhcp) C(stdout) is a list in JSON.
  returned: success
  type: list
  elements: dict
  sample: [{rc: 0, stdout: "", stderr: ""}, {rc: 0, stdout: '["52:54:00:aa:bb:01"]', stderr: ""}]
"""

from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _netns_probes

PARALLEL = 64
WIRE = {"interface": {"type": "str", "required": True}, "mac": {"type": "str", "required": True}}
ADDRESS = {"address": {"type": "str", "required": True}}
PROBE = {
    "namespace": {"type": "str", "required": True},
    "timeout": {"type": "int", "default": 10},
    "command": {"type": "list", "elements": "str"},
    "connect": {
        "type": "dict",
        "options": {
            "protocol": {"type": "str", "choices": ["tcp", "udp"], "required": True},
            **ADDRESS,
            "port": {"type": "int", "required": True},
        },
    },
    "arp": {"type": "dict", "options": {**WIRE, **ADDRESS, "source": {"type": "str", "required": True}}},
    "dhcp": {"type": "dict", "options": WIRE},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"probes": {"type": "list", "elements": "dict", "options": PROBE, "required": True}},
        supports_check_mode=True,
    )
    probes = []
    for index, probe in enumerate(module.params["probes"]):
        try:
            probes.append(_netns_probes.canonical(probe))
        except ValueError as error:
            module.fail_json(msg=f"probes[{index}]: {error}")
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        module.exit_json(changed=False, results=list(pool.map(_netns_probes.answer, probes)))


if __name__ == "__main__":
    main()
