# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every valid document."""

from __future__ import annotations

import copy
from typing import Any

from fabric_samples import facts_of, of_kind
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.netvirt.fabric.plugins.module_utils._registry import parse
from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._drawing import dot, mermaid
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names

labels = st.from_regex(r"[a-z]{2}([a-z0-9-]{0,40}[a-z0-9])?", fullmatch=True).filter(lambda name: name != "ignore")
names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,40}[A-Za-z0-9])?", fullmatch=True)


def _network(name: str, number: int, routers: list[str], nodes: list[str], draw: st.DrawFn) -> dict[str, Any]:
    mode = draw(st.sampled_from(["isolated", "routed", "nat"]))
    network = {"name": name, "mode": mode, "vlan": number, "cidr": f"10.{number}.0.0/24"}
    if draw(st.booleans()):
        network["cidr6"] = f"2001:db8:{number:x}::/64"
    if mode != "isolated":
        network["router"] = draw(st.sampled_from(routers))
    if draw(st.booleans()):
        network["dhcp"] = {"node": draw(st.sampled_from(nodes))} if mode == "isolated" else {}
    return network


def _router(name: str, number: int, nodes: list[str], draw: st.DrawFn) -> dict[str, Any]:
    external = {
        "network": "public",
        "address": f"203.0.113.{number + 1}/24",
        "gateway": "203.0.113.254",
        "address6": f"2001:db8:ffff::{number + 1:x}/64",
    }
    return {"name": name, "node": draw(st.sampled_from(nodes)), "external": external}


@st.composite
def documents(draw: st.DrawFn) -> tuple[list[str], dict[str, Any]]:
    """Return (nodes, a valid document of theirs)."""
    nodes = [f"node{number}" for number in range(draw(st.integers(1, 6)))]
    routers = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    networks = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    guests = []
    for name in draw(st.lists(labels, max_size=8, unique=True)):
        on = draw(st.lists(st.sampled_from(networks), min_size=1, max_size=3))
        nics = [{"network": network} for network in on]
        guests.append({"name": name, "node": draw(st.sampled_from(nodes)), "networks": nics})
    return nodes, {
        "fabric_underlay": {"type": draw(st.sampled_from(["vxlan", "gre", "geneve"])), "interface": "eth1"},
        "fabric_physical_networks": [{"name": "public", "interface": "eth2"}],
        "fabric_nodes": {node: {} for node in nodes},
        "fabric_networks": [_network(name, n, routers, nodes, draw) for n, name in enumerate(networks, 1)],
        "fabric_routers": [_router(name, n, nodes, draw) for n, name in enumerate(routers)],
        "fabric_guests": guests,
    }


def interface_names(resources: list[dict[str, Any]]) -> list[str]:
    """Return the names of all interfaces that the resources make in the root namespace, by what makes them."""
    made = [bridge["name"] for bridge in of_kind(resources, "ovs_bridge")]
    return made + [port["name"] for port in of_kind(resources, "ovs_port_vlan")]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_a_valid_document_compiles(case: tuple[list[str], dict[str, Any]]) -> None:
    nodes, document = case
    facts = facts_of(nodes)
    addresses = {node: facts[node]["interfaces"]["eth1"]["addresses"][0].partition("/")[0] for node in nodes}
    before = copy.deepcopy(document)
    for node in nodes:
        resources = compile_node(document, node, facts, nodes)["resources"]
        assert compile_node(copy.deepcopy(document), node, facts, nodes)["resources"] == resources
        _check_names(resources)
        (mesh,) = of_kind(resources, "ovs_tunnel")
        assert set(mesh["remotes"]) == {address for other, address in addresses.items() if other != node}
        parse(resources)
    assert document == before


def _check_names(resources: list[dict[str, Any]]) -> None:
    made = interface_names(resources)
    assert len(made) == len(set(made))
    ends = [(pair["peer"]["namespace"], pair["peer"]["name"]) for pair in of_kind(resources, "veth_pair")]
    assert len(ends) == len(set(ends))
    assert all(len(name.encode()) <= 15 for name in [*made, *(name for _namespace, name in ends)])
    macs = [pair["peer"]["mac"] for pair in of_kind(resources, "veth_pair")]
    assert len(macs) == len(set(macs))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), st.data())
def test_the_order_of_the_document_does_not_matter(case: tuple[list[str], dict[str, Any]], data: st.DataObject) -> None:
    """But for guests to which DHCP gives addresses: of two that would have the same one, the later gets the next."""
    nodes, document = case
    in_order = {"fabric_guests"}
    if data.draw(st.booleans()):
        in_order = set()
        document = {**document, "fabric_networks": [{**item, "dhcp": None} for item in document["fabric_networks"]]}
    shuffled = {
        key: data.draw(st.permutations(value)) if isinstance(value, list) and key not in in_order else value
        for key, value in document.items()
    }
    facts = facts_of(nodes)
    for node in nodes:
        one, other = (compile_node(item, node, facts, nodes)["resources"] for item in (document, shuffled))
        assert sorted(map(repr, map(_canonical, one))) == sorted(map(repr, map(_canonical, other)))


def _canonical(value: Any) -> Any:
    """Return the value with lists sorted, for those of a resource are sets."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in sorted(value.items())}
    return sorted(map(_canonical, value), key=repr) if isinstance(value, list) else value


KEYS = ("name", "vlan", "mode", "cidr", "dhcp", "range", "ranges", "hosts", "node", "external", "router", "networks")
json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["10.0.0.0/24", "r1", "eth1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)
SECTIONS = (
    *("fabric_owner", "fabric_underlay", "fabric_nodes", "fabric_networks", "fabric_physical_networks"),
    *("fabric_routers", "fabric_guests", "fabric_guest_defaults"),
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(SECTIONS), json_like))
def test_nonsense_gives_faults_and_never_another_exception(document: dict[str, Any]) -> None:
    faults = ["none"]
    try:
        compile_node(document, "node0", facts_of(["node0"]), ["node0"])
    except FabricError as error:
        faults = error.faults
    assert faults
    assert all("\n" not in fault for fault in faults)


@given(st.text(min_size=1, max_size=60), st.sampled_from(["tap", "rl", "gw", "xl"]))
def test_interface_names_are_short_and_stable(name: str, prefix: str) -> None:
    result = _names.interface(prefix, name)
    assert len(result) <= 15
    assert result == _names.interface(prefix, name)


def test_long_names_that_start_alike_stay_different() -> None:
    made = {_names.tap(f"a-very-long-guest-name-{number}", index) for number in range(500) for index in range(2)}
    assert len(made) == 1000


@given(st.text(), st.text())
def test_mac_addresses_are_unicast_and_locally_administered(owner: str, name: str) -> None:
    first = int(_names.mac(owner, name)[:2], 16)
    assert (first & 1, first & 2) == (0, 2)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_a_drawing_shows_everything(case: tuple[list[str], dict[str, Any]]) -> None:
    nodes, document = case
    checked = validate(document, nodes)
    for drawing in (mermaid(checked), dot(checked)):
        for what in ("network", "router", "guest"):
            assert all(f"{what}_{item['name']}" in drawing for item in document[f"fabric_{what}s"])
        assert all(node in drawing for node in nodes)
