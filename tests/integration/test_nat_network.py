# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample NAT network on three nodes, from nothing, with real guests. The tests build on one another."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from netvirt_testing.lab import Lab, PlayResult
from netvirt_testing.wires import NICS

NODES = ("network1", "compute1", "compute2")
DOCUMENT = "@examples/nat/fabric.yml"
TRIGGERS = ("netvirt-rebuild-fabric.path", "netvirt-rebuild-fabric.socket")  # by which a node comes to mend itself
NAMESPACE = "nv-r1"
OUTSIDE = "198.51.100.1"
CONVERGE = "Converge the node"
IN_ROUTER = ["ip", "netns", "exec", NAMESPACE]
DNSMASQ = "netvirt-dnsmasq-blue.service"


@pytest.fixture(scope="module", autouse=True)
def _teardown(lab: Lab) -> Iterator[None]:
    yield
    if any(lab.run(node, ["ovs-vsctl", "list-br"]).stdout for node in NODES):  # after a failure
        lab.playbook("playbooks/teardown.yml", "-e", DOCUMENT)


def site(lab: Lab, check: bool = False) -> PlayResult:
    """Run site.yml; it must succeed."""
    result = lab.playbook("playbooks/site.yml", "-e", DOCUMENT, "--diff", check=check)
    assert result.returncode == 0, result.output
    return result


def operations(result: PlayResult, node: str) -> list[dict[str, Any]]:
    return list(result.of(node, CONVERGE)["operations"])


def state(lab: Lab, node: str) -> list[str]:
    """Return what is on a node: Open vSwitch, interfaces, namespaces, nft rules, files and units of the collection."""
    commands = (
        ["ovs-vsctl", "--columns=name,tag,type,options", "--format=json", "list", "Interface"],
        ["ovs-vsctl", "get", "Open_vSwitch", ".", "next_cfg"],
        ["ip", "-o", "-f", "inet", "address"],
        ["ip", "-o", "link"],
        ["ip", "netns", "list"],
        ["nft", "-j", "list", "ruleset"],
        [*IN_ROUTER, "nft", "-j", "list", "ruleset"],
        ["find", "/etc/netvirt", "/etc/systemd/system", "-name", "*netvirt*", "-newermt", "2020-01-01"],
        ["systemctl", "show", "--property=MainPID,NRestarts", DNSMASQ],
    )
    return [lab.run(node, argv, check=False).stdout for argv in commands]


@pytest.fixture(scope="module")
def built(lab: Lab) -> PlayResult:
    """The network, built by site.yml after check mode has told what it does."""
    before = {node: state(lab, node) for node in NODES}
    planned = site(lab, check=True)
    assert {node: state(lab, node) for node in NODES} == before, "check mode changed a node"
    done = site(lab)
    for node in NODES:
        assert operations(planned, node), f"check mode saw nothing to do on {node}"
        assert operations(done, node) == operations(planned, node)
        assert planned.of(node, CONVERGE)["diff"]["after"].keys() == done.of(node, CONVERGE)["diff"]["after"].keys()
    return done


def test_check_mode_on_empty_nodes_lists_what_the_run_does(built: PlayResult) -> None:
    assert {operation["action"] for operation in operations(built, "compute1")} >= {"create"}


def in_guest(lab: Lab, *command: str) -> dict[str, Any]:
    return lab.module("compute1", "guest_agent", {"guest": "vm1", "command": command, "timeout": 20})


def test_the_guests_lease_has_router_and_mtu(lab: Lab, built: PlayResult) -> None:
    booted = {"guest": "vm1", "macs": ["52:54:00:aa:bb:01"], "timeout": 60, "agent_timeout": 120}
    assert not lab.module("compute1", "guest_agent", booted)["failed"]
    route = in_guest(lab, "ip", "route")["stdout"].split("\n")
    assert any(line.startswith("default via 10.0.10.254 dev eth0") for line in route), route
    assert "mtu 1446" in in_guest(lab, "ip", "link", "show", "eth0")["stdout"]
    leases = lab.run(
        "network1", ["find", "/var/lib/netvirt/dnsmasq/blue", "-name", "leases", "-exec", "cat", "{}", "+"]
    )
    assert "52:54:00:aa:bb:01 10.0.10.11 vm1" in leases.stdout


def test_upstream_sees_the_routers_address(lab: Lab, built: PlayResult) -> None:
    answer = in_guest(lab, "wget", "-q", "-O", "-", f"http://{OUTSIDE}/")
    assert answer["rc"] == 0, answer
    assert json.loads(answer["stdout"])["client"] == "203.0.113.10"


def test_what_a_tunnel_delivers_goes_into_no_other(lab: Lab, built: PlayResult) -> None:
    def tunnels_out(port: str) -> int:
        """Return by how many tunnels a broadcast leaves that came by a port, as Open vSwitch itself traces it."""
        number = lab.run("compute2", ["ovs-vsctl", "get", "Interface", port, "ofport"]).stdout.strip()
        flow = f"in_port={number},dl_vlan=10,dl_src=52:54:00:aa:bb:77,dl_dst=ff:ff:ff:ff:ff:ff"
        traced = lab.run("compute2", ["ovs-appctl", "ofproto/trace", "br-tun", flow]).stdout
        return len(re.findall("-> output to (?:native|kernel) tunnel", traced))

    ports = lab.run("compute2", ["ovs-vsctl", "list-ports", "br-tun"]).stdout.split()
    tunnels = [port for port in ports if port.startswith("vxlan-")]
    assert [tunnels_out(port) for port in ports if port not in tunnels] == [len(tunnels)] == [2]
    assert [tunnels_out(port) for port in tunnels] == [0, 0]


class Node:
    """One node of the fabric, converged by ``apply`` alone with what the document was compiled to."""

    def __init__(self, lab: Lab, name: str, resources: list[dict[str, Any]]) -> None:
        self.lab, self.name = lab, name
        self.options = {"resources": resources, "owner": "fabric"}

    def run(self, *argv: str) -> str:
        return self.lab.run(self.name, argv).stdout

    def repaired(self) -> list[tuple[str, str]]:
        """Converge; what check mode shows must be what is done, and nothing may be left. Returns (kind, name)."""
        planned = self.lab.module(self.name, "apply", self.options, check=True)
        assert planned["diff"]["before"] != planned["diff"]["after"]
        done = self.lab.module(self.name, "apply", self.options)
        assert not done.get("failed"), done
        assert done["operations"] == planned["operations"]
        assert not self.lab.module(self.name, "apply", self.options)["changed"]
        return sorted({(operation["kind"], operation["name"]) for operation in done["operations"]})


@pytest.fixture(scope="module")
def node(lab: Lab, built: PlayResult) -> Callable[[str], Node]:
    def made(name: str) -> Node:
        compiled = built.of(name, "Compile the document for the node")["ansible_facts"]["fabric_compiled"]
        return Node(lab, name, compiled["resources"])

    return made


# What is broken, how, what is done about it, and which things on the node are other ones, or were written, after that.
DRIFT: dict[str, tuple[str, list[str], list[tuple[str, str]], set[str]]] = {
    "a tag is changed": (
        "compute1",
        ["ovs-vsctl", "set", "Port", "tap-vm1", "tag=11"],
        [("ovs_port_vlan", "tap-vm1")],
        {"Port tap-vm1"},
    ),
    "a port is removed": (
        "network1",
        ["ovs-vsctl", "del-port", "rl-blue"],
        [("ovs_port_vlan", "rl-blue")],
        {"Bridge br-int", "Port rl-blue", "Interface rl-blue"},
    ),
    "an address is removed": (
        "network1",
        ["ip", "-n", NAMESPACE, "address", "del", "10.0.10.254/24", "dev", "gw-blue"],
        [("netns_router", NAMESPACE)],
        set(),
    ),
    "the nft table is deleted": (
        "network1",
        [*IN_ROUTER, "nft", "delete", "table", "inet", "netvirt_nat"],
        [("nat_masquerade", "nat")],
        {"table netvirt_nat"},
    ),
    "a veth is deleted": (
        "network1",
        ["ip", "link", "del", "rl-blue"],
        [("dnsmasq_netns", "blue"), ("netns_router", NAMESPACE), ("veth_pair", "rl-blue")],
        {"link rl-blue", "link gw-blue", "dnsmasq"},
    ),
    "dnsmasq is stopped": ("network1", ["systemctl", "stop", DNSMASQ], [("dnsmasq_netns", "blue")], {"dnsmasq"}),
    "a tunnel option is changed": (
        "compute1",
        ["ovs-vsctl", "set", "Interface", "{tunnel}", "options:key=99"],
        [("ovs_tunnel", "vxlan")],
        set(),
    ),
}


def things(node: Node) -> dict[str, Any]:
    """Return what is on the node, by name, with the number by which a thing made anew or written differs."""
    found: dict[str, Any] = {}
    columns = {"Bridge": ["_version"], "Port": ["_version"], "Interface": ["_uuid", "ofport", "type", "options"]}
    selects = [
        {"op": "select", "table": table, "where": [], "columns": ["name", *shown]} for table, shown in columns.items()
    ]
    answers = json.loads(node.run("ovsdb-client", "transact", json.dumps(["Open_vSwitch", *selects])))
    for table, answer in zip(columns, answers):
        found.update({f"{table} {row['name']}": row for row in answer["rows"]})
    namespaces = [item["name"] for item in json.loads(node.run("ip", "-j", "netns", "list") or "[]")]
    for inside in ([], *(["ip", "netns", "exec", name] for name in namespaces)):
        for link in json.loads(node.run(*inside, "ip", "-j", "address")):
            addresses = sorted(f"{item['local']}/{item['prefixlen']}" for item in link["addr_info"])
            found[f"link {link['ifname']}"] = (link["ifindex"], link.get("address"), addresses)
        for item in json.loads(node.run(*inside, "nft", "-j", "list", "ruleset"))["nftables"]:
            for kind in ("table", "chain", "rule"):
                if kind in item:
                    table = item[kind]["name"] if kind == "table" else item[kind]["table"]
                    found.setdefault(f"table {table}", []).append((kind, item[kind]["handle"]))
    found["dnsmasq"] = node.run("systemctl", "show", "--value", "--property=MainPID", DNSMASQ)
    return found


@pytest.mark.parametrize("what", DRIFT)
def test_drift_is_a_difference_and_one_run_repairs_only_that(node: Callable[[str], Node], what: str) -> None:
    name, command, expected, anew = DRIFT[what]
    broken = node(name)
    before = things(broken)
    ports = broken.run("ovs-vsctl", "list-ports", "br-tun").split()
    tunnel = next(port for port in ports if port.startswith("vxlan-"))
    broken.run("systemctl", "stop", *TRIGGERS, "netvirt-rebuild-fabric.service")  # or the node mends itself first
    try:
        broken.run(*(word.format(tunnel=tunnel) for word in command))
        assert things(broken) != before
        assert broken.repaired() == expected
        after = things(broken)
    finally:
        broken.run("systemctl", "start", *TRIGGERS)
    assert {thing for thing in before.keys() | after.keys() if before.get(thing) != after.get(thing)} == anew


def test_dnsmasq_comes_back_by_itself_when_killed(lab: Lab, built: PlayResult) -> None:
    show = ["systemctl", "show", "--value", "--property=MainPID", DNSMASQ]
    pid = lab.run("network1", show).stdout.strip()
    lab.run("network1", ["kill", "-KILL", pid])
    for _attempt in range(20):
        now = lab.run("network1", show).stdout.strip()
        if now not in (pid, "0"):
            return
        time.sleep(0.5)
    pytest.fail(f"dnsmasq {pid} did not come back")


def test_the_repaired_network_still_carries_packets(lab: Lab, built: PlayResult) -> None:
    assert in_guest(lab, "ping", "-c3", "-W2", OUTSIDE)["rc"] == 0
    assert in_guest(lab, "ping", "-c3", "-W2", "10.0.10.12")["rc"] == 0


def test_teardown_leaves_nothing(lab: Lab, built: PlayResult) -> None:
    result = lab.playbook("playbooks/teardown.yml", "-e", DOCUMENT)
    assert result.returncode == 0, result.output
    for name in NODES:
        assert lab.run(name, ["ovs-vsctl", "list-br"]).stdout == ""
        assert lab.run(name, ["ip", "netns", "list"]).stdout == ""
        links = {link["ifname"] for link in lab.json(name, ["ip", "-j", "link"])}
        assert links <= {"lo", "eth0", "eth1", "eth2", *NICS, "ovs-netdev", "ovs-system"}
        underlay = lab.json(name, ["ip", "-j", "-4", "address", "show", "dev", "eth1"])
        assert [address["local"] for address in underlay[0]["addr_info"]] == [lab.hosts[name]["lab_underlay_address"]]
        assert lab.run(name, ["pgrep", "-a", "dnsmasq|qemu"], check=False).stdout == ""
    again = lab.playbook("playbooks/teardown.yml", "-e", DOCUMENT)
    assert again.changed == []
