#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document, from declared variables."""

from __future__ import annotations

DOCUMENTATION = r"""
module: document
short_description: Check the fabric document of a host, and compile it
version_added: 0.1.0
description:
  - Reads the variables of the role P(netvirt.fabric.fabric#role) as they were declared in the inventory, in plays and
    roles, and on the command line. Facts are not among them, so that no node decides what the document says.
  - Runs on the controller. No host is asked.
  - A variable that begins like those of a role and is none of them is a fault.
extends_documentation_fragment:
  - netvirt.fabric.attributes.info_module
options:
  host:
    description:
      - The host whose variables are read, and that the document is compiled for. The default is the host of the task.
    type: str
  facts:
    description:
      - What the module M(netvirt.fabric.node_info) returned, by node. Without them the document is only checked.
    type: dict
  outside:
    description:
      - What the module M(netvirt.fabric.node_info) returned of hosts that the document does not name, by host.
      - The document is not compiled then. It is a fault if one of them has a guest that is new to the host of the task,
        with the mark of the document's owner.
    type: dict
seealso:
  - plugin: netvirt.fabric.compile
    plugin_type: filter
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Check the document
  netvirt.fabric.document:
  run_once: true
"""

RETURN = r"""
owner:
  description: The owner whose mark the objects of the document bear.
  returned: success
  type: str
  sample: fabric
owner_was:
  description: The owner that is taken over, empty for none.
  returned: success
  type: str
  sample: ""
state:
  description: What the document is to be, V(present) or V(absent).
  returned: success
  type: str
  sample: present
timeout:
  description: The seconds to wait for each answer of a daemon.
  returned: success
  type: int
  sample: 8
members:
  description: The nodes that the document names.
  returned: success
  type: list
  elements: str
  sample: [compute1, network1]
keep:
  description: Whether the node belongs to the fabric, so that it keeps what it is told for its next boot.
  returned: success
  type: bool
  sample: true
found:
  description: Whether there are facts of the node.
  returned: when O(facts) are given
  type: bool
arriving:
  description: The names of the guests that the node is to run and does not have yet.
  returned: when O(facts) are given
  type: list
  elements: str
resources:
  description: What P(netvirt.fabric.compile#filter) returns of the same name.
  returned: when O(facts) are given
  type: list
  elements: dict
guests:
  description: What P(netvirt.fabric.compile#filter) returns of the same name.
  returned: when O(facts) are given
  type: list
  elements: dict
moving:
  description: What P(netvirt.fabric.compile#filter) returns of the same name.
  returned: when O(facts) are given
  type: list
  elements: dict
"""
