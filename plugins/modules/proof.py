#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to ask guests, and what their answers prove."""

from __future__ import annotations

DOCUMENTATION = r"""
module: proof
short_description: What to ask of a fabric document, and what the answers prove
version_added: 0.1.0
description:
  - Used in rounds by the role P(netvirt.fabric.verify#role). It is given all that is known so far, and returns what to
    ask next and the report.
  - Runs on the controller. The document and the variables of the role are read as they were declared; facts are not
    among them.
  - Answers of nodes and guests are data. One that is not of the form that is expected counts as no proper answer.
extends_documentation_fragment:
  - netvirt.fabric.attributes.info_module
options:
  host:
    description:
      - The host whose variables are read. The default is the host of the task.
    type: str
  observed:
    description:
      - What is known, by node. C(guests) are those that the role P(netvirt.fabric.fabric#role) left in
        C(fabric_compiled), C(interfaces) the results of RV(questions), C(attempts) a list of results of RV(checks),
        C(canary_attempts) the same of RV(canary_checks).
    type: dict
    default: {}
  leases:
    description:
      - Results of M(netvirt.fabric.leases_info), each with the C(target) out of RV(leases), as far as there are any.
    type: list
    elements: dict
    default: []
  intrusions:
    description:
      - Results of echo requests from outside, each with C(rc) and the C(target) out of RV(intrusions).
    type: list
    elements: dict
    default: []
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: What to ask the guests first
  netvirt.fabric.proof:
    observed:
      compute1: "{{ {'guests': fabric_compiled.guests} }}"
  register: proof
"""

RETURN = r"""
questions:
  description: Probes for M(netvirt.fabric.guest_agent) that return the guests' addresses, by node.
  returned: success
  type: dict
checks:
  description: Probes for M(netvirt.fabric.guest_agent) that prove the document, by node.
  returned: success
  type: dict
canaries:
  description:
    - What stands in for guests, by node that has answered nothing for it yet, as resources for M(netvirt.fabric.apply)
      with C(purge) and the owner RV(canary_owner). They are to be removed once everything is asked.
  returned: success
  type: dict
canary_owner:
  description: The owner of all canaries.
  returned: success
  type: str
canary_checks:
  description: Probes for M(netvirt.fabric.netns_probe) that prove the document, by node.
  returned: success
  type: dict
again:
  description: How many of them did not show what they should, by node. What was lost may be sent once more.
  returned: success
  type: dict
leases:
  description: The C(network) and C(node) of DHCP servers.
  returned: success
  type: list
  elements: dict
intrusions:
  description: The C(guest), C(network) and C(address) of guests that nothing outside may reach.
  returned: success
  type: list
  elements: dict
guests:
  description: What was found of each guest.
  returned: success
  type: list
  elements: dict
  sample:
    - node: compute1
      network: blue
      guest: vm1
      canary: false
      address: 10.0.10.11
      lease: true
      checks: [{target: 10.0.10.254, what: gateway, ok: true}]
failures:
  description: One line for each thing that is not as it should be.
  returned: success
  type: list
  elements: str
unproven:
  description: One line for each thing that could not be tried, with the reason.
  returned: success
  type: list
  elements: str
allow_unproven:
  description: The declared C(verify_allow_unproven).
  returned: success
  type: bool
node_timeout:
  description: The declared C(fabric_timeout).
  returned: success
  type: int
timeout:
  description: The declared C(verify_timeout).
  returned: success
  type: int
upstream_command:
  description: The declared C(verify_upstream_command).
  returned: success
  type: list
  elements: str
upstream_host:
  description: The declared C(verify_upstream_host).
  returned: success
  type: str
report:
  description: The declared C(verify_report).
  returned: success
  type: str
"""
