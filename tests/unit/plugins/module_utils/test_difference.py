# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The difference that a module shows."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.module_utils import _module
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import parse


def test_a_removal_shows_what_of_others_goes_along() -> None:
    (item,) = parse([{"ovs_bridge": {"name": "br0", "state": "absent"}}])
    item.have, item.lost = {"name": "br0", "stp": False}, ["port vnet0"]
    assert _module.difference(item) == (
        {"name": "br0", "stp": False, "foreign objects that go with it": ["port vnet0"]},
        {"name": "br0", "state": "absent"},
    )
