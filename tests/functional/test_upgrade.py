# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that an earlier release converged is taken over as it is; only the engine that it keeps is replaced."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from fabric_node import OWNER, nics, run
from recorded import replay
from snapshot import changes, settled

RELEASES = sorted(Path(__file__).with_name("recorded").glob("*.json"))
ARCHIVE = f"/usr/local/lib/netvirt/rebuild-{OWNER}.pyz"

pytestmark = pytest.mark.parametrize("release", RELEASES, ids=[path.stem for path in RELEASES])
node = pytest.fixture(nics)


def state_of(release: Path) -> Any:
    return json.loads(release.read_text(encoding="utf-8"))


REPLACED = ("rebuild", "dnsmasq", ".wants", "netvirt-guest-.service.d")
"""Parts of the paths of files that a release replaces: what the node keeps for its next boot, and services."""
UPGRADED = ["dnsmasq_netns", "nat_masquerade", "rebuild"]


def but_what_is_kept(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of the node without the files that the release replaces, and the router's translation.

    That drops what is not translated, and picks ports at random.
    """
    files = {path: text for path, text in state["files"].items() if not any(part in path for part in REPLACED)}
    return {**state, "files": files, "nft of nv-r1": None}


def test_a_recorded_node_is_taken_over_without_change(node: None, release: Path) -> None:
    recorded = state_of(release)
    replay(recorded)
    before = settled()
    operations = run(recorded["resources"], keep=False, check=True).operations
    assert {"kind": "rebuild", "name": OWNER, "action": "delete"} in operations
    assert sorted({item["kind"] for item in operations}) == UPGRADED
    assert sorted({item["kind"] for item in run(recorded["resources"], check=True).operations}) == UPGRADED
    assert changes(before) == {}
    done = run(recorded["resources"]).operations
    assert {item["kind"]: item["action"] for item in done} == {
        "dnsmasq_netns": "restart",
        "nat_masquerade": "update",
        "rebuild": "update",
    }
    assert but_what_is_kept(settled()) == but_what_is_kept(before)
    assert Path(ARCHIVE).stat().st_size > len(recorded["files"][ARCHIVE]["text"])
    assert run(recorded["resources"]).operations == []


def without_flow(state: Any) -> None:
    del state["flows"]["br-office"][0]


def with_other_rule(state: Any) -> None:
    text = json.dumps(state["nft"])
    assert "10.0.10.0" in text
    state["nft"] = json.loads(text.replace("10.0.10.0", "10.0.11.0"))


def with_other_filter(state: Any) -> None:
    filtered = next(item["set"] for item in state["nft"][""] if "set" in item)
    filtered["elem"] = ["rl-green"]


def with_other_tag(state: Any) -> None:
    rows = [item["row"] for item in state["database"] if item["op"] == "insert"]
    (port,) = (row for row in rows if row.get("name") == "rl-blue" and "tag" in row)
    port["tag"] = 11


def with_other_address(state: Any) -> None:
    (link,) = (item for item in state["links"]["nv-r1"] if item["ifname"] == "gw-blue")
    link["addresses"] = ["10.0.10.253/24"]


def with_other_mtu(state: Any) -> None:
    (link,) = (item for item in state["links"][""] if item["ifname"] == "rl-blue")
    link["mtu"] -= 1


def without_forwarding(state: Any) -> None:
    state["sysctls"].append("net.ipv4.ip_forward = 0")


def with_other_hosts(state: Any) -> None:
    state["files"]["/etc/netvirt/dnsmasq/blue/hosts"]["text"] += "52:54:00:00:00:99\n"


def without_route(state: Any) -> None:
    state["routes"].clear()


CHANGES = {
    without_flow: "ovs_flow",
    with_other_rule: "nat_masquerade",
    with_other_filter: "packet_filter",
    with_other_tag: "ovs_port_vlan",
    with_other_address: "netns_router",
    with_other_mtu: "veth_pair",
    without_forwarding: "netns_router",
    with_other_hosts: "dnsmasq_netns",
    without_route: "netns_router",
}


def test_whatever_is_otherwise_would_be_seen(node: None, release: Path) -> None:
    """The first test can fail: with each part of the record changed, the plan names just that part."""
    recorded = state_of(release)
    changed = copy.deepcopy(recorded)
    for change in CHANGES:
        change(changed)
    replay(changed)
    kinds = {item["kind"] for item in run(recorded["resources"], check=True).operations}
    assert kinds == {"rebuild", *CHANGES.values()}
