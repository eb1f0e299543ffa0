# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents and node facts to test with."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError

ROOT = Path(__file__).resolve().parents[4]
NODES = ["network1", "compute1", "compute2"]
ABSENT = object()
"""A value for ``changed`` that takes the key away."""


def sample() -> dict[str, Any]:
    """Return the document of examples/nat: network blue, router r1 on network1, vm1 and vm2 on a compute node each."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "examples/nat/fabric.yml").read_text())
    return document


def changed(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with other values at these paths, such as ``fabric_networks[0].vlan``; one past the end appends."""
    result = copy.deepcopy(document)
    for path, value in changes.items():
        *parents, last = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
        place: Any = result
        for part in parents:
            place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
        if value is ABSENT:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return result


def node_facts(number: int, datapath_types: tuple[str, ...] = ("netdev",), mtu: int = 1500) -> dict[str, Any]:
    """Return what node_info says of a node with eth0 (management), eth1 (underlay) and eth2 (external)."""

    def interface(index: int, addresses: list[str], size: int = 1500) -> dict[str, Any]:
        mac = f"02:00:00:00:{index:02x}:{number:02x}"
        return {"addresses": [*addresses, f"fe80::{index}:{number}/64"], "mtu": size, "mac": mac, "up": True}

    return {
        "datapath_types": list(datapath_types),
        "interfaces": {
            "eth0": interface(0, [f"198.18.0.{number}/24"]),
            "eth1": interface(1, [f"192.0.2.{number}/24"], mtu),
            "eth2": interface(2, []),
        },
    }


def facts_of(nodes: list[str], **options: Any) -> dict[str, Any]:
    """Return facts of several nodes, numbered from 1."""
    return {node: node_facts(number, **options) for number, node in enumerate(nodes, 1)}


def build(document: dict[str, Any], node: str, facts: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the resources of one node."""
    return compile_node(document, node, facts or facts_of(NODES), NODES)["resources"]


def of_kind(resources: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the options of the resources of a kind."""
    return [resource[kind] for resource in resources if kind in resource]


def flows_of(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sets of flows, less those of port security, which each node has."""
    return [item for item in of_kind(resources, "ovs_flow") if item["name"] != "port security"]


def named(resources: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """Return the options of the only resource of that kind and name."""
    (options,) = [options for options in of_kind(resources, kind) if options["name"] == name]
    return options


def faults_of(document: Any, node: str = "network1", facts: dict[str, Any] | None = None) -> list[str]:
    """Return the faults of a document, none when it compiles."""
    try:
        compile_node(document, node, facts or facts_of(NODES), NODES)
    except FabricError as error:
        return error.faults
    return []
