# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest or the outside says changes no address, route or MTU in the namespaces of routers and DHCP servers.

The router is that of a compiled document; the DHCP server stands alone, with and without IPv6. Guest and outside send
real router advertisements and redirects.
"""

from __future__ import annotations

import ipaddress
import json
import struct
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import fabric_node
import pytest
from engine import apply, output
from fabric_node import nics
from netlink_node import inside, ip, sysctl
from wire_frames import advertisement, checksum, ethernet, ipv4, send

LINK_LOCAL, GUEST_MAC, ALL_NODES = "fe80::66", "02:00:00:00:66:66", "33:33:00:00:00:01"
ROUTER, ALONE, DUAL = "nv-r1", "dhcp-nvtred", "dhcp-nvtdual"
# By the wire of a host on the segment: the namespace and its interface there.
SEGMENTS = {
    "nvtg10p": (ROUTER, "gw-blue"),
    "nvtexp": (ROUTER, "ex-r1"),
    "nvtg30p": (ALONE, "dh-nvtred"),
    "nvtg40p": (DUAL, "dh-nvtdual"),
}
GUESTS = {"nvtg10": 10, "nvtg30": 30, "nvtg40": 40}  # ports of br-int, by VLAN
HARDENED = {"accept_ra": "0", "autoconf": "0", "accept_redirects": "0"}
nic = pytest.fixture(nics)
run = partial(fabric_node.run, keep=False)  # else the node itself repairs what a test spoils


def document() -> Any:
    found = fabric_node.document()
    for name, vlan, more in (("nvtred", 30, {}), ("nvtdual", 40, {"cidr6": "fd00:40::/64"})):
        dhcp = {"node": fabric_node.NODE, "range": [f"10.0.{vlan}.100", f"10.0.{vlan}.200"]}
        network = {"name": name, "mode": "isolated", "vlan": vlan, "cidr": f"10.0.{vlan}.0/24", "dhcp": dhcp}
        found["fabric_networks"].append({**network, **more})
    return found


@pytest.fixture
def built(nic: None) -> Iterator[None]:
    try:
        run(fabric_node.resources(told=document()))
        for name, vlan in GUESTS.items():
            ip("link", "add", name, "type", "veth", "peer", "name", name + "p")
            for end in (name, name + "p"):
                ip("link", "set", end, "up")
            output("ovs-vsctl", "add-port", "br-int", name, f"tag={vlan}")
        yield
    finally:
        for name in GUESTS:
            output("ovs-vsctl", "--if-exists", "del-port", name)
        run([])


def shown(namespace: str) -> dict[str, Any]:
    """Return addresses, routes and MTUs of a namespace, and the gateway that the kernel takes for an address."""
    addresses = {
        item["ifname"]: sorted(f"{address['local']}/{address['prefixlen']}" for address in item["addr_info"])
        for item in ip("address", "show", namespace=namespace)
    }
    routes = [json.dumps(ip(family, "route", "show", "table", "all", namespace=namespace)) for family in ("-4", "-6")]
    mtus = {
        name: inside(namespace, "sh", "-c", f"cat /proc/sys/net/ipv6/conf/{name}/mtu || true") for name in addresses
    }
    return {"addresses": addresses, "routes": routes, "mtus": mtus}


def settled(namespace: str) -> dict[str, Any]:
    """Return the same once no address is tentative."""
    deadline = time.monotonic() + 20
    while "tentative" in output("ip", "-n", namespace, "-6", "address") and time.monotonic() < deadline:
        time.sleep(0.2)
    return shown(namespace)


def frames(wire: str) -> list[bytes]:
    """Return what a host on a segment sends: an advertisement, and a redirect in the gateway's name."""
    namespace, interface = SEGMENTS[wire]
    (link,) = ip("address", "show", "dev", interface, namespace=namespace)
    router = next(item["local"] for item in link["addr_info"] if item["family"] == "inet")
    solicited = ethernet(GUEST_MAC, ALL_NODES, 0x86DD, advertisement(LINK_LOCAL, "2001:db8:bad::/64", 1280))
    subnet = router.rpartition(".")[0]
    about = ipv4(router, "198.51.100.66", 1, struct.pack("!BBHHH", 8, 0, 0, 1, 1))
    body = ipaddress.ip_address(f"{subnet}.66").packed + about
    message = struct.pack("!BBH", 5, 1, checksum(struct.pack("!BBH", 5, 1, 0) + body)) + body
    redirected = ethernet(GUEST_MAC, link["address"], 0x0800, ipv4(f"{subnet}.1", router, 1, message))
    return [solicited, redirected]


def lie() -> None:
    """Send all of it on each segment."""
    for wire in SEGMENTS:
        send((None, wire), frames(wire))
    time.sleep(2)


def test_advertisements_and_redirects_change_nothing(built: None) -> None:
    namespaces = sorted({namespace for namespace, _interface in SEGMENTS.values()})
    before = {namespace: settled(namespace) for namespace in namespaces}
    lie()
    assert {namespace: shown(namespace) for namespace in namespaces} == before
    assert run(fabric_node.resources(told=document()), check=True).operations == []


def test_ipv6_is_off_where_the_network_has_none(built: None) -> None:
    for namespace, interface in SEGMENTS.values():
        off = sysctl(namespace, f"net.ipv6.conf.{interface}.disable_ipv6")
        assert off == ("0" if namespace == DUAL else "1"), interface
        assert sysctl(namespace, f"net.ipv4.conf.{interface}.accept_redirects") == "0"
        assert sysctl(namespace, f"net.ipv4.conf.{interface}.send_redirects") == "0"
        for key, value in HARDENED.items():
            assert sysctl(namespace, f"net.ipv6.conf.{interface}.{key}") == value


@pytest.mark.parametrize("key", ["accept_ra", "autoconf", "accept_redirects"])
def test_drift_is_seen_and_repaired(built: None, key: str) -> None:
    told = fabric_node.resources(told=document())
    for namespace, family, interface in ((DUAL, "ipv6", "dh-nvtdual"), (DUAL, "ipv6", "default")):
        inside(namespace, "sysctl", "-qw", f"net.{family}.conf.{interface}.{key}=1")
        assert [(item["kind"], item["name"]) for item in run(told, check=True).operations] == [("netns_router", DUAL)]
        run(told)
        assert sysctl(namespace, f"net.{family}.conf.{interface}.{key}") == "0"


def test_ipv6_that_is_switched_on_is_seen_and_repaired(built: None) -> None:
    told = fabric_node.resources(told=document())
    inside(ROUTER, "sysctl", "-qw", "net.ipv6.conf.ex-r1.disable_ipv6=0")
    assert [(item["kind"], item["name"]) for item in run(told, check=True).operations] == [("netns_router", ROUTER)]
    run(told)
    assert sysctl(ROUTER, "net.ipv6.conf.ex-r1.disable_ipv6") == "1"


def test_without_the_parameters_the_lies_are_believed(built: None) -> None:
    """So the first test can fail."""
    for namespace, interface in SEGMENTS.values():
        inside(namespace, "sysctl", "-qw", f"net.ipv6.conf.{interface}.disable_ipv6=0")
        for key in HARDENED:
            inside(namespace, "sysctl", "-qw", f"net.ipv6.conf.{interface}.{key}=1")
    before = {namespace: settled(namespace) for namespace in (ROUTER, ALONE, DUAL)}
    lie()
    after = {namespace: shown(namespace) for namespace in before}
    for namespace in before:
        assert "2001:db8:bad:" in json.dumps(after[namespace]["addresses"]), namespace


def test_a_new_namespace_has_it_before_any_interface(nic: None) -> None:
    """Standalone: netns_router alone, with an interface that somebody adds later."""
    try:
        apply([{"netns_router": {"name": "nvtr"}}])
        ip("link", "add", "nvtlate", "type", "veth", "peer", "name", "eth0", "netns", "nvtr")
        for key, value in HARDENED.items():
            assert sysctl("nvtr", f"net.ipv6.conf.eth0.{key}") == value
        assert sysctl("nvtr", "net.ipv4.conf.eth0.send_redirects") == "0"
    finally:
        apply([{"netns_router": {"name": "nvtr", "state": "absent"}}])
