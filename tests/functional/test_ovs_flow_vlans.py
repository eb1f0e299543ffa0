# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs that have another number on the wire than inside, by flows in both directions, proved with packets.

Inside hosts are on the integration bridge in VLAN 1, 2 or 3; outside hosts are on the physical bridge in VLAN 100, 200,
300, and again 1 and 3. The example of the module's documentation joins the two bridges.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
import yaml
from engine import DATAPATH, apply, output

MODULE = Path(__file__).parents[2] / "plugins/modules/ovs_flow.py"
BRIDGES = {"br-int": "nvtint", "br-phy": "nvtphy"}
INSIDE = {"nvti1": 1, "nvti2": 2, "nvti3": 3}
OUTSIDE = {"nvto100": 100, "nvto200": 200, "nvto300": 300, "nvto1": 1, "nvto3": 3}
WIRE = "nvtwire"  # is on a trunk of the physical bridge
ADDRESSES = {host: f"10.99.0.{number}" for number, host in enumerate([*INSIDE, *OUTSIDE, WIRE], 1)}


def example() -> list[dict[str, Any]]:
    """Return the resources of the example that translates VLANs, on the bridges of this test."""
    tree = ast.parse(MODULE.read_text(encoding="utf-8"))
    (text,) = (
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "EXAMPLES"
        and isinstance(node.value, ast.Constant)
    )
    (task,) = (task for task in yaml.safe_load(str(text)) if task["name"].startswith("Translate VLANs"))
    resources: list[dict[str, Any]] = task["netvirt.fabric.apply"]["resources"]
    for item in resources:
        (options,) = item.values()
        options["bridge"] = BRIDGES[options["bridge"]]
    return resources


def host(name: str, bridge: str, vlan: Optional[int]) -> dict[str, Any]:
    """Make a namespace with an address; return the port that attaches it to a bridge."""
    output("ip", "netns", "add", name)
    output("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
    output("ip", "link", "set", name, "up")
    output("ip", "-n", name, "address", "add", f"{ADDRESSES[name]}/24", "dev", "eth0")
    output("ip", "-n", name, "link", "set", "eth0", "up")
    output("ip", "netns", "exec", name, "ethtool", "-K", "eth0", "tx", "off")  # nobody completes checksums here
    return {"ovs_port_vlan": {"name": name, "bridge": bridge, "tag": vlan}}


@pytest.fixture(scope="module", autouse=True)
def _switches() -> Iterator[None]:
    bridges = [{"ovs_bridge": {"name": name, "datapath_type": DATAPATH}} for name in BRIDGES.values()]
    try:
        inside = [host(name, "nvtint", vlan) for name, vlan in INSIDE.items()]
        outside = [host(name, "nvtphy", vlan) for name, vlan in {**OUTSIDE, WIRE: None}.items()]
        apply([*example(), *bridges, *inside, *outside])  # bridges, ports and flows by name in one run
        yield
    finally:
        for bridge in BRIDGES.values():
            output("ovs-vsctl", "--if-exists", "del-br", bridge)
        for name in ADDRESSES:
            subprocess.run(["ip", "netns", "del", name], check=False)
            subprocess.run(["ip", "link", "del", name], check=False, capture_output=True)
        records = [f"netvirt-ipv6-{name}" for name in ADDRESSES]
        output("ovs-vsctl", "remove", "Open_vSwitch", ".", "external_ids", *records)


def pairs(sources: dict[str, int], destinations: dict[str, int]) -> set[tuple[int, int]]:
    """Return the VLANs of those that reach one another: each host pings each at the same time."""
    for name in sources:  # a failed attempt to resolve an address would be remembered
        output("ip", "-n", name, "neighbour", "flush", "all")
    pings = {
        (vlan, other): subprocess.Popen(
            ["ip", "netns", "exec", name, "ping", "-q", "-n", "-c", "2", "-i", "0.3", "-W", "2", ADDRESSES[target]],
            stdout=subprocess.DEVNULL,
        )
        for name, vlan in sources.items()
        for target, other in destinations.items()
        if name != target
    }
    return {pair for pair, ping in pings.items() if ping.wait(timeout=30) == 0}


def test_each_vlan_reaches_its_partner_and_no_other() -> None:
    assert pairs(INSIDE, OUTSIDE) == {(1, 100), (2, 200)}
    assert pairs(OUTSIDE, INSIDE) == {(100, 1), (200, 2)}


def test_vlans_stay_apart_on_either_side() -> None:
    assert pairs(INSIDE, INSIDE) == set()
    assert pairs(OUTSIDE, OUTSIDE) == set()


def test_frames_carry_the_other_number_on_the_wire() -> None:
    command = [
        "ip",
        "netns",
        "exec",
        WIRE,
        "tcpdump",
        "-i",
        "eth0",
        "-enl",
        "--immediate-mode",
        "arp or (vlan and arp)",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as capture:
        assert capture.stderr is not None
        assert any("listening on" in line for line in capture.stderr)
        pairs(INSIDE, OUTSIDE)
        capture.terminate()
        frames = capture.communicate(timeout=10)[0]
    assert set(re.findall(r"vlan (\d+), .* Request who-has", frames)) == {"100", "200"}


def test_without_the_flows_the_numbers_mean_themselves() -> None:
    flows = [item for item in example() if "ovs_flow" in item]
    apply([{"ovs_flow": {**item["ovs_flow"], "state": "absent"}} for item in flows])
    try:
        assert pairs(INSIDE, OUTSIDE) == {(1, 1), (3, 3)}
    finally:
        apply(flows)
    assert pairs(INSIDE, OUTSIDE) == {(1, 100), (2, 200)}
