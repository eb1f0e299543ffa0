# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security groups, by what guests reach of one another; namespaces stand in for guests."""

from __future__ import annotations

import copy
import select
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import fabric_node
import frames
import pytest
import yaml
from fabric_node import NODE, has_port_number, nics, wait_for
from netlink_node import inside, ip
from talk import asks, connections, servers
from wire_frames import BROADCAST, Place, ethernet, opened

nic = pytest.fixture(scope="module")(nics)
run = partial(fabric_node.run, keep=False)
GUESTS = {
    "web": ("blue", "10.0.10.21", "52:54:00:00:01:01"),
    "app": ("blue", "10.0.10.22", "52:54:00:00:01:02"),
    "eve": ("blue", "10.0.10.23", "52:54:00:00:01:03"),
    "ann": ("blue", "10.0.10.24", "52:54:00:00:01:04"),
    "db": ("green", "10.0.11.21", "52:54:00:00:01:05"),
}
# In the network of the physical segment, which knows no addresses; on the wire beyond it nobody belongs to the fabric.
DESK, DESK_MAC, WIRE, WIRE_MAC = "nvtdesk", "52:54:00:00:01:06", (None, "nvtphp"), "52:54:00:00:01:77"
GATEWAYS = {"blue": "10.0.10.254", "green": "10.0.11.254"}
PREFIXES = {"blue": "fd00:10::", "green": "fd00:11::"}
WEB, APP, EVE, ANN, DB = (address for _network, address, _mac in GUESTS.values())
PORTS = (80, 81, 5000, 5432, 5433, 8005)
ANY = {"direction": "egress"}
DESK_GROUP = {"name": "desk", "rules": [ANY, {"direction": "ingress", "protocol": "udp", "ports": [5000]}]}
EXAMPLE = Path(__file__).resolve().parents[2] / "examples/security_groups/fabric.yml"
GROUPS = [*yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["fabric_security_groups"], DESK_GROUP]


def name6(guest: str) -> str:
    """Return the IPv6 address that a guest makes itself."""
    network, _address, mac = GUESTS[guest]
    return f"{PREFIXES[network]}5054:ff:fe00:1{mac[-2:]}"


def document(**changes: Any) -> dict[str, Any]:
    """Return the sample with two networks behind its router, and guests in groups on the node."""
    found: dict[str, Any] = fabric_node.document()
    blue = found["fabric_networks"][0]
    blue.update(cidr6="fd00:10::/64", mode="routed")
    green = {**blue, "name": "green", "vlan": 11, "cidr": "10.0.11.0/24", "cidr6": "fd00:11::/64"}
    found["fabric_networks"].append({**green, "gateway": GATEWAYS["green"], "dhcp": {}})
    own = {name: [name] for name in ("web", "app", "db")}
    found["fabric_guests"] += [
        {
            "name": name,
            "node": NODE,
            "network": network,
            "address": address,
            "mac": mac,
            **({"security_groups": own[name]} if name in own else {}),
        }
        for name, (network, address, mac) in GUESTS.items()
    ]
    desk = {"name": "desk", "node": NODE, "network": "office", "mac": DESK_MAC, "security_groups": ["desk"]}
    found["fabric_guests"].append(desk)
    offices = [f"{EVE}/32", name6("eve"), "192.0.2.0/24"]
    found["fabric_address_groups"] = [{"name": "offices", "addresses": offices}]
    found["fabric_security_groups"] = copy.deepcopy(GROUPS)
    return {**found, **changes}


def without(group: int, rule: int) -> list[dict[str, Any]]:
    """Return the groups less one rule."""
    found = copy.deepcopy(GROUPS)
    del found[group]["rules"][rule]
    return found


def make_guest(name: str) -> None:
    network, address, mac = GUESTS[name]
    space = f"nvt{name}"
    ip("netns", "add", space)
    ip("link", "add", f"tap-{name}", "type", "veth", "peer", "name", "eth0", "netns", space, "address", mac)
    Path(f"/proc/sys/net/ipv6/conf/tap-{name}/disable_ipv6").write_text("1")
    ip("link", "set", f"tap-{name}", "up")
    inside(space, "ethtool", "-K", "eth0", "tx", "off")
    # It asks for its router until the one that is starting beside it answers.
    for parameter in ("accept_dad=0", "router_solicitations=-1", "router_solicitation_max_interval=2"):
        inside(space, "sysctl", "-q", f"net.ipv6.conf.eth0.{parameter}")
    for link in ("lo", "eth0"):
        ip("link", "set", link, "up", namespace=space)
    ip("address", "add", f"{address}/24", "dev", "eth0", namespace=space)
    ip("route", "add", "default", "via", GATEWAYS[network], namespace=space)


def advertised(name: str) -> bool:
    """Return whether a guest has been told of its router, and given itself an address."""
    found = ip("-6", "address", "show", "dev", "eth0", "scope", "global", namespace=f"nvt{name}")
    return bool(ip("-6", "route", "show", "default", namespace=f"nvt{name}")) and name6(name) in str(found)


def make_desk() -> None:
    ip("netns", "add", DESK)
    ip("link", "add", "tap-desk", "type", "veth", "peer", "name", "eth0", "netns", DESK, "address", DESK_MAC)
    Path("/proc/sys/net/ipv6/conf/tap-desk/disable_ipv6").write_text("1")
    ip("link", "set", "tap-desk", "up")
    ip("link", "set", "eth0", "up", namespace=DESK)


def remove_guest(name: str) -> None:
    ip("link", "delete", f"tap-{name}", check=False)
    subprocess.run(["ip", "netns", "delete", f"nvt{name}"], check=False, capture_output=True)


@pytest.fixture(scope="module", autouse=True)
def fabric(nic: None) -> Iterator[None]:
    try:
        run(fabric_node.resources(told=document()))
        for name in GUESTS:
            make_guest(name)
        make_desk()
        wait_for(partial(has_port_number, "tap-desk"))
        for name in GUESTS:
            wait_for(partial(has_port_number, f"tap-{name}"))
            wait_for(partial(advertised, name))
        with servers([f"nvt{name}" for name in GUESTS], *PORTS):
            yield
    finally:
        for name in (*GUESTS, "desk"):
            remove_guest(name)


def reached(guest: str, address: str, port: int, protocol: str = "tcp") -> bool:
    """Return whether a server answers a guest."""
    return asks(f"nvt{guest}", address, port, protocol, wait=1).endswith(f" {port}")


def answers(guest: str, address: str) -> bool:
    """Return whether an echo request of a guest is answered."""
    command = ["ip", "netns", "exec", f"nvt{guest}", "ping", "-c", "1", "-W", "1", address]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_an_allowed_port_answers_and_the_next_one_does_not() -> None:
    for address in (WEB, name6("web")):
        assert reached("eve", address, 80)
        assert not reached("eve", address, 81)
        assert reached("app", address, 5000, "udp")
        assert not reached("eve", address, 5000, "udp")
        assert not reached("app", address, 5432, "udp")
        assert answers("eve", address)


def test_the_default_group_is_open_to_its_members_alone() -> None:
    for address in (ANN, name6("ann")):
        assert reached("eve", address, 5433)
        assert answers("eve", address)
        assert not reached("web", address, 80)
        assert not answers("web", address)


def test_groups_of_guests_and_of_addresses_reach_into_another_network() -> None:
    assert reached("app", DB, 5432)
    assert reached("app", name6("db"), 5432)
    assert not reached("eve", DB, 5432)
    assert not reached("app", DB, 5433)
    assert reached("eve", DB, 8005)
    assert reached("eve", name6("db"), 8005)
    assert not reached("app", DB, 8005)
    assert not answers("app", DB)


def test_a_group_that_lets_begin_nothing_lets_answer() -> None:
    assert not reached("db", WEB, 80)
    assert not reached("db", name6("web"), 80)
    assert not answers("db", WEB)
    assert not answers("db", GATEWAYS["green"])
    assert reached("app", DB, 5432)


def test_an_error_about_what_is_allowed_comes_back() -> None:
    assert asks("nvtapp", WEB, 5001, "udp", wait=1) == "refused"
    assert asks("nvtapp", name6("web"), 5001, "udp", wait=1) == "refused"


def heard(place: Place, sent: Mapping[str, bytes], at: Iterable[Place]) -> dict[str, set[Place]]:
    """Send frames somewhere, and return by name where each comes in."""
    contents = {frame[-20:]: name for name, frame in sent.items()}
    found: dict[str, set[Place]] = {name: set() for name in sent}
    with opened([place, *at]) as sockets:
        for frame in sent.values():
            sockets[place].send(frame)
            time.sleep(0.01)
        places = {sockets[item]: item for item in at}
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            for one in select.select(list(places), [], [], 0.1)[0]:
                frame, address = one.recvfrom(65535)
                name = contents.get(frame[-20:])
                if name and address[2] != socket.PACKET_OUTGOING:
                    found[name].add(places[one])
    return found


def udp(source: str, to: str, port: int, macs: tuple[str, str], *vlans: int) -> bytes:
    text = f"{source} {to} {port}".encode().ljust(20)
    datagram = frames.udp(source, to, text, ports=(4000, port))
    kind = 0x86DD if ":" in source else 0x0800
    return ethernet(*macs, kind, frames.ip(source, to, socket.IPPROTO_UDP, datagram), *vlans)


def test_what_goes_to_all_reaches_those_whose_rules_allow_it() -> None:
    places = {name: (f"nvt{name}", "eth0") for name in GUESTS}
    macs = {name: mac for name, (_network, _address, mac) in GUESTS.items()}
    found = heard(
        places["app"],
        {
            "allowed": udp(APP, "10.0.10.255", 5000, (macs["app"], BROADCAST)),
            "allowed in IPv6": udp(name6("app"), "ff02::77", 5001, (macs["app"], "33:33:00:00:00:77")),
            "another port": udp(APP, "10.0.10.255", 5002, (macs["app"], BROADCAST)),
        },
        places.values(),
    )
    assert found == {"allowed": {places["web"]}, "allowed in IPv6": {places["web"]}, "another port": set()}
    found = heard(
        places["eve"],
        {
            "of the same group": udp(EVE, "224.0.0.18", 5000, (macs["eve"], "01:00:5e:00:00:12")),
            "to one, by a frame to all": udp(EVE, WEB, 5000, (macs["eve"], BROADCAST)),
        },
        places.values(),
    )
    assert found == {"of the same group": {places["ann"]}, "to one, by a frame to all": {places["ann"]}}
    lone = udp("10.0.11.21", "10.0.11.255", 5000, (macs["db"], BROADCAST))
    assert heard(places["db"], {"forbidden": lone}, places.values()) == {"forbidden": set()}


def test_groups_hold_towards_a_physical_network() -> None:
    desk = (DESK, "eth0")
    sent = {
        "to all": udp("10.0.30.6", "10.0.30.255", 4999, (DESK_MAC, BROADCAST)),
        "to one": udp("10.0.30.6", "10.0.30.7", 4998, (DESK_MAC, WIRE_MAC)),
    }
    assert heard(desk, sent, [WIRE]) == {name: {WIRE} for name in sent}
    sent = {
        "to all": udp("10.0.30.7", "10.0.30.255", 5000, (WIRE_MAC, BROADCAST), 200),
        "to one": udp("10.0.30.7", "10.0.30.6", 5000, (WIRE_MAC, DESK_MAC), 200),
        "to all, forbidden": udp("10.0.30.7", "10.0.30.255", 5001, (WIRE_MAC, BROADCAST), 200),
        "to one, forbidden": udp("10.0.30.7", "10.0.30.6", 5001, (WIRE_MAC, DESK_MAC), 200),
    }
    found = heard(WIRE, sent, [desk])
    assert found == {name: set() if "forbidden" in name else {desk} for name in sent}


def test_an_error_about_nothing_and_an_answer_to_nobody_do_not_pass() -> None:
    macs = {name: mac for name, (_network, _address, mac) in GUESTS.items()}
    about = frames.ip(APP, WEB, socket.IPPROTO_UDP, frames.udp(APP, WEB, b"never sent", ports=(40000, 5000)))
    error = frames.icmp(WEB, APP, 3, 3, bytes(4) + about[:28].ljust(48, b"!"))
    answer = frames.ip(
        WEB, EVE, socket.IPPROTO_TCP, frames.tcp(WEB, EVE, frames.SYN | frames.ACK, b"never asked".ljust(20))
    )
    sent = {"error": ethernet(macs["web"], macs["app"], 0x0800, error)}
    sent["answer"] = ethernet(macs["web"], macs["eve"], 0x0800, answer)
    places = [(f"nvt{name}", "eth0") for name in ("app", "eve")]
    assert heard(("nvtweb", "eth0"), sent, places) == {"error": set(), "answer": set()}


def test_a_rule_that_goes_cuts_what_it_allowed_and_nothing_else() -> None:
    ends = [("nvtapp", DB, 5432), ("nvteve", WEB, 80), ("nvteve", DB, 8005), ("nvtapp", name6("db"), 5432)]
    with connections(ends) as found:
        run(fabric_node.resources(told=document(fabric_security_groups=without(0, 2))))  # ping
        assert [end for end in ends if not found[end].lives()] == []
        run(fabric_node.resources(told=document(fabric_security_groups=without(2, 0))))
        assert [end for end in ends if found[end].lives()] == ends[1:3]
        assert not reached("app", DB, 5432)
    run(fabric_node.resources(told=document()))
    assert reached("app", DB, 5432)


def test_groups_come_and_go_and_a_second_run_does_nothing() -> None:
    bare = document()
    for key in ("fabric_security_groups", "fabric_address_groups"):
        del bare[key]
    for guest in bare["fabric_guests"]:
        guest.pop("security_groups", None)
    run(fabric_node.resources(told=bare))
    assert reached("web", ANN, 80)
    assert reached("db", WEB, 81)
    run(fabric_node.resources(told=document()))
    assert not reached("web", ANN, 80)
    assert not reached("db", WEB, 81)
    listed = fabric_node.resources(told=document())
    assert run(listed, check=True).operations == []
    assert run(listed).operations == []
