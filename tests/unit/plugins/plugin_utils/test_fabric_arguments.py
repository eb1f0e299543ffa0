# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's argument specification and the reader of documents know the same keys."""

from __future__ import annotations

from typing import Any

import yaml
from fabric_samples import ROOT, changed, facts_of, faults_of

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import DEFAULT_OWNER
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._model import DEFAULT_LEASE
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import MODES
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._registry import sections

SPEC = yaml.safe_load((ROOT / "roles/fabric/meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
NOT_IN_DOCUMENT = {"fabric_state", "fabric_timeout", "fabric_run_guests", "fabric_allow_removal"}
VALUES = {"bool": True, "int": 1, "str": "x", "raw": "x", "list": [], "dict": {}}


def example(options: dict[str, Any]) -> dict[str, Any]:
    """Return a document that has every key of the specification."""
    result = {}
    for name, option in options.items():
        if "options" not in option:
            result[name] = VALUES[option["type"]]
        else:
            inner = example(option["options"])
            result[name] = [inner] if option["type"] == "list" else inner
    return result


def test_the_reader_knows_every_argument() -> None:
    document = {name: value for name, value in example(SPEC).items() if name not in NOT_IN_DOCUMENT}
    assert [fault for fault in faults_of(document, facts=facts_of(["x"])) if "is not known here" in fault] == []


def known_keys(document: dict[str, Any], path: str) -> set[str]:
    """Return the keys that the reader says it knows at a path."""
    at = f"{path}.nonsense" if path else "nonsense"
    (fault,) = [fault for fault in faults_of(changed(document, {at: 1})) if fault.startswith(f"{at}: ")]
    return set(fault.rpartition("known are ")[2].split(", "))


def test_every_key_of_the_reader_is_an_argument() -> None:
    document = {name: value for name, value in example(SPEC).items() if name not in NOT_IN_DOCUMENT}

    def compare(options: dict[str, Any], path: str) -> None:
        assert known_keys(document, path) == set(options) - NOT_IN_DOCUMENT, path
        for name, option in options.items():
            if "options" in option:
                at = f"{path}.{name}" if path else name
                compare(option["options"], f"{at}[0]" if option["type"] == "list" else at)

    compare(SPEC, "")


def test_every_key_of_a_node_is_described() -> None:
    """Nodes are a dictionary by name, of which an argument specification cannot say the keys."""
    (nodes,) = [key for key in sections() if key.name == "fabric_nodes"]
    document = {"fabric_nodes": {"x": {}}}
    assert known_keys(document, "fabric_nodes.x") == {key.name for key in nodes.keys}


def test_choices_agree() -> None:
    networks = SPEC["fabric_networks"]["options"]
    assert tuple(networks["mode"]["choices"]) == MODES
    assert networks["dhcp"]["options"]["lease"]["default"] == DEFAULT_LEASE
    assert SPEC["fabric_owner"]["default"] == DEFAULT_OWNER
