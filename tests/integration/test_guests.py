# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample document with its guests: built, proven, left alone, broken, repaired, changed, taken down."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from netvirt_testing.lab import Lab, PlayResult
from netvirt_testing.paths import ROOT

DOCUMENT = ROOT / "examples/nat/fabric.yml"
GUESTS = {"vm1": "compute1", "vm2": "compute2"}
REPORT = Path("verify.json")
GREEN = {"name": "green", "mode": "isolated", "vlan": 20, "cidr": "10.0.20.0/24", "dhcp": {"node": "network1"}}
SECOND = "tap-vm2_1"
"""The device of the second interface of vm2."""
IMAGE = "/srv/netvirt-image.qcow2"
MARK = "netvirt-was-here"
LOST = "fabric_guests[0].node: vm1 has its disk on compute1; stop it there and copy"
WRITE = f"printf {MARK} | dd of=/dev/vda bs=512 seek=2048 conv=sync,fsync && dd if=/dev/vda bs=16 skip=65536 count=1"


def run(lab: Lab, playbook: str, check: bool = False, **variables: Any) -> PlayResult:
    """Run a playbook with the sample document."""
    return lab.playbook(f"playbooks/{playbook}.yml", "-e", f"@{DOCUMENT}", "-e", json.dumps(variables), check=check)


def site(lab: Lab, **variables: Any) -> PlayResult:
    result = run(lab, "site", **variables)
    assert result.returncode == 0, result.output
    return result


@pytest.fixture(scope="module")
def fabric(lab: Lab) -> Iterator[Lab]:
    """Return the lab with the sample document on it."""
    site(lab)
    yield lab
    result = run(lab, "teardown")
    assert result.returncode == 0, result.output


@pytest.fixture
def verify(fabric: Lab, tmp_path: Path) -> Callable[..., tuple[list[str], dict[str, Any]]]:
    """Return a function that runs the playbook verify and returns the lines of its failure and its report by name.

    Of a guest with several interfaces the report is that of the last.
    """

    def verified(**variables: Any) -> tuple[list[str], dict[str, Any]]:
        result = run(fabric, "verify", verify_report=str(tmp_path / REPORT), **variables)
        assert not result.changed
        report = json.loads((tmp_path / REPORT).read_text())
        wrong = report["failures"] + report["unproven"]
        assert bool(wrong) == bool(result.returncode), result.output
        return wrong, {guest["guest"]: guest for guest in report["guests"]}

    return verified


def pid(lab: Lab, guest: str) -> str:
    """Return the process of a guest."""
    unit = f"netvirt-guest-{guest}.service"
    return lab.run(GUESTS[guest], ["systemctl", "show", "--property=MainPID", "--value", unit]).stdout.strip()


def upstream(lab: Lab, *words: str) -> None:
    """Run ip(8) in the upstream host of the lab."""
    subprocess.run(["ip", "-n", f"nvlab-{lab.name}-up", *words], check=True)


def test_guests_prove_the_document(verify: Callable[..., tuple[list[str], dict[str, Any]]]) -> None:
    failures, guests = verify()
    assert failures == []
    assert {name: (guest["address"], guest["lease"]) for name, guest in guests.items()} == {
        "vm1": ("10.0.10.11", True),
        "vm2": ("10.0.10.12", True),
        "canary1": ("10.0.10.253", False),
    }
    assert {"DHCP server", "address of vm2", "not vm1 by another MAC address"} <= {
        check["what"] for check in guests["canary1"]["checks"] if check["ok"]
    }
    expected = {"gateway", "vm2", "vm2 with 1446 bytes", "upstream", "HTTP as 203.0.113.10", "MTU 1446"}
    expected |= {"router 10.0.10.254", "not from upstream", "name vm2"}
    assert {check["what"] for check in guests["vm1"]["checks"] if check["ok"]} == expected


def test_upstream_does_not_reach_a_guest_even_with_a_route(fabric: Lab) -> None:
    upstream(fabric, "route", "add", "10.0.10.0/24", "via", "203.0.113.10")
    ping = ["nsenter", f"--net=/run/netns/nvlab-{fabric.name}-up", "--", "ping", "-c", "2", "-W", "1"]
    try:
        assert subprocess.run([*ping, "203.0.113.10"], check=False, capture_output=True).returncode == 0
        assert subprocess.run([*ping, "10.0.10.11"], check=False, capture_output=True).returncode == 1
    finally:
        upstream(fabric, "route", "del", "10.0.10.0/24")


def test_a_second_run_touches_nothing(fabric: Lab) -> None:
    def state() -> dict[str, str]:
        found = {name: pid(fabric, name) for name in GUESTS}
        for node in fabric.nodes:
            found[f"{node} next_cfg"] = fabric.run(node, ["ovs-vsctl", "get", "Open_vSwitch", ".", "next_cfg"]).stdout
        router = ["ip", "netns", "exec", "nv-r1"]
        found["nft"] = fabric.run("network1", [*router, "nft", "-a", "list", "ruleset"]).stdout
        found["dnsmasq"] = fabric.run("network1", ["pgrep", "-f", "dnsmasq/blue"]).stdout
        return found

    before = state()
    result = site(fabric)
    assert [f"{task.host}: {task.task}" for task in result.changed] == []
    assert state() == before


def test_a_port_in_the_wrong_vlan(fabric: Lab, verify: Callable[..., tuple[list[str], dict[str, Any]]]) -> None:
    """The proof that it is repaired is that of the next test."""
    fabric.run("compute1", ["ovs-vsctl", "set", "port", "tap-vm1", "tag=99"])
    failures, _guests = verify()
    assert "guest vm1 on compute1, network blue: gateway: expected an answer from 10.0.10.254, found none" in failures
    assert [(task.host, task.task.split(" : ")[-1]) for task in site(fabric).changed] == [
        ("compute1", "Converge the node")
    ]


NO_MENDING = "systemctl stop 'netvirt-rebuild-*.path' 'netvirt-rebuild-*.socket' 'netvirt-rebuild-*.service'"
NO_NAT = "ip netns exec nv-r1 sh -c 'nft list tables | grep nat | while read -r table; do nft delete $table; done'"
PEERS = "$(ovs-vsctl --bare --columns=name find interface type=vxlan)"
DEEDS = {
    "tunnels of one direction alone": (
        "compute1",
        f"for port in {PEERS}; do ovs-vsctl set interface $port options:remote_ip=192.0.2.250; done",
        "vm1: expected an answer from 10.0.10.11, found none",
    ),
    "no translation": (
        "network1",
        f"{NO_MENDING}; {NO_NAT}",
        "vm1 on compute1, network blue: upstream: expected an answer from 198.51.100.1, found none",
    ),
}


@pytest.mark.parametrize("what", DEEDS)
def test_the_proof_notices(fabric: Lab, verify: Callable[..., tuple[list[str], dict[str, Any]]], what: str) -> None:
    """What is changed within a node is for tests/functional/test_canaries.py."""
    node, deed, line = DEEDS[what]
    try:
        fabric.run(node, ["sh", "-ec", deed])
        failures, _guests = verify()
    finally:
        site(fabric)
        fabric.run(node, ["sh", "-c", "systemctl start netvirt-rebuild-fabric.path netvirt-rebuild-fabric.socket"])
    assert any(line in failure for failure in failures), failures


def test_the_proof_notices_a_smaller_mtu_on_the_way(
    fabric: Lab, verify: Callable[..., tuple[list[str], dict[str, Any]]]
) -> None:
    """What is larger than an end of a veth takes is lost without a word."""
    way = ["ip", "-n", f"nvlab-{fabric.name}", "link", "set", "compute2.eth1", "mtu"]
    subprocess.run([*way, "1400"], check=True)
    try:
        failures, _guests = verify()
    finally:
        subprocess.run([*way, "1500"], check=True)
    title = "guest vm1 on compute1, network blue"
    assert f"{title}: vm2 with 1446 bytes: expected an answer from 10.0.10.12, found none" in failures
    assert not any(line.startswith(f"{title}: vm2: ") for line in failures)


def test_a_guest_that_is_killed_comes_back(
    fabric: Lab, verify: Callable[..., tuple[list[str], dict[str, Any]]]
) -> None:
    before = pid(fabric, "vm2")
    fabric.run("compute2", ["kill", "-KILL", before])
    deadline = time.monotonic() + 20
    while pid(fabric, "vm2") in ("0", before):
        assert time.monotonic() < deadline, "vm2 did not come back"
        time.sleep(0.5)
    assert verify()[0] == []


def guests_with_a_disk(fabric: Lab) -> list[dict[str, Any]]:
    """Return the guests of the document, the first of them with a disk on top of an image."""
    guests = yaml.safe_load(DOCUMENT.read_text())["fabric_guests"]
    return [{**guests[0], "memory": 112, "image": IMAGE}, guests[1]]


def test_only_the_guest_that_changes_restarts(fabric: Lab) -> None:
    fabric.run("compute1", ["qemu-img", "create", "-q", "-f", "qcow2", IMAGE, "16M"])
    before = {name: pid(fabric, name) for name in GUESTS}
    result = site(fabric, fabric_guests=guests_with_a_disk(fabric))
    # The node keeps the new definition for its next boot.
    assert [(item.host, item.result["operations"][0]["kind"]) for item in result.changed] == [("compute1", "rebuild")]
    assert site(fabric, fabric_guests=guests_with_a_disk(fabric)).changed == []
    (pending,) = result.of("compute1", "Converge the node")["pending"]
    assert "memory is 96 and should be 112" in pending["reason"]
    assert "restart pending" in result.output
    assert pid(fabric, "vm1") == before["vm1"]
    site(fabric, fabric_guests=guests_with_a_disk(fabric), guest_allow_restart=True)
    after = {name: pid(fabric, name) for name in GUESTS}
    assert after["vm1"] != before["vm1"]
    assert after["vm2"] == before["vm2"]


def test_a_guest_writes_to_a_copy_on_top_of_its_image(fabric: Lab) -> None:
    (disk,) = fabric.run("compute1", ["find", "/var/lib/netvirt", "-name", "disk.qcow2"]).stdout.split()
    assert fabric.json("compute1", ["qemu-img", "info", "-U", "--output=json", disk])["full-backing-filename"] == IMAGE
    before = fabric.run("compute1", ["sha256sum", IMAGE]).stdout
    written = {"guest": "vm1", "command": ["sh", "-c", WRITE], "timeout": 20, "agent_timeout": 180}
    answer = fabric.module("compute1", "guest_agent", written)
    assert (answer["rc"], answer["stdout"].strip()) == (0, MARK), answer
    assert MARK in fabric.run("compute1", ["grep", "-a", "-o", "-m1", MARK, disk]).stdout
    assert fabric.run("compute1", ["sha256sum", IMAGE]).stdout == before
    result = site(fabric, fabric_guests=guests_with_a_disk(fabric))
    assert result.changed == []


def test_a_guest_that_would_lose_its_disk_does_not_move(fabric: Lab) -> None:
    guests = guests_with_a_disk(fabric)
    before = pid(fabric, "vm1")
    moved = [{**guests[0], "node": "compute2"}, guests[1]]
    result = run(fabric, "site", fabric_guests=moved, fabric_nodes={"compute1": {}})
    assert {task.host for task in result.failed} == {"compute1", "compute2"}
    for task in result.failed:
        (fault,) = task.result["faults"]
        assert fault.startswith(LOST)
    left = run(fabric, "site", check=True, fabric_guests=moved)
    ((host, faults),) = [(task.host, task.result["faults"]) for task in left.failed]
    assert (host, [fault.startswith(LOST) for fault in faults]) == ("compute2", [True])
    assert pid(fabric, "vm1") == before


def test_a_guest_moves_and_is_purged_where_it_is_no_longer_listed(fabric: Lab) -> None:
    guests = yaml.safe_load(DOCUMENT.read_text())["fabric_guests"]
    before = pid(fabric, "vm1")
    moved = [guests_with_a_disk(fabric)[0], {**guests[1], "node": "compute1"}]
    site(fabric, fabric_guests=moved, fabric_nodes={"compute2": {}})
    assert pid(fabric, "vm1") == before
    assert fabric.run("compute1", ["systemctl", "is-active", "netvirt-guest-vm2"]).stdout.strip() == "active"
    assert fabric.run("compute2", ["systemctl", "cat", "netvirt-guest-vm2"], check=False).returncode != 0
    assert not re.search("tap-vm2", fabric.run("compute2", ["ip", "-o", "link"]).stdout)
    assert "tap-vm2" not in fabric.run("compute2", ["ovs-vsctl", "list-ports", "br-int"]).stdout.split()


def test_a_guest_returns_with_a_second_interface(
    fabric: Lab, verify: Callable[..., tuple[list[str], dict[str, Any]]]
) -> None:
    document = yaml.safe_load(DOCUMENT.read_text())
    vm1, vm2 = document["fabric_guests"]
    first = {"network": vm2.pop("network"), "address": vm2.pop("address"), "mac": vm2.pop("mac")}
    both = [first, {"network": "green", "address": "10.0.20.7"}]
    networks = [*document["fabric_networks"], GREEN]
    given = {"fabric_networks": networks, "fabric_guests": [vm1, {**vm2, "networks": both}]}
    site(fabric, guest_allow_restart=True, **given)
    assert fabric.run("compute2", ["systemctl", "is-active", "netvirt-guest-vm2"]).stdout.strip() == "active"
    assert fabric.run("compute1", ["systemctl", "cat", "netvirt-guest-vm2"], check=False).returncode != 0
    failures, guests = verify(**given)
    assert failures == []
    assert [guests["vm2"][key] for key in ("network", "address", "lease")] == ["green", "10.0.20.7", True]


def test_an_interface_goes_with_its_device(fabric: Lab) -> None:
    assert SECOND in fabric.run("compute2", ["ovs-vsctl", "list-ports", "br-int"]).stdout.split()
    site(fabric, guest_allow_restart=True)
    assert SECOND not in fabric.run("compute2", ["ovs-vsctl", "list-ports", "br-int"]).stdout.split()
    links = {link["ifname"] for link in fabric.json("compute2", ["ip", "-j", "link"])}
    assert {"tap-vm2", SECOND} & links == {"tap-vm2"}


def test_node_info(fabric: Lab) -> None:
    facts = fabric.module("compute1", "node_info", {"timeout": 10})
    assert facts["datapath_type"] == facts["datapath_types"][0]
    assert facts["interfaces"]["tap-vm1"]["mtu"] == 1446
    shown = {link["ifname"] for link in fabric.json("compute1", ["ip", "-j", "link"])}
    assert set(facts["interfaces"]) == shown


def test_a_guest_that_does_not_run(fabric: Lab) -> None:
    result = fabric.module("compute1", "guest_agent", {"guest": "nobody"})
    assert result["msg"].startswith("guest nobody is not running: nothing listens at /run/netvirt/guests/nobody/")
