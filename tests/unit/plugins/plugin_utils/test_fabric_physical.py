# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks that physical networks carry: provider bridges, uplinks, VLANs on the wire, bridged guests."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_samples import NODES, build, changed, facts_of, faults_of, flows_of, named, of_kind, sample

from ansible_collections.netvirt.fabric.plugins.module_utils._registry import parse
from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._drawing import mermaid

Document = dict[str, Any]
COMPUTE = NODES[1:]
PHYSICAL = "fabric_physical_networks[0]"
NETWORK = "fabric_networks[0]"


def document(*networks: Document, **physical: Any) -> Document:
    """Return a document of these networks on one physical network, with a guest of the first on each compute node."""
    guests = [
        {"name": f"vm{number}", "node": node, "network": networks[0]["name"]} for number, node in enumerate(COMPUTE, 1)
    ]
    return {
        "fabric_physical_networks": [{"name": "office", "interface": "eth2", **physical}],
        "fabric_networks": list(networks),
        "fabric_guests": guests,
    }


def flat(**options: Any) -> Document:
    return {
        "name": "desks",
        "mode": "bridged",
        "vlan": 7,
        "network_type": "flat",
        "physical_network": "office",
        **options,
    }


def tagged(name: str, vlan: int, wire: int | None = None, **options: Any) -> Document:
    segmentation = {} if wire is None else {"segmentation_id": wire}
    return {**flat(), "name": name, "vlan": vlan, "network_type": "vlan", **segmentation, **options}


def port(resources: list[Document], name: str) -> tuple[Any, ...]:
    """Return bridge, mode, tag and trunks of a port."""
    found = named(resources, "ovs_port_vlan", name)
    return tuple(found.get(key) for key in ("bridge", "mode", "tag", "trunks"))


@pytest.mark.parametrize(
    "case",
    [
        document(flat()),
        document(tagged("a", 1, 100), tagged("b", 2), flat()),
        document(tagged("a", 1, 100), interface=None, interfaces=["eth2", "eth1"], lacp="active"),
        document(flat(), interface=None, linux_bridge="eth2"),
        document(
            flat(cidr="192.0.2.0/24", dhcp={"node": "compute1", "address": "192.0.2.9", "range": ["192.0.2.10"] * 2})
        ),
    ],
)
def test_every_resource_is_valid_for_its_kind(case: Document) -> None:
    for node in COMPUTE:
        facts = facts_of(NODES)
        facts[node]["interfaces"]["eth1"]["addresses"] = []
        resources = compile_node(case, node, facts, NODES)["resources"]
        assert len(resources) > 5
        parse(resources)


def test_a_flat_network_is_untagged_on_the_wire_and_has_no_flows() -> None:
    resources = build(document(flat()), "compute1")
    assert port(resources, "eth2") == ("br-ex", "trunk", None, [0])
    assert port(resources, "phy-br-ex") == ("br-ex", "trunk", None, [0])
    assert port(resources, "int-br-ex") == ("br-int", "native-untagged", 7, [7])
    assert port(resources, "tap-vm1") == ("br-int", "access", 7, None)
    assert named(resources, "ovs_bridge", "br-ex")["fail_mode"] == "standalone"
    assert flows_of(resources) == []


def test_a_bridged_network_has_no_services_and_no_tunnels() -> None:
    kinds = {kind for resource in build(document(flat()), "compute1") for kind in resource}
    assert kinds == {"ovs_bridge", "ovs_port_vlan", "ip_interface", "packet_filter", "link_unmanaged", "ovs_flow"}


def test_vlans_of_one_number_need_no_flows() -> None:
    resources = build(document(tagged("a", 10), tagged("b", 20), flat()), "compute1")
    assert port(resources, "eth2")[1:] == ("trunk", None, [0, 10, 20])
    assert port(resources, "phy-br-ex")[1:] == ("trunk", None, [0, 10, 20])
    assert port(resources, "int-br-ex")[1:] == ("native-untagged", 7, [7, 10, 20])
    assert flows_of(resources) == []


def test_another_number_on_the_wire_is_translated_in_both_directions_and_all_else_dropped() -> None:
    resources = build(document(tagged("a", 1, 100), tagged("b", 2, 200), flat()), "compute1")
    assert port(resources, "eth2")[1:] == ("trunk", None, [0, 100, 200])
    assert port(resources, "phy-br-ex")[1:] == ("trunk", None, [0, 100, 200])
    assert port(resources, "int-br-ex")[1:] == ("trunk", None, [1, 2, 7])
    inward, outward = flows_of(resources)
    assert (inward["bridge"], outward["bridge"]) == ("br-int", "br-ex")
    assert inward["flows"] == [
        "priority=3,in_port=int-br-ex,dl_vlan=100 actions=mod_vlan_vid:1,NORMAL",
        "priority=3,in_port=int-br-ex,dl_vlan=200 actions=mod_vlan_vid:2,NORMAL",
        "priority=3,in_port=int-br-ex,vlan_tci=0x0000/0x1fff actions=mod_vlan_vid:7,NORMAL",
        "priority=2,in_port=int-br-ex actions=drop",
    ]
    assert outward["flows"] == [
        "priority=3,in_port=phy-br-ex,dl_vlan=1 actions=mod_vlan_vid:100,NORMAL",
        "priority=3,in_port=phy-br-ex,dl_vlan=2 actions=mod_vlan_vid:200,NORMAL",
        "priority=3,in_port=phy-br-ex,dl_vlan=7 actions=strip_vlan,NORMAL",
        "priority=2,in_port=phy-br-ex actions=drop",
        "priority=0 actions=NORMAL",
    ]
    assert named(resources, "ovs_bridge", "br-ex")["fail_mode"] == "secure"
    assert named(resources, "ovs_bridge", "br-int")["fail_mode"] == "secure"


def test_only_nodes_that_need_it_are_joined() -> None:
    case = changed(document(flat()), {"fabric_nodes": {"network1": {}}})
    assert [bridge["name"] for bridge in of_kind(build(case, "network1"), "ovs_bridge")] == ["br-int"]
    listed = changed(case, {"fabric_nodes.network1": {"physical_networks": {"office": {}}}})
    assert port(build(listed, "network1"), "eth2")[0] == "br-ex"


def test_a_node_may_have_another_uplink() -> None:
    own = {"fabric_nodes": {"compute1": {"physical_networks": {"office": {"interface": "eth1"}}}}}
    facts = facts_of(NODES)
    facts["compute1"]["interfaces"]["eth1"].update(addresses=[], mtu=1400)
    case = changed(document(flat()), own)
    for node, nic in (("compute1", "eth1"), ("compute2", "eth2")):
        resources = build(case, node, facts)
        assert [item["name"] for item in of_kind(resources, "ip_interface")] == ["br-int", "br-ex", nic]
        guest = compile_node(case, node, facts, NODES)["guests"][0]
        assert guest["interfaces"][0]["mtu"] == 1400  # the least of all uplinks


def test_a_bond_is_one_port_of_several_nics() -> None:
    case = document(flat(), interface=None, interfaces=["eth2", "eth3"], bond_mode="balance-slb", lacp="passive")
    facts = facts_of(NODES)
    facts["compute1"]["interfaces"]["eth3"] = facts["compute1"]["interfaces"]["eth2"]
    facts["compute2"]["interfaces"]["eth3"] = facts["compute2"]["interfaces"]["eth2"]
    resources = build(case, "compute1", facts)
    bond = named(resources, "ovs_port_vlan", "bond-office")
    assert bond["interfaces"] == [{"name": "eth2", "ipv6": False}, {"name": "eth3", "ipv6": False}]
    assert (bond["bond_mode"], bond["lacp"], bond["trunks"]) == ("balance-slb", "passive", [0])
    assert [item["name"] for item in of_kind(resources, "ip_interface")] == ["br-int", "br-ex", "eth2", "eth3"]


def test_a_linux_bridge_is_joined_by_a_veth() -> None:
    facts = facts_of(NODES)
    for node in COMPUTE:
        facts[node]["interfaces"]["br0"] = {**facts[node]["interfaces"]["eth1"]}  # its address stays where it is
    resources = build(document(flat(), interface=None, linux_bridge="br0"), "compute1", facts)
    pair = named(resources, "veth_pair", "lp-office")
    assert (pair["peer"]["name"], pair["peer"]["master"], pair["peer"]["tx_checksum"]) == ("lb-office", "br0", False)
    assert port(resources, "lp-office") == ("br-ex", "trunk", None, [0])
    assert [item["name"] for item in of_kind(resources, "ip_interface")] == ["br-int", "br-ex"]


def test_a_linux_bridge_that_filters_vlans_would_drop_tagged_frames() -> None:
    facts = facts_of(NODES)
    for node in COMPUTE:
        facts[node]["interfaces"]["br0"] = {**facts[node]["interfaces"]["eth1"], "vlan_filtering": node == "compute1"}
    trunk = document(tagged("desks", 7), tagged("doors", 8, 108), interface=None, linux_bridge="br0")
    (fault,) = faults_of(trunk, "compute1", facts)
    assert fault == (
        f"{PHYSICAL}.linux_bridge: br0 of compute1 filters VLANs, and would drop the frames of 7, 108; "
        "switch its VLAN filtering off, or name its NIC as interface"
    )
    assert faults_of(trunk, "compute2", facts) == []
    assert faults_of(document(flat(), interface=None, linux_bridge="br0"), "compute1", facts) == []


def test_a_trunk_uplink_may_carry_networks_with_a_router() -> None:
    changes = {f"{NETWORK}.network_type": "vlan", f"{NETWORK}.physical_network": "public", "fabric_underlay": {}}
    resources = build(changed(sample(), changes), "network1")
    assert of_kind(resources, "ovs_tunnel") == []
    assert port(resources, "rl-blue") == ("br-int", "access", 10, None)
    assert port(resources, "int-br-ex")[1:] == ("trunk", None, [10])
    assert port(resources, "eth2")[1:] == ("trunk", None, [0, 10])  # the external leg is untagged
    assert named(resources, "veth_pair", "rl-blue")["mtu"] == 1500


def test_the_tunnels_carry_only_what_is_theirs() -> None:
    case = changed(sample(), {"fabric_networks[1]": tagged("red", 20, physical_network="public")})
    assert named(build(case, "compute1"), "ovs_port_vlan", "patch-tun")["trunks"] == [10]


def test_a_local_network_is_carried_by_nothing() -> None:
    local = {"name": "lab", "mode": "isolated", "vlan": 20, "network_type": "local"}
    guest = {"name": "vm3", "node": "compute1", "network": "lab"}
    case = changed(sample(), {"fabric_networks[1]": local, "fabric_guests[2]": guest})
    resources = build(case, "compute1")
    assert named(resources, "ovs_port_vlan", "patch-tun")["trunks"] == [10]
    assert port(resources, "tap-vm3")[2] == 20


def test_the_only_network_may_be_local_without_an_underlay() -> None:
    case = {
        "fabric_networks": [{"name": "lab", "mode": "isolated", "vlan": 20, "network_type": "local"}],
        "fabric_guests": [{"name": "vm1", "node": "compute1", "network": "lab"}],
        "fabric_nodes": {"compute2": {}},
    }
    assert [item["name"] for item in of_kind(build(case, "compute1"), "ovs_bridge")] == ["br-int"]


def test_our_own_dhcp_server_of_a_bridged_network_leaves_the_gateway_to_others() -> None:
    dhcp = {"node": "compute1", "address": "192.0.2.9", "range": ["192.0.2.10", "192.0.2.19"]}
    resources = build(document(flat(cidr="192.0.2.0/24", gateway="192.0.2.1", dhcp=dhcp)), "compute1")
    assert named(resources, "netns_router", "dhcp-desks")["interfaces"][0]["addresses"] == ["192.0.2.9/24"]
    assert named(resources, "dnsmasq_netns", "desks")["router"] == "192.0.2.1"


def test_a_bridged_network_may_have_a_router_of_ours() -> None:
    network = flat(cidr="192.0.2.0/24", gateway="192.0.2.1", router="r1")
    resources = build({**document(network), "fabric_routers": [{"name": "r1", "node": "compute1"}]}, "compute1")
    assert named(resources, "netns_router", "nv-r1")["interfaces"][0]["addresses"] == ["192.0.2.1/24"]


def test_a_drawing_shows_what_carries_a_network() -> None:
    drawing = mermaid(validate(document(tagged("a", 1, 100), flat())))
    assert 'network_a ---|"VLAN 100"| segment_office' in drawing
    assert 'network_desks ---|"untagged"| segment_office' in drawing


CASES: list[tuple[Document, dict[str, Any], str]] = [
    (
        document(flat()),
        {f"{PHYSICAL}.interface": None},
        f"{PHYSICAL}.interface: is required, or interfaces or linux_bridge, or fabric_nodes.compute1.physical_networks",
    ),
    (document(flat()), {f"{PHYSICAL}.linux_bridge": "br0"}, f"{PHYSICAL}.linux_bridge: cannot be combined with inter"),
    (document(flat()), {f"{PHYSICAL}.lacp": "active"}, f"{PHYSICAL}.lacp: interface makes no bond; use interfaces"),
    (
        document(flat(), interface=None),
        {f"{PHYSICAL}.interfaces": ["eth2", "eth2"]},
        f"{PHYSICAL}.interfaces: makes a bond and needs two different ones or more",
    ),
    (
        document(flat(), interface=None, interfaces=["eth2", "eth1"]),
        {f"{PHYSICAL}.bond_mode": "balance-tcp"},
        f"{PHYSICAL}.bond_mode: balance-tcp needs lacp active or passive",
    ),
    (
        document(flat()),
        {"fabric_nodes": {"compute1": {"physical_networks": {"lab": {}}}}},
        "fabric_nodes.compute1.physical_networks.lab: there is no physical network 'lab' in fabric_physical_networks",
    ),
    (
        document(flat()),
        {f"{NETWORK}.physical_network": "lab"},
        f"{NETWORK}.physical_network: there is no physical network 'lab' in fabric_physical_networks",
    ),
    (document(flat()), {f"{NETWORK}.physical_network": None}, f"{NETWORK}.physical_network: is required with network"),
    (document(flat()), {f"{NETWORK}.network_type": None}, f"{NETWORK}.network_type: must be flat or vlan, since phys"),
    (document(flat()), {f"{NETWORK}.segmentation_id": 5}, f"{NETWORK}.segmentation_id: is the VLAN on the wire with"),
    (
        document(flat()),
        {"fabric_networks[1]": flat(name="more", vlan=8)},
        "fabric_networks[1].physical_network: untagged on 'office' is already used by 'desks'",
    ),
    (
        document(tagged("a", 1, 100)),
        {"fabric_networks[1]": tagged("b", 100)},
        "fabric_networks[1].segmentation_id: VLAN 100 on 'office' is already used by 'a'",
    ),
    (
        document(flat()),
        {"fabric_networks[0]": {"name": "desks", "mode": "isolated", "vlan": 7, "network_type": "local"}},
        f"{NETWORK}.network_type: nothing joins the nodes of a local network, and 'desks' has several: compute1, compu",
    ),
    (
        document({"name": "desks", "mode": "isolated", "vlan": 7, "network_type": "gre"}),
        {},
        "fabric_underlay: is required, since gre carries network 'desks'",
    ),
    (sample(), {f"{NETWORK}.network_type": "gre"}, f"{NETWORK}.network_type: the tunnels are vxlan, not gre; leave it"),
    (sample(), {f"{NETWORK}.mode": "bridged", f"{NETWORK}.router": None, f"{NETWORK}.dhcp": None}, f"{NETWORK}.physi"),
    (
        document(flat(cidr="192.0.2.0/24")),
        {f"{NETWORK}.dhcp": {"node": "compute1", "address": "192.0.2.9"}},
        f"{NETWORK}.dhcp.range: is required in mode bridged, where others may have addresses",
    ),
    (
        document(flat(cidr="192.0.2.0/24")),
        {f"{NETWORK}.dhcp": {"node": "compute1", "range": ["192.0.2.10", "192.0.2.19"]}},
        f"{NETWORK}.dhcp.address: is required in mode bridged: the server's own address",
    ),
    (
        document(flat(cidr="192.0.2.0/24")),
        {f"{NETWORK}.dhcp": {"node": "compute1", "address": "192.0.2.10", "range": ["192.0.2.10", "192.0.2.19"]}},
        f"{NETWORK}.dhcp.range: 192.0.2.10-192.0.2.19 contains the DHCP server's address 192.0.2.10",
    ),
    (
        sample(),
        {f"{NETWORK}.dhcp.address": "10.0.10.9"},
        f"{NETWORK}.dhcp.address: is for mode bridged without a router; elsewhere the gateway serves",
    ),
    (
        document(flat(cidr="192.0.2.0/24")),
        {f"{NETWORK}.router": "r1", "fabric_routers": [{"name": "r1", "node": "compute1"}]},
        f"{NETWORK}.gateway: is required in mode bridged: the address of router 'r1'",
    ),
    (
        document(flat()),
        {f"{NETWORK}.mtu": 9000},
        f"{NETWORK}.mtu: 9000 is more than the 1500 that physical network 'office' leaves for guests",
    ),
    (
        document(flat()),
        {f"{PHYSICAL}.interface": "eth9", f"{PHYSICAL}.mtu": 1500},
        f"{PHYSICAL}.interface: compute1 has no interface eth9",
    ),
    (
        document(flat()),
        {
            "fabric_physical_networks[1]": {"name": "lab", "interface": "eth2", "bridge": "br-lab"},
            "fabric_networks[1]": flat(name="more", vlan=8, physical_network="lab", dhcp=None),
            "fabric_guests[2]": {"name": "vm3", "node": "compute1", "network": "more"},
        },
        "fabric_physical_networks[1].interface: eth2 is already the uplink of 'office'",
    ),
    (
        sample(),
        {"fabric_nodes": {"compute1": {"physical_networks": {"public": {"interface": "eth1"}}}}},
        "fabric_nodes.compute1.physical_networks.public.interface: eth1 is the underlay's interface",
    ),
]


@pytest.mark.parametrize(("base", "changes", "fault"), CASES, ids=[case[2].partition(" ")[0] for case in CASES])
def test_fault(base: Document, changes: dict[str, Any], fault: str) -> None:
    (found,) = faults_of(changed(base, changes), "compute1")
    assert found.startswith(fault)
