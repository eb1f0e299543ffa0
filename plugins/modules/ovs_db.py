#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module of the kind ovs_db."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ovs_db
short_description: Manage any column of the Open vSwitch database
version_added: 0.1.0
description:
  - Sets columns, or single keys of map columns, of one row of the Open vSwitch database. Any table and any column will
    do; where a module of its own exists for an object, prefer it.
  - Values are checked against the schema of the server before anything is written. Columns that Open vSwitch itself
    writes, such as C(ofport), C(error) and C(statistics), and those that are fixed when a row is made, such as
    C(name), are refused.
  - It changes rows that are there, or that the same run of M(netvirt.fabric.apply) makes. It makes and removes no rows.
  - The change is part of the same transaction as those of M(netvirt.fabric.ovs_bridge),
    M(netvirt.fabric.ovs_port_vlan) and M(netvirt.fabric.ovs_tunnel).
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_ovs
options:
  state:
    description:
      - V(present) gives the columns and keys the values listed.
      - V(absent) removes the keys listed and empties the columns listed, whatever values are given for them. A column
        that must hold a value gets the schema's default, which is V(0), V(false) or an empty text.
    type: str
    choices: [present, absent]
    default: present
  table:
    description:
      - The table, such as V(Bridge), V(Interface) or V(Open_vSwitch).
    type: str
    required: true
  record:
    description:
      - The name or the UUID of the row. V(.) is the only row of the table, as in V(Open_vSwitch).
    type: str
    default: .
  columns:
    description:
      - The exact value of each column listed. A column of at most one value takes a scalar, a set takes a list, a map
        takes a dictionary. An empty list or dictionary clears.
      - A reference to another row is written as its UUID; names of rows are not looked up.
      - In C(external_ids), keys that start with V(netvirt-) are the collection's own and are neither shown nor changed.
    type: dict
  keys:
    description:
      - For each map column listed, the keys to set. The column's other keys are left alone. A key whose value is null
        is removed.
    type: dict
seealso:
  - module: netvirt.fabric.ovs_bridge
  - module: netvirt.fabric.ovs_port_vlan
  - module: netvirt.fabric.ovs_tunnel
  - name: ovs-vswitchd.conf.db(5)
    description: The tables of Open vSwitch and the meaning of their columns.
    link: https://docs.openvswitch.org/en/latest/ref/ovs-vswitchd.conf.db.5/
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Bridges may carry two VLAN tags
  netvirt.fabric.ovs_db:
    table: Open_vSwitch
    keys:
      other_config:
        vlan-limit: 2

- name: Flood the VLANs 10 and 20, without learning addresses
  netvirt.fabric.ovs_db:
    table: Bridge
    record: br-int
    columns:
      flood_vlans: [10, 20]

- name: Take both settings back
  netvirt.fabric.apply:
    resources:
      - ovs_db:
          table: Open_vSwitch
          keys: {other_config: {vlan-limit: null}}
      - ovs_db:
          table: Bridge
          record: br-int
          columns: {flood_vlans: []}
"""

RETURN = r"""
before:
  description:
    - The columns and keys listed as they were, in the module's options. Where all of them were empty, O(state) is
      V(absent).
  returned: success
  type: dict
  sample: {table: Bridge, record: br-int, columns: {flood_vlans: []}, state: absent}
after:
  description:
    - The columns and keys as they are now, or in check mode as they would be. It can be fed back in.
  returned: success
  type: dict
  sample: {table: Bridge, record: br-int, columns: {flood_vlans: [10, 20]}}
operations:
  description:
    - What was done, or in check mode would be done. The name is the table and the record.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: ovs_db
      name: Bridge br-int
      action: update
      changes: {columns: {before: {flood_vlans: []}, after: {flood_vlans: [10, 20]}}}
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch.ovs_db import OvsDb
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(OvsDb())


if __name__ == "__main__":
    main()
