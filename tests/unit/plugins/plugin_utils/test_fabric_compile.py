# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a document compiles to."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_samples import NODES, build, changed, facts_of, flows_of, named, node_facts, of_kind, sample

from ansible_collections.netvirt.fabric.plugins.module_utils._registry import parse
from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node

DUAL = {
    "fabric_networks[0].cidr6": "2001:db8:10::/64",
    "fabric_networks[0].gateway6": "2001:db8:10::fe",
    "fabric_routers[0].external.address6": "2001:db8:ffff::10/64",
    "fabric_routers[0].external.gateway6": "2001:db8:ffff::1",
}
ISOLATED = {
    "name": "red",
    "mode": "isolated",
    "vlan": 20,
    "cidr": "10.0.20.0/24",
    "dhcp": {"node": "compute2"},
}


@pytest.mark.parametrize("datapath_type", ["netdev", "system"])
@pytest.mark.parametrize("changes", [{}, DUAL, {"fabric_networks[1]": ISOLATED}])
def test_every_resource_is_valid_for_its_kind(datapath_type: str, changes: dict[str, Any]) -> None:
    facts = facts_of(NODES, datapath_types=(datapath_type,))
    for node in NODES:
        resources = compile_node(changed(sample(), changes), node, facts, NODES)["resources"]
        assert resources
        parse(resources)


def test_the_mesh_of_a_node_has_all_other_nodes() -> None:
    addresses = {"network1": "192.0.2.1", "compute1": "192.0.2.2", "compute2": "192.0.2.3"}
    for node, address in addresses.items():
        (mesh,) = of_kind(build(sample(), node), "ovs_tunnel")
        assert set(mesh["remotes"]) == set(addresses.values()) - {address}
        assert mesh["local_ip"] == address
        assert mesh["protected"] is True


def test_a_single_node_has_a_mesh_without_remotes() -> None:
    document = changed(sample(), {"fabric_guests": []})
    (mesh,) = of_kind(build(document, "network1", facts_of(["network1"])), "ovs_tunnel")
    assert mesh["remotes"] == []


def test_a_node_without_an_underlay_has_no_tunnels() -> None:
    document = changed(sample(), {"fabric_guests": [], "fabric_underlay": {}})
    resources = build(document, "network1", facts_of(["network1"]))
    assert [bridge["name"] for bridge in of_kind(resources, "ovs_bridge")] == ["br-int", "br-ex"]
    assert of_kind(resources, "ovs_tunnel") == []
    assert named(resources, "veth_pair", "rl-blue")["mtu"] == 1500


def test_only_the_fabrics_vlans_pass_the_patch() -> None:
    document = changed(sample(), {"fabric_networks[1]": ISOLATED})
    ends = [port for port in of_kind(build(document, "compute1"), "ovs_port_vlan") if port.get("type") == "patch"]
    assert [(end["bridge"], end["name"], end["peer"], end["trunks"]) for end in ends] == [
        ("br-int", "patch-tun", "patch-int", [10, 20]),
        ("br-tun", "patch-int", "patch-tun", [10, 20]),
    ]


def test_bridges_of_one_node_have_one_datapath_type() -> None:
    facts = {**facts_of(NODES), "compute1": node_facts(2, datapath_types=("system", "netdev"))}
    for node, expected in (("network1", "netdev"), ("compute1", "system")):
        bridges = of_kind(build(sample(), node, facts), "ovs_bridge")
        assert {bridge["datapath_type"] for bridge in bridges} == {expected}
        assert ("br-phy" in [bridge["name"] for bridge in bridges]) is (expected == "netdev")


def test_the_document_may_pin_the_datapath_type() -> None:
    facts = facts_of(NODES, datapath_types=("system", "netdev"))
    document = changed(sample(), {"fabric_nodes": {"compute1": {"datapath_type": "netdev"}}})
    assert named(build(document, "compute1", facts), "ovs_bridge", "br-phy")["datapath_type"] == "netdev"


def test_the_userspace_datapath_takes_the_underlay_into_a_bridge() -> None:
    resources = build(sample(), "compute1")
    assert named(resources, "ovs_bridge", "br-phy")["hwaddr"] == "02:00:00:00:01:02"
    assert named(resources, "ovs_port_vlan", "eth1")["bridge"] == "br-phy"
    assert named(resources, "ip_interface", "eth1")["addresses"] == []
    assert named(resources, "ip_interface", "br-phy")["addresses"] == ["192.0.2.2/24"]
    assert named(resources, "ip_interface", "br-phy")["mtu"] == 1500


@pytest.mark.parametrize(
    ("underlay", "end"),
    [
        ({"type": "vxlan"}, {"protocol": "udp", "port": 4789}),
        ({"type": "geneve"}, {"protocol": "udp", "port": 6081}),
        ({"type": "vxlan", "dst_port": 4790}, {"protocol": "udp", "port": 4790}),
        ({"type": "gre"}, {"protocol": "gre"}),
    ],
)
def test_the_kernels_datapath_has_its_tunnels_end_closed(underlay: dict[str, Any], end: dict[str, Any]) -> None:
    document = changed(sample(), {f"fabric_underlay.{name}": value for name, value in underlay.items()})
    facts = facts_of(NODES, datapath_types=("system",))
    (found,) = (
        item for item in of_kind(build(document, "compute1", facts), "packet_filter") if "namespace" not in item
    )
    assert found["tunnel_endpoints"] == [{"address": "192.0.2.2", "interface": "eth1", **end}]
    assert found["isolated_interfaces"] == ["br-int", "br-tun", "tap-vm1"]
    (found,) = (item for item in of_kind(build(document, "compute1"), "packet_filter") if "namespace" not in item)
    assert "tunnel_endpoints" not in found  # Open vSwitch itself takes the packets, from br-phy


@pytest.mark.parametrize(("interface", "closed"), [("lo", False), ("eth1", True)])
def test_an_ipv6_end_on_lo_stays_open(interface: str, closed: bool) -> None:
    facts = facts_of(NODES, datapath_types=("system",))
    for number, node in enumerate(NODES):
        facts[node]["interfaces"][interface] = {"addresses": [f"2001:db8::{number}/128"], "mtu": 1500, "mac": ""}
    document = changed(sample(), {"fabric_underlay.interface": interface})
    (found,) = (
        item for item in of_kind(build(document, "compute1", facts), "packet_filter") if "namespace" not in item
    )
    assert ("tunnel_endpoints" in found) is closed


def test_the_hosts_managers_leave_alone_the_nics_that_bridges_take() -> None:
    """Their MTU is then the node's to set; one that carries another interface of the host stays with its manager."""
    facts = facts_of(NODES)
    resources = build(sample(), "network1", facts)
    assert [item["name"] for item in of_kind(resources, "link_unmanaged")] == ["eth1", "eth2"]
    assert [named(resources, "ip_interface", name)["mtu"] for name in ("eth1", "eth2")] == [1500, 1500]
    assert of_kind(build(sample(), "network1", facts_of(NODES, datapath_types=("system",))), "link_unmanaged") == [
        {"name": "eth2"}
    ]
    facts["network1"]["interfaces"]["eth2.7"] = {"addresses": [], "mtu": 1500, "mac": "", "parent": "eth2"}
    assert [item["name"] for item in of_kind(build(sample(), "network1", facts), "link_unmanaged")] == ["eth1"]


def test_a_second_run_finds_the_underlay_on_its_bridge() -> None:
    """After the first run the address is on br-phy, and the resources are the same."""
    facts = facts_of(NODES)
    first = build(sample(), "compute1", facts)
    interfaces = facts["compute1"]["interfaces"]
    interfaces["br-phy"] = {**interfaces["eth1"]}
    interfaces["eth1"] = {**interfaces["eth1"], "addresses": []}
    assert build(sample(), "compute1", facts) == first


def test_all_underlay_addresses_move_to_the_bridge() -> None:
    facts = facts_of(NODES)
    facts["compute1"]["interfaces"]["eth1"]["addresses"].append("2001:db8::2/64")
    resources = build(sample(), "compute1", facts)
    assert named(resources, "ip_interface", "br-phy")["addresses"] == ["192.0.2.2/24", "2001:db8::2/64"]


def test_a_pinned_underlay_address_is_set_and_the_others_stay() -> None:
    facts = facts_of(NODES)
    facts["compute1"]["interfaces"]["eth1"]["addresses"] = ["192.0.2.2/24"]
    document = changed(sample(), {"fabric_nodes": {"compute1": {"underlay_address": "192.0.2.22/24"}}})
    resources = build(document, "compute1", facts)
    assert named(resources, "ip_interface", "br-phy")["addresses"] == ["192.0.2.2/24", "192.0.2.22/24"]
    assert named(resources, "ovs_tunnel", "vxlan")["local_ip"] == "192.0.2.22"


def test_the_router_stands_on_its_node_only() -> None:
    for node in NODES:
        kinds = {kind for resource in build(sample(), node) for kind in resource}
        expected = {"netns_router", "nat_masquerade", "dnsmasq_netns", "veth_pair"} if node == "network1" else set()
        assert kinds & {"netns_router", "nat_masquerade", "dnsmasq_netns", "veth_pair"} == expected


def test_router() -> None:
    router = named(build(sample(), "network1"), "netns_router", "nv-r1")
    assert router["interfaces"] == [
        {"name": "gw-blue", "addresses": ["10.0.10.254/24"], "up": True, "ipv6": False},
        {"name": "ex-r1", "addresses": ["203.0.113.10/24"], "up": True, "ipv6": False},
    ]
    assert router["routes"] == [{"destination": "0.0.0.0/0", "via": "203.0.113.1", "interface": "ex-r1"}]
    assert (router["ip_forward"], router["ipv6_forward"], router["rp_filter"]) == (True, False, 1)
    parameters = router["sysctls"]
    assert (parameters["net.ipv4.conf.all.arp_ignore"], parameters["net.ipv4.conf.all.arp_announce"]) == ("1", "2")
    for interface in ("all", "default", "gw-blue", "ex-r1"):
        assert parameters[f"net.ipv4.conf.{interface}.accept_redirects"] == "0"
        assert parameters[f"net.ipv4.conf.{interface}.send_redirects"] == "0"
    assert parameters["net.ipv6.conf.default.accept_ra"] == "0"
    assert parameters["net.ipv6.conf.default.disable_ipv6"] == "1"


def test_frames_to_the_tunnel_endpoint_are_dropped_on_all_bridges_but_its_own() -> None:
    resources = build(sample(), "network1")
    sets = {item["bridge"]: item["flows"] for item in flows_of(resources)}
    drop = ["priority=65535,dl_dst=02:00:00:00:01:01 actions=drop"]
    assert sets == {"br-int": drop, "br-tun": drop, "br-ex": drop}
    facts = facts_of(NODES, datapath_types=("system",))
    assert flows_of(build(sample(), "network1", facts)) == []


def test_no_port_has_ipv6() -> None:
    resources = build(sample(), "network1")
    ports = [item for item in of_kind(resources, "ovs_port_vlan") if item.get("type") != "patch"]
    assert {item["name"]: item["ipv6"] for item in ports} == dict.fromkeys(("eth1", "eth2", "rl-blue", "xl-r1"), False)
    assert {item["ipv6"] for item in of_kind(resources, "veth_pair")} == {False}
    own = {item["name"]: item.get("ipv6") for item in of_kind(resources, "ip_interface")}
    assert {name: own.get(name) for name in ("br-int", "br-tun", "br-ex")} == dict.fromkeys(
        ("br-int", "br-tun", "br-ex"), False
    )


def test_a_bridge_with_an_address_of_the_host_keeps_its_ipv6() -> None:
    facts = facts_of(NODES)
    facts["network1"]["interfaces"]["br-ex"] = {"addresses": ["198.51.100.7/24"], "mtu": 1500, "mac": "", "up": True}
    resources = build(sample(), "network1", facts)
    assert "br-ex" not in [item["name"] for item in of_kind(resources, "ip_interface")]


def test_bridges_learn_as_many_macs_as_neutrons() -> None:
    assert {item["mac_table_size"] for item in of_kind(build(sample(), "network1"), "ovs_bridge")} == {50_000}


def test_legs_compute_their_checksums_and_carry_the_mtu() -> None:
    resources = build(sample(), "network1")
    for name, bridge, tag, mtu in (("rl-blue", "br-int", 10, 1446), ("xl-r1", "br-ex", None, 1500)):
        pair = named(resources, "veth_pair", name)
        assert pair["peer"]["namespace"] == "nv-r1"
        assert pair["peer"]["tx_checksum"] is False
        assert pair["mtu"] == pair["peer"]["mtu"] == mtu
        port = named(resources, "ovs_port_vlan", name)
        assert (port["bridge"], port.get("tag")) == (bridge, tag)


def test_translation() -> None:
    document = changed(
        sample(),
        {
            "fabric_networks[1]": {
                "name": "red",
                "mode": "routed",
                "vlan": 20,
                "cidr": "10.0.20.0/24",
                "router": "r1",
            }
        },
    )
    nat = named(build(document, "network1"), "nat_masquerade", "nat")
    assert nat["sources"] == ["10.0.10.0/24"]
    assert nat["exclude_destinations"] == ["10.0.10.0/24", "10.0.20.0/24"]
    assert (nat["out_interface"], nat["to_source"], nat["inbound"]) == ("ex-r1", ["203.0.113.10"], "drop")


def test_a_routed_network_is_not_translated() -> None:
    resources = build(changed(sample(), {"fabric_networks[0].mode": "routed"}), "network1")
    assert of_kind(resources, "nat_masquerade") == []
    assert of_kind(resources, "netns_router") != []


def test_dhcp() -> None:
    dhcp = named(build(sample(), "network1"), "dnsmasq_netns", "blue")
    assert (dhcp["namespace"], dhcp["interface"], dhcp["router"], dhcp["mtu"]) == (
        "nv-r1",
        "gw-blue",
        "10.0.10.254",
        1446,
    )
    assert dhcp["ranges"] == [{"start": "10.0.10.100", "end": "10.0.10.200", "lease": "86400", "prefix": 24}]
    assert dhcp["hosts"] == [
        {"mac": "52:54:00:aa:bb:01", "address": "10.0.10.11", "hostname": "vm1"},
        {"mac": "52:54:00:aa:bb:02", "address": "10.0.10.12", "hostname": "vm2"},
    ]


@pytest.mark.parametrize(
    ("gateway", "expected"),
    [("10.0.10.1", "10.0.10.2-10.0.10.254"), ("10.0.10.200", "10.0.10.1-10.0.10.199")],
)
def test_without_a_range_leases_come_from_the_longer_stretch(gateway: str, expected: str) -> None:
    changes = {"fabric_networks[0].dhcp": {}, "fabric_networks[0].gateway": gateway}
    dhcp = named(build(changed(sample(), changes), "network1"), "dnsmasq_netns", "blue")
    assert [f"{item['start']}-{item['end']}" for item in dhcp["ranges"]] == [expected]


def test_dual_stack() -> None:
    resources = build(changed(sample(), DUAL), "network1")
    router = named(resources, "netns_router", "nv-r1")
    assert router["ipv6_forward"] is True
    assert router["interfaces"][0]["addresses"] == ["10.0.10.254/24", "2001:db8:10::fe/64"]
    assert [route["destination"] for route in router["routes"]] == ["0.0.0.0/0", "::/0"]
    assert named(resources, "nat_masquerade", "nat")["to_source"] == ["203.0.113.10", "2001:db8:ffff::10"]
    advertised = named(resources, "dnsmasq_netns", "blue")["ranges"][1]
    assert (advertised["start"], advertised["mode"], advertised["prefix"]) == ("2001:db8:10::", "ra-stateless", 64)


def test_dhcpv6_reservations() -> None:
    changes = {
        **DUAL,
        "fabric_networks[0].dhcp.ranges": [["2001:db8:10::100", "2001:db8:10::200"]],
        "fabric_guests[0].address6": "2001:db8:10::11",
    }
    dhcp = named(build(changed(sample(), changes), "network1"), "dnsmasq_netns", "blue")
    assert [item["start"] for item in dhcp["ranges"]] == ["10.0.10.100", "2001:db8:10::100"]
    assert [host["address"] for host in dhcp["hosts"] if host["hostname"] == "vm1"] == ["10.0.10.11", "2001:db8:10::11"]


def test_an_isolated_network_has_its_dhcp_server_in_a_namespace_of_its_own() -> None:
    document = changed(sample(), {"fabric_networks[1]": ISOLATED})
    resources = build(document, "compute2")
    namespace = named(resources, "netns_router", "dhcp-red")
    assert namespace["interfaces"] == [{"name": "dh-red", "addresses": ["10.0.20.1/24"], "up": True, "ipv6": False}]
    assert (namespace["routes"], namespace["ip_forward"]) == ([], False)
    dhcp = named(resources, "dnsmasq_netns", "red")
    assert (dhcp["namespace"], dhcp["interface"]) == ("dhcp-red", "dh-red")
    assert (dhcp["router"], dhcp["ra_router"]) == ("", False)
    assert named(resources, "ovs_port_vlan", "dl-red")["tag"] == 20
    assert of_kind(build(document, "network1"), "dnsmasq_netns")[0]["name"] == "blue"


def test_the_external_leg_may_be_tagged() -> None:
    resources = build(changed(sample(), {"fabric_routers[0].external.vlan": 77}), "network1")
    assert named(resources, "ovs_port_vlan", "eth2")["trunks"] == [77]
    leg = named(resources, "ovs_port_vlan", "xl-r1")
    assert (leg["mode"], leg["tag"]) == ("access", 77)


def test_an_untagged_external_leg_carries_nothing_tagged() -> None:
    resources = build(sample(), "network1")
    assert named(resources, "ovs_port_vlan", "eth2")["trunks"] == [0]
    assert named(resources, "ovs_port_vlan", "xl-r1")["trunks"] == [0]


def test_two_routers_may_have_different_vlans_of_a_physical_network() -> None:
    external = {"network": "public", "address": "198.51.100.9/24", "vlan": 5}
    changes = {
        "fabric_routers[0].external.vlan": 77,
        "fabric_routers[1]": {"name": "r2", "node": "network1", "external": external},
    }
    resources = build(changed(sample(), changes), "network1")
    assert named(resources, "ovs_port_vlan", "eth2")["trunks"] == [5, 77]
    assert named(resources, "ovs_port_vlan", "xl-r2")["tag"] == 5


def test_guest() -> None:
    compiled = compile_node(sample(), "compute1", facts_of(NODES), NODES)
    (guest,) = compiled["guests"]
    assert guest["interfaces"] == [
        {
            "tap": "tap-vm1",
            "bridge": "br-int",
            "network": "blue",
            "vlan": 10,
            "mtu": 1446,
            "offload": False,
            "mac": "52:54:00:aa:bb:01",
            "address": "10.0.10.11",
        }
    ]
    assert (guest["memory"], guest["vcpus"]) == (96, 1)
    port = named(compiled["resources"], "ovs_port_vlan", "tap-vm1")
    assert (port["bridge"], port["tag"], port["device_required"]) == ("br-int", 10, False)


def test_a_guest_may_have_several_nics_and_its_own_settings() -> None:
    guest = {
        "name": "vm3",
        "node": "compute1",
        "memory": 256,
        "networks": [{"network": "blue"}, {"network": "red", "address": "10.0.20.9"}],
    }
    document = changed(sample(), {"fabric_networks[1]": ISOLATED, "fabric_guests[2]": guest})
    compiled = compile_node(document, "compute1", facts_of(NODES), NODES)["guests"][1]
    assert (compiled["name"], compiled["memory"], compiled["vcpus"]) == ("vm3", 256, 1)
    assert [(nic["tap"], nic["vlan"]) for nic in compiled["interfaces"]] == [("tap-vm3", 10), ("tap-vm3_1", 20)]
    first, second = (nic["mac"] for nic in compiled["interfaces"])
    assert first != second
    assert first.startswith("52:54:")
    assert compile_node(document, "compute1", facts_of(NODES), NODES)["guests"][1] == compiled


def test_networks_of_different_routers_may_have_the_same_subnet() -> None:
    changes = {
        "fabric_networks[1]": {"name": "twin", "mode": "routed", "vlan": 20, "cidr": "10.0.10.0/24", "router": "r2"},
        "fabric_routers[1]": {"name": "r2", "node": "network1"},
    }
    resources = build(changed(sample(), changes), "network1")
    assert [router["name"] for router in of_kind(resources, "netns_router")] == ["nv-r1", "nv-r2"]


def test_a_host_outside_the_document_needs_nothing() -> None:
    assert compile_node(sample(), "other", facts_of(NODES), [*NODES, "other"]) == {
        "resources": [],
        "guests": [],
        "moving": [],
    }


def with_underlay_bridge(owner: str = "fabric") -> dict[str, Any]:
    """Return the facts of a node whose br-phy has taken over the address of eth1."""
    facts = facts_of(NODES)["network1"]
    facts["interfaces"]["br-phy"] = facts["interfaces"]["eth1"]
    facts["interfaces"]["eth1"] = {**facts["interfaces"]["eth1"], "addresses": []}
    facts["bridges"] = {"br-phy": {"owner": owner, "ports": ["eth1"]}}
    return {"network1": facts}


RETURNED = {"ip_interface": {"name": "eth1", "addresses": ["192.0.2.1/24"], "up": True}}


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize(("node", "owner"), [("network1", "another"), ("other", "fabric")])
def test_a_node_that_leaves_gets_its_underlay_addresses_back(state: str, node: str, owner: str) -> None:
    document = {"fabric_owner": "fabric"}  # says nothing of the node, nor of its underlay any more
    compiled = compile_node(document, "network1", with_underlay_bridge(), NODES, state)
    assert compiled == {"resources": [RETURNED], "guests": [], "moving": []}
    facts = with_underlay_bridge(owner)
    assert compile_node(document, node, facts, NODES, state) == {"resources": [], "guests": [], "moving": []}


def test_absent_leaves_nothing_but_the_underlay_addresses() -> None:
    facts = with_underlay_bridge()  # the peers need not be there
    assert compile_node(sample(), "network1", facts, NODES, "absent") == {
        "resources": [RETURNED],
        "guests": [],
        "moving": [],
    }
    assert compile_node(sample(), "network1", {}, NODES, "absent") == {"resources": [], "guests": [], "moving": []}


def test_a_node_that_goes_on_without_an_underlay_gets_its_addresses_back() -> None:
    document = {"fabric_nodes": {"network1": {"datapath_type": "netdev"}}}
    resources = build(document, "network1", with_underlay_bridge())
    assert resources[-1] == RETURNED
    assert "br-phy" not in [bridge["name"] for bridge in of_kind(resources, "ovs_bridge")]


def test_a_node_that_stays_keeps_its_underlay_bridge() -> None:
    resources = build(sample(), "network1", {**facts_of(NODES), **with_underlay_bridge()})
    assert RETURNED not in resources
