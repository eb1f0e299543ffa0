# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: check a document and list its nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nodes
author:
  - netvirt.fabric contributors (@netvirt)
short_description: Check a fabric document and list its nodes
version_added: 0.1.0
description:
  - Checks the whole document, and fails with one line for every fault, each with its path in the document.
  - Returns the nodes that the document names in C(fabric_nodes), C(fabric_routers), C(fabric_guests) and
    C(fabric_networks[].dhcp.node).
positional: hosts
options:
  _input:
    description:
      - The document, a dictionary of the variables C(fabric_underlay), C(fabric_nodes), C(fabric_physical_networks),
        C(fabric_networks), C(fabric_routers), C(fabric_guests), C(fabric_guest_defaults) and C(fabric_owner) of
        the role P(netvirt.fabric.fabric#role). What is missing is empty.
    type: dict
    required: true
  hosts:
    description:
      - The names that nodes may have, usually V(groups['all']). Without it any name will do.
    type: list
    elements: str
seealso:
  - plugin: netvirt.fabric.compile
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show which hosts belong to the fabric
  ansible.builtin.debug:
    msg: "{{ document | netvirt.fabric.nodes(groups['all']) }}"
"""

RETURN = r"""
_value:
  description: The names of the nodes, sorted.
  type: list
  elements: str
  sample: [compute1, compute2, network1]
"""

from collections.abc import Callable, Iterable
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._filters import filter_errors


def nodes_filter(document: Any, hosts: Optional[Iterable[str]] = None) -> list[str]:
    """Return the document's nodes; see DOCUMENTATION."""
    with filter_errors():
        return validate(document, hosts).members()


class FilterModule:
    """Entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by name."""
        return {"nodes": nodes_filter}
