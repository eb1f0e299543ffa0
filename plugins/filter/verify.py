# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: what to ask the guests of a document, and what their answers prove."""

from __future__ import annotations

DOCUMENTATION = r"""
name: verify
author:
  - netvirt.fabric contributors (@netvirt)
short_description: Ask the guests of a fabric document, and judge their answers
version_added: 0.1.0
description:
  - Used in rounds by the role P(netvirt.fabric.verify#role). It is given all that is known so far, and returns what to
    ask next and the report.
  - The same input always gives the same output. Nothing is read but the input.
positional: observed
options:
  _input:
    description:
      - The document, as for the filter P(netvirt.fabric.compile#filter).
    type: dict
    required: true
  observed:
    description:
      - What is known, by node. C(guests) are those that the filter P(netvirt.fabric.compile#filter) returned,
        C(interfaces) the results of RV(_value.questions), C(attempts) a list of results of RV(_value.checks).
    type: dict
    required: true
  upstream:
    description:
      - Addresses outside the fabric that answer echo requests.
    type: list
    elements: str
    default: []
  http:
    description:
      - The command, less the URL, by which guests fetch a page from O(upstream). Empty for none.
    type: list
    elements: str
    default: []
  leases:
    description:
      - The contents of RV(_value.leases), by network, as far as they could be read.
    type: dict
    default: {}
  intrusions:
    description:
      - Results of echo requests from outside, each with C(rc) and the C(target) out of RV(_value.intrusions).
    type: list
    elements: dict
    default: []
  peers:
    description:
      - How many guests of its own network a guest asks at most.
    type: int
    default: 8
  timeout:
    description:
      - The seconds that guests have to get an address.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: What to ask the guests of this node first
  ansible.builtin.set_fact:
    questions: "{{ (document | netvirt.fabric.verify({'compute1': fabric_compiled})).questions.compute1 }}"
"""

RETURN = r"""
_value:
  description: What to ask, and the report.
  type: dict
  contains:
    questions:
      description: Probes for M(netvirt.fabric.guest_agent) that return the guests' addresses, by node.
      type: dict
    checks:
      description: Probes for M(netvirt.fabric.guest_agent) that prove the document, by node.
      type: dict
    failed:
      description: How many of them failed, by node.
      type: dict
    leases:
      description: Where DHCP servers keep their leases, C(network), C(node) and C(path).
      type: list
      elements: dict
    intrusions:
      description: The C(guest), C(network) and C(address) of guests that nothing outside may reach.
      type: list
      elements: dict
    guests:
      description: What was found of each guest.
      type: list
      elements: dict
      sample:
        - node: compute1
          network: blue
          guest: vm1
          address: 10.0.10.11
          lease: true
          checks: [{target: 10.0.10.254, what: gateway, ok: true}]
    failures:
      description: One line for each thing that is not as it should be.
      type: list
      elements: str
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.netvirt.fabric.plugins.plugin_utils._filters import filter_errors
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify import Evidence, verify
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify_checks import Outside


def verify_filter(
    document: Any,
    observed: Mapping[str, Mapping[str, Any]],
    *,
    upstream: Sequence[str] = (),
    http: Sequence[str] = (),
    leases: Mapping[str, str] | None = None,
    intrusions: Sequence[Mapping[str, Any]] = (),
    peers: int = 8,
    timeout: int = 30,
) -> dict[str, Any]:
    """Return what to ask and the report; see DOCUMENTATION."""
    try:
        outside = Outside(tuple(ipaddress.ip_address(address) for address in upstream), tuple(http))
    except ValueError as error:
        raise AnsibleFilterError(f"upstream: {error}") from None
    with filter_errors():
        return verify(document, observed, outside, Evidence(leases or {}, intrusions), peers, timeout)


class FilterModule:
    """Entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by name."""
        return {"verify": verify_filter}
