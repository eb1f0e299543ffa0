# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the QEMU command line of a guest's unit."""

from __future__ import annotations

DOCUMENTATION = r"""
name: guest_command
author:
  - netvirt.fabric contributors (@netvirt)
short_description: Write the QEMU command line of a guest for a systemd unit
version_added: 0.1.0
description:
  - Returns the value of C(ExecStart) in the unit of a guest. Everything in it is quoted for QEMU and for systemd; no
    shell is involved.
positional: accelerator, disk
options:
  _input:
    description:
      - One of C(guests) that the filter P(netvirt.fabric.compile#filter) returns.
    type: dict
    required: true
  accelerator:
    description:
      - Whether the guest runs on the processor (V(kvm)) or is emulated (V(tcg)).
    type: str
    choices: [kvm, tcg]
    required: true
  disk:
    description:
      - The path of the guest's own qcow2 image. Empty for none.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show how a guest is started
  ansible.builtin.debug:
    msg: "{{ guest | netvirt.fabric.guest_command('kvm') }}"
"""

RETURN = r"""
_value:
  description: A command line with one argument per line.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.netvirt.fabric.plugins.module_utils._values import called
from ansible_collections.netvirt.fabric.plugins.plugin_utils._guest import qemu_arguments, systemd_words


def guest_command(guest: Mapping[str, Any], accelerator: str, disk: str = "") -> str:
    """Return the command line; see DOCUMENTATION."""
    title = f"guest {called(guest.get('name', ''))}" if isinstance(guest, dict) else "guest"
    try:
        return systemd_words(qemu_arguments(guest, accelerator, disk))
    except KeyError as error:
        raise AnsibleFilterError(f"{title}: {error.args[0]} is missing") from None
    except ValueError as error:
        raise AnsibleFilterError(f"{title}: {error}") from None


class FilterModule:
    """Entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by name."""
        return {"guest_command": guest_command}
