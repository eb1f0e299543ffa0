# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: draw a document as a Graphviz graph."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dot
author:
  - netvirt.fabric contributors (@netvirt)
short_description: Draw a fabric document as a Graphviz graph
version_added: 0.1.0
description:
  - Draws the nodes with their routers, DHCP servers and guests, and the networks and physical networks between them.
  - Fails like P(netvirt.fabric.nodes#filter) when the document has faults.
options:
  _input:
    description:
      - The document, a dictionary of the variables C(fabric_underlay), C(fabric_nodes), C(fabric_physical_networks),
        C(fabric_networks), C(fabric_routers), C(fabric_guests), C(fabric_guest_defaults) and C(fabric_owner) of
        the role P(netvirt.fabric.fabric#role). What is missing is empty.
    type: dict
    required: true
seealso:
  - plugin: netvirt.fabric.nodes
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Draw the fabric
  ansible.builtin.copy:
    content: "{{ document | netvirt.fabric.dot }}"
    dest: fabric.dot
    mode: "0644"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
_value:
  description: The drawing in the language DOT.
  type: str
  sample: "graph fabric {\n..."
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._drawing import dot
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._filters import filter_errors


def dot_filter(document: Any) -> str:
    """Return the drawing; see DOCUMENTATION."""
    with filter_errors():
        return dot(validate(document))


class FilterModule:
    """Entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by name."""
        return {"dot": dot_filter}
