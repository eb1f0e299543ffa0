# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requirements of modules that read or change Open vSwitch."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
requirements:
  - openvswitch-switch 2.17 or newer on the node
  - python3-openvswitch on the node
  - python3-ovsdbapp 2.1 or newer on the node
"""
