#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any module, whose answer is taken as data."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_module
short_description: Run a module on a node, and take its answer as data
version_added: 0.1.0
description:
  - Runs a module or action of another collection. The answer sets no variables of the host, whatever the node says.
  - A node that somebody else has taken over can answer each module with C(ansible_facts). These become variables that
    outrank those of the inventory, among them some by which Ansible finds the way to the node.
extends_documentation_fragment:
  - action_common_attributes
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - As far as the other module does.
  diff_mode:
    description: Returns what has changed, or in C(check_mode) would change, when in diff mode.
    support: full
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: linux
options:
  module:
    description:
      - The full name of the module.
    type: str
    required: true
  arguments:
    description:
      - Its arguments.
    type: dict
    default: {}
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Install a package
  netvirt.fabric.run_module:
    module: ansible.builtin.apt
    arguments:
      name: nftables
"""

RETURN = r"""
results:
  description: The other module's own values, beside one another; there is no key of this name.
  returned: never
  type: dict
"""
