# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that would take much from its own fabric is not what somebody meant who did not say so."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_samples import NODES, changed, facts_of, sample

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._removal import fault

KEPT: dict[str, dict[str, Any]] = {
    "network1": {"routers": ["dhcp-amber", "nv-r1"], "guests": {}},
    "compute1": {"routers": [], "guests": {"vm1": [10]}},
    "compute2": {"routers": [], "guests": {"tap-vm2": [10], "vm3": [10]}},
}


def facts(owner: str = "fabric") -> dict[str, Any]:
    """Return facts of nodes that were told of a router and three guests, one of which something else runs."""
    return {node: {**found, "kept": {owner: KEPT[node]}} for node, found in facts_of(NODES).items()}


def faults(changes: dict[str, Any], found: Any = None) -> dict[str, str]:
    """Return what is said on which node."""
    document = validate(changed(sample(), changes))
    told = {node: fault(document, node, facts() if found is None else found) for node in NODES}
    return {node: line for node, line in told.items() if line}


def test_what_is_all_there_is_no_fault() -> None:
    """One guest of three goes; nothing says that the document of another owner had anything to do with it."""
    assert faults({}) == {}
    assert faults({"fabric_guests": []}, facts("another")) == {}


def test_guests_that_got_lost_are_told_where_they_are() -> None:
    said = faults({"fabric_guests": []})
    line = "fabric_allow_removal: this run would remove 3 of 3 guests (tap-vm2, vm1, vm3)"
    assert set(said) == {"compute1", "compute2"}
    assert all(text.startswith(line) and text.endswith("set it to true if that is meant") for text in said.values())


def test_a_router_that_got_lost_is_told() -> None:
    said = faults({"fabric_routers[0].name": "r2", "fabric_networks[0].router": "r2"})
    assert {node: "remove the router r1; set" in line for node, line in said.items()} == {
        "network1": True,
        "compute2": True,  # which loses a guest; all that the run would remove waits
    }


def test_a_network_that_goes_with_its_guests_is_told() -> None:
    found = facts()
    found["compute2"]["kept"]["fabric"] = {"routers": [], "guests": {"vm2": [10], "vm3": [11], "vm5": [12, 10]}}
    (line,) = {*faults({"fabric_guests[2]": {"name": "vm4", "node": "compute1", "network": "blue"}}, found).values()}
    networks = "the network of VLAN 11 with its guests (vm3), the network of VLAN 12 with its guests (vm5)"
    assert line == f"fabric_allow_removal: this run would remove {networks}; set it to true if that is meant"


def test_what_moves_or_changes_its_vlan_is_not_lost() -> None:
    moved = {"fabric_routers[0].node": "compute2", "fabric_guests[0].node": "compute2", "fabric_networks[0].vlan": 99}
    assert faults(moved) == {}


@pytest.mark.parametrize(
    "kept",
    [
        None,
        7,
        [],
        {"fabric": 7},
        {"fabric": {"routers": 7, "guests": []}},
        {"fabric": {"guests": {"vm9": 7, "vm8": ["x"]}}},
    ],
)
def test_answers_of_another_form_are_no_traceback(kept: Any) -> None:
    found = {**facts(), "compute1": {**facts_of(NODES)["compute1"], "kept": kept}, "network1": None}
    assert faults({"fabric_guests": []}, found).keys() <= set(NODES)
