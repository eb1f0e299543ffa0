#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Confirm a guarded move of an uplink."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bridge_uplink_confirm
short_description: Confirm that a node was reached after the move of its uplink
version_added: 0.1.0
description:
  - Tells the process that guards a move of M(netvirt.fabric.bridge_uplink) that the move is good and may stay.
  - A task with M(netvirt.fabric.bridge_uplink) or M(netvirt.fabric.apply) confirms by itself. This module is for tasks
    that run asynchronously.
extends_documentation_fragment:
  - netvirt.fabric.attributes
attributes:
  check_mode:
    support: none
    details:
      - In check mode nothing was moved, so that there is nothing to confirm.
  diff_mode:
    support: none
options:
  token:
    description:
      - What the task that moved the uplink returned as C(unconfirmed).
      - Without it nothing is confirmed, and the last move is shown.
    type: str
    default: ""
requirements:
  - root on the node
seealso:
  - module: netvirt.fabric.bridge_uplink
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Move the uplink while something else is done
  netvirt.fabric.bridge_uplink:
    name: eth0
    bridge: br-ex
    confirm_timeout: 120
  async: 60
  poll: 0
  register: move

- name: Wait for the end of the move
  ansible.builtin.async_status:
    jid: "{{ move.ansible_job_id }}"
  register: moved
  until: moved is finished
  delay: 1
  retries: 60

- name: Let it stay
  netvirt.fabric.bridge_uplink_confirm:
    token: "{{ moved.unconfirmed }}"
"""

RETURN = r"""
phase:
  description:
    - How the move ended, V(confirmed) or V(reverted). Without O(token), how far it is, such as V(moved).
  returned: success
  type: str
  sample: confirmed
error:
  description:
    - Why it was undone; empty if it was not.
  returned: success
  type: str
  sample: nobody confirmed it within 30 s
nic:
  description:
    - The NIC.
  returned: success
  type: str
  sample: eth0
bridge:
  description:
    - The bridge.
  returned: success
  type: str
  sample: br-ex
age:
  description:
    - The seconds since it has got there.
  returned: success
  type: int
  sample: 1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netvirt.fabric.plugins.module_utils import _uplink_guard as guard
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import NetvirtError
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"token": {"type": "str", "default": "", "no_log": False}})
    try:
        Node(Settings()).require_root()
        token = module.params["token"]
        before = guard.known(token)
        after = guard.confirm(token) if token else before
    except NetvirtError as error:
        module.fail_json(msg=str(error), changed=False)
    module.exit_json(changed=after["phase"] == guard.CONFIRMED != before["phase"], **after)


if __name__ == "__main__":
    main()
