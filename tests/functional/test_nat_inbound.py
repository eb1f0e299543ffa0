# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nat_inbound against real nftables: what reaches guests behind a router, by packets."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from engine import Object, apply, output
from talk import asks, connections, servers

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, InvalidValue

ROUTER, WEB, DB, OUTSIDE = "nvtr", "nvtweb", "nvtdb", "nvtout"
FLOATING, OTHER, OWN = "198.51.100.20", "198.51.100.21", "198.51.100.1"
# Guests of two networks and a host outside: namespace, its address, the router's port and its addresses.
LINKS = [
    (WEB, "10.99.1.2/24", "in0", ["10.99.1.1/24"]),
    (DB, "10.99.2.2/24", "in1", ["10.99.2.1/24"]),
    (OUTSIDE, "198.51.100.9/24", "out0", [f"{OWN}/24", f"{FLOATING}/32", f"{OTHER}/32"]),
]
PORTS = (80, 8080, 9000, 9003)


def inside(namespace: str, *argv: str) -> str:
    return output("ip", "netns", "exec", namespace, *argv)


def delete_namespaces() -> None:
    for namespace in (ROUTER, WEB, DB, OUTSIDE):
        subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)


@pytest.fixture(scope="module", autouse=True)
def network() -> Iterator[None]:
    delete_namespaces()
    try:
        for namespace in (ROUTER, WEB, DB, OUTSIDE):
            output("ip", "netns", "add", namespace)
            inside(namespace, "ip", "link", "set", "lo", "up")
        for namespace, address, port, addresses in LINKS:
            output("ip", "link", "add", "eth0", "netns", namespace, "type", "veth", "peer", port, "netns", ROUTER)
            inside(namespace, "ip", "address", "add", address, "dev", "eth0")
            inside(namespace, "ip", "link", "set", "eth0", "up")
            for item in addresses:
                inside(ROUTER, "ip", "address", "add", item, "dev", port)
            inside(ROUTER, "ip", "link", "set", port, "up")
            if namespace != OUTSIDE:  # nobody outside has a route to the guests
                inside(namespace, "ip", "route", "add", "default", "via", addresses[0].partition("/")[0])
        inside(ROUTER, "sysctl", "-q", "net.ipv4.ip_forward=1")
        with servers((WEB, DB, OUTSIDE), *PORTS):
            yield
    finally:
        delete_namespaces()


@pytest.fixture
def nat() -> Iterator[Object]:
    yield Object("nat_inbound", namespace=ROUTER)
    inside(ROUTER, "nft", "flush", "ruleset")


def forward(port: str, to_port: int | None = None, **options: Any) -> dict[str, Any]:
    return {"address": OWN, "to": "10.99.1.2", "port": port, **({"to_port": to_port} if to_port else {}), **options}


def test_floating_ip_in_both_directions(nat: Object) -> None:
    after = nat.present(out_interface="out0", floating_ips=[{"address": FLOATING, "to": "10.99.1.2"}])
    assert after == {
        "name": "inbound",
        "namespace": ROUTER,
        "out_interface": "out0",
        "floating_ips": [{"address": FLOATING, "to": "10.99.1.2"}],
        "port_forwards": [],
    }
    assert asks(OUTSIDE, FLOATING, 80) == "198.51.100.9 80"
    assert asks(OUTSIDE, FLOATING, 80, protocol="udp") == "198.51.100.9 80"
    assert asks(WEB, "198.51.100.9", 80) == f"{FLOATING} 80"
    assert "2 received" in inside(OUTSIDE, "ping", "-q", "-c", "2", "-i", "0.2", FLOATING)
    nat.absent()
    assert asks(OUTSIDE, FLOATING, 80) == "refused"


def test_floating_ip_from_inside(nat: Object) -> None:
    """From another network and from the guest itself; it sees the router, so that answers pass the router."""
    nat.present(out_interface="out0", floating_ips=[{"address": FLOATING, "to": "10.99.1.2"}])
    assert asks(DB, FLOATING, 80) == "10.99.1.1 80"
    assert asks(WEB, FLOATING, 80) == "10.99.1.1 80"
    assert asks(DB, "10.99.1.2", 80) == "10.99.2.2 80", "what does not use the outer address is not translated"


def test_floating_ip_goes_before_masquerade(nat: Object) -> None:
    nat.present(out_interface="out0", floating_ips=[{"address": FLOATING, "to": "10.99.1.2"}])
    options = {"sources": ["10.99.1.0/24", "10.99.2.0/24"], "out_interface": "out0", "inbound": "drop"}
    apply([{"nat_masquerade": {"namespace": ROUTER, "to_source": [OWN], **options}}])
    assert asks(WEB, "198.51.100.9", 80) == f"{FLOATING} 80"
    assert asks(DB, "198.51.100.9", 80) == f"{OWN} 80"
    assert asks(OUTSIDE, FLOATING, 80) == "198.51.100.9 80"


def test_port_forwards(nat: Object) -> None:
    forwards = [
        forward("80", 8080),
        forward("9000-9003"),
        forward("7000-7003", 9000, to="10.99.2.2"),
        forward("53", 9003, protocol="udp", to="10.99.2.2"),
    ]
    after = nat.present(out_interface="out0", port_forwards=forwards)
    assert [(item["protocol"], item["port"], item["to_port"]) for item in after["port_forwards"]] == [
        ("tcp", "80", 8080),
        ("tcp", "7000-7003", 9000),
        ("tcp", "9000-9003", 9000),
        ("udp", "53", 9003),
    ]
    assert asks(OUTSIDE, OWN, 80) == "198.51.100.9 8080"
    assert asks(OUTSIDE, OWN, 9003) == "198.51.100.9 9003"
    assert asks(OUTSIDE, OWN, 7003) == "198.51.100.9 9003"
    assert asks(OUTSIDE, OWN, 53, "udp") == "198.51.100.9 9003"
    assert asks(OUTSIDE, OWN, 8080) == "refused"
    assert asks(WEB, OWN, 80) == "10.99.1.1 8080"
    assert asks(DB, OWN, 80) == "10.99.1.1 8080"
    assert asks(DB, OWN, 7000) == "10.99.2.1 9000"


def test_what_goes_is_cut_and_what_stays_is_not(nat: Object) -> None:
    floating = [{"address": FLOATING, "to": "10.99.1.2"}, {"address": OTHER, "to": "10.99.2.2"}]
    nat.present(out_interface="out0", floating_ips=floating, port_forwards=[forward("80"), forward("8080")])
    ends = [(OUTSIDE, FLOATING, 80), (WEB, "198.51.100.9", 80), (OUTSIDE, OWN, 80)]
    stays = [(OUTSIDE, OTHER, 80), (DB, "198.51.100.9", 80), (OUTSIDE, OWN, 8080), (DB, "10.99.1.2", 80)]
    with connections([*ends, *stays]) as found:
        nat.present(floating_ips=floating[1:], port_forwards=[forward("8080")])
        assert [end for end in stays if not found[end].lives()] == []
        assert [end for end in ends if found[end].lives()] == []


def test_floating_ip_moves_with_its_connections(nat: Object) -> None:
    nat.present(out_interface="out0", floating_ips=[{"address": FLOATING, "to": "10.99.1.2"}])
    with connections([(OUTSIDE, FLOATING, 80)]) as found:
        operations = nat.plan(floating_ips=[{"address": FLOATING, "to": "10.99.2.2"}])
        assert [item["action"] for item in operations] == ["tighten", "update"]
        nat.present(floating_ips=[{"address": FLOATING, "to": "10.99.2.2"}])
        assert not found[OUTSIDE, FLOATING, 80].lives()
    assert asks(DB, "198.51.100.9", 80) == f"{FLOATING} 80"
    assert asks(WEB, "198.51.100.9", 80, wait=0.5) == "nothing"  # the host outside has no route to its own address


def test_what_is_invalid_does_not_leave_untranslated(nat: Object) -> None:
    nat.present(out_interface="out0", floating_ips=[{"address": FLOATING, "to": "10.99.1.2"}])
    inside(OUTSIDE, "nft", "add table inet t; add chain inet t c { type filter hook prerouting priority -300; }")
    inside(OUTSIDE, "nft", "add rule inet t c ip saddr 10.99.1.2 counter")
    reset = (
        "import socket, struct\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)\n"
        "for flags in (0x04, 0x05, 0x3f, 0x00):\n"
        "    s.sendto(struct.pack('!HHIIBBHHH', 5, 80, 1, 1, 0x50, flags, 100, 0, 0), ('198.51.100.9', 0))\n"
    )
    try:
        inside(WEB, "python3", "-c", reset)
        assert asks(WEB, "198.51.100.9", 80) == f"{FLOATING} 80"
        assert "packets 0 " in inside(OUTSIDE, "nft", "list", "ruleset")
    finally:
        inside(OUTSIDE, "nft", "flush", "ruleset")


@pytest.mark.parametrize(
    "by_hand",
    [
        "flush chain inet netvirtinbound_inbound prerouting",
        "delete element inet netvirtinbound_inbound guests { 198.51.100.20 }",
        "add element inet netvirtinbound_inbound floating { 10.99.9.9 : 198.51.100.77 }",
        "insert rule inet netvirtinbound_inbound postrouting accept",
        "add rule inet netvirtinbound_inbound prerouting ip daddr 198.51.100.1 tcp dport 22 dnat ip to 10.99.2.2",
        "delete table inet netvirtinbound_inbound",
    ],
)
def test_change_by_hand_is_repaired(nat: Object, by_hand: str) -> None:
    wanted = {
        "out_interface": "out0",
        "floating_ips": [{"address": FLOATING, "to": "10.99.1.2"}],
        "port_forwards": [forward("7000-7003", 9000)],
    }
    nat.present(**wanted)
    before = without_handles(json.loads(inside(ROUTER, "nft", "-j", "list", "ruleset")))
    inside(ROUTER, "nft", by_hand)
    planned = nat.plan(**wanted)
    assert planned
    resources = [{"nat_inbound": {"namespace": ROUTER, **wanted}}]
    assert apply(resources).operations == planned
    assert apply(resources).operations == []
    assert without_handles(json.loads(inside(ROUTER, "nft", "-j", "list", "ruleset"))) == before


def without_handles(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_handles(item) for key, item in value.items() if key != "handle"}
    if isinstance(value, list):
        return sorted((without_handles(item) for item in value), key=str)
    return value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"floating_ips": [{"address": "2001:db8::1", "to": "10.0.0.1"}]}, "must be an IPv4 address"),
        ({"floating_ips": [{"address": FLOATING, "to": "10.0.0.1"}] * 2}, f"address {FLOATING} twice"),
        (
            {"floating_ips": [{"address": FLOATING, "to": "10.0.0.1"}, {"address": OTHER, "to": "10.0.0.1"}]},
            "to 10.0.0.1 twice",
        ),
        ({"port_forwards": [forward("80-90"), forward("90")]}, "as 80-90 and 90 do"),
        ({"port_forwards": [forward("90-80")]}, "must begin with the lower port"),
        ({"port_forwards": [forward("0")]}, "from 1 to 65535"),
        ({"port_forwards": [forward("80-81", 65535)]}, "beyond port 65535"),
        ({"port_forwards": [forward("1-2000", 2)]}, "at most 1000 ports"),
        (
            {"floating_ips": [{"address": OWN, "to": "10.0.0.1"}], "port_forwards": [forward("80")]},
            "of which floating_ips forwards all",
        ),
    ],
)
def test_bad_options(nat: Object, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        nat.present(out_interface="out0", **options)
    assert "netvirt" not in inside(ROUTER, "nft", "list", "ruleset")


def test_outer_interface_is_required(nat: Object) -> None:
    with pytest.raises(InvalidValue, match="out_interface is required"):
        nat.present(floating_ips=[])


def test_foreign_table_is_a_conflict(nat: Object) -> None:
    inside(ROUTER, "nft", "add table inet netvirtinbound_inbound")
    with pytest.raises(Conflict, match="exists and is not ours"):
        nat.present(out_interface="out0")
