# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the document of one network."""

from __future__ import annotations

DOCUMENTATION = r"""
name: network_document
author:
  - netvirt.fabric contributors (@netvirt)
short_description: Write the fabric document of one network
version_added: 0.1.0
description:
  - Returns a document with one network, from the variables of one of the roles P(netvirt.fabric.isolated#role),
    P(netvirt.fabric.routed#role), P(netvirt.fabric.nat#role) and P(netvirt.fabric.bridged#role).
  - The roles use it; P(netvirt.fabric.compile#filter) checks what it returns.
positional: mode, hosts, limited
options:
  _input:
    description:
      - The variables of the role, by their names. Those that are left out have no value, and other variables are
        passed over.
    type: dict
    required: true
  mode:
    description:
      - The mode of the network, which is the name of the role and the beginning of its variables' names.
    type: str
    required: true
  hosts:
    description:
      - The hosts that the network spans unless the role's variable C(<mode>_hosts) names them.
    type: list
    elements: str
    required: true
  limited:
    description:
      - Whether O(hosts) may be incomplete. Then C(<mode>_hosts) has to be there.
    type: bool
    default: false
seealso:
  - plugin: netvirt.fabric.compile
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the document of an isolated network
  ansible.builtin.debug:
    msg: "{{ variables | netvirt.fabric.network_document('isolated', groups['kvm']) }}"
  vars:
    variables:
      isolated_name: red
      isolated_vlan: 20
"""

RETURN = r"""
_value:
  description: The document, a dictionary of the variables of the role P(netvirt.fabric.fabric#role).
  type: dict
  sample:
    fabric_owner: isolated-red
    fabric_nodes:
      compute1: {}
    fabric_networks:
      - name: red
        mode: isolated
        vlan: 20
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._filters import filter_errors
from ansible_collections.netvirt.fabric.plugins.plugin_utils._one_network import network_document


def network_document_filter(
    variables: Mapping[str, Any], mode: str, hosts: Iterable[str], limited: bool = False
) -> dict[str, Any]:
    """Return the document; see DOCUMENTATION."""
    with filter_errors():
        return network_document(mode, variables, hosts, limited)


class FilterModule:
    """Entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by name."""
        return {"network_document": network_document_filter}
