# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole fleet compiles in one go, to what its nodes compile to one by one, in a time that grows with it."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import yaml
from fabric_samples import NODES, ROOT, changed, facts_of, sample

from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_fabric, compile_node
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError

sys.path.insert(0, str(ROOT / "tests" / "bench"))
import compile as fleets  # the benchmark's documents

EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/fabric.yml"))


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_a_fleet_is_the_sum_of_its_nodes(example: str, state: str) -> None:
    document = yaml.safe_load((ROOT / "examples" / example / "fabric.yml").read_text())
    facts = facts_of([*NODES, "elsewhere"])
    for node in facts.values():
        node["interfaces"].update({f"eth{number}": node["interfaces"]["eth2"] for number in (3, 4)})
    hosts = [*NODES, "elsewhere"]
    fleet = compile_fabric(document, facts, hosts, state)
    assert sorted(fleet) == sorted(facts)
    for node in facts:
        alone = compile_node(document, node, facts, hosts, state)
        assert fleet[node] == {**alone, "faults": []}


def test_a_node_that_cannot_be_built_has_its_reasons_and_the_others_are_built() -> None:
    facts = facts_of(NODES)
    facts["network1"]["interfaces"].pop("eth2")
    fleet = compile_fabric(sample(), facts, NODES)
    assert fleet["network1"]["faults"] == [
        "fabric_physical_networks[0].interface: network1 has no interface eth2",
    ]
    assert (fleet["network1"]["resources"], fleet["network1"]["guests"]) == ([], [])
    assert fleet["compute1"]["resources"]
    assert fleet["compute1"]["faults"] == []


def test_a_fault_of_the_document_stops_all() -> None:
    with pytest.raises(FabricError, match=r"fabric_networks\[0\]\.vlan: must be"):
        compile_fabric(changed(sample(), {"fabric_networks[0].vlan": 5000}), facts_of(NODES), NODES)


def steps(count: int) -> int:
    """Return how many lines of our code the compiler runs for a fleet of that many nodes."""
    document, facts, names = fleets.document(count), fleets.facts(count), fleets.names(count)
    seen = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal seen
        if "plugin_utils" not in frame.f_code.co_filename:
            return None
        seen += event == "line"
        return trace

    sys.settrace(trace)
    try:
        compile_fabric(document, facts, names)
    finally:
        sys.settrace(None)
    return seen


def test_the_work_grows_with_the_fleet() -> None:
    small, large = steps(20), steps(100)
    assert large < 6 * small
