# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest may send, frame by frame: looked for at a neighbour, at the router, and on the wire."""

from __future__ import annotations

import ipaddress
import itertools
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import fabric_node
import frames
import pytest
from engine import output
from fabric_node import NODE, has_port_number, nics, wait_for
from netlink_node import ip
from wire_frames import BROADCAST, Place, ethernet, icmpv6, ipv6, mac, opened

nic = pytest.fixture(scope="module")(nics)
run = partial(fabric_node.run, keep=False)
MAC = {"eve": "52:54:00:00:0e:01", "bob": "52:54:00:00:0b:01"}
OWN, BOB, GATEWAY, FOREIGN = "10.0.10.21", "10.0.10.22", "10.0.10.254", "10.0.10.99"
OWN6, LINK6, BOB6 = "fd00:10::5054:ff:fe00:e01", "fe80::5054:ff:fe00:e01", "fd00:10::5054:ff:fe00:b01"
ALLOWED = "10.0.10.30"
VRRP_MAC = "52:54:00:00:5e:01"
EVE, PLACES = (None, "nvteve"), [(None, "nvtbob"), ("nv-r1", "gw-blue"), (None, "nvtulp")]
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806


def document(**eve: Any) -> dict[str, Any]:
    """Return the sample with two guests on the node, of which one has more to it."""
    found: dict[str, Any] = fabric_node.document()
    found["fabric_networks"][0]["cidr6"] = "fd00:10::/64"
    found["fabric_networks"][0]["mode"] = "routed"
    place = {"node": NODE, "network": "blue"}
    found["fabric_guests"] += [
        {"name": "eve", **place, "mac": MAC["eve"], "address": OWN, **eve},
        {"name": "bob", **place, "mac": MAC["bob"], "address": BOB},
    ]
    return found


@pytest.fixture(scope="module", autouse=True)
def fabric(nic: None) -> Iterator[None]:
    try:
        run(fabric_node.resources(told=document()))
        for name, address in MAC.items():
            ip("link", "add", f"tap-{name}", "type", "veth", "peer", "name", f"nvt{name}", "address", address)
            for end in (f"tap-{name}", f"nvt{name}"):
                ip("link", "set", end, "addrgenmode", "none", "up")
        for name in MAC:
            wait_for(partial(has_port_number, f"tap-{name}"))
        yield
    finally:
        for name in MAC:
            ip("link", "delete", f"tap-{name}", check=False)


def heard(sent: Mapping[str, bytes], meanwhile: Callable[[], object] | None = None) -> dict[Place, set[str]]:
    """Send frames from eve, and return by place the names of those that come in there.

    Where something is to happen meanwhile, they are sent again and again until it is over.
    """
    names = {frame.ljust(60, b"\0"): name for name, frame in sent.items()}
    found: dict[Place, set[str]] = {place: set() for place in PLACES}
    with opened([EVE, *PLACES]) as sockets, ThreadPoolExecutor(1) as pool:
        places = {sockets[place]: place for place in PLACES}
        work = pool.submit(meanwhile or bool)
        for frame in itertools.chain(names, itertools.takewhile(lambda _: not work.done(), itertools.cycle(names))):
            sockets[EVE].send(frame)
            _listen(places, names, found, 0.005)
        _listen(places, names, found, 1)
        work.result()
    return found


def _listen(
    places: Mapping[socket.socket, Place], names: Mapping[bytes, str], found: dict[Place, set[str]], seconds: float
) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        for one in select.select(list(places), [], [], left)[0]:
            frame, address = one.recvfrom(65535)
            name = names.get(frame.ljust(60, b"\0"))
            if name and address[2] != socket.PACKET_OUTGOING:
                found[places[one]].add(name)


def arp(operation: int, sender: str, sha: str, target: str, source: str = MAC["eve"], to: str = BROADCAST) -> bytes:
    ends = mac(sha) + ipaddress.ip_address(sender).packed + bytes(6) + ipaddress.ip_address(target).packed
    return ethernet(source, to, ARP, struct.pack("!HHBBH", 1, IPV4, 6, 4, operation) + ends)


def udp(source: str, destination: str, ports: tuple[int, int], from_mac: str = MAC["eve"]) -> bytes:
    text = f"{source} {destination} {ports}".encode()
    packet = frames.ip(source, destination, socket.IPPROTO_UDP, frames.udp(source, destination, text, ports=ports))
    return ethernet(from_mac, BROADCAST, IPV6 if ":" in source else IPV4, packet)


def neighbour(kind: int, source: str, target: str, option: int, link: str, flags: int = 0) -> bytes:
    body = struct.pack("!I", flags << 24) + ipaddress.ip_address(target).packed
    body += struct.pack("!BB", option, 1) + mac(link) if link else b""
    return ethernet(MAC["eve"], "33:33:00:00:00:01", IPV6, icmpv6(source, "ff02::1", kind, body))


def message(kind: int, source: str, body: bytes = bytes(12)) -> bytes:
    return ethernet(MAC["eve"], "33:33:00:00:00:02", IPV6, icmpv6(source, "ff02::1", kind, body))


def good() -> dict[str, bytes]:
    """Frames of an honest guest."""
    eve = MAC["eve"]
    return {
        "ARP request": arp(1, OWN, eve, BOB),
        "ARP reply": arp(2, OWN, eve, BOB),
        "ARP probe": arp(1, "0.0.0.0", eve, OWN),
        "IPv4": udp(OWN, "10.0.10.255", (4000, 4001)),
        "DHCP request": udp("0.0.0.0", "255.255.255.255", (68, 67)),
        "IPv6": udp(OWN6, "ff02::1", (4000, 4001)),
        "IPv6 of the link": udp(LINK6, "ff02::1", (4000, 4002)),
        "solicitation": neighbour(135, OWN6, BOB6, 1, eve),
        "advertisement": neighbour(136, OWN6, OWN6, 2, eve, 0x20),
        "duplicate address detection": neighbour(135, "::", OWN6, 1, ""),
        "router solicitation": message(133, LINK6, struct.pack("!I", 0) + struct.pack("!BB", 1, 1) + mac(eve)),
        "membership report": message(143, LINK6),
    }


def bad() -> dict[str, bytes]:
    """Frames by which a guest is another one, a router, a server or a switch."""
    eve, bob = MAC["eve"], MAC["bob"]
    lldp = bytes.fromhex("0207040102030405060403010203060200780000")
    return {
        "MAC of a neighbour": udp(OWN, "10.0.10.255", (4000, 4003), bob),
        "multicast MAC": udp(OWN, "10.0.10.255", (4000, 4004), "01:00:5e:00:00:01"),
        "no MAC": udp(OWN, "10.0.10.255", (4000, 4005), "00:00:00:00:00:00"),
        "ARP for the gateway": arp(2, GATEWAY, eve, BOB),
        "gratuitous ARP for a neighbour": arp(1, BOB, eve, BOB),
        "ARP with another's MAC inside": arp(2, OWN, bob, BOB),
        "IPv4 of a neighbour": udp(BOB, "10.0.10.255", (4000, 4001)),
        "IPv4 of nobody": udp(FOREIGN, "10.0.10.255", (4000, 4001)),
        "DHCP offer": udp(OWN, "255.255.255.255", (67, 68)),
        "IPv6 of a neighbour": udp(BOB6, "ff02::1", (4000, 4001)),
        "another link-local address": udp("fe80::1", "ff02::1", (4000, 4001)),
        "DHCPv6 answer": udp(OWN6, "ff02::1", (547, 546)),
        "router advertisement": message(134, LINK6, struct.pack("!BBHII", 64, 0, 1800, 0, 0)),
        "redirect": message(137, LINK6, bytes(36)),
        "advertisement for a neighbour": neighbour(136, OWN6, BOB6, 2, eve, 0x20),
        "advertisement of a neighbour's MAC": neighbour(136, OWN6, OWN6, 2, bob, 0x20),
        "solicitation with another's MAC": neighbour(135, OWN6, BOB6, 1, bob),
        "VLAN of another network": ethernet(eve, BROADCAST, IPV4, udp(OWN, "10.0.10.255", (1, 2))[14:], 20),
        "own VLAN, tagged": ethernet(eve, BROADCAST, IPV4, udp(OWN, "10.0.10.255", (1, 3))[14:], 10),
        "priority tag": ethernet(eve, BROADCAST, IPV4, udp(OWN, "10.0.10.255", (1, 4))[14:], 0),
        "LLDP": ethernet(eve, "01:80:c2:00:00:0e", 0x88CC, lldp),
        "LACP": ethernet(eve, "01:80:c2:00:00:02", 0x8809, bytes(100)),
        "GVRP": ethernet(eve, "01:80:c2:00:00:21", 0x8100, bytes(40)),
        "another protocol": ethernet(eve, BROADCAST, 0x88B5, b"whatever"),
        "IPv6 in nobody's name": ethernet(eve, BROADCAST, IPV6, ipv6("::", "ff02::1", 59, b"x")),
    }


def test_an_honest_guest_is_heard_and_a_liar_is_not() -> None:
    found = heard({**good(), **bad()})
    assert set(good()) - found[None, "nvtbob"] == set()
    for place in PLACES:
        assert found[place] & set(bad()) == set(), place


def test_nothing_else_passes_while_flows_are_missing() -> None:
    """As after a start of Open vSwitch, until the node has brought them back."""
    output("ovs-ofctl", "del-flows", "br-int")
    try:
        assert set().union(*heard({**good(), **bad()}).values()) == set()
    finally:
        run(fabric_node.resources(told=document()))
    assert set(good()) - heard(good())[None, "nvtbob"] == set()


def test_nothing_else_passes_while_the_guest_comes_moves_and_goes() -> None:
    """It sends all the time; its port is there before the fabric is told of it."""
    without, elsewhere = document(), document()
    without["fabric_guests"] = [guest for guest in without["fabric_guests"] if guest["name"] != "eve"]
    (eve,) = (guest for guest in elsewhere["fabric_guests"] if guest["name"] == "eve")
    eve["network"] = "office"
    del eve["address"]

    def change() -> None:
        for told in (without, document(), elsewhere, document()):
            run(fabric_node.resources(told=told))

    assert set().union(*heard(bad(), change).values()) == set()
    assert set(good()) - heard(good())[None, "nvtbob"] == set()


def test_allowed_addresses_may_be_used_beside_the_own_ones() -> None:
    allowed = [{"subnet": ALLOWED}, {"subnet": ALLOWED, "mac": VRRP_MAC}, {"subnet": "10.77.0.0/16"}]
    run(fabric_node.resources(told=document(allowed_addresses=allowed)))
    may = {
        "own MAC": udp(ALLOWED, "10.0.10.255", (5000, 5001)),
        "VRRP's MAC": udp(ALLOWED, "10.0.10.255", (5000, 5002), VRRP_MAC),
        "a network behind": udp("10.77.1.2", "10.0.10.255", (5000, 5003)),
        "ARP": arp(2, ALLOWED, VRRP_MAC, BOB, VRRP_MAC),
    }
    not_so = {"another's by VRRP's MAC": udp(OWN, "10.0.10.255", (5000, 5004), VRRP_MAC), **bad()}
    found = heard({**may, **good(), **not_so})
    assert found[None, "nvtbob"] == {*may, *good()}
    assert (found["nv-r1", "gw-blue"] | found[None, "nvtulp"]) & set(not_so) == set()


def test_a_guest_without_port_security_sends_what_it_wants() -> None:
    run(fabric_node.resources(told=document(port_security=False)))
    found = heard({**good(), **bad()})
    assert {"IPv4 of a neighbour", "DHCP offer", "router advertisement"} <= found[None, "nvtbob"]
    run(fabric_node.resources(told=document()))
    assert heard(bad())[None, "nvtbob"] == set()
