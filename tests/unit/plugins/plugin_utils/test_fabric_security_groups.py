# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Security groups: what they make, how much of it, what is wrong with them, and what a proof expects of them."""

from __future__ import annotations

import ipaddress
import re
import time
from typing import Any

import pytest
from answering_fleet import Fleet, proper
from fabric_samples import ABSENT, NODES, build, changed, facts_of, faults_of, named, of_kind, sample

from ansible_collections.netvirt.fabric.plugins.module_utils._registry import parse
from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_fabric
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups._expected import (
    may_get,
    may_send,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups._rules import masks

EGRESS = {"direction": "egress"}
WEB = {"direction": "ingress", "protocol": "tcp", "ports": [80]}
RULE = "fabric_security_groups[0].rules[0]"


def grouped(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the sample with vm1 in a group of these rules."""
    own = {
        "fabric_security_groups": [{"name": "web", "rules": list(rules)}],
        "fabric_guests[0].security_groups": ["web"],
    }
    return changed(sample(), {**own, **{key.replace("__", "."): value for key, value in more.items()}})


def flows(document: dict[str, Any], node: str = "compute1") -> list[str]:
    """Return the flows of groups on a node; the kind takes them."""
    resources = build(document, node)
    assert parse(resources)
    return [
        flow for item in of_kind(resources, "ovs_flow") if item["name"] == "security groups" for flow in item["flows"]
    ]


def rules_of(document: dict[str, Any]) -> list[str]:
    """Return the flows of rules, less what all of them have."""
    found = [flow for flow in flows(document) if flow.startswith("table=40,")]
    return [re.sub(r"table=40,priority=|ct_state=\+trk-inv,reg7=0x[0-9a-f]+,", "", flow) for flow in found]


def test_a_document_without_groups_is_as_it_was() -> None:
    assert flows(sample()) == []


def test_an_empty_list_puts_all_guests_into_the_default_group() -> None:
    found = rules_of({**sample(), "fabric_security_groups": []})
    assert found == [
        "30,ip,reg8=0 actions=resubmit(,41)",
        "30,ipv6,reg8=0 actions=resubmit(,41)",
        "30,ip,reg8=1,ct_nw_src=10.0.10.11/32 actions=resubmit(,41)",
        "30,ip,reg8=1,ct_nw_src=10.0.10.12/32 actions=resubmit(,41)",
        *[f"30,ipv6,reg8=1,ct_ipv6_src=fe80::5054:ff:feaa:bb0{number}/128 actions=resubmit(,41)" for number in (1, 2)],
    ]


def test_the_default_group_can_have_other_rules() -> None:
    document = {**sample(), "fabric_security_groups": [{"name": "default", "rules": [WEB]}]}
    assert rules_of(document) == [
        f"30,{version},reg8=1,ct_nw_proto=6,ct_tp_dst=80 actions=resubmit(,41)" for version in ("ip", "ipv6")
    ]


def test_a_nic_in_no_group_has_no_rule_and_one_without_port_security_no_filter() -> None:
    assert rules_of(grouped(WEB, fabric_guests=[{**sample()["fabric_guests"][0], "security_groups": []}])) == []
    document = {**sample(), "fabric_security_groups": []}
    document["fabric_guests"][0]["port_security"] = False
    assert not any("in_port" in flow for flow in flows(document))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"protocol": "udp", "ethertype": "ipv4"}, ["ip,reg8=1,ct_nw_proto=17"]),
        ({"protocol": 112, "remote_cidr": "192.0.2.0/24"}, ["ip,reg8=1,ct_nw_src=192.0.2.0/24,ct_nw_proto=112"]),
        ({"protocol": "6", "ethertype": "ipv6"}, ["ipv6,reg8=1,ct_nw_proto=6"]),
        ({"protocol": "icmp"}, ["ip,reg8=1,ct_nw_proto=1"]),
        ({"protocol": "icmpv6", "icmp_type": 128}, ["ipv6,reg8=1,ct_nw_proto=58,ct_tp_src=128"]),
        ({"protocol": "icmp", "icmp_type": 8, "icmp_code": 0}, ["ip,reg8=1,ct_nw_proto=1,ct_tp_src=8,ct_tp_dst=0"]),
        ({"remote_cidr": "2001:db8::1"}, ["ipv6,reg8=1,ct_ipv6_src=2001:db8::1/128"]),
    ],
)
def test_rule(rule: dict[str, Any], expected: list[str]) -> None:
    found = rules_of(grouped({"direction": "ingress", **rule}))
    assert [flow.partition(" ")[0] for flow in found] == [f"30,{item}" for item in expected]


def test_addresses_and_services_become_a_conjunction() -> None:
    rules = [{**WEB, "ethertype": "ipv4", "ports": [port], "remote_address_group": "office"} for port in (80, 443)]
    groups = [{"name": "office", "addresses": ["192.0.2.0/24", "198.51.100.7", "2001:db8::/32"]}]
    found = rules_of(grouped(*rules, fabric_address_groups=groups))
    clauses = [re.sub(r"conjunction\(\d+,", "conjunction(N,", flow) for flow in found[:-1]]
    assert clauses == [
        "20,ip,reg8=1,ct_nw_src=192.0.2.0/24 actions=conjunction(N,1/2)",
        "20,ip,reg8=1,ct_nw_src=198.51.100.7/32 actions=conjunction(N,1/2)",
        "20,ip,reg8=1,ct_nw_proto=6,ct_tp_dst=80 actions=conjunction(N,2/2)",
        "20,ip,reg8=1,ct_nw_proto=6,ct_tp_dst=443 actions=conjunction(N,2/2)",
    ]
    assert re.fullmatch(r"20,conj_id=\d+ actions=resubmit\(,41\)", found[-1])


def test_ranges_of_ports_are_masks() -> None:
    for low, high in ((1, 65535), (80, 80), (8000, 8010), (1024, 65535), (65534, 65535), (7, 4097)):
        covered: list[int] = []
        for item in masks(low, high):
            value, _slash, mask = item.partition("/")
            size = 2**16 - int(mask, 16) if mask else 1
            covered += range(int(value), int(value) + size)
        assert covered == list(range(low, high + 1))


def big(guests: int, rules: int) -> dict[str, Any]:
    """Return a document with guests in one group on a node, whose rules have ports and the group itself."""
    document = {**sample(), "fabric_guests": []}
    document["fabric_networks"][0].update(cidr="10.8.0.0/16", gateway="10.8.0.1")
    document["fabric_networks"][0]["dhcp"] = {"range": ["10.8.1.1", "10.8.200.1"]}
    document["fabric_guests"] = [
        {"name": f"g{number}", "node": "compute1", "network": "blue", "security_groups": ["web"]}
        for number in range(guests)
    ]
    listed = [
        {
            "direction": "ingress",
            "protocol": "tcp",
            "ports": [f"{1000 + number * 10}-{1006 + number * 10}"],
            "remote_group": "web",
        }
        for number in range(rules)
    ]
    return {**document, "fabric_security_groups": [{"name": "web", "rules": [EGRESS, *listed]}]}


def test_many_guests_with_many_rules_are_few_flows() -> None:
    """200 guests in a group with 50 rules, each of the group itself and a range of ports."""
    assert len(flows(big(200, 50))) < 0.2 * 200 * 50
    assert len(flows(big(200, 50))) < 2 * len(flows(big(100, 50)))


def test_unrelated_changes_leave_numbers_alone() -> None:
    """Packets that are on their way through the tables keep the policy and the zone with which they set out."""
    before = [item for item in flows(big(20, 3)) if item.startswith("table=50,priority=30")]
    after = flows({**big(21, 3), "fabric_networks": [*big(20, 3)["fabric_networks"], OTHER_NETWORK]})
    assert [item for item in before if item not in after] == []


OTHER_NETWORK = {"name": "red", "mode": "isolated", "vlan": 20, "cidr": "10.0.20.0/24"}
VM3 = {"name": "vm3", "node": "compute1", "network": "red", "address": "10.0.20.11", "security_groups": ["web"]}


def test_members_elsewhere_count_unless_their_addresses_are_those_of_neighbours() -> None:
    rule = {"direction": "ingress", "ethertype": "ipv4", "remote_group": "web"}
    both = {"fabric_networks[1]": OTHER_NETWORK, "fabric_guests[2]": VM3}
    found = rules_of(changed(grouped(rule), both))
    assert {"30,ip,reg8=1,ct_nw_src=10.0.20.11/32 actions=resubmit(,41)"} < set(found)
    same = {**both, "fabric_networks[1]": {**OTHER_NETWORK, "cidr": "10.0.10.0/24"}}
    same["fabric_guests[2]"] = {**VM3, "address": "10.0.10.99"}
    found = flows(changed(grouped(rule), same))
    sources = {flow.partition("ct_nw_src=")[2].split("/")[0] for flow in found if "ct_nw_src" in flow}
    assert sources == {"10.0.10.11", "10.0.10.99"}
    assert len([flow for flow in found if "ct_nw_src" in flow]) == 2


def test_dhcp_passes_to_and_from_the_networks_own_server() -> None:
    found = flows(grouped(WEB))
    assert "table=30,priority=20,udp,tp_src=68,tp_dst=67,reg5=10,nw_dst=10.0.10.254 actions=resubmit(,50)" in found
    assert "table=51,priority=20,udp,tp_src=67,tp_dst=68,reg5=10,nw_src=10.0.10.254 actions=NORMAL" in found


def test_a_node_without_filtered_guests_has_no_flows_and_others_let_all_servers_answer() -> None:
    """A server answers by a frame to all, and its port does not tell of which network it is."""
    document = changed(grouped(WEB), {"fabric_networks[1]": {**OTHER_NETWORK, "dhcp": {"node": "compute1"}}})
    assert flows(document, "network1") == []
    found = [flow for flow in flows(document) if flow.startswith("table=50,priority=20,udp,tp_src=67")]
    assert len([flow for flow in found if "nw_src=10.0.10.254," in flow or "nw_src=10.0.20.1," in flow]) == 2


def test_what_comes_from_a_translated_physical_network_is_filtered_too() -> None:
    document = grouped(WEB)
    document["fabric_physical_networks"].append({"name": "office", "interface": "eth3", "bridge": "br-of"})
    office = {"name": "office", "mode": "bridged", "vlan": 20, "network_type": "vlan", "physical_network": "office"}
    document["fabric_networks"] = [*document["fabric_networks"], {**office, "segmentation_id": 200}]
    document["fabric_guests"] = [*document["fabric_guests"], {"name": "vm3", "node": "compute1", "network": "office"}]
    facts = facts_of(NODES)
    for node in facts.values():
        node["interfaces"]["eth3"] = dict(node["interfaces"]["eth2"])
    found = named(build(document, "compute1", facts), "ovs_flow", "from physical networks")["flows"]
    assert any(flow.endswith("mod_vlan_vid:20,resubmit(,50)") for flow in found)
    assert not any(flow.endswith("NORMAL") for flow in found)


FAULTS: list[tuple[dict[str, Any], str]] = [
    (
        {"fabric_guests[0].security_groups": ["db"]},
        "fabric_guests[0].security_groups[0]: there is no security group 'db'",
    ),
    (
        {"fabric_guests[0].port_security": False},
        "fabric_guests[0].security_groups: says nothing where port_security is",
    ),
    ({"fabric_guests[0].security_groups": "web"}, "fabric_guests[0].security_groups: must be a list, not 'web'"),
    ({"fabric_security_groups[0].name": ABSENT}, "fabric_security_groups[0].name: is required"),
    ({"fabric_security_groups[1]": {"name": "web"}}, "fabric_security_groups[1].name: 'web' is used twice"),
    ({f"{RULE}.direction": "both"}, f"{RULE}.direction: must be one of ingress, egress, not 'both'"),
    ({f"{RULE}.direction": ABSENT}, f"{RULE}.direction: is required"),
    (
        {f"{RULE}.protocol": "gre"},
        f"{RULE}.protocol: must be one of any, icmp, tcp, udp, icmpv6, sctp, or a number from",
    ),
    ({f"{RULE}.protocol": 256}, f"{RULE}.protocol: must be one of any, icmp, tcp, udp, icmpv6, sctp, or a number from"),
    ({f"{RULE}.protocol": "any"}, f"{RULE}.ports: any has no ports; give protocol tcp, udp or sctp"),
    ({f"{RULE}.ports": [0]}, f"{RULE}.ports[0]: must be a whole number from 1 to 65535, not 0"),
    ({f"{RULE}.ports": ["90-80"]}, f"{RULE}.ports[0]: must begin with the lower port, not '90-80'"),
    ({f"{RULE}.icmp_type": 8}, f"{RULE}.icmp_type: tcp has no ICMP types; give protocol icmp or icmpv6"),
    (
        {RULE: {"direction": "ingress", "protocol": "icmp", "icmp_code": 1}},
        f"{RULE}.icmp_code: is of no type; give icmp",
    ),
    (
        {RULE: {"direction": "ingress", "protocol": "icmp", "ethertype": "ipv6"}},
        f"{RULE}.protocol: icmp is of ipv4, and the rule of ipv6; give icmpv6",
    ),
    (
        {f"{RULE}.ethertype": "ipv6", f"{RULE}.remote_cidr": "192.0.2.0/24"},
        f"{RULE}.remote_cidr: 192.0.2.0/24 is of ipv4, and the ethertype of ipv6",
    ),
    (
        {RULE: {"direction": "ingress", "protocol": "icmpv6", "remote_cidr": "192.0.2.0/24"}},
        f"{RULE}.remote_cidr: 192.0.2.0/24 is of ipv4, and the protocol of ipv6",
    ),
    ({f"{RULE}.remote_cidr": "0.0.0.0/0"}, f"{RULE}.remote_cidr: must be left out to mean any, instead of 0.0.0.0/0"),
    ({f"{RULE}.remote_group": "db"}, f"{RULE}.remote_group: there is no security group 'db' in fabric_security_groups"),
    (
        {f"{RULE}.remote_address_group": "x"},
        f"{RULE}.remote_address_group: there is no address group 'x' in fabric_addr",
    ),
    (
        {f"{RULE}.remote_group": "web", f"{RULE}.remote_cidr": "192.0.2.0/24"},
        f"{RULE}.remote_group: cannot be combined with remote_cidr; make two rules",
    ),
    (
        {
            f"{RULE}.ethertype": "ipv6",
            f"{RULE}.remote_address_group": "x",
            "fabric_address_groups": [{"name": "x", "addresses": ["192.0.2.1"]}],
        },
        f"{RULE}.remote_address_group: 'x' has no address of ipv6",
    ),
    ({"fabric_address_groups": [{"name": "x"}]}, "fabric_address_groups[0].addresses: is required"),
    (
        {"fabric_address_groups": [{"name": "x", "addresses": ["10.0.0.1/8"]}]},
        "fabric_address_groups[0].addresses[0]: must be a network",
    ),
    (
        {"fabric_address_groups": [{"name": "x", "addresses": ["10.0.0.1"]}, {"name": "x", "addresses": ["10.0.0.2"]}]},
        "fabric_address_groups[1].name: 'x' is used twice",
    ),
    (
        {
            "fabric_guests[0].allowed_addresses": [{"subnet": "10.0.10.30", "mac": "52:54:00:00:5e:01"}],
            "fabric_guests[1].allowed_addresses": [{"subnet": "10.0.10.30", "mac": "52:54:00:00:5e:01"}],
        },
        "fabric_guests[1].allowed_addresses[0].mac: 52:54:00:00:5e:01 is used by fabric_guests[0] as well; give",
    ),
]


@pytest.mark.parametrize(("changes", "fault"), FAULTS, ids=[fault.partition(" ")[0] for _changes, fault in FAULTS])
def test_fault(changes: dict[str, Any], fault: str) -> None:
    (found,) = faults_of(changed(grouped(WEB), changes))
    assert found.startswith(fault)


def test_a_group_without_the_section_is_a_fault() -> None:
    (found,) = faults_of(changed(sample(), {"fabric_guests[0].security_groups": ["web"]}))
    assert found.startswith(
        "fabric_guests[0].security_groups[0]: there is no security group 'web' in fabric_security_gr"
    )


def test_a_proof_expects_what_the_rules_allow() -> None:
    ping = {"direction": "ingress", "protocol": "icmp", "icmp_type": 8, "remote_cidr": "10.0.10.12"}
    document = validate(grouped(WEB, ping))
    first, second = (guest.nics[0] for guest in document.guests)
    one, other, far = (ipaddress.ip_address(item) for item in ("10.0.10.11", "10.0.10.12", "192.0.2.1"))
    assert may_get(document, first, other)
    assert not may_get(document, first, far)
    assert may_get(document, first, far, 6, 80)
    assert not may_get(document, first, far, 6, 81)
    assert not may_send(document, first, other)
    assert may_send(document, second, one)
    assert not may_get(document, second, one)
    assert may_get(validate(sample()), first, far)


def test_compiling_takes_a_time_that_grows_with_the_guests() -> None:
    def seconds(count: int) -> float:
        document, facts = big(count, 50), facts_of(NODES)
        started = time.process_time()
        compile_fabric(document, facts, NODES)
        return time.process_time() - started

    few = min(seconds(50) for _attempt in range(3))
    assert min(seconds(200) for _attempt in range(3)) < 8 * few


def test_guests_do_not_reach_whom_security_groups_keep_from_them() -> None:
    groups = {
        "fabric_security_groups": [{"name": "web", "rules": [{"direction": "egress"}]}],
        "fabric_guests[0].security_groups": ["web"],
    }

    def apart(guest: str, command: list[str]) -> dict[str, Any]:
        found = proper(guest, command)
        return {**found, "rc": 1} if command[-1] in ("10.0.10.11", "10.0.10.12") else found

    document = changed(sample(), groups)
    assert Fleet(document, apart).of_guests() == []
    (first, second) = Fleet(document).of_guests()
    assert first.endswith("not vm2: expected no answer from 10.0.10.12, found one")
    assert second.endswith("not vm1: expected no answer from 10.0.10.11, found one")


def test_a_guest_that_may_begin_nothing_is_asked_for_nothing_that_it_may_not_begin() -> None:
    groups = {
        "fabric_security_groups": [{"name": "closed"}, {"name": "default", "rules": [{"direction": "egress"}]}],
        "fabric_guests[0].security_groups": ["closed"],
    }

    def silent(guest: str, command: list[str]) -> dict[str, Any]:
        found = proper(guest, command)
        return {**found, "rc": 1} if (command[0] != "cat" and guest == "vm1") or "10.0.10.11" in command else found

    fleet = Fleet(changed(sample(), groups), silent)
    assert fleet.of_guests() == []
    assert not any(command.startswith(("wget", "getent")) for command in fleet.commands("vm1"))
