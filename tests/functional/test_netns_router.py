# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind netns_router on a real kernel; ip(8), /proc/sys and packets say what it did."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from engine import Spec, apply
from netlink_node import (
    actions,
    addresses,
    clean_node,
    converges,
    inside,
    ip,
    link,
    namespaces,
    refused,
    routes,
    settled,
    shown_before,
    state,
    sysctl,
)

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, Failed, InvalidValue

__all__ = ["clean_node"]
pytestmark = pytest.mark.usefixtures("clean_node")


def router(**options: Any) -> Spec:
    return {"netns_router": {"name": "nvtr", **options}}


def wire(root: str, inner: str, **peer: Any) -> Spec:
    return {"veth_pair": {"name": root, "peer": {"name": inner, "namespace": "nvtr", **peer}}}


def leg(name: str, *cidrs: str, **options: Any) -> Spec:
    return {"name": name, "addresses": list(cidrs), **options}


def set_by_hand(key: str, value: str, namespace: str = "nvtr") -> None:
    inside(namespace, "sysctl", "-qw", f"{key}={value}")


def test_new_namespace_is_marked_has_lo_up_and_is_seen_by_ip() -> None:
    assert actions(converges(router())) == ["create"]
    assert "nvtr" in namespaces()
    shown = link("lo", "nvtr") or {}
    assert shown["ifalias"] == "netvirt:netvirt"
    assert "UP" in shown["flags"]
    assert inside("nvtr", "true") == ""


def test_absent_removes_the_namespace_and_its_veths_at_once() -> None:
    converges(router(), wire("nvt0", "nvt1"))
    result = converges(router(state="absent"))
    assert actions(result) == ["delete"]
    assert "nvtr" not in namespaces()
    assert not Path("/run/netns/nvtr").exists()
    assert link("nvt0") is None
    settled(router(state="absent"))


def test_everything_of_a_router_in_one_run_and_away_again() -> None:
    before = state()
    resources = [
        router(
            interfaces=[leg("nvt1", "10.9.1.254/24", "fd99:1::1/64"), leg("nvt3", "192.0.2.10/24", mtu=1400)],
            routes=[
                {"destination": "default", "via": "192.0.2.1"},
                {"destination": "10.0.0.0/8", "interface": "nvt1", "via": "10.9.1.1", "metric": 7},
            ],
            ip_forward=True,
            ipv6_forward=True,
            rp_filter=1,
            sysctls={"net.ipv4.conf.all.arp_ignore": 1, "net.ipv4.conf.nvt1.proxy_arp": True},
        ),
        wire("nvt0", "nvt1", tx_checksum=False),
        wire("nvt2", "nvt3"),
    ]
    converges(*resources)
    assert addresses("nvt1", "nvtr") == ["10.9.1.254/24", "fd99:1::1/64"]
    assert [(route["dst"], route["dev"], route["protocol"]) for route in routes("nvtr")] == [
        ("10.0.0.0/8", "nvt1", "78"),
        ("default", "nvt3", "78"),
    ]
    assert sysctl("nvtr", "net.ipv4.ip_forward") == "1"
    assert sysctl("nvtr", "net.ipv6.conf.all.forwarding") == "1"
    assert sysctl("nvtr", "net.ipv4.conf.nvt1.rp_filter") == "1"
    assert sysctl("nvtr", "net.ipv4.conf.nvt1.proxy_arp") == "1"
    result = converges(*[{kind: {"name": options["name"], "state": "absent"}} for item in resources
                         for kind, options in item.items()])  # fmt: skip
    assert sorted(actions(result)) == ["delete", "delete", "delete"]
    assert state() == before


def test_removed_router_comes_back_from_what_was_there() -> None:
    wires = [wire("nvt0", "nvt1")]
    converges(router(interfaces=[leg("nvt1", "10.9.1.254/24")], routes=[{"destination": "default", "via": "10.9.1.1"}]),
              *wires)  # fmt: skip
    result = converges(router(state="absent"))
    converges(*shown_before(result), *wires)
    assert addresses("nvt1", "nvtr") == ["10.9.1.254/24"]
    assert [route["gateway"] for route in routes("nvtr")] == ["10.9.1.1"]


@pytest.mark.parametrize(
    ("option", "value", "other", "key", "text"),
    [
        ("ip_forward", True, False, "net.ipv4.ip_forward", "1"),
        ("ipv6_forward", True, False, "net.ipv6.conf.all.forwarding", "1"),
        ("rp_filter", 2, 0, "net.ipv4.conf.all.rp_filter", "2"),
        ("sysctls", {"net.ipv4.conf.all.arp_announce": 2}, {"net.ipv4.conf.all.arp_announce": 0},
         "net.ipv4.conf.all.arp_announce", "2"),
        ("sysctls", {"net.ipv4.ip_local_port_range": " 10000  20000 "}, {"net.ipv4.ip_local_port_range": "30000 40000"},
         "net.ipv4.ip_local_port_range", "10000\t20000"),
    ],
)  # fmt: skip
def test_one_parameter(option: str, value: Any, other: Any, key: str, text: str) -> None:
    ip("netns", "add", "nvtr")
    converges(router(**{option: other})) if apply([router(**{option: other})], True).operations else None
    result = converges(router(**{option: value}))
    assert actions(result) == (["set sysctls"])
    assert list(result.operations[0]["changes"]) == [option]
    assert sysctl("nvtr", key) == text
    converges(*shown_before(result))
    assert sysctl("nvtr", key) != text


def test_parameter_that_the_kernel_resets_with_forwarding_is_as_declared() -> None:
    key = "net.ipv4.conf.all.accept_redirects"
    for forward, value in ((True, 1), (False, 0)):
        converges(router(ip_forward=not forward, sysctls={key: value}))
        converges(router(ip_forward=forward, sysctls={key: value}))
        assert sysctl("nvtr", key) == str(value)


@pytest.mark.parametrize("value", [0, 1, 2])
def test_rp_filter_is_in_effect_on_every_interface(value: int) -> None:
    converges(router(), wire("nvt0", "nvt1"), wire("nvt2", "nvt3"))
    for name, number in {"all": 1, "default": 2, "nvt1": 0, "nvt3": 2}.items():
        set_by_hand(f"net.ipv4.conf.{name}.rp_filter", str(number))
    converges(router(rp_filter=value))
    highest = int(sysctl("nvtr", "net.ipv4.conf.all.rp_filter"))
    for name in ("nvt1", "nvt3", "default"):
        assert max(highest, int(sysctl("nvtr", f"net.ipv4.conf.{name}.rp_filter"))) == value
    converges(router(rp_filter=value), wire("nvt4", "nvt5"))
    set_by_hand("net.ipv4.conf.nvt3.rp_filter", "1" if value == 0 else "0")
    set_by_hand("net.ipv4.conf.all.rp_filter", "0")
    assert actions(converges(router(rp_filter=value))) == ["set sysctls"]


def test_interface_is_moved_in_from_the_root_namespace_with_what_it_is() -> None:
    ip("link", "add", "nvt0", "type", "veth", "peer", "name", "nvt1")
    ip("link", "set", "nvt1", "mtu", "1400", "address", "02:00:00:00:00:01", "up")
    result = converges(router(interfaces=[leg("nvt1", "10.9.1.1/24")]))
    assert actions(result) == ["create", "move nvt1 in", "set addresses of nvt1"]
    shown = link("nvt1", "nvtr") or {}
    assert (shown["mtu"], shown["address"], "UP" in shown["flags"]) == (1400, "02:00:00:00:00:01", True)
    assert link("nvt1") is None


def test_moved_interface_loses_addresses_and_gets_those_declared() -> None:
    ip("link", "add", "nvt0", "type", "veth", "peer", "name", "nvt1")
    ip("address", "add", "10.9.1.7/24", "dev", "nvt1")
    converges(router(interfaces=[leg("nvt1", "10.9.1.1/24", mtu=1300, up=False)]))
    assert addresses("nvt1", "nvtr") == ["10.9.1.1/24"]
    assert (link("nvt1", "nvtr") or {})["mtu"] == 1300


def test_legs_that_are_not_listed_are_left_alone() -> None:
    converges(router(), wire("nvt0", "nvt1"), wire("nvt2", "nvt3"))
    ip("address", "add", "10.9.3.1/24", "dev", "nvt3", namespace="nvtr")
    converges(router(interfaces=[leg("nvt1", "10.9.1.1/24")]))
    settled(router(interfaces=[]))
    settled(router())
    assert addresses("nvt3", "nvtr") == ["10.9.3.1/24"]
    converges(router(interfaces=[{"name": "nvt3", "addresses": ["10.9.3.2/24"], "purge_addresses": False}]))
    assert addresses("nvt3", "nvtr") == ["10.9.3.1/24", "10.9.3.2/24"]


def test_drift_is_repaired_alone() -> None:
    resources = (
        router(interfaces=[leg("nvt1", "10.9.1.1/24", mtu=1400)], ip_forward=True,
               routes=[{"destination": "default", "via": "10.9.1.2"}]),
        wire("nvt0", "nvt1"),
    )  # fmt: skip
    converges(*resources)
    set_by_hand("net.ipv4.ip_forward", "0")
    assert actions(converges(*resources)) == ["set sysctls"]
    ip("route", "delete", "default", namespace="nvtr")
    assert actions(converges(*resources)) == ["set routes"]
    ip("link", "set", "nvt1", "mtu", "1500", namespace="nvtr")
    assert actions(converges(*resources)) == ["configure nvt1"]
    ip("link", "set", "lo", "down", namespace="nvtr")
    assert actions(converges(*resources)) == ["set lo up"]
    ip("address", "add", "10.9.9.9/24", "dev", "nvt1", namespace="nvtr")
    assert actions(converges(*resources)) == ["set addresses of nvt1"]
    ip("link", "delete", "nvt0")
    assert actions(converges(*resources)) == ["create", "configure nvt1", "set addresses of nvt1", "set routes"]
    ip("netns", "delete", "nvtr")
    while link("nvt0") is not None:  # the kernel takes its time
        pass
    assert len(actions(converges(*resources))) == 6


def test_routes_are_exact_among_ours_in_the_namespace() -> None:
    converges(router(), wire("nvt0", "nvt1"))
    legs = [leg("nvt1", "10.9.1.1/24", "fd99::1/64")]
    default = [{"destination": "default", "via": "10.9.1.2"}, {"destination": "default6", "via": "fd99::2"}]
    converges(router(interfaces=legs, routes=default))
    ip("route", "add", "10.55.0.0/16", "via", "10.9.1.9", namespace="nvtr")
    result = converges(router(routes=[{"destination": "10.1.0.0/16", "via": "10.9.1.2"}, default[1]]))
    assert [route["dst"] for route in routes("nvtr")] == ["10.1.0.0/16", "10.55.0.0/16", "default"]
    converges(*shown_before(result))
    settled(router(routes=[{**route, "interface": "nvt1"} for route in default]))
    converges(router(routes=[]))
    assert [route["dst"] for route in routes("nvtr")] == ["10.55.0.0/16"]


def test_packets_cross_it_only_while_forwarding_is_on() -> None:
    resources = []
    for number, host in ((1, "nvta"), (2, "nvtc")):
        near, far = f"nvt{number}a", f"nvt{number}b"
        end = {"name": far, "namespace": host, "addresses": [f"10.9.{number}.2/24"],
               "routes": [{"destination": "default", "via": f"10.9.{number}.1"}]}  # fmt: skip
        resources += [
            {"netns_router": {"name": host}},
            {"veth_pair": {"name": near, "namespace": "nvtr", "peer": {"name": far, "namespace": host}}},
            {"ip_interface": end},
        ]
    legs = [leg("nvt1a", "10.9.1.1/24"), leg("nvt2a", "10.9.2.1/24")]
    ping = ["ip", "netns", "exec", "nvta", "ping", "-c1", "-W1", "10.9.2.2"]
    converges(*resources, router(interfaces=legs, ip_forward=True))
    assert subprocess.run(ping, capture_output=True, check=False).returncode == 0
    converges(router(ip_forward=False))
    assert subprocess.run(ping, capture_output=True, check=False).returncode != 0


def test_stale_file_is_no_namespace() -> None:
    if "nvtx" not in namespaces():  # makes the directory where there is none
        ip("netns", "add", "nvtx")
    path = Path("/run/netns/nvtr")
    path.touch()
    text = "/run/netns/nvtr is no network namespace but a stale file; remove it: rm /run/netns/nvtr"
    refused(Conflict, text, router())
    refused(Conflict, text, router(state="absent"))
    refused(Conflict, text, {"ip_interface": {"name": "nvt1", "namespace": "nvtr"}})
    refused(Conflict, text, wire("nvt0", "nvt1"))
    assert path.exists()
    path.unlink()
    converges(router())


def test_file_left_by_a_killed_run_is_used_again() -> None:
    converges(router())
    subprocess.run(["umount", "/run/netns/nvtr"], check=True)
    settled(router(state="absent"))
    assert actions(converges(router())) == ["create"]


def test_namespace_of_another_kind_is_no_network_namespace() -> None:
    converges(router())
    Path("/run/netns/nvtx").touch()
    subprocess.run(["mount", "--bind", "/proc/self/ns/uts", "/run/netns/nvtx"], check=True)
    try:
        refused(Conflict, "/run/netns/nvtx is no network namespace", {"netns_router": {"name": "nvtx"}})
    finally:
        subprocess.run(["umount", "/run/netns/nvtx"], check=True)


def test_process_in_a_removed_namespace_does_not_bring_it_back() -> None:
    converges(router(), wire("nvt0", "nvt1"))
    sleeper = subprocess.Popen(["ip", "netns", "exec", "nvtr", "sleep", "60"])
    try:
        converges(router(state="absent"))
        assert link("nvt0") is None
        converges(router(), wire("nvt0", "nvt1"))
    finally:
        sleeper.kill()
        sleeper.wait()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": "../nvtr"}, "name must consist of letters"),
        ({"name": "/run/netns/nvtr"}, "name must consist of letters"),
        ({"interfaces": [{"name": "lo"}]}, "interfaces must not hold lo"),
        ({"interfaces": [{"name": "a"}, {"name": "a"}]}, "interfaces must not hold a twice"),
        ({"interfaces": [{"addresses": []}]}, "interfaces[0].name is required"),
        ({"rp_filter": 3}, "rp_filter must be a whole number from 0 to 2"),
        ({"sysctls": {"kernel.panic": 1}}, "sysctls must hold parameters of the network"),
        ({"sysctls": {"net.ipv4./.x": 1}}, "sysctls must hold parameters of the network"),
        ({"sysctls": {"net.//.//.kernel.panic": 1}}, "sysctls must hold parameters of the network"),
        ({"sysctls": {"net.ipv4.ip_forward": ""}}, "sysctls must give net.ipv4.ip_forward a value"),
        ({"sysctls": {"net.ipv4.ip_forward": "1\n2"}}, "sysctls must be printable text on one line"),
        ({"sysctls": {"net.ipv4.ip_forward": 1}, "ip_forward": True}, "which ip_forward sets already"),
        ({"sysctls": {"net.ipv4.conf.x.rp_filter": 1}, "rp_filter": 1}, "which rp_filter sets already"),
        ({"routes": [{"destination": "default"}]}, "must have interface where via is missing"),
        ({"routes": [{"destination": "default6", "via": "fe80::1"}]}, "must have interface where via is link-local"),
    ],
)
def test_wrong_values(options: Spec, text: str) -> None:
    refused(InvalidValue, text, router(**options))


def test_what_cannot_work_is_refused_before_anything_is_changed() -> None:
    refused(
        Conflict,
        "the kernel has no parameter net.ipv4.conf.all.arp_ignroe",
        router(sysctls={"net.ipv4.conf.all.arp_ignroe": 1}),
    )
    refused(Conflict, "interface nvt1 does not exist; declare it with veth_pair, ", router(interfaces=[leg("nvt1")]))
    legs = [leg("nvt1", "10.9.1.1/24")]
    bad = [{"destination": "default", "via": "10.9.2.1"}]
    refused(InvalidValue, "the gateway 10.9.2.1 of 0.0.0.0/0 is not on-link",
            router(interfaces=legs, routes=bad), wire("nvt0", "nvt1"))  # fmt: skip
    through = [{"destination": "default", "via": "10.9.1.2", "interface": "nvt9"}]
    refused(Conflict, "a route goes through nvt9, and there is no such interface",
            router(interfaces=legs, routes=through), wire("nvt0", "nvt1"))  # fmt: skip
    refused(InvalidValue, "interface nvt1: mtu 1000 is too small for the address fd99::1/64",
            router(interfaces=[leg("nvt1", "fd99::1/64", mtu=1000)]), wire("nvt0", "nvt1"))  # fmt: skip


def test_refusal_by_the_kernel_is_one_line_and_says_what_was_done() -> None:
    with pytest.raises(Failed) as caught:
        apply([router(sysctls={"net.ipv4.tcp_congestion_control": "nosuch"})])
    assert str(caught.value).startswith(
        "netns_router nvtr: could not set sysctls: cannot set the kernel parameter net.ipv4.tcp_congestion_control to "
        "'nosuch' in namespace nvtr: "
    )
    assert "\n" not in str(caught.value)
    assert [operation["action"] for operation in caught.value.done] == ["create"]
    assert [operation["action"] for operation in caught.value.not_done] == ["set sysctls"]


def test_parameter_of_an_interface_with_a_dot_in_its_name() -> None:
    converges(router(), wire("nvt0", "nvt1.7"))
    converges(router(sysctls={"net.ipv4.conf.nvt1/7.proxy_arp": 1}, rp_filter=1))
    assert inside("nvtr", "cat", "/proc/sys/net/ipv4/conf/nvt1.7/proxy_arp") == "1"


def test_run_leaves_no_descriptor_open_and_the_thread_at_home() -> None:
    apply([router(), wire("nvt0", "nvt1")])
    before = len(os.listdir("/proc/self/fd"))
    home = os.readlink("/proc/thread-self/ns/net")
    for _attempt in range(3):
        apply([router(sysctls={"net.ipv4.conf.all.arp_ignore": 1}), wire("nvt0", "nvt1")])
        with pytest.raises(Conflict):
            apply([router(interfaces=[leg("nvtno")])])
    assert len(os.listdir("/proc/self/fd")) <= before  # fewer when what other tests left was collected meanwhile
    assert os.readlink("/proc/thread-self/ns/net") == home


def test_missing_library_is_one_line() -> None:
    script = (
        "import sys; sys.modules['pyroute2'] = None; sys.path[:0] = sys.argv[1:]\n"
        "from engine import apply\n"
        "from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Missing\n"
        "try: apply([{'netns_router': {'name': 'nvtr', 'interfaces': [{'name': 'nvt1'}]}}], True)\n"
        "except Missing as error: print(error)\n"
    )
    command = [sys.executable, "-c", script, *sys.path]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert output.startswith("the Python library pyroute2 is missing on the node; install python3-pyroute2")
    assert output.count("\n") == 1
