# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of a whole run, which every module of the collection has."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  owner:
    description:
      - The name under which what is made is marked.
      - Something that already exists keeps the mark it has, or stays unmarked.
    type: str
    default: netvirt
  ovsdb:
    description:
      - Where the Open vSwitch database listens.
    type: str
    default: unix:/var/run/openvswitch/db.sock
  timeout:
    description:
      - The seconds to wait for each answer of a daemon.
    type: int
    default: 8
  lock_timeout:
    description:
      - The seconds to wait for another run on the same node to end.
    type: int
    default: 60
requirements:
  - root on the node
"""
