# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examples of what is routed and what is not, built by one run and proven with packets between stand-ins for guests."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from netvirt_testing.guests import Guests, fabric_play, in_fabric
from netvirt_testing.lab import Lab
from netvirt_testing.paths import ROOT

# Their networks, guests and routers have different names.
EXAMPLES = ("isolated", "routers", "dual_stack", "floating_ip", "port_forward", "firewall", "security_groups")
OPEN = {"name": "default", "rules": [{"direction": "egress"}, {"direction": "ingress"}]}
"""The group of all guests that name none, so that those of examples without groups are as they are there."""
NOMADS = {"nomad1": "red", "nomad2": "green", "nomad3": "twin"}
"""Guests without an address of the document, which may change their MAC addresses."""
LISTS = (
    *("fabric_physical_networks", "fabric_networks", "fabric_routers", "fabric_floating_ips"),
    *("fabric_guests", "fabric_security_groups", "fabric_address_groups"),
)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The examples in one document, since one run is faster than several."""
    found = [yaml.safe_load((ROOT / f"examples/{name}/fabric.yml").read_text(encoding="utf-8")) for name in EXAMPLES]
    joined: dict[str, Any] = {}
    for example in found:
        for key, value in example.items():
            if key in LISTS:
                joined[key] = [*joined.get(key, []), *(item for item in value if item not in joined.get(key, []))]
            else:
                assert joined.setdefault(key, value) == value
    joined["fabric_security_groups"].append(OPEN)
    for name, network in NOMADS.items():
        nomad = {"name": name, "node": "compute2", "network": network, "port_security": False}
        joined["fabric_guests"].append(nomad)
    return joined


@pytest.fixture(scope="module")
def guests(lab: Lab, document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guests]:
    with in_fabric(lab, document, tmp_path_factory.mktemp("layer3")) as present:
        yield present


def answers(guests: Guests, guest: str, targets: Sequence[str]) -> set[str]:
    """Return those of the targets that answer a guest's echo requests; it asks all at the same time."""
    pings = [f"(ping -q -n -c 3 -i 0.5 -W 2 {target} >/dev/null && echo {target}) &" for target in targets]
    return set(guests.run(guest, "sh", "-c", " ".join([*pings, "wait"]))["stdout"].split())


HOST_ANSWERS = """
for target in {targets}; do
  ip route replace $target dev eth0
  (busybox arping -q -I eth0 -c 3 -w 3 $target && echo $target by ARP) &
done
wait
for target in {targets} {link_local}; do ip neighbour replace $target lladdr {mac} dev eth0; done
for target in {targets} {link_local}%eth0; do
  (ping -q -n -c 2 -W 2 $target >/dev/null && echo $target) &
done
wait
for target in {targets}; do ip neighbour delete $target dev eth0; ip route delete $target dev eth0; done
ip neighbour delete {link_local} dev eth0
"""


def link_local(mac: str) -> str:
    """Return the IPv6 link-local address that the kernel makes of a MAC address (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    return str(IPv6Address(bytes([0xFE, 0x80, *[0] * 6, octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])))


HOSTED = [("green1", "compute1", "10.0.30.12"), ("green2", "compute2", "10.0.30.11")]


@pytest.mark.parametrize(("guest", "node", "other"), HOSTED)
def test_the_host_is_no_party_in_its_guests_network(
    lab: Lab, guests: Guests, guest: str, node: str, other: str
) -> None:
    """Neither by ARP, nor by a forged neighbour whose MAC address is that of the host's end of the wire."""
    hosts = [lab.hosts[name] for name in lab.nodes]
    targets = [other, *(host[key] for host in hosts for key in ("ansible_host", "lab_underlay_address"))]
    (tap,) = lab.json(node, ["ip", "-j", "address", "show", "dev", f"tap-{guest}"])
    assert tap["addr_info"] == []
    script = HOST_ANSWERS.format(targets=" ".join(targets), mac=tap["address"], link_local=link_local(tap["address"]))
    assert guests.run(guest, "sh", "-c", script)["stdout"] == f"{other} by ARP\n"


@pytest.mark.parametrize(("guest", "node", "_other"), HOSTED)
def test_the_host_reaches_no_guest_by_a_forged_route(
    lab: Lab, guests: Guests, guest: str, node: str, _other: str
) -> None:
    address, tap = guests.address(guest), f"tap-{guest}"
    lab.run(node, ["ip", "route", "add", address, "dev", tap])
    try:
        assert lab.run(node, ["ping", "-n", "-c", "2", "-W", "1", address], check=False).returncode != 0
        entries = lab.json(node, ["ip", "-j", "neighbour", "show", address, "dev", tap])
        assert not [entry for entry in entries if "lladdr" in entry]
    finally:
        lab.run(node, ["ip", "route", "delete", address, "dev", tap])


def test_the_underlay_answers_once(lab: Lab, guests: Guests) -> None:
    """In userspace, Open vSwitch and the node's own stack both see what comes in by the underlay's NIC."""
    target = lab.hosts["compute2"]["lab_underlay_address"]
    shown = lab.run("compute1", ["ping", "-n", "-c", "3", "-i", "0.3", "-W", "2", target]).stdout  # one came at least
    assert "duplicates" not in shown


def test_networks_with_the_same_subnet_are_kept_apart(guests: Guests) -> None:
    assert (guests.address("green1"), guests.address("amber1")) == ("10.0.30.11", "10.0.30.11")
    everybody = ["10.0.30.12", "10.0.30.13"]  # a guest of green, one of amber
    assert answers(guests, "green1", everybody) == {"10.0.30.12"}
    assert answers(guests, "amber1", everybody) == {"10.0.30.13"}


RED, GOLD, BLUE = "10.0.41.11", "10.0.42.11", "10.0.43.11"
GATEWAYS = {"red1": "10.0.41.1", "gold1": "10.0.42.1", "blue1": "10.0.43.1"}


@pytest.mark.parametrize(
    ("guest", "expected"),
    [
        ("red1", {GOLD, GATEWAYS["red1"], GATEWAYS["gold1"]}),
        ("gold1", {RED, GATEWAYS["red1"], GATEWAYS["gold1"]}),
        ("blue1", {GATEWAYS["blue1"]}),
    ],
)
def test_a_router_routes_between_the_networks_that_are_declared(guests: Guests, guest: str, expected: set[str]) -> None:
    own = guests.address(guest)
    assert answers(guests, guest, sorted({RED, GOLD, BLUE, *GATEWAYS.values()} - {own})) == expected


def test_each_router_translates_to_its_own_address(guests: Guests) -> None:
    """Two of the guests have the same address, behind different routers."""
    assert guests.address("red1") == guests.address("twin1") == RED
    expected = {"red1": "203.0.113.41", "blue1": "203.0.113.41", "twin1": "203.0.113.42"}
    assert {guest: guests.seen_as(guest) for guest in expected} == expected


def test_a_routed_network_is_not_translated_beside_translated_ones(lab: Lab, guests: Guests) -> None:
    with lab.route_from_outside("10.0.42.0/24", "203.0.113.41"):
        assert guests.seen_as("gold1") == GOLD


def test_guests_get_ipv6_addresses(guests: Guests) -> None:
    """By router advertisements beside DHCP, or by DHCPv6 alone."""
    assert guests.address("dual1") == "10.0.51.11"
    assert guests.address("dual1", 6).startswith("fd00:51::")
    assert guests.address("six1", 6) == "fd00:52::11"
    assert answers(guests, "six1", ["fd00:52::1", guests.address("dual1", 6)]) == {
        "fd00:52::1",
        guests.address("dual1", 6),
    }


def test_both_ip_versions_by_a_way_out_in_a_vlan(guests: Guests) -> None:
    """The guest wan1 is the world outside; it gets its routes to what is inside only later."""
    outside = ["192.0.2.9", "2001:db8:77::9"]
    assert answers(guests, "six1", outside[1:]) == {"2001:db8:77::9"}, "translated to the router's address"
    assert answers(guests, "dual1", outside) == set(), "there is no way back yet"
    for subnet, via in (
        ("10.0.51.0/24", "192.0.2.3"),
        ("fd00:51::/64", "2001:db8:77::3"),
        ("fd00:52::/64", "2001:db8:77::3"),
    ):
        assert guests.run("wan1", "ip", "route", "add", subnet, "via", via)["rc"] == 0
    assert answers(guests, "dual1", outside) == set(outside)
    dual = [guests.address("dual1"), guests.address("dual1", 6)]
    assert answers(guests, "wan1", [*dual, guests.address("six1", 6)]) == set(dual)


@contextlib.contextmanager
def serving(guests: Guests, guest: str, *ports: int) -> Iterator[None]:
    """Have a guest say its name and the port to whom asks on one of these ports."""
    program = f"import http.server, sys, threading\n{SERVE}"
    argv = ["sh", "-c", 'nohup python3 -c "$0" "$@" >/dev/null 2>&1 & echo $!', program, guest, *map(str, ports)]
    number = guests.run(guest, *argv)["stdout"].strip()
    try:
        yield
    finally:
        guests.run(guest, "kill", number)


SERVE = """
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{sys.argv[1]} {self.server.server_port} {self.client_address[0]}".encode())
servers = [http.server.ThreadingHTTPServer(("", int(port)), Handler) for port in sys.argv[2:]]
for server in servers[1:]:
    threading.Thread(target=server.serve_forever).start()
servers[0].serve_forever()
"""
CURL = ("curl", "-s", "--retry", "5", "--retry-connrefused", "--connect-timeout", "3", "--max-time", "8")


def test_a_floating_ip_is_its_guests_in_both_directions(lab: Lab, guests: Guests) -> None:
    floating = "http://203.0.113.161"
    with serving(guests, "shop1", 80, 8080):
        assert lab.upstream(*CURL, floating).stdout == "shop1 80 203.0.113.1"
        assert lab.upstream(*CURL, f"{floating}:8080").stdout == "shop1 8080 203.0.113.1"
        for guest, router in (("shop2", "10.0.61.1"), ("shop1", "10.0.61.1"), ("office1", "10.0.61.1")):
            assert guests.run(guest, *CURL, floating)["stdout"] == f"shop1 80 {router}"
    assert guests.seen_as("shop1") == "203.0.113.161"
    assert guests.seen_as("shop2") == guests.seen_as("office1") == "203.0.113.61"


def test_forwarded_ports_lead_to_guests_and_others_nowhere(lab: Lab, guests: Guests) -> None:
    outer = "http://203.0.113.63"
    with serving(guests, "apps1", 8080, 81), serving(guests, "apps2", 9000, 9009, 81):
        assert lab.upstream(*CURL, outer).stdout == "apps1 8080 203.0.113.1"
        assert lab.upstream(*CURL, f"{outer}:9009").stdout == "apps2 9009 203.0.113.1"
        assert guests.run("apps2", *CURL, outer)["stdout"] == "apps1 8080 10.0.63.1"
        assert lab.upstream("curl", "-s", "--connect-timeout", "2", f"{outer}:81").returncode != 0


def test_the_rules_of_a_router_say_what_passes(guests: Guests) -> None:
    with serving(guests, "store1", 5432, 80), serving(guests, "stage1", 80):
        assert guests.run("stage1", *CURL, "http://10.0.65.11:5432")["stdout"].startswith("store1 5432")
        assert guests.run("stage1", "curl", "-s", "--connect-timeout", "2", "http://10.0.65.11")["rc"] != 0
        assert guests.run("store1", *CURL, "http://10.0.64.11")["stdout"].startswith("stage1 80")
    assert answers(guests, "stage1", ["10.0.65.11", "198.51.100.1"]) == {"10.0.65.11", "198.51.100.1"}
    assert answers(guests, "store1", ["10.0.64.11", "198.51.100.1"]) == {"10.0.64.11"}


CHOSEN = {"nomad1": "10.0.41.177", "nomad2": "10.0.30.177", "nomad3": "10.0.41.178"}  # dnsmasq would choose others


def test_security_groups_hold_within_a_node_and_across_nodes(guests: Guests) -> None:
    """The guests of the groups web and db are on one node, that of the group app is on another."""

    def reached(guest: str, address: str, port: int) -> bool:
        asked = guests.run(guest, "curl", "-s", "--connect-timeout", "2", f"http://{address}:{port}")
        return asked["rc"] == 0

    web, database = guests.address("web1"), guests.address("db1")
    with serving(guests, "web1", 80, 81), serving(guests, "db1", 5432, 5433, 8005):
        assert guests.run("app1", *CURL, f"http://{web}")["stdout"].startswith("web1 80")  # once they are there
        assert guests.run("app1", *CURL, f"http://{database}:5432")["stdout"].startswith("db1 5432")
        assert [port for port in (80, 81) if reached("app1", web, port)] == [80]
        assert [port for port in (80, 81) if reached("admin1", web, port)] == [80]
        assert [port for port in (5432, 5433, 8005) if reached("app1", database, port)] == [5432]
        assert [port for port in (5432, 5433, 8005) if reached("admin1", database, port)] == [8005]
        assert not reached("db1", web, 80)
    assert answers(guests, "app1", [web, database]) == {web}


def leased(guests: Guests, guest: str, *arguments: str) -> str:
    """Return the address that a guest gets which has forgotten the one that it had."""
    guests.run(guest, "ip", "address", "flush", "dev", "eth0")
    client = ["busybox", "udhcpc", "-n", "-q", "-f", "-t", "20", "-T", "1", "-s", "/run/netvirt-stand-in.sh"]
    asked = guests.run(guest, *client, "-i", "eth0", *arguments)
    shown = json.loads(guests.run(guest, "ip", "-j", "-4", "address", "show", "dev", "eth0")["stdout"])
    found = [item["local"] for link in shown for item in link["addr_info"]]
    assert len(found) == 1, asked
    return str(found[0])


def moved(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with a router and a DHCP server on other nodes, and a network under another name."""
    result = copy.deepcopy(document)
    networks = {item["name"]: item for item in result["fabric_networks"]}
    networks["green"]["dhcp"]["node"] = "compute2"
    networks["twin"]["name"] = "double"
    next(item for item in result["fabric_routers"] if item["name"] == "north")["node"] = "compute2"
    for guest in result["fabric_guests"]:
        guest["network"] = "double" if guest["network"] == "twin" else guest["network"]
    return result


def test_leases_and_mac_addresses_go_along(lab: Lab, document: dict[str, Any], guests: Guests, tmp_path: Path) -> None:
    """With a router that moves, a DHCP server that moves, and a network that gets another name; and back again."""
    for number, guest in enumerate(CHOSEN):  # dnsmasq offers an old client none but the address that it has
        assert guests.run(guest, "ip", "link", "set", "eth0", "address", f"52:54:00:77:00:0{number}")["rc"] == 0
    assert {guest: leased(guests, guest, "-r", address) for guest, address in CHOSEN.items()} == CHOSEN
    servers = {"nomad1": "10.0.41.1", "nomad2": "10.0.30.1", "nomad3": "10.0.41.1"}
    for guest, server in servers.items():
        assert guests.reaches(guest, server), guest
        (neighbour,) = json.loads(guests.run(guest, "ip", "-j", "neighbour", "show", server, "dev", "eth0")["stdout"])
        lasting = ["lladdr", neighbour["lladdr"], "nud", "permanent"]
        assert guests.run(guest, "ip", "neighbour", "replace", server, *lasting, "dev", "eth0")["rc"] == 0

    def proven() -> None:
        assert {guest: leased(guests, guest) for guest in CHOSEN} == CHOSEN
        assert {guest for guest, server in servers.items() if guests.reaches(guest, server)} == {*servers}

    def server_on(node: str, *names: str) -> bool:
        found = lab.run(node, ["ls", "/var/lib/netvirt/dnsmasq"], check=False).stdout.split()
        return {*names} <= {*found}

    try:
        done = lab.playbook(fabric_play(moved(document), tmp_path))
        assert done.returncode == 0, done.output
        assert server_on("compute2", "red", "green")
        assert server_on("compute1", "double")
        proven()
    finally:
        back = lab.playbook(fabric_play(document, tmp_path))
    assert back.returncode == 0, back.output
    assert server_on("network1", "red", "green")
    proven()
