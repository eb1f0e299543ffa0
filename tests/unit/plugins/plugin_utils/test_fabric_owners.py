# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is part of one document: another owner's is refused there, or taken over as it is."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from fabric_samples import NODES, build, changed, facts_of, faults_of, sample

from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node

BRIDGES = ("br-ex", "br-int", "br-phy", "br-tun")


def facts_with(owner: str, *nodes: str) -> dict[str, Any]:
    """Return facts of nodes with the bridges of a fabric of this owner."""
    facts = facts_of(NODES)
    for node in nodes:
        facts[node]["bridges"] = {name: {"owner": owner, "ports": []} for name in BRIDGES}
        facts[node]["guests"] = {"vm1": {"owner": owner, "disk": False}} if node == "compute1" else {}
    return facts


def test_a_host_of_another_document_is_refused_with_both_owners() -> None:
    facts = facts_with("shop", "network1")
    (fault,) = faults_of(sample(), "network1", facts)
    assert fault == (
        "fabric_owner: network1 is part of the fabric of the owner shop, which has br-ex, br-int, br-phy, br-tun "
        "there, and cannot be part of fabric as well; put both into one document of the role fabric, take shop down "
        "first, or take it over with fabric_owner_was: shop"
    )
    assert faults_of(sample(), "compute1", facts) == []  # no node can keep others from what is theirs
    assert compile_node(sample(), "network1", facts, NODES, "absent")["resources"] == []


@pytest.mark.parametrize("owner", ["", "netvirt", "fabric"])
def test_bridges_of_the_document_of_single_modules_and_of_nobody_are_used(owner: str) -> None:
    assert faults_of(sample(), "network1", facts_with(owner, "network1")) == []


def test_a_bridge_that_the_document_does_not_need_is_no_fault() -> None:
    facts = facts_of(NODES)
    facts["compute1"]["bridges"] = {"br-mine": {"owner": "shop", "ports": []}}
    assert faults_of(sample(), "compute1", facts) == []


def test_a_fabric_that_is_taken_over_is_the_same_but_for_its_owner() -> None:
    """MAC addresses, UUIDs and cookies stay, so that no guest restarts and no neighbour has to learn anything."""
    facts = facts_with("shop", *NODES)
    before = changed(sample(), {"fabric_owner": "shop"})
    after = changed(sample(), {"fabric_owner": "mall", "fabric_owner_was": "shop"})
    for node in NODES:
        assert compile_node(after, node, copy.deepcopy(facts), NODES) == compile_node(before, node, facts, NODES)
    renamed = changed(sample(), {"fabric_owner": "mall"})
    assert build(renamed, "compute1") != build(before, "compute1")


def test_guests_of_the_former_owner_move_like_ones_own() -> None:
    facts = facts_with("shop", *NODES)
    facts["network1"]["guests"] = {"vm1": {"owner": "shop", "disk": False}}
    document = changed(sample(), {"fabric_owner": "mall", "fabric_owner_was": "shop"})
    moving = compile_node(document, "network1", facts, NODES)["moving"]
    assert moving == [{"kvm_guest": {"name": "vm1", "state": "absent"}}]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("fabric", "must be the owner of another document; fabric is fabric_owner itself"),
        ("netvirt", "must be the owner of another document; netvirt is the owner of what single modules make"),
        ("a b", "must "),
        (7, "must "),
    ],
)
def test_a_former_owner_that_cannot_be_is_a_fault(value: Any, reason: str) -> None:
    (fault,) = faults_of(changed(sample(), {"fabric_owner_was": value}))
    assert fault.startswith(f"fabric_owner_was: {reason}")
