# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document that the roles of one network stand for."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from fabric_samples import NODES, ROOT, build, named, of_kind

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._one_network import (
    COPIED,
    NETWORK_KEYS,
    network_document,
)

TUNNELLED = ["isolated", "routed", "nat"]
MODES = [*TUNNELLED, "bridged"]
UNDERLAY = {"type": "vxlan", "interface": "eth1"}
GUESTS = [{"name": "vm1", "node": "compute1", "address": "10.0.30.7"}]
WAY_OUT = {
    "node": "network1",
    "external": {"interface": "eth2", "address": "203.0.113.30/24", "gateway": "203.0.113.1"},
}


def variables(mode: str, **more: Any) -> dict[str, Any]:
    """Return the variables of a role, all that it needs and these."""
    given = {"name": "green", "vlan": 30, "cidr": "10.0.30.0/24", "underlay": UNDERLAY, "guests": GUESTS}
    given |= {} if mode == "isolated" else WAY_OUT
    return {f"{mode}_{key}": value for key, value in (given | more).items()}


@pytest.mark.parametrize("mode", TUNNELLED)
def test_every_host_is_joined(mode: str) -> None:
    document = network_document(mode, variables(mode), NODES)
    for node in NODES:
        (mesh,) = of_kind(build(document, node), "ovs_tunnel")
        assert len(mesh["remotes"]) == 2


@pytest.mark.parametrize("mode", TUNNELLED)
def test_the_mode_says_what_stands_on_the_routers_node(mode: str) -> None:
    resources = build(network_document(mode, variables(mode), NODES), "network1")
    assert bool(of_kind(resources, "netns_router")) == (mode != "isolated")
    assert bool(of_kind(resources, "nat_masquerade")) == (mode == "nat")


@pytest.mark.parametrize("wire", [None, 100])
def test_every_host_is_joined_to_the_physical_network(wire: int | None) -> None:
    given: dict[str, Any] = {"bridged_name": "green", "bridged_vlan": 30, "bridged_uplink": {"interface": "eth2"}}
    document = network_document("bridged", given | ({"bridged_segmentation_id": wire} if wire else {}), NODES)
    for node in NODES:
        resources = build(document, node)
        assert of_kind(resources, "ovs_tunnel") == []
        assert named(resources, "ovs_port_vlan", "eth2")["bridge"] == "br-ex"
    assert document["fabric_networks"][0].get("segmentation_id") == wire


def test_the_guests_sit_on_the_network() -> None:
    document = network_document("isolated", variables("isolated"), NODES)
    assert document["fabric_owner"] == "isolated-green"
    assert named(build(document, "compute1"), "ovs_port_vlan", "tap-vm1")["tag"] == 30


def test_hosts_that_are_named_count_in_place_of_those_of_the_play() -> None:
    document = network_document("nat", variables("nat", hosts=NODES[:2]), NODES)
    assert sorted(document["fabric_nodes"]) == sorted(NODES[:2])


def test_a_limited_run_does_not_guess() -> None:
    with pytest.raises(FabricError, match="isolated_hosts: is required with --limit"):
        network_document("isolated", variables("isolated"), NODES[:1], limited=True)
    assert network_document("isolated", variables("isolated", hosts=NODES), NODES[:1], limited=True)


@pytest.mark.parametrize("mode", MODES)
def test_the_role_hands_on_every_argument_that_it_has(mode: str) -> None:
    specification = yaml.safe_load((ROOT / f"roles/{mode}/meta/argument_specs.yml").read_text())
    read = {
        f"{mode}_{key}" for key in (*NETWORK_KEYS, *COPIED, "state", "hosts", "node", "external", "uplink", "guests")
    }
    assert set(specification["argument_specs"]["main"]["options"]) <= read


def readme(mode: str) -> dict[str, Any]:
    """Return the variables of the example in the role's README."""
    page = (ROOT / f"roles/{mode}/README.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    result: dict[str, Any] = yaml.safe_load(text)[0]["roles"][0]["vars"]
    return result


@pytest.mark.parametrize("mode", MODES)
def test_the_example_of_the_role_builds(mode: str) -> None:
    defaults = yaml.safe_load((ROOT / f"roles/{mode}/defaults/main.yml").read_text())
    given = defaults | readme(mode)
    assert {name.split("_")[0] for name in given} == {mode}
    assert build(network_document(mode, given, NODES), "compute1")


@pytest.mark.parametrize("mode", MODES)
def test_molecule_plays_the_example_of_the_role(mode: str) -> None:
    scenario = yaml.safe_load((ROOT / f"extensions/molecule/{mode}/group_vars/all.yml").read_text())
    del scenario[f"{mode}_guest_defaults"]
    scenario.pop("bridged_hosts", None)
    example = readme(mode)
    for guest in example[f"{mode}_guests"]:
        del guest["image"]
    assert scenario == example
