# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the guests of a node as resources."""

from __future__ import annotations

DOCUMENTATION = r"""
name: guest_resources
author:
  - netvirt.fabric contributors (@netvirt)
short_description: Turn the guests of a node into resources
version_added: 0.2.0
description:
  - Returns entries for O(netvirt.fabric.apply#module:resources) that run the guests. Each has all options of
    M(netvirt.fabric.kvm_guest), so that what a document does not say any more goes.
positional: accelerator, stop_timeout, allow_restart
options:
  _input:
    description:
      - C(guests) as the filter P(netvirt.fabric.compile#filter) returns them.
    type: list
    elements: dict
    required: true
  accelerator:
    description: O(netvirt.fabric.kvm_guest#module:accelerator) of all of them.
    type: str
    default: auto
  stop_timeout:
    description: O(netvirt.fabric.kvm_guest#module:stop_timeout) of all of them.
    type: int
    default: 30
  allow_restart:
    description: O(netvirt.fabric.kvm_guest#module:allow_restart) of all of them.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Run the guests of this node
  netvirt.fabric.apply:
    owner: guests
    resources: "{{ fabric_compiled.guests | netvirt.fabric.guest_resources }}"
"""

RETURN = r"""
_value:
  description: The entries.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests._guest_values import (
    INTERFACE,
    NEW,
    REQUIRED,
)
from ansible_collections.netvirt.fabric.plugins.module_utils._values import shown


def guest_resources(
    guests: Any, accelerator: str = "auto", stop_timeout: int = 30, allow_restart: bool = False
) -> list[dict[str, Any]]:
    """Return the entries; see DOCUMENTATION."""
    policies = {"accelerator": accelerator, "stop_timeout": stop_timeout, "allow_restart": allow_restart}
    if not isinstance(guests, list) or not all(isinstance(guest, dict) for guest in guests):
        raise AnsibleFilterError(f"guests must be a list of dictionaries, not {shown(guests)}")
    return [{"kvm_guest": {**_options(guest), **policies}} for guest in guests]


def _options(guest: dict[str, Any]) -> dict[str, Any]:
    """Return a guest's options; interfaces are for the module to check where they are none."""
    found = {option: guest[option] for option in ("name", *REQUIRED) if option in guest}
    interfaces = found.get("interfaces")
    if isinstance(interfaces, list) and all(isinstance(item, dict) for item in interfaces):
        found["interfaces"] = [
            {key: item[key] for key in INTERFACE if item.get(key) not in (None, 0)} for item in interfaces
        ]
    return {**found, **{option: guest.get(option) or default for option, default in NEW.items()}}


class FilterModule:
    """Entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by name."""
        return {"guest_resources": guest_resources}
