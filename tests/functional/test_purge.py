# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs with purge on a real node: what is not listed any more goes, what others made stays as it is to the byte."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from engine import DATAPATH, Spec, column, output
from netlink_node import clean_node, ip, namespaces
from snapshot import changes, difference, flows, settled, uncounted

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _netlink
from ansible_collections.netvirt.fabric.plugins.module_utils._engine import Result, converge
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, Failed, Unavailable
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import KINDS, kind, parse

__all__ = ["clean_node"]

OWNER = "nvt"
NETDEV = {"datapath_type": DATAPATH}

NETWORK: list[Spec] = [
    {"ovs_bridge": {"name": "nvtbr", **NETDEV}},
    {"ovs_bridge": {"name": "nvtbr-f", "parent": "nvtbr", "vlan": 20}},
    {"ovs_port_vlan": {"name": "nvtp", "bridge": "nvtbr", "type": "internal", "tag": 10}},
    {"ovs_port_vlan": {"name": "nvtleg", "bridge": "nvtbr", "tag": 10}},
    {"ovs_tunnel": {"name": "nvtm", "bridge": "nvtbr", "type": "vxlan", "remotes": ["192.0.2.1", "192.0.2.2"]}},
    {"ovs_tunnel": {"name": "nvtone", "bridge": "nvtbr", "type": "geneve", "remote": "192.0.2.3"}},
    {"ovs_flow": {"bridge": "nvtbr", "cookie": "0x7", "flows": ["priority=9,in_port=nvtp actions=drop"]}},
    {"veth_pair": {"name": "nvtleg", "peer": {"name": "gw", "namespace": "nvtns"}}},
    {
        "netns_router": {
            "name": "nvtns",
            "ip_forward": True,
            "interfaces": [{"name": "gw", "addresses": ["10.97.0.1/24"]}],
        }
    },
    {"nat_masquerade": {"namespace": "nvtns", "sources": ["10.97.0.0/24"], "out_interface": "gw"}},
    {"nat_masquerade": {"name": "nvt", "sources": ["10.97.0.0/24"], "out_interface": "nvtp"}},
    {
        "nat_inbound": {
            "namespace": "nvtns",
            "out_interface": "gw",
            "floating_ips": [{"address": "192.0.2.9", "to": "10.97.0.9"}],
        }
    },
    {"packet_filter": {"name": "nvt", "isolated_interfaces": ["nvtleg"]}},
    {
        "dnsmasq_netns": {
            "name": "nvt",
            "namespace": "nvtns",
            "interface": "gw",
            "ranges": [{"start": "10.97.0.100", "end": "10.97.0.150"}],
        }
    },
    {"ip_interface": {"name": "nvtp", "addresses": ["10.96.0.1/24"], "up": True}},
    {"linux_bridge": {"name": "nvtlb"}},
    {"link_unmanaged": {"name": "nvtp"}},
]
NOT_HERE = {"bridge_uplink", "ip_interface", "kvm_guest", "ovs_db"}  # the network has none, or they have no owner
NEED_MODULES = {"link_vlan", "link_bond"}  # of the kernel; see test_purge_links.py


def run(resources: list[Spec], check: bool = False, owner: str = OWNER) -> Result:
    """Converge with purge."""
    node = Node(Settings(owner=owner))
    try:
        return converge(node, parse(resources), check, map(kind, KINDS))
    finally:
        node.close()


def purge(*resources: Spec, owner: str = OWNER) -> list[tuple[str, str, str]]:
    """Converge; what check mode announces must be done, in that order, and a second run must do nothing."""
    planned = run(list(resources), check=True, owner=owner)
    done = run(list(resources), owner=owner)
    assert done.operations == planned.operations
    assert run(list(resources), owner=owner).operations == []
    return [(item["kind"], item["name"], item["action"]) for item in done.operations]


def without(*names: str) -> list[Spec]:
    """Return the network less the kinds of these names."""
    return [entry for entry in NETWORK if not entry.keys() & set(names)]


@pytest.fixture
def ours(clean_node: None) -> Iterator[None]:
    """Leave nothing of ours behind, nor what a failed test put inside it."""
    yield
    output("ovs-vsctl", "--if-exists", "del-br", "nvtbr")
    subprocess.run(["ip", "-n", "nvtns", "link", "delete", "nvtd"], check=False, stderr=subprocess.DEVNULL)
    run([])


def clean_by_hand() -> None:
    output("ovs-vsctl", "--if-exists", "del-br", "nvtbr-x")
    for name in TABLES_BY_HAND:
        subprocess.run(["nft", "delete", "table", "inet", name], check=False, stderr=subprocess.DEVNULL)


TABLES_BY_HAND = ("netvirt_nvt2", "netvirt_nv", "nvt", "netvirtfilter_nv", "netvirtfilter_nvt2")


@pytest.fixture
def by_hand(clean_node: None) -> Iterator[None]:
    """Make objects by hand, or for other owners, whose names contain those of ours; a dnsmasq must live on."""
    process = None
    try:
        _make_by_hand()
        arguments = ["--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--interface=gw", "--pid-file="]
        arguments += ["--bind-interfaces", "--dhcp-range=10.95.0.10,10.95.0.20", "--dhcp-leasefile=/tmp/nvt.leases"]
        process = subprocess.Popen(["ip", "netns", "exec", "nvtns2", "dnsmasq", *arguments])
        time.sleep(1)
        yield
        assert process.poll() is None, "the dnsmasq of somebody else died"
    finally:
        if process is not None:
            process.terminate()
            process.wait()
        clean_by_hand()


def _make_by_hand() -> None:
    output("ovs-vsctl", "add-br", "nvtbr-x", "--", "set", "bridge", "nvtbr-x", f"datapath_type={DATAPATH}")
    for name, owner in (("nvtp1", ""), ("nvtq", "nv"), ("nvtm-0", "nvtx"), ("nvtm-c0000209", "nvt2")):
        port = ["ovs-vsctl", "add-port", "nvtbr-x", name, "--", "set", "interface", name, "type=internal"]
        output(*port, *(["--", "set", "port", name, f"external_ids:netvirt-owner={owner}"] if owner else []))
    output("ovs-vsctl", "set", "bridge", "nvtbr-x", "external_ids:netvirt-flows-0x7=nvtx")
    output("ovs-ofctl", "-O", "OpenFlow14", "add-flow", "nvtbr-x", "cookie=0x7,priority=9,arp,actions=drop")
    ip("netns", "add", "nvtns2")
    ip("netns", "add", "nvtn")
    ip("link", "set", "lo", "alias", "netvirt:nvt2", namespace="nvtns2")
    ip("link", "add", "nvtleg0", "type", "veth", "peer", "name", "gw", "netns", "nvtns2")
    ip("link", "set", "nvtleg0", "alias", "netvirt:nv")
    ip("link", "set", "gw", "up", namespace="nvtns2")
    ip("address", "add", "10.95.0.1/24", "dev", "gw", namespace="nvtns2")
    for name in TABLES_BY_HAND:
        output("nft", f'table inet {name} {{ chain netvirt.fabric {{ return comment "owner nvt2"; }}; }}')


def test_what_others_made_is_the_same_after_every_run(by_hand: None, ours: None) -> None:
    hand = settled()
    purge()
    assert changes(hand) == {}
    assert purge(*NETWORK)
    assert purge(*without("ovs_tunnel", "nat_masquerade", "dnsmasq_netns"))
    assert purge(*NETWORK)
    operations = purge()
    assert {kind for kind, _name, _action in operations} == set(KINDS) - NOT_HERE - NEED_MODULES
    assert difference(uncounted(hand), uncounted(settled())) == {}


def test_only_what_left_the_list_goes(ours: None) -> None:
    purge(*NETWORK)
    assert purge(*without("ovs_tunnel", "dnsmasq_netns")) == [
        ("dnsmasq_netns", "nvt", "delete"),
        ("ovs_tunnel", "nvtm", "delete"),
        ("ovs_tunnel", "nvtone", "delete"),
    ]
    assert output("ovs-vsctl", "list-ports", "nvtbr").split() == ["nvtleg", "nvtp"]


def test_a_set_of_flows_goes_and_those_of_others_with_its_match_stay(ours: None) -> None:
    purge(*NETWORK)
    output("ovs-ofctl", "-O", "OpenFlow14", "add-flow", "nvtbr", "cookie=0x70,priority=8,arp,actions=drop")
    assert [action for _kind, _name, action in purge(*without("ovs_flow"))] == ["delete", "release the cookie"]
    assert [flow for flow in flows("nvtbr") if "0x7" in flow] == ["cookie=0x70, priority=8,arp actions=drop"]
    assert column("bridge", "nvtbr", "external_ids") == {"netvirt-owner": OWNER}


def test_what_was_adopted_is_not_purged(clean_node: None) -> None:
    output("ovs-vsctl", "add-br", "nvtbr-x", "--", "set", "bridge", "nvtbr-x", f"datapath_type={DATAPATH}")
    output("ovs-vsctl", "add-port", "nvtbr-x", "nvtp", "--", "set", "interface", "nvtp", "type=internal")
    output("ovs-ofctl", "-O", "OpenFlow14", "add-flow", "nvtbr-x", "cookie=0x7,priority=9,arp,actions=drop")
    ip("link", "add", "nvta", "type", "veth", "peer", "name", "nvtb")
    ip("netns", "add", "nvtns")
    try:
        run(
            [
                {"ovs_bridge": {"name": "nvtbr-x", "mcast_snooping": True}},
                {"ovs_port_vlan": {"name": "nvtp", "bridge": "nvtbr-x", "tag": 5}},
                {"ovs_flow": {"bridge": "nvtbr-x", "cookie": "0x7", "flows": ["priority=9,ip actions=drop"]}},
                {"veth_pair": {"name": "nvta", "peer": {"name": "nvtb"}}},
                {"netns_router": {"name": "nvtns", "ip_forward": True}},
            ]
        )
        adopted = settled()
        assert run([]).operations == []
        assert changes(adopted) == {}
    finally:
        clean_by_hand()


def test_a_port_of_somebody_else_in_a_bridge_that_should_go_stops_the_run(ours: None) -> None:
    purge(*NETWORK)
    output("ovs-vsctl", "add-port", "nvtbr", "nvtguest", "--", "set", "interface", "nvtguest", "type=internal")
    before = settled()
    for check in (True, False):
        with pytest.raises(Conflict, match=r"^ovs_bridge nvtbr: .* nvt did not make: port nvtguest; take"):
            run([], check)
    assert changes(before) == {}
    output("ovs-vsctl", "del-port", "nvtguest")


def test_an_interface_of_somebody_else_in_a_namespace_that_should_go_stops_the_run(ours: None) -> None:
    purge(*NETWORK)
    ip("link", "add", "nvtd", "type", "bridge", namespace="nvtns")
    with pytest.raises(Conflict, match=r"^netns_router nvtns: .* did not make: interface nvtd"):
        run([])
    ip("link", "delete", "nvtd", namespace="nvtns")


def test_a_leg_moves_to_the_namespace_that_takes_the_place_of_another(ours: None) -> None:
    purge(*NETWORK)
    renamed = json.loads(json.dumps(NETWORK).replace("nvtns", "nvtnew"))
    purge(*renamed)
    assert "nvtns" not in namespaces()
    assert ip("address", "show", "dev", "gw", namespace="nvtnew")[0]["addr_info"][0]["local"] == "10.97.0.1"
    assert column("interface", "nvtleg", "error") == []


def test_a_veth_of_a_killed_run_is_finished_or_purged(ours: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ip("netns", "add", "nvtns")
    pair = {"veth_pair": {"name": "nvtleg", "mtu": 1400, "peer": {"name": "gw", "namespace": "nvtns"}}}

    def killed(*_arguments: Any, **_attributes: Any) -> None:
        raise Unavailable("killed")

    for listed in ([pair], []):
        with monkeypatch.context() as patch:
            patch.setattr(_netlink.Netlink, "set_link", killed)
            with pytest.raises(Failed, match="killed"):
                run([pair])
        purge(*listed)
        found = [link for link in ip("link") if link["ifname"] == "nvtleg"]
        assert [(link["ifalias"], link["group"], "UP" in link["flags"]) for link in found] == [
            ("netvirt:nvt", "default", True)
        ] * len(listed)
        run([])
    ip("netns", "delete", "nvtns")


def test_a_foreign_namespace_may_vanish_at_any_moment(ours: None) -> None:
    """Others make and remove theirs, with a link into the root namespace, as a container engine does."""
    run(without("dnsmasq_netns"))
    churn = """
    trap 'ip netns delete nvtgone$number; exit' TERM
    number=0
    while :; do
        number=$((number + 1))
        ip netns add nvtgone$number && ip link add nvtgone type veth peer name eth0 netns nvtgone$number
        ip netns exec nvtgone$number nft add table inet other
        ip netns delete nvtgone$number
    done 2>/dev/null
    """
    with subprocess.Popen(["sh", "-c", churn]) as others:
        try:
            until = time.monotonic() + 8
            while time.monotonic() < until:
                assert run(without("dnsmasq_netns"), check=True).operations == []
            run(without("dnsmasq_netns", "netns_router", "nat_masquerade", "nat_inbound", "veth_pair"), check=True)
        finally:
            others.terminate()
