# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option state, and what the module of one kind returns."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state:
    description:
      - Whether the object should be there.
      - An option that is left out is left alone. An empty list or dictionary clears.
    type: str
    choices: [present, absent]
    default: present
"""
