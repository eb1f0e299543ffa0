# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A feature adds keys, faults, resources, proofs and a drawing to those of others, and no file of theirs knows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from fabric_samples import build, changed, faults_of, named, of_kind, sample

from ansible_collections.netvirt.fabric.plugins.module_utils._registry import parse
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults, Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._drawing import mermaid
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._graph import Graph
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features import _registry
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site


class Spare(Feature):
    """Another address of a router that leads to a guest's NIC, and flows for the NIC that has it."""

    name = "spare addresses"

    @staticmethod
    def _of_nic(reader: Reader) -> Mapping[str, Any]:
        return {"spare": reader.get("spare_address", _convert.address4, None)}

    extends = {"nic": _of_nic}
    keys = (Key("fabric_spare_pool", "Where spare addresses come from."),)
    extra_keys = {"nic": (Key("spare_address", "Another address.", row="another address"),)}

    def read(self, reader: Reader, _origin: str) -> Mapping[str, Any]:
        return {"spare_pool": reader.get("fabric_spare_pool", _convert.network4, None)}

    def check(self, document: Document, faults: Faults) -> None:
        for nic in document.nics():
            spare, pool = nic.parts["spare"], document.parts["spare_pool"]
            if spare and (pool is None or spare not in pool):
                faults.add(f"{nic.path}.spare_address", f"{spare} is not in fabric_spare_pool")

    def build(self, site: Site, plan: Plan) -> None:
        for nic in site.document.nics():
            network = site.document.network(nic.network)
            router = site.document.router(network.router) if network else None
            if nic.parts["spare"] and router and router.node == site.node:
                namespace = plan.namespace(_names.router_namespace(router.name))
                namespace.interface(_names.external_leg(router.name)[1], [f"{nic.parts['spare']}/32"])
        for guest in site.document.guests_on(site.node):
            for index, nic in enumerate(guest.nics):
                if nic.parts["spare"]:
                    plan.bridge(_names.INTEGRATION, fail_mode="secure")
                    port = _names.tap(guest.name, index)
                    plan.flows(_names.INTEGRATION, "spare flows", [f"priority=9,in_port={port} actions=drop"], table=10)

    def draw(self, document: Document, graph: Graph) -> None:
        spares = [str(nic.parts["spare"]) for nic in document.nics() if nic.parts["spare"]]
        graph.edges.extend(("segment_public", "router_r1", spare) for spare in spares)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "FEATURES", (*_registry.FEATURES, Spare()))


@pytest.fixture
def document() -> dict[str, Any]:
    spare = {"fabric_spare_pool": "203.0.113.0/24", "fabric_guests[0].spare_address": "203.0.113.77"}
    return changed(sample(), spare)


def test_it_reads_and_checks(document: dict[str, Any]) -> None:
    assert faults_of(document) == []
    assert faults_of(changed(document, {"fabric_guests[0].spare_address": "nonsense"})) == [
        "fabric_guests[0].spare_address: must be an IPv4 address such as 10.0.0.1, not 'nonsense'"
    ]
    assert faults_of(changed(document, {"fabric_guests[0].spare_address": "198.51.100.1"})) == [
        "fabric_guests[0].spare_address: 198.51.100.1 is not in fabric_spare_pool"
    ]


def test_it_adds_to_the_router_of_another_feature(document: dict[str, Any]) -> None:
    router = named(build(document, "network1"), "netns_router", "nv-r1")
    (outside,) = [item for item in router["interfaces"] if item["name"] == "ex-r1"]
    assert outside["addresses"] == ["203.0.113.10/24", "203.0.113.77/32"]


def test_it_has_flows_beside_those_of_others(document: dict[str, Any]) -> None:
    resources = build(document, "compute1")
    assert named(resources, "ovs_bridge", "br-int")["fail_mode"] == "secure"
    sets = [flows for flows in of_kind(resources, "ovs_flow") if flows["bridge"] == "br-int"]
    assert {flows["name"] for flows in sets} == {"to the tunnel endpoint", "spare flows", "port security"}
    assert len({flows["cookie"] for flows in sets}) == len(sets)
    parse(resources)


def test_its_keys_are_described() -> None:
    sections = {key.name: key for key in _registry.sections()}
    guest = {key.name: key for key in sections["fabric_guests"].keys}
    assert "fabric_spare_pool" in sections
    assert "spare_address" in guest
    assert "spare_address" in [key.name for key in guest["networks"].keys]


def test_it_is_drawn(document: dict[str, Any]) -> None:
    assert '|"203.0.113.77"|' in mermaid(validate(document))


def test_what_contradicts_another_feature_is_a_fault(document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def contradict(_self: Spare, _site: Site, plan: Plan) -> None:
        plan.access_port("tap-vm1", "br-int", 99)

    monkeypatch.setattr(Spare, "build", contradict)
    assert faults_of(document, "compute1") == [
        "compute1: ovs_port_vlan tap-vm1: tag is 10 for guests and 99 for spare addresses"
    ]


def test_nothing_is_left_of_it_where_it_is_not_used() -> None:
    assert "spare flows" not in str(build(sample(), "compute1"))
