# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest does not start anew on a node while what it wrote is on another."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_samples import NODES, changed, facts_of, faults_of, sample

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests import _places

PLACE = "/var/lib/netvirt/guests/vm1"
BEHIND = (
    f"fabric_guests[0].node: vm1 has its disk on {{}}; stop it there and copy {PLACE}/disk.qcow2 to the same place on "
    f"compute2, or remove {PLACE} from {{}} to start anew"
)
STILL = (
    "fabric_guests[0].node: vm1 still stands on compute9, which the document does not name; set fabric_clean to true "
    "to have it removed there, or name compute9 in fabric_nodes"
)
DOCUMENT = changed(sample(), {"fabric_guests[0].node": "compute2", "fabric_guests[0].image": "/images/a.qcow2"})


def told(owner: str, disk: bool) -> dict[str, Any]:
    return {"guests": {"vm1": {"owner": owner, "disk": disk}}}


def facts(**guests: dict[str, Any]) -> dict[str, Any]:
    """Return facts of the members, with these guests on some of them."""
    found = facts_of(NODES)
    return {node: {**found[node], "guests": {}, **guests.get(node, {})} for node in NODES}


@pytest.mark.parametrize("owner", ["fabric", ""])
def test_a_disk_on_another_node_is_not_forgotten(owner: str) -> None:
    """With the guest, which moves, or alone, since the guest was removed in an earlier run."""
    found = facts(compute1=told(owner, True))
    document = changed(DOCUMENT, {"fabric_nodes": {"compute1": {}}})
    assert faults_of(document, "compute2", found) == [BEHIND.format("compute1", "compute1")]
    assert bool(faults_of(document, "compute1", found)) == bool(owner), "only a guest can be stopped"
    assert faults_of(document, "network1", found) == []
    for answer in (told("", True), told("fabric", True), told("fabric", False)):
        moved = facts(compute1=told("", True), compute2=answer)
        assert faults_of(document, "compute2", moved) == [], "it is there already"
    without = changed(document, {"fabric_guests[0].image": None})
    assert faults_of(without, "compute2", found) == []


@pytest.mark.parametrize(
    ("there", "here", "lines"),
    [
        (told("fabric", True), {}, [BEHIND.format("compute9", "compute9")]),
        (told("fabric", True), told("", True), [STILL]),
        (told("fabric", False), {}, [STILL]),
        (told("shop", True), {}, []),
        (told("", True), {}, []),
        (told("fabric", True), told("fabric", True), []),
        ({"unreachable": True}, {}, []),
        ({"guests": {"vm1": "here"}}, {}, []),
    ],
)
def test_a_new_guest_may_stand_on_a_host_that_the_document_does_not_name(
    there: dict[str, Any], here: dict[str, Any], lines: list[str]
) -> None:
    document, found = validate(DOCUMENT), facts(compute2=here)
    assert _places.elsewhere(document, "compute2", found, {"compute9": there}) == lines
    assert _places.elsewhere(document, "network1", found, {"compute9": there}) == []
    assert ("vm1" in _places.arriving(document, "compute2", found)) == (here != told("fabric", True))
