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
      - An object with the mark of another owner is not changed. A task that would change it fails with the names of
        both owners, before it changes anything. See O(adopt).
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
  adopt:
    description:
      - Whether to take over objects with the mark of another owner. They get the mark of O(owner), also where nothing
        else of them has to be changed, and are changed as declared.
      - The diff shows the former owner and the new one. Objects without a mark stay unmarked.
      - What another owner keeps for a rebuild still lists the object. Its rebuilds leave alone what is not its own any
        more. Take the object out of its list, or its own next run is refused.
    type: bool
    default: false
requirements:
  - root on the node
"""
