# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters, called as Ansible calls them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

ROOT = Path(__file__).resolve().parents[4]
FACTS = {
    "datapath_types": ["netdev"],
    "interfaces": {
        "eth1": {"addresses": ["192.0.2.1/24"], "mtu": 1500, "mac": "02:00:00:00:00:01"},
        "eth2": {"addresses": [], "mtu": 1500, "mac": "02:00:00:00:00:02"},
    },
}


def filter_named(name: str) -> Any:
    plugin = importlib.import_module(f"ansible_collections.netvirt.fabric.plugins.filter.{name}")
    return plugin.FilterModule().filters()[name]


def document() -> dict[str, Any]:
    result: dict[str, Any] = yaml.safe_load((ROOT / "examples/nat/fabric.yml").read_text())
    return {**result, "fabric_guests": []}


def test_compile() -> None:
    compiled = filter_named("compile")(document(), "network1", {"network1": FACTS}, ["network1"])
    assert {"ovs_bridge", "nat_masquerade"} <= {kind for resource in compiled["resources"] for kind in resource}
    assert compiled["guests"] == []


def test_compile_absent() -> None:
    compiled = filter_named("compile")(document(), "network1", {"network1": FACTS}, ["network1"], state="absent")
    assert compiled == {"resources": [], "guests": [], "moving": []}


def test_nodes() -> None:
    assert filter_named("nodes")(document(), ["network1", "other"]) == ["network1"]


@pytest.mark.parametrize("name", ["mermaid", "dot"])
def test_drawings(name: str) -> None:
    assert "network_blue" in filter_named(name)(document())


@pytest.mark.parametrize("name", ["compile", "nodes", "mermaid", "dot"])
def test_faults_are_a_filter_error_with_one_line_each(name: str) -> None:
    wrong = {"fabric_networks": [{"name": "blue", "mode": "isolated", "vlan": 4095}], "fabric_guests": 7}
    arguments = {"compile": ("network1", {})}.get(name, ())
    with pytest.raises(AnsibleFilterError) as caught:
        filter_named(name)(wrong, *arguments)
    assert str(caught.value).splitlines() == [
        "the fabric document has 2 faults:",
        "  fabric_networks[0].vlan: must be a whole number from 1 to 4094, not 4095",
        "  fabric_guests: must be a list, not 7",
    ]


def test_compile_refuses_another_state() -> None:
    with pytest.raises(AnsibleFilterError, match="state must be present or absent, not 'gone'"):
        filter_named("compile")(document(), "network1", {"network1": FACTS}, None, "gone")


@pytest.mark.parametrize("name", ["compile", "nodes", "mermaid", "dot"])
def test_examples_and_returns_are_yaml(name: str) -> None:
    plugin = importlib.import_module(f"ansible_collections.netvirt.fabric.plugins.filter.{name}")
    assert yaml.safe_load(plugin.DOCUMENTATION)["name"] == name
    assert yaml.safe_load(plugin.EXAMPLES)
    assert yaml.safe_load(plugin.RETURN)["_value"]
