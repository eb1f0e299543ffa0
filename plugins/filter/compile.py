# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the resources of one node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: compile
author:
  - netvirt.fabric contributors (@netvirt)
short_description: Compile a fabric document into what one node needs
version_added: 0.1.0
description:
  - Checks the whole document, and fails with one line for every fault, each with its path in the document.
  - Returns the resources that the module M(netvirt.fabric.apply) makes on the node, and the guests that run there.
    Objects that are no longer among them go with O(netvirt.fabric.apply#module:purge).
  - The same input always gives the same output. Nothing is read but the input.
positional: node, facts, hosts, state
options:
  _input:
    description:
      - The document, a dictionary of the variables C(fabric_underlay), C(fabric_nodes), C(fabric_physical_networks),
        C(fabric_networks), C(fabric_routers), C(fabric_guests), C(fabric_guest_defaults) and C(fabric_owner) of
        the role P(netvirt.fabric.fabric#role). What is missing is empty.
    type: dict
    required: true
  node:
    description:
      - The node to compile for.
      - For a node that is not in the document there are no guests, and no resources but those that return the
        underlay's addresses to its interface.
    type: str
    required: true
  facts:
    description:
      - What the module M(netvirt.fabric.node_info) returned, by node, for all nodes of the document.
      - Needed are C(datapath_types), a list with the preferred type first, and C(interfaces), a dictionary of
        dictionaries with C(addresses), C(mtu) and C(mac). C(bridges) tells what the node has now.
      - Facts of other nodes may be missing where the document pins what is needed of them, that is
        C(fabric_nodes.<node>.underlay_address) and C(fabric_underlay.mtu).
    type: dict
    required: true
  hosts:
    description:
      - The names that nodes may have, usually V(groups['all']). Without it any name will do.
    type: list
    elements: str
  state:
    description:
      - With V(absent) the node is compiled as if it were not in the document.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - plugin: netvirt.fabric.nodes
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Converge this node
  netvirt.fabric.apply:
    owner: fabric
    resources: "{{ (document | netvirt.fabric.compile(inventory_hostname, facts, groups['all'])).resources }}"
"""

RETURN = r"""
_value:
  description: What the node needs.
  type: dict
  contains:
    resources:
      description:
        - Entries for O(netvirt.fabric.apply#module:resources), each a dictionary of a module's name and its options.
      type: list
      elements: dict
      sample:
        - ovs_bridge:
            name: br-int
            datapath_type: system
            fail_mode: standalone
    guests:
      description:
        - Definitions of the guests on this node. C(memory) is in MiB, C(mtu) in bytes. C(offload) says whether the
          datapath completes checksums, so that the guest may leave them out.
        - C(image), C(kernel), C(initrd) and C(cmdline) are there where the document has them.
      type: list
      elements: dict
      sample:
        - name: vm1
          uuid: eb1c10b4-da40-5d22-852d-4dab5212c6a9
          memory: 512
          vcpus: 1
          interfaces:
            - tap: tap-vm1
              bridge: br-int
              network: blue
              vlan: 10
              mtu: 1446
              offload: true
              mac: "52:54:00:aa:bb:01"
              address: 10.0.10.11
    moving:
      description:
        - Entries for O(netvirt.fabric.apply#module:resources) that remove the document's guests which the node still
          runs, and which are on another node now. They are to be applied before any node runs its guests.
      type: list
      elements: dict
      sample: [{kvm_guest: {name: vm1, state: absent}}]
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional

from ansible.errors import AnsibleFilterError

from ansible_collections.netvirt.fabric.plugins.module_utils._values import shown
from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._filters import filter_errors


def compile_filter(
    document: Any, node: str, facts: Mapping[str, Any], hosts: Optional[Iterable[str]] = None, state: str = "present"
) -> dict[str, list[dict[str, Any]]]:
    """Return the node's resources and guests; see DOCUMENTATION."""
    if state not in ("present", "absent"):
        raise AnsibleFilterError(f"state must be present or absent, not {shown(state)}")
    with filter_errors():
        return compile_node(document, node, facts, hosts, state)


class FilterModule:
    """Entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by name."""
        return {"compile": compile_filter}
