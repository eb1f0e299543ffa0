# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The netlink backend reads what ip(8) shows, and no thread gets lost in a namespace."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Iterator
from typing import Any

import pytest
from netlink_node import clean_node, ip, link

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces, _sysctl
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links._netlink import Netlink
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links._netlink_model import Route
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, InvalidValue

__all__ = ["clean_node"]
pytestmark = pytest.mark.usefixtures("clean_node")


@pytest.fixture
def netlink() -> Iterator[Netlink]:
    ip("netns", "add", "nvtb")
    ip("link", "add", "nvt0", "type", "veth", "peer", "name", "nvt1", "netns", "nvtb")
    ip("link", "set", "nvt0", "up")
    for name in ("lo", "nvt1"):
        ip("link", "set", name, "up", namespace="nvtb")
    backend = Netlink()
    yield backend
    backend.close()


def without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name not in names}


def test_links_are_those_that_ip_shows(netlink: Netlink) -> None:
    ip("link", "add", "nvtbr", "type", "bridge", namespace="nvtb")
    ip("link", "set", "nvt1", "master", "nvtbr", "alias", "some words", "mtu", "1400", namespace="nvtb")
    shown = {item["ifname"]: item for item in ip("link", "show", namespace="nvtb")}
    found = netlink.links("nvtb")
    assert set(found) == set(shown)
    for name, item in found.items():
        assert item.index == shown[name]["ifindex"]
        assert item.mtu == shown[name]["mtu"]
        assert item.up == ("UP" in shown[name]["flags"])
        assert item.kind == shown[name].get("linkinfo", {}).get("info_kind", "")
        assert item.alias == shown[name].get("ifalias", "")
        assert item.master == shown[name].get("master", "")
        assert item.mac == ("" if name == "lo" else shown[name]["address"])


def test_addresses_are_those_that_ip_shows(netlink: Netlink) -> None:
    for words in ("10.9.0.1/24", "10.9.0.2/24", "10.8.0.1 peer 10.8.0.2/31", "fd99::1/64", "::ffff:10.1.2.3/128"):
        ip("address", "add", *words.split(), "dev", "nvt1", namespace="nvtb")
    shown = {
        (item["ifname"], f"{address['local']}/{address['prefixlen']}")
        for item in ip("address", "show", namespace="nvtb")
        for address in item["addr_info"]
        if "." not in address["local"] or ":" not in address["local"]
    }
    found = {(name, address.cidr) for name in ("lo", "nvt1") for address in netlink.addresses("nvtb", name)}
    assert shown < found
    mapped = str(ipaddress.ip_interface("::ffff:10.1.2.3/128"))  # Python 3.13 writes it in another way than 3.12
    assert {address for _name, address in found - shown} == {mapped}


def test_routes_are_those_that_ip_shows(netlink: Netlink) -> None:
    for words in (
        "10.1.0.0/16 via 10.9.0.2",
        "10.2.0.0/16 dev nvt1 metric 4294967295 proto 78",
        "10.3.0.0/16 nexthop via 10.9.0.2 nexthop via 10.9.0.3",
        "10.4.0.0/16 via 192.0.2.1 dev nvt1 onlink src 10.9.0.1",
        "fd98::/64 via fd99::2 proto 78",
        "blackhole 10.5.0.0/16",
        "10.6.0.0/16 via 10.9.0.2 table 7",
    ):
        if not netlink.addresses("nvtb", "nvt1")[1:]:
            ip("address", "add", "10.9.0.1/24", "dev", "nvt1", namespace="nvtb")
            ip("address", "add", "fd99::1/64", "dev", "nvt1", "nodad", namespace="nvtb")
            netlink.forget()
        family = "-6" if ":" in words else "-4"
        ip(family, "route", "add", *words.split(), namespace="nvtb")
    found = [route for route in netlink.routes("nvtb") if route.protocol != 2]
    assert found == [
        Route("10.1.0.0/16", 0, "nvt1", 3, "10.9.0.2"),
        Route("10.2.0.0/16", 4294967295, "nvt1", 78),
        Route("10.3.0.0/16", 0, "nvt1", 3, "10.9.0.2"),
        Route("10.3.0.0/16", 0, "nvt1", 3, "10.9.0.3"),
        Route("10.4.0.0/16", 0, "nvt1", 3, "192.0.2.1", "10.9.0.1", True),
        Route("fd98::/64", 1024, "nvt1", 78, "fd99::2"),
    ]


def test_peer_is_found_wherever_it_is(netlink: Netlink) -> None:
    near = netlink.link(None, "nvt0")
    assert near is not None
    for guess in ("nvtb", None, "nvtnone"):
        found = netlink.peer(None, near, guess)
        assert found is not None
        assert (found[0], found[1].name) == ("nvtb", "nvt1")
    far = netlink.link("nvtb", "nvt1")
    assert far is not None
    back = netlink.peer("nvtb", far)
    assert back is not None
    assert (back[0], back[1].name) == (None, "nvt0")


def test_namespace_that_does_not_exist_is_empty_and_cannot_be_entered(netlink: Netlink) -> None:
    assert netlink.links("nvtnone") == {}
    assert netlink.addresses("nvtnone", "nvt0") == []
    assert netlink.routes("nvtnone") == []
    with pytest.raises(Conflict, match="namespace nvtnone does not exist"), _namespaces.entered("nvtnone"):
        pass


def test_thread_returns_from_a_namespace_after_an_error(netlink: Netlink) -> None:
    home = os.readlink("/proc/thread-self/ns/net")
    with contextlib.suppress(ZeroDivisionError), _namespaces.entered("nvtb"):
        assert os.readlink("/proc/thread-self/ns/net") != home
        raise ZeroDivisionError
    assert os.readlink("/proc/thread-self/ns/net") == home


def test_names_pass_over_what_is_no_namespace(netlink: Netlink) -> None:
    with open("/run/netns/nvtstale", "w", encoding="utf-8"):
        pass
    assert "nvtb" in _namespaces.names()
    assert "nvtstale" not in _namespaces.names()


@pytest.mark.parametrize(
    "name", ["kernel.panic", "net", "net.", "net./.x", "net.//.//.//.etc.passwd", "net.ipv4 x", "net.a\nb", "net.é", 7]
)
def test_sysctl_keys_lead_nowhere_else(name: object) -> None:
    with pytest.raises(ValueError, match="must hold parameters of the network"):
        _sysctl.key(name)


def test_refusals_name_object_namespace_and_remedy(netlink: Netlink) -> None:
    with pytest.raises(
        InvalidValue, match=r"cannot set mtu=70000 on nvt1 in namespace nvtb: .*is the mtu in its range"
    ):
        netlink.set_link("nvtb", "nvt1", mtu=70000)
    with pytest.raises(Conflict, match=r"cannot set up=True on nvt9 in namespace nvtb: .*the interface does not exist"):
        netlink.set_link("nvtb", "nvt9", up=True)
    with pytest.raises(InvalidValue, match=r"add the route to 10.0.0.0/8 via 192.0.2.1 in namespace nvtb: .*on-link"):
        netlink.add_route("nvtb", Route("10.0.0.0/8", 0, "nvt1", via="192.0.2.1"))
    with pytest.raises(Conflict, match=r"cannot create the veths nvt0 and nvt1: .*one of the names is taken"):
        netlink.add_veth(None, "nvt0", "nvtb", "nvt1", {}, {})
    ip("link", "add", "nvt0", "type", "bridge", namespace="nvtb")
    with pytest.raises(Conflict, match=r"cannot move nvt0 to namespace nvtb: .*nvt0 exists there already"):
        netlink.move_link(None, "nvt0", "nvtb", "nvt0")
    assert link("nvt0") is not None
