#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The declared variables of a role."""

from __future__ import annotations

DOCUMENTATION = r"""
module: known_variables
short_description: Refuse variables that a role does not know
version_added: 0.1.0
description:
  - A variable that begins like those of a role of this collection and is none of them is a fault, which names the
    nearest one that is known. It would otherwise mean that the role's default holds, without a word.
  - Runs on the controller. No host is asked.
extends_documentation_fragment:
  - netvirt.fabric.attributes.info_module
options:
  role:
    description:
      - The name of the role, which is also what its variables begin with.
    type: str
    required: true
seealso:
  - module: netvirt.fabric.document
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Refuse what the role lab does not know
  netvirt.fabric.known_variables:
    role: lab
"""

RETURN = r"""
faults:
  description: A line for each variable that is not known.
  returned: failure
  type: list
  elements: str
  sample: ["lab_node: is no variable of the role lab; did you mean lab_nodes?"]
"""
