# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken out of the document goes from the nodes, what others made beside it stays, and nothing else changes.

The tests build on one another: each takes something more out, or puts all back.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netvirt_testing.lab import Lab, PlayResult

Document = dict[str, Any]
NODES = ("network1", "compute1", "compute2")
VOLATILE = {
    *("statistics", "status", "rstp_status", "rstp_statistics", "_version", "cur_cfg", "next_cfg"),
    # Of devices, as Open vSwitch tells of them some seconds late.
    *("ifindex", "mac_in_use", "mtu", "link_state", "admin_state", "link_resets", "error"),
}
BY_HAND = [  # names that contain those of ours
    "ovs-vsctl add-br br-int2 -- set bridge br-int2 datapath_type=netdev",
    "ovs-vsctl add-port br-int2 tap-vm10 -- set interface tap-vm10 type=internal",
    "ovs-vsctl set port tap-vm10 external_ids:netvirt-owner=fabric2",
    "ovs-ofctl add-flow br-int2 cookie=0x1,priority=7,arp,actions=drop",
    "ip netns add nv-r1x",
    "ip -n nv-r1x link set lo alias netvirt:fab",
    "ip link add rl-blue1 type veth peer name gw-blue netns nv-r1x",
    "ip -n nv-r1x address add 10.0.10.254/24 dev gw-blue",
    "nft add table inet netvirt_fabric",
]
NOT_BY_HAND = [
    "ovs-vsctl --if-exists del-br br-int2",
    "ip link delete rl-blue1",  # with the namespace it would go later
    "ip netns delete nv-r1x",
    "nft delete table inet netvirt_fabric",
]

FLOWS = "update ovs_flow br-int/0x1b67c0961bdb4d4 (port security)"


def base() -> Document:
    """Return three nodes with two networks, a router, a DHCP server that stands alone, and two guests' ports."""
    return {
        "fabric_underlay": {"type": "vxlan", "interface": "eth1"},
        "fabric_physical_networks": [{"name": "public", "interface": "eth2"}],
        "fabric_networks": [
            {
                "name": "blue",
                "mode": "nat",
                "vlan": 10,
                "cidr": "10.0.10.0/24",
                "router": "r1",
                "dhcp": {"range": ["10.0.10.100", "10.0.10.200"]},
            },
            {"name": "red", "mode": "isolated", "vlan": 20, "cidr": "10.0.20.0/24", "dhcp": {"node": "compute1"}},
        ],
        "fabric_routers": [
            {"name": "r1", "node": "network1", "external": {"network": "public", "address": "203.0.113.10/24"}}
        ],
        "fabric_guests": [
            {"name": "vm1", "node": "compute1", "network": "blue"},
            {"name": "vm2", "node": "compute2", "network": "blue"},
        ],
    }


KEPT = [[f"{action} rebuild fabric"] for action in ("create", "update", "delete")]


class Fabric:
    """The role fabric on the lab, with one document after the other."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.play = directory / "fabric.yml"
        play = {"hosts": "all:!localhost", "gather_facts": False, "roles": ["netvirt.fabric.fabric"]}
        self.play.write_text(json.dumps([play]), encoding="utf-8")

    def run(self, document: Document, *arguments: str, check: bool = False) -> PlayResult:
        return self.lab.playbook(self.play, "-e", json.dumps(document), *arguments, check=check)

    def converge(self, document: Document) -> dict[str, list[str]]:
        """Run, after check mode and before a run that has nothing to do; return what was done by node."""
        planned = self.run(document, check=True)
        assert planned.returncode == 0, planned.output
        done = self.run(document)
        assert self.operations(done) == self.operations(planned)
        again = self.run(document)
        assert again.changed == [], again.output
        return self.named(done)

    def named(self, done: PlayResult) -> dict[str, list[str]]:
        """Return what a run did by node, less the rebuild, which goes with every change."""
        assert done.returncode == 0, done.output
        named = {
            node: [f"{item['action']} {item['kind']} {item['name']}" for item in operations]
            for node, operations in self.operations(done).items()
        }
        for node, items in named.items():  # what a node keeps for its next boot follows its list
            assert [item for item in items if " rebuild " in item] in KEPT, node
        return {node: [item for item in items if " rebuild " not in item] for node, items in named.items()}

    @staticmethod
    def operations(played: PlayResult) -> dict[str, list[dict[str, Any]]]:
        tasks = [task for task in played.tasks if "Converge the node" in task.task and task.status == "ok"]
        return {task.host: task.result["operations"] for task in tasks if task.result["operations"]}

    def ports(self, node: str, bridge: str = "br-int") -> set[str]:
        return set(self.lab.run(node, ["ovs-vsctl", "list-ports", bridge]).stdout.split())

    def errors(self, node: str) -> list[Any]:
        """Return the interfaces that Open vSwitch cannot open; guests do not run here, so their taps are missing."""
        rows = self.lab.json(node, ["ovs-vsctl", "--format=json", "--columns=name,error", "list", "interface"])
        return [name for name, error in rows["data"] if error != ["set", []] and not name.startswith("tap-")]


def state(lab: Lab, node: str) -> dict[str, Any]:
    """Return what the network of a node is, less what only counts."""
    result: dict[str, Any] = {}
    for table in ("Bridge", "Port", "Interface", "Controller", "QoS", "Queue", "Mirror"):
        told = lab.json(node, ["ovs-vsctl", "--format=json", "list", table])
        kept = [index for index, name in enumerate(told["headings"]) if name not in VOLATILE]
        result[table] = sorted(json.dumps([row[index] for index in kept]) for row in told["data"])
    namespaces = sorted(item["name"] for item in lab.json(node, ["ip", "-j", "netns"]))
    result["namespaces"] = namespaces
    for namespace in ("", *namespaces):
        enter = ["-n", namespace] if namespace else []
        links = lab.json(node, ["ip", *enter, "-j", "-d", "address"])
        for link in links:
            for name in ("ifindex", "link_index", "link_netnsid", "operstate", "flags", "stats"):
                link.pop(name, None)
            for address in link["addr_info"]:  # what came back skips the search for duplicates
                address.pop("nodad", None)
                address.pop("tentative", None)
            link["addr_info"].sort(key=json.dumps)
        result[f"links {namespace}"] = sorted(links, key=lambda link: str(link["ifname"]))
        for family in ("-4", "-6"):
            routes = lab.json(node, ["ip", *enter, "-j", family, "route", "show", "table", "all"])
            result[f"routes {family} {namespace}"] = sorted(json.dumps(route, sort_keys=True) for route in routes)
        nft = ["ip", "netns", "exec", namespace, "nft"] if namespace else ["nft"]
        result[f"nft {namespace}"] = lab.json(node, [*nft, "-j", "list", "ruleset"])
    if "br-int2" in lab.run(node, ["ovs-vsctl", "list-br"]).stdout.split():
        flows = lab.run(node, ["ovs-ofctl", "--no-stats", "dump-flows", "br-int2"]).stdout
        result["flows"] = sorted(flows.splitlines()[1:])
    places = ["/etc/netvirt", "/var/lib/netvirt", "/run/netns", "/etc/systemd/system"]
    listed = lab.run(node, ["find", *places, "-name", "*netvirt*", "-o", "-path", "*netvirt/*"], check=False).stdout
    result["files"] = sorted(listed.splitlines())
    return result


def assert_same(found: dict[str, Any], before: dict[str, Any]) -> None:
    for part in before.keys() | found.keys():
        now, then = found.get(part), before.get(part)
        if isinstance(now, list) and isinstance(then, list):
            assert [item for item in now if item not in then] == [item for item in then if item not in now], part
        assert now == then, part


@pytest.fixture(scope="module")
def before(lab: Lab) -> Iterator[dict[str, Any]]:
    """Make things by hand on every node; return how the nodes are before the first run."""
    try:
        for node in NODES:
            for command in BY_HAND:
                lab.run(node, command.split())
        yield {node: state(lab, node) for node in NODES}
    finally:
        for node in NODES:
            for command in NOT_BY_HAND:
                lab.run(node, command.split(), check=False)


@pytest.fixture(scope="module")
def fabric(lab: Lab, before: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fabric]:
    built = Fabric(lab, tmp_path_factory.mktemp("removal"))
    try:
        yield built
    finally:
        for node in NODES:
            lab.run(node, ["ovs-vsctl", "--if-exists", "del-port", "br-int", "vnet0"], check=False)
        if any("br-int\n" in lab.run(node, ["ovs-vsctl", "list-br"]).stdout for node in NODES):  # after a failure
            built.run({**base(), "fabric_state": "absent"})


def test_building_leaves_what_others_made(fabric: Fabric, before: dict[str, Any], lab: Lab) -> None:
    assert set(fabric.converge(base())) == set(NODES)
    assert "br-int2" in lab.run("network1", ["ovs-vsctl", "list-br"]).stdout.split()
    for node in NODES:
        now = state(lab, node)
        for part in ("flows", "links nv-r1x", "nft nv-r1x"):
            assert now[part] == before[node][part]
        rules = [item for item in now["nft "]["nftables"] if "netvirtfilter_fabric" not in json.dumps(item)]
        assert rules == before[node]["nft "]["nftables"]


def only_tunnels(done: dict[str, list[str]]) -> bool:
    others = [item for node in ("network1", "compute1") for item in done[node] if "dnsmasq_netns blue" not in item]
    return others == ["update ovs_tunnel vxlan"] * 2


def test_a_node_goes_and_comes_back_and_the_others_only_change_their_tunnels(
    fabric: Fabric, lab: Lab, before: dict[str, Any]
) -> None:
    document = base()
    del document["fabric_guests"][1]
    assert only_tunnels(fabric.converge(document))
    assert_same(state(lab, "compute2"), before["compute2"])
    assert only_tunnels(fabric.named(fabric.run(base())))
    assert fabric.ports("compute2") == {"patch-tun", "tap-vm2"}


@pytest.fixture(scope="module")
def less() -> Document:
    """The document that the next three tests take something out of, one after the other."""
    return base()


def test_a_network_goes(fabric: Fabric, less: Document) -> None:
    del less["fabric_networks"][1]
    done = fabric.converge(less)
    assert sorted(done["compute1"]) == [
        "delete dnsmasq_netns red",
        "delete netns_router dhcp-red",
        "delete ovs_port_vlan dl-red",
        "delete veth_pair dl-red",
        "update ovs_port_vlan patch-int",
        "update ovs_port_vlan patch-tun",
        "update packet_filter fabric",
    ]
    patches = ["update ovs_port_vlan patch-int", "update ovs_port_vlan patch-tun"]
    assert {node: sorted(items) for node, items in done.items() if node != "compute1"} == {
        "network1": patches,
        "compute2": patches,
    }
    assert fabric.errors("compute1") == []


def test_a_guest_goes_and_another_moves(fabric: Fabric, less: Document) -> None:
    del less["fabric_guests"][0]
    less["fabric_guests"][0]["node"] = "compute1"
    less["fabric_nodes"] = {"compute2": {}}
    done = fabric.converge(less)
    ports = ["create ovs_port_vlan tap-vm2", "delete ovs_port_vlan tap-vm1"]
    assert sorted(done["compute1"]) == [*ports, "tighten packet_filter fabric", FLOWS, "update packet_filter fabric"]
    assert sorted(done["compute2"]) == ["delete ovs_port_vlan tap-vm2", FLOWS, "update packet_filter fabric"]
    assert [item for item in done.get("network1", []) if "dnsmasq_netns blue" not in item] == []


def test_a_router_goes(fabric: Fabric, less: Document, lab: Lab) -> None:
    for key in ("router", "dhcp"):
        del less["fabric_networks"][0][key]
    less["fabric_networks"][0]["mode"] = "isolated"
    less["fabric_routers"] = []
    less["fabric_nodes"]["network1"] = {}
    done = fabric.converge(less)
    assert done.pop("compute1") == [FLOWS], "nobody gives vm2 its address any more"
    assert set(done) == {"network1"}
    assert "nv-r1" not in {item["name"] for item in lab.json("network1", ["ip", "-j", "netns"])}
    assert "br-ex" not in lab.run("network1", ["ovs-vsctl", "list-br"]).stdout.split()
    assert fabric.ports("network1") == {"patch-tun"}
    assert fabric.errors("network1") == []


def renamed() -> Document:
    """Return the first document, but its router has another name."""
    document: Document = json.loads(json.dumps(base()).replace('"r1"', '"r2"'))
    return document


def test_a_router_that_gets_another_name_keeps_its_network(fabric: Fabric, lab: Lab) -> None:
    assert set(fabric.converge(base())) == set(NODES), "all that went comes back"
    fabric.converge(renamed())
    names = {item["name"] for item in lab.json("network1", ["ip", "-j", "netns"])}
    assert names == {"nv-r2", "nv-r1x"}
    ping = ["ip", "netns", "exec", "nv-r2", "ping", "-c1", "-W3", "203.0.113.1"]
    assert lab.run("network1", ping, check=False).returncode == 0


def test_a_limited_run_takes_nothing_for_gone(fabric: Fabric) -> None:
    def limited(document: Document, nodes: str) -> set[str]:
        return set(fabric.named(fabric.run(document, "--limit", nodes)))

    tunnels = fabric.ports("network1", "br-tun")
    assert len(tunnels) == 3
    document = renamed()
    assert limited(document, "network1") == set()
    del document["fabric_networks"][1]
    assert limited(document, "network1") == {"network1"}
    assert fabric.ports("network1", "br-tun") == tunnels
    assert "dl-red" in fabric.ports("compute1")
    del document["fabric_guests"][1]  # compute2 leaves, but the run does not see it
    assert limited(document, "network1,compute1") == {"network1", "compute1"}
    assert limited(document, "network1,compute1") == set()
    assert "tap-vm2" in fabric.ports("compute2")


def test_a_document_without_nodes_is_refused(fabric: Fabric, lab: Lab) -> None:
    now = {node: state(lab, node)["Port"] for node in NODES}
    played = fabric.run({"fabric_networks": []})
    assert played.returncode != 0
    assert "the fabric document names no node" in played.output
    assert {node: state(lab, node)["Port"] for node in NODES} == now


def test_teardown_stops_at_a_port_of_somebody_else(fabric: Fabric, lab: Lab) -> None:
    add = "ovs-vsctl add-port br-int vnet0 -- set interface vnet0 type=internal"
    lab.run("compute1", add.split())
    now = state(lab, "compute1")
    played = lab.playbook("playbooks/teardown.yml", "-e", json.dumps(base()))
    assert played.returncode != 0
    assert (
        "ovs_bridge br-int: it is not declared any more, but holds what fabric did not make: port vnet0"
        in played.output
    )
    assert_same(state(lab, "compute1"), now)
    lab.run("compute1", ["ovs-vsctl", "del-port", "br-int", "vnet0"])


def test_teardown_leaves_the_nodes_as_they_were(fabric: Fabric, lab: Lab, before: dict[str, Any]) -> None:
    assert fabric.run(base()).returncode == 0
    changed = copy.deepcopy(base())
    changed["fabric_networks"] = changed["fabric_networks"][:1]  # the document may have changed since
    played = lab.playbook("playbooks/teardown.yml", "-e", json.dumps(changed))
    assert played.returncode == 0, played.output
    for node in NODES:
        assert_same(state(lab, node), before[node])
    again = lab.playbook("playbooks/teardown.yml", "-e", json.dumps(changed))
    assert again.returncode == 0, again.output
    assert again.changed == [], again.output
