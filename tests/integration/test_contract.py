# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module on a node: check, run, check, run; change one option; absent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from contract import contract

from netvirt_testing.lab import Lab

NODE = "compute1"
NETNS = "nvtest"


class Probes:
    """What the system shows on the node, as plain values."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def output(self, *argv: str) -> str:
        """Return what a command prints, or nothing where it fails."""
        return self.lab.run(NODE, argv, check=False).stdout

    def ovs(self, table: str, name: str, *columns: str) -> list[str]:
        """Return columns of a row of the Open vSwitch database, one text each; nothing when there is no row."""
        argv = ["ovs-vsctl", "--bare", f"--columns={','.join(columns)}", "find", table, f"name={name}"]
        return self.output(*argv).splitlines()

    def link(self, name: str, namespace: str | None = None) -> list[Any]:
        """Return [MTU, whether it is up, its addresses but link-local ones] of an interface; nothing without one."""
        where = ["-n", namespace] if namespace else []
        text = self.output("ip", *where, "-j", "address", "show", "dev", name)
        found = json.loads(text) if text.strip() else []
        return [
            [
                item["mtu"],
                "UP" in item["flags"],
                [f"{a['local']}/{a['prefixlen']}" for a in item["addr_info"] if a["scope"] != "link"],
            ]
            for item in found
            if item
        ]


@pytest.fixture
def probes(lab: Lab) -> Probes:
    return Probes(lab)


@pytest.fixture
def bridge(lab: Lab) -> Iterator[str]:
    lab.module(NODE, "ovs_bridge", {"name": "nvtbr", "datapath_type": "netdev"})
    yield "nvtbr"
    lab.module(NODE, "ovs_bridge", {"name": "nvtbr", "state": "absent"})


@pytest.fixture
def namespace(lab: Lab) -> Iterator[str]:
    """A namespace with the inner end of a veth, which is up and has an address."""
    leg = {"name": "leg", "addresses": ["10.99.0.254/24"], "up": True}
    resources = [
        {"netns_router": {"name": NETNS, "interfaces": [leg]}},
        {"veth_pair": {"name": "nvtleg", "up": True, "peer": {"name": "leg", "namespace": NETNS}}},
    ]
    made = lab.module(NODE, "apply", {"resources": resources})
    assert not made.get("failed"), made
    yield NETNS
    lab.module(NODE, "netns_router", {"name": NETNS, "state": "absent"})


def walk(lab: Lab, module: str, options: dict[str, Any], probe: Callable[[], Any], **more: Any) -> None:
    contract(lab, NODE, module, options, probe=probe, **more)


def test_ovs_bridge(lab: Lab, probes: Probes) -> None:
    walk(
        lab,
        "ovs_bridge",
        {"name": "nvtbr2", "datapath_type": "netdev", "fail_mode": "secure"},
        lambda: probes.ovs("Bridge", "nvtbr2", "fail_mode"),
        change={"fail_mode": "standalone"},
        expect=["secure"],
        expect_changed=["standalone"],
    )


def test_ovs_port_vlan(lab: Lab, bridge: str, probes: Probes) -> None:
    walk(
        lab,
        "ovs_port_vlan",
        {"name": "nvtp", "bridge": bridge, "type": "internal", "tag": 10},
        lambda: probes.ovs("Port", "nvtp", "vlan_mode", "tag", "trunks"),
        change={"mode": "trunk", "trunks": [10, 20], "tag": None},
        expect=["access", "10", ""],
        expect_changed=["trunk", "", "10 20"],
    )


def test_ovs_tunnel(lab: Lab, bridge: str, probes: Probes) -> None:
    walk(
        lab,
        "ovs_tunnel",
        {"name": "nvtt", "bridge": bridge, "type": "vxlan", "remotes": ["192.0.2.2", "192.0.2.3"], "key": "7"},
        lambda: sorted(probes.output("ovs-vsctl", "list-ports", bridge).split()),
        change={"remotes": ["192.0.2.3", "192.0.2.4"]},
        expect=["nvtt-c0000202", "nvtt-c0000203"],
        expect_changed=["nvtt-c0000203", "nvtt-c0000204"],
    )


def test_veth_pair(lab: Lab, namespace: str, probes: Probes) -> None:
    walk(
        lab,
        "veth_pair",
        {"name": "nvtv", "mtu": 1400, "up": True, "peer": {"name": "inner", "namespace": namespace, "mtu": 1400}},
        lambda: [probes.link("nvtv"), probes.link("inner", namespace)],
        change={"peer": {"name": "inner", "namespace": namespace, "mtu": 1300, "up": True}},
        expect=[[[1400, True, []]], [[1400, True, []]]],
        expect_changed=[[[1400, True, []]], [[1300, True, []]]],
    )


def test_linux_bridge(lab: Lab, namespace: str, probes: Probes) -> None:
    def shown() -> list[Any]:
        text = probes.output("ip", "-n", namespace, "-j", "-d", "link", "show", "type", "bridge")
        found = [item for item in json.loads(text or "[]") if item]
        ports = json.loads(probes.output("ip", "-n", namespace, "-j", "link", "show", "master", "nvtlb") or "[]")
        data = [item["linkinfo"]["info_data"] for item in found]
        return [[item["stp_state"], item["ageing_time"]] for item in data] + [item["ifname"] for item in ports if item]

    made = lab.module(NODE, "veth_pair", {"name": "nvtl0", "namespace": namespace, "peer": {"name": "nvtl1"}})
    assert not made.get("failed"), made
    walk(
        lab,
        "linux_bridge",
        {"name": "nvtlb", "namespace": namespace, "stp": True, "ageing_time": 60, "ports": [{"name": "nvtl0"}]},
        shown,
        change={"stp": False},
        expect=[[1, 6000], "nvtl0"],
        expect_changed=[[0, 6000], "nvtl0"],
    )


@pytest.mark.vm
def test_link_vlan(lab: Lab, namespace: str, probes: Probes) -> None:
    if lab.lacks_link(NODE, "link", "leg0", "name", "leg2", "type", "vlan", "id", "9"):
        pytest.skip("needs a kernel with VLAN interfaces (8021q)")

    def shown() -> list[Any]:
        text = probes.output("ip", "-n", namespace, "-j", "-d", "link", "show", "type", "vlan")
        return [[item["mtu"], item["linkinfo"]["info_data"]["id"]] for item in json.loads(text or "[]") if item]

    walk(
        lab,
        "link_vlan",
        {"name": "leg.10", "namespace": namespace, "parent": "leg", "parent_namespace": namespace, "vlan": 10},
        shown,
        change={"vlan": 20, "mtu": 1400},
        expect=[[1500, 10]],
        expect_changed=[[1400, 20]],
    )


@pytest.mark.vm
def test_link_bond(lab: Lab, namespace: str, probes: Probes) -> None:
    if lab.lacks_link(NODE, "leg2", "type", "bond"):
        pytest.skip("needs a kernel with bonding")

    def shown() -> list[Any]:
        text = probes.output("ip", "-n", namespace, "-j", "-d", "link", "show", "type", "bond")
        return [item["linkinfo"]["info_data"]["miimon"] for item in json.loads(text or "[]") if item]

    made = lab.module(NODE, "veth_pair", {"name": "nvtl0", "namespace": namespace, "peer": {"name": "nvtl1"}})
    assert not made.get("failed"), made
    walk(
        lab,
        "link_bond",
        {"name": "nvtlb", "namespace": namespace, "members": ["nvtl0"]},
        shown,
        change={"miimon": 200},
        expect=[100],
        expect_changed=[200],
    )


def test_ip_interface(lab: Lab, namespace: str, probes: Probes) -> None:
    walk(
        lab,
        "ip_interface",
        {"name": "leg", "namespace": namespace, "addresses": ["10.99.0.254/24", "10.99.1.1/24"], "up": True},
        lambda: probes.link("leg", namespace)[0][2],
        change={"addresses": ["10.99.0.254/24", "10.99.2.1/24"]},
        expect=["10.99.0.254/24", "10.99.1.1/24"],
        expect_changed=["10.99.0.254/24", "10.99.2.1/24"],
        absent={"addresses": ["10.99.2.1/24"]},
        exists=True,
    )


def test_netns_router(lab: Lab, probes: Probes) -> None:
    walk(
        lab,
        "netns_router",
        {"name": "nvtr", "ip_forward": True, "sysctls": {"net.ipv4.conf.all.arp_ignore": 1}},
        lambda: probes.output("ip", "netns", "exec", "nvtr", "sysctl", "-n", "net.ipv4.ip_forward").split(),
        change={"ip_forward": False},
        expect=["1"],
        expect_changed=["0"],
    )


def test_nat_masquerade(lab: Lab, namespace: str, probes: Probes) -> None:
    def translated_to() -> list[str]:
        text = probes.output("ip", "netns", "exec", namespace, "nft", "list", "ruleset")
        return re.findall(r"snat ip to (\S+)", text)

    options = {"namespace": namespace, "sources": ["10.99.0.0/24"], "out_interface": "leg"}
    walk(
        lab,
        "nat_masquerade",
        {**options, "to_source": ["10.99.0.254"]},
        translated_to,
        change={"to_source": ["10.99.0.253"]},
        expect=["10.99.0.254"],
        expect_changed=["10.99.0.253"],
    )


def test_nat_inbound(lab: Lab, namespace: str, probes: Probes) -> None:
    def translated_to() -> list[str]:
        shown = ("nft", "list", "map", "inet", "netvirtinbound_inbound", "guests")
        return re.findall(r" : ([0-9.]+)", probes.output("ip", "netns", "exec", namespace, *shown))

    def floating(guest: str) -> list[dict[str, str]]:
        return [{"address": "192.0.2.20", "to": guest}]

    walk(
        lab,
        "nat_inbound",
        {
            "namespace": namespace,
            "out_interface": "leg",
            "floating_ips": [{"address": "192.0.2.20", "to": "10.99.0.5"}],
        },
        translated_to,
        change={"floating_ips": floating("10.99.0.6")},
        expect=["10.99.0.5"],
        expect_changed=["10.99.0.6"],
    )


def test_packet_filter(lab: Lab, namespace: str, probes: Probes) -> None:
    def isolated() -> list[str]:
        text = probes.output("ip", "netns", "exec", namespace, "nft", "list", "ruleset")
        return re.findall(r"elements = \{ \"(\S+)\" \}", text)

    walk(
        lab,
        "packet_filter",
        {"namespace": namespace, "isolated_interfaces": ["nvtone"]},
        isolated,
        change={"isolated_interfaces": ["nvttwo"]},
        expect=["nvtone", "nvtone"],
        expect_changed=["nvttwo", "nvttwo"],
    )


def test_dnsmasq_netns(lab: Lab, namespace: str, probes: Probes) -> None:
    def running() -> list[str]:
        return [line for line in probes.output("pgrep", "-a", "dnsmasq").splitlines() if "nvtnet" in line]

    def hosts() -> list[Any]:
        return [len(running()), probes.output("grep", "-rhoE", "10.99.0.[0-9]+", "/etc/netvirt/dnsmasq/nvtnet/hosts")]

    options = {"name": "nvtnet", "namespace": namespace, "interface": "leg", "router": "10.99.0.254"}
    host = {"mac": "52:54:00:00:00:01", "address": "10.99.0.11"}
    walk(
        lab,
        "dnsmasq_netns",
        {**options, "ranges": [{"start": "10.99.0.100", "end": "10.99.0.200"}], "hosts": [host]},
        hosts,
        change={"hosts": [{**host, "address": "10.99.0.12"}]},
        expect=[1, "10.99.0.11\n"],
        expect_changed=[1, "10.99.0.12\n"],
    )


def test_apply(lab: Lab, bridge: str, probes: Probes) -> None:
    """A list keeps the contract as a whole; what it returns is lists."""

    def resources(tag: int, **state: str) -> dict[str, Any]:
        names = ("nvta", "nvtb")
        ports = [
            {"ovs_port_vlan": {"name": name, "bridge": bridge, "type": "internal", "tag": tag, **state}}
            for name in names
        ]
        return {"resources": ports}

    def tags() -> list[str]:
        return [tag for name in ("nvta", "nvtb") for tag in probes.ovs("Port", name, "tag")]

    for wanted, shown in ((resources(10), ["10", "10"]), (resources(20), ["20", "20"])):
        before = tags()
        planned = lab.module(NODE, "apply", wanted, check=True)
        assert tags() == before
        done = lab.module(NODE, "apply", wanted)
        assert (done["operations"], done["before"]) == (planned["operations"], planned["before"])
        assert tags() == shown
        assert list(done["diff"]["after"]) == ["ovs_port_vlan nvta", "ovs_port_vlan nvtb"]
        for check in (True, False):
            again = lab.module(NODE, "apply", wanted, check=check)
            assert (again["changed"], again["operations"], again["before"]) == (False, [], [])
    changes = [operation["changes"] for operation in done["operations"]]
    assert changes == [{"tag": {"before": 10, "after": 20}}] * 2
    back = lab.module(NODE, "apply", {"resources": done["before"]})
    assert back["changed"]
    assert tags() == ["10", "10"]
    removed = lab.module(NODE, "apply", resources(20, state="absent"), diff=False)
    assert removed["changed"]
    assert (removed.keys() & {"diff"}, removed.get("invocation", {})) == (set(), {})  # nothing that is not shown
    assert tags() == []
    assert not lab.module(NODE, "apply", resources(20, state="absent"))["changed"]
