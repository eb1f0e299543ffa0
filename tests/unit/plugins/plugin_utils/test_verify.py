# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of guests, and how their answers are judged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from answering_fleet import (
    OTHER_NETWORK,
    PAGE,
    RAN,
    ROUTES,
    UPSTREAM,
    Fleet,
    as_it_should_be,
    instead,
    proof,
    proper,
    told,
)
from fabric_samples import NODES, changed, facts_of, sample

from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._answers import IMPROPER


def test_a_fabric_as_it_should_be() -> None:
    report = Fleet(sample()).run()
    assert report["failures"] == []
    assert report["again"] == dict.fromkeys(NODES, 0)
    assert report["unproven"] == []
    (first, second, canary) = report["guests"]
    assert [check["what"] for check in first.pop("checks")] == [
        *("gateway", "vm2", "vm2 with 1446 bytes", "upstream", "HTTP as 203.0.113.10"),
        *("name vm2", "MTU 1446", "router 10.0.10.254"),
    ]
    place = {"node": "compute1", "network": "blue", "canary": False}
    assert first == {**place, "guest": "vm1", "address": "10.0.10.11", "lease": True}
    assert all(check["ok"] for check in second["checks"])
    assert [check["what"] for check in canary.pop("checks")] == [
        *("gateway", "vm1", "vm1 with 1446 bytes", "vm2", "vm2 with 1446 bytes", "upstream", "DHCP server"),
        *("address of vm1", "address of vm2", "vm1 by its own addresses", "not vm1 by another MAC address"),
        "not vm1 by another IP address",
    ]
    assert canary == {**place, "canary": True, "guest": "canary1", "address": "10.0.10.253", "lease": False}


def test_packets_of_full_size_are_as_long_as_the_mtu() -> None:
    fleet = Fleet(sample())
    fleet.run()
    assert "ping -c 1 -W 3 -s 1418 10.0.10.12" in fleet.commands("vm1")


@pytest.mark.parametrize(
    ("wanted", "result", "line"),
    [
        ("-s 1418 10.0.10.12", {"rc": 1}, "vm2 with 1446 bytes: expected an answer from 10.0.10.12, found none"),
        ("mtu", {"rc": 0, "stdout": "1500\n"}, "MTU 1446: expected 1446, found 1500"),
        ("mtu", {"rc": 1, "stdout": ""}, "MTU 1446: expected 1446, found nothing"),
        ("route", {"rc": 0}, "router 10.0.10.254: expected 10.0.10.254, found none"),
        (
            "route",
            {"rc": 0, "stdout": ROUTES.replace("FE0A000A", "010A000A")},
            "router 10.0.10.254: expected 10.0.10.254, found 0.0.0.0, 10.0.10.1",
        ),
        (
            "wget",
            {"rc": 0, "stdout": '{"client": "10.0.10.11"}'},
            f"{PAGE}, found a page asked for by 10.0.10.11",
        ),
        (
            "wget",
            {"rc": 4, "stderr": "wget: x\nwget: timed out\n"},
            f"{PAGE}, found wget: timed out",
        ),
    ],
)
def test_what_is_wrong_is_one_line(wanted: str, result: dict[str, Any], line: str) -> None:
    report = Fleet(sample(), instead(wanted, result)).run()
    assert f"guest vm1 on compute1, network blue: {line}" in report["failures"]
    assert report["again"]["compute1"] == 1


def test_a_page_that_does_not_say_who_asked_will_do() -> None:
    assert Fleet(sample(), instead("wget", {"rc": 0, "stdout": "<html>"})).run()["failures"] == []


def test_a_packet_may_be_lost_once() -> None:
    lost = instead("10.0.10.12", {"rc": 1})
    assert Fleet(sample(), lost, proper).run()["failures"] == []
    assert Fleet(sample(), proper, lost).run()["failures"] != []


def test_networks_that_are_kept_apart() -> None:
    document = changed(sample(), OTHER_NETWORK)
    fleet = Fleet(document)
    assert fleet.run()["failures"] == []
    assert "ping -c 2 -W 1 10.0.20.11" in fleet.commands("vm1")
    assert {"ping -c 2 -W 1 10.0.10.11", f"ping -c 2 -W 1 {UPSTREAM}"} <= set(fleet.commands("vm3"))


def test_a_guest_with_a_way_out_through_another_interface() -> None:
    def answer(guest: str, command: list[str]) -> dict[str, Any]:
        if command[-1].startswith("10.0.20.") and guest == "vm1":
            return {"rc": 0, "stdout": "", "stderr": ""}
        return {**proper(guest, command), **({"rc": 1} if "-I" in command else {})}

    nics = [
        {"network": "blue", "address": "10.0.10.11", "mac": "52:54:00:aa:bb:01"},
        {"network": "red", "address": "10.0.20.12"},
    ]
    guest = {"name": "vm1", "node": "compute1", "networks": nics}
    fleet = Fleet(changed(sample(), {**OTHER_NETWORK, "fabric_guests[0]": guest}), answer)
    fleet.leases[0] = {"mac": "52:54:00:aa:bb:01", "address": "10.0.10.11"}
    assert fleet.run()["failures"] == []
    assert {f"ping -I eth1 -c 2 -W 1 {UPSTREAM}", f"wget -q -O - http://{UPSTREAM}/"} <= set(fleet.commands("vm1"))
    assert f"ping -c 2 -W 1 {UPSTREAM}" not in fleet.commands("vm1")


def test_the_guest_chooses_among_ways_out() -> None:
    nics = [{"network": "blue", "address": "10.0.10.11"}, {"network": "street"}]
    street = {"name": "street", "mode": "bridged", "vlan": 30, "network_type": "flat", "physical_network": "public"}
    guest = {"name": "vm1", "node": "compute1", "networks": nics}
    fleet = Fleet(changed(sample(), {"fabric_networks[1]": street, "fabric_guests[0]": guest}))
    fleet.run()
    assert not [command for command in fleet.commands("vm1") if UPSTREAM in command]
    assert [command for command in fleet.commands("vm2") if UPSTREAM in command]


def test_what_must_not_be_reached_must_not_even_once() -> None:
    leak = instead("10.0.20.11", {"rc": 0})
    report = Fleet(changed(sample(), OTHER_NETWORK), leak, proper).run()
    (line,) = [line for line in report["failures"] if "vm1" in line.split(",")[0]]
    assert line.endswith("not vm3 in red: expected no answer from 10.0.20.11, found one")


def test_the_same_subnet_twice_is_asked_only_for_addresses_of_the_other() -> None:
    document = changed(sample(), OTHER_NETWORK)
    document = changed(document, {"fabric_networks[1].cidr": "10.0.10.0/24", "fabric_guests[2].address": "10.0.10.12"})
    fleet = Fleet(document)
    fleet.run()
    assert not [command for command in fleet.commands("vm1") if "-c 2" in command]


def test_networks_of_one_router_reach_one_another() -> None:
    red = {**OTHER_NETWORK["fabric_networks[1]"], "mode": "routed", "router": "r1"}
    document = changed(sample(), {**OTHER_NETWORK, "fabric_networks[1]": red})
    fleet = Fleet(document, instead("10.0.20.11", {"rc": 0}))
    fleet.run()
    assert "ping -c 1 -W 3 10.0.20.11" in fleet.commands("vm1")


def test_networks_that_their_router_keeps_apart() -> None:
    red = {**OTHER_NETWORK["fabric_networks[1]"], "mode": "routed", "router": "r1"}
    document = changed(sample(), {**OTHER_NETWORK, "fabric_networks[1]": red, "fabric_routers[0].routes_between": []})
    fleet = Fleet(document)
    fleet.run()
    assert "ping -c 2 -W 1 10.0.20.11" in fleet.commands("vm1")


def test_routers_of_routed_networks_may_be_joined_outside() -> None:
    red = {**OTHER_NETWORK["fabric_networks[1]"], "mode": "routed", "router": "r2"}
    router = {"name": "r2", "node": "network1"}
    fleet = Fleet(changed(sample(), {**OTHER_NETWORK, "fabric_networks[1]": red, "fabric_routers[1]": router}))
    fleet.run()
    assert not [command for command in fleet.commands("vm1") if "10.0.20.11" in command]
    assert "ping -c 2 -W 1 10.0.10.11" in fleet.commands("vm3")


def test_a_floating_ip_is_asked_for_from_inside_and_seen_outside() -> None:
    floating = [{"address": "203.0.113.20", "router": "r1", "guest": "vm1"}]
    fleet = Fleet(changed(sample(), {"fabric_floating_ips": floating}))
    seen = {"rc": 0, "stdout": json.dumps({"client": "203.0.113.20"}), "stderr": ""}

    def answer(guest: str, command: list[str]) -> dict[str, Any]:
        return seen if {"wget", "203.0.113.20"} & set(command) else proper(guest, command)

    fleet.answers = (answer,)
    (failure,) = fleet.run()["failures"]
    for guest in ("vm1", "vm2"):
        assert "ping -c 1 -W 3 203.0.113.20" in fleet.commands(guest)
    assert failure.startswith("guest vm2"), "it has no floating IP, and was seen by that of vm1"
    assert "asked for by 203.0.113.10" in failure


def test_what_the_rules_of_a_router_drop_must_not_be_reached() -> None:
    rule = {"name": "no-ping", "action": "drop", "from": ["blue"], "to": ["outside"], "protocol": "icmp"}
    fleet = Fleet(changed(sample(), {"fabric_routers[0].rules": [rule]}))
    fleet.run()
    assert f"ping -c 2 -W 1 {UPSTREAM}" in fleet.commands("vm1")
    assert any("wget" in command for command in fleet.commands("vm1"))


def test_a_guest_asks_a_limited_number_of_others() -> None:
    guests = {
        f"fabric_guests[{index}]": {"name": f"vm{index + 1}", "node": "compute1", "network": "blue"}
        for index in range(2, 6)
    }
    fleet = Fleet(changed(sample(), guests))
    fleet.addresses = {f"vm{index + 1}": [f"10.0.10.10{index}/24"] for index in range(2, 6)}
    fleet.options["peers"] = 2
    fleet.answers = (lambda guest, command: {"rc": 0, "stdout": "", "stderr": ""},)
    fleet.run()
    asked = {guest: {word.split()[-1] for word in fleet.commands(guest) if "-s" in word} for guest in ("vm1", "vm6")}
    assert asked == {"vm1": {"10.0.10.12", "10.0.10.102"}, "vm6": {"10.0.10.11", "10.0.10.12"}}


def test_an_address_that_did_not_come() -> None:
    fleet = Fleet(sample())
    fleet.addresses["vm1"] = ["fe80::1/64"]
    report = fleet.run()
    assert report["failures"][0] == "guest vm1 on compute1, network blue: address: expected 10.0.10.11, found none"
    assert report["guests"][0]["lease"] is False
    assert "ping -c 1 -W 3 10.0.10.11" in fleet.commands("vm2")


def test_an_address_that_is_not_the_reserved_one() -> None:
    fleet = Fleet(sample())
    fleet.addresses["vm1"] = ["10.0.10.150/24"]
    assert "expected 10.0.10.11, found 10.0.10.150" in fleet.run()["failures"][0]


def test_an_address_that_the_server_did_not_lease() -> None:
    fleet = Fleet(sample())
    fleet.leases = []
    assert fleet.run()["failures"] == [
        f"guest {guest} on {node}, network blue: lease: expected one of {address} in the DHCP server's list, found none"
        for guest, node, address in (("vm1", "compute1", "10.0.10.11"), ("vm2", "compute2", "10.0.10.12"))
    ]


def test_a_guest_that_cannot_be_asked() -> None:
    fleet = Fleet(sample())
    fleet.errors["vm2"] = "guest vm2 is not running"
    report = fleet.run()
    assert (report["failures"], report["unproven"]) == ([], [])
    assert {item["node"] for item in report["guests"] if item["canary"]} == {"compute1", "compute2"}
    assert fleet.commands("vm2") == []
    fleet.canary = lambda probe, *known: told() if probe.get("arp") else as_it_should_be(probe, *known)
    lines = fleet.run()["failures"]
    assert "canary canary1 on compute2, network blue: address of vm2: expected 52:54:00:aa:bb:02, found none" in lines


def test_a_guest_that_cannot_be_asked_and_has_no_canary() -> None:
    fleet = Fleet(sample())
    fleet.errors["vm2"] = "guest vm2 is not running"
    fleet.leases = [{"mac": "52:54:00:00:00:01", "address": f"10.0.10.{number}"} for number in range(1, 254)]
    report = fleet.run()
    assert report["unproven"] == ["guest vm2 on compute2, network blue: what it sees: guest vm2 is not running"]


def test_intrusions() -> None:
    observed = {node: {"guests": []} for node in NODES}
    state = proof(sample(), observed, upstream=(UPSTREAM,))
    (target,) = state["intrusions"]
    assert target == {"guest": "vm1", "network": "blue", "address": "10.0.10.11"}
    state = proof(sample(), observed, upstream=(UPSTREAM,), told=[{**RAN, "rc": 0, "target": target}])
    assert "expected no answer to upstream from 10.0.10.11, found one" in state["failures"][1]
    state = proof(sample(), observed, upstream=(UPSTREAM,), told=[{**RAN, "rc": 1, "target": target}])
    assert state["guests"][0]["checks"] == [{"target": "10.0.10.11", "what": "not from upstream", "ok": True}]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({**RAN, "rc": 127}, "that the command could not be run (status 127)"),
        (
            {"rc": 2, "msg": "[Errno 2] No such file or directory"},
            "[Errno 2] No such file or directory",
        ),
        ({"unreachable": True, "msg": "no route"}, "no route"),
        ({}, "no answer of verify_upstream_host"),
    ],
)
def test_a_command_from_outside_that_cannot_be_run_proves_nothing(answer: dict[str, Any], found: str) -> None:
    target = {"guest": "vm1", "network": "blue", "address": "10.0.10.11"}
    observed = {node: {"guests": []} for node in NODES}
    state = proof(sample(), observed, upstream=(UPSTREAM,), told=[{**answer, "target": target}])
    assert f"guest vm1 on compute1, network blue: not from upstream: {found}" in state["unproven"]
    assert state["guests"][0]["checks"][0]["ok"] is False
    told = [{"skipped": True, "target": target}]
    assert proof(sample(), observed, upstream=(UPSTREAM,), told=told)["guests"][0]["checks"] == []


def test_a_command_in_a_guest_that_cannot_be_run_proves_nothing() -> None:
    fleet = Fleet(changed(sample(), OTHER_NETWORK), instead("ping", {"rc": 127}))
    report = fleet.run()
    title = "guest vm3 on compute1, network red"
    assert f"{title}: not upstream: that the command could not be run (status 127)" in report["unproven"]
    assert report["failures"] == []


def test_a_guest_looks_up_names() -> None:
    fleet = Fleet(sample())
    fleet.options["name"] = "www.example"
    assert fleet.run()["failures"] == []
    assert {"getent ahosts vm2", "getent ahosts www.example"} < set(fleet.commands("vm1"))
    fleet.answers = (instead("getent", {"rc": 2}),)
    title = "guest vm1 on compute1, network blue"
    assert fleet.run()["failures"][:2] == [
        f"{title}: name vm2: expected 10.0.10.12, found none",
        f"{title}: name www.example: expected an address, found none",
    ]
    fleet.answers = (instead("getent", {"rc": 0, "stdout": "10.9.9.9 STREAM vm2\n"}),)
    assert fleet.run()["failures"][0] == f"{title}: name vm2: expected 10.0.10.12, found 10.9.9.9"


def test_names_are_looked_up_where_servers_may_know_them() -> None:
    fleet = Fleet(changed(sample(), {"fabric_networks[0].dhcp.dns_servers": ["198.51.100.53"]}))
    fleet.options["name"] = "www.example"
    fleet.run()
    assert [line for line in fleet.commands("vm1") if "getent" in line] == ["getent ahosts www.example"]
    fleet = Fleet(changed(sample(), OTHER_NETWORK))
    fleet.options["name"] = "www.example"
    fleet.run()
    assert [line for line in fleet.commands("vm3") if "getent" in line] == []


def test_leases_are_where_the_dhcp_server_is() -> None:
    state = proof(sample(), {})
    assert state["leases"] == [{"network": "blue", "node": "network1"}]


def test_nodes_that_were_not_asked_are_not_reported() -> None:
    state = proof(sample(), {"compute1": {"guests": []}})
    assert [guest["guest"] for guest in state["guests"]] == ["vm1"]


def test_faults_of_the_input() -> None:
    with pytest.raises(FabricError, match=r"fabric_networks\[0\].vlan"):
        proof(changed(sample(), {"fabric_networks[0].vlan": 4095}), {})


HOSTILE = [None, 7, "x", [], [[]], {"guest": "vm1"}, {"guest": "vm1", "interfaces": "x"}, {"guest": ["vm1"]}, [None]]


@pytest.mark.parametrize("answer", HOSTILE)
@pytest.mark.parametrize("key", ["interfaces", "attempts"])
def test_a_node_that_answers_nonsense_spoils_only_its_own_guests(key: str, answer: Any) -> None:
    fleet = Fleet(sample())
    fleet.run()
    good = compile_node(sample(), "compute2", facts_of(NODES), NODES)["guests"]
    observed = {
        "compute1": {"guests": compile_node(sample(), "compute1", facts_of(NODES), NODES)["guests"], key: answer},
        "compute2": {"guests": good, "interfaces": [fleet.interfaces(guest) for guest in good]},
    }
    report = proof(sample(), observed)
    assert {line.split(",")[0] for line in report["failures"]} >= {"guest vm1 on compute1"}
    assert report["checks"]["compute2"]
    observed["compute1"] = {**observed["compute1"], "interfaces": [answer], "attempts": [answer]}
    assert proof(sample(), observed)["checks"]["compute2"]
    assert proof(sample(), {**observed, "compute1": answer})["checks"]["compute2"]


def test_others_send_no_packets_to_addresses_that_a_node_makes_up() -> None:
    fleet = Fleet(sample())
    fleet.addresses["vm1"] = ["198.18.0.1/24", "224.0.0.1/24"]
    fleet.run()
    assert not [command for command in fleet.commands("vm2") if "198.18.0.1" in command or "224.0.0.1" in command]


@pytest.mark.parametrize("result", [None, {}, {"rc": "0"}, {"rc": 0, "stdout": 7}, {"rc": 0, "stdout": None}])
def test_a_result_of_another_form_is_no_proper_answer(result: Any) -> None:
    report = Fleet(sample(), lambda _guest, _command: result).run()
    assert report["failures"] == []
    assert report["unproven"]
    assert all(line.endswith(IMPROPER) for line in report["unproven"]), report["unproven"]


def test_words_of_others_are_quoted_on_one_printable_line() -> None:
    words = "\x1b[2J\x1b]0;owned\x07\n\udcff" + "x" * 10000
    for result in ({"error": words}, {"rc": 4, "stderr": words}, {"rc": 0, "stdout": json.dumps({"client": words})}):
        report = Fleet(sample(), instead("wget", result)).run()
        assert report["failures"] or report["unproven"]
        for line in report["failures"] + report["unproven"]:
            assert line.isprintable()
            assert len(line) < 600
