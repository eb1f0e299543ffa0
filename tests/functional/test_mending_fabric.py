# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full network node of the fabric mends itself: tunnels' addresses, router, translation, filters, flows, DHCP."""

from __future__ import annotations

import subprocess
import time

import pytest
from fabric_node import nics, resources, run

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import NetvirtError

DEEDS = (
    "systemctl restart openvswitch-switch",
    "kill -KILL $(cat /run/openvswitch/ovs-vswitchd.pid)",
    "nft flush ruleset; ip netns exec nv-r1 nft flush ruleset",
    "systemctl restart nftables",
)
SECONDS = 30  # five where nothing else has the machine

network_node = pytest.fixture(nics)


def lacking(listed: list[dict[str, object]]) -> set[str]:
    """Return the kinds of what is not as declared."""
    try:
        return {item["kind"] for item in run(listed, check=True).operations} - {"rebuild"}
    except NetvirtError as error:
        return {str(error)}


def test_it_is_as_it_was_told_soon_after_each_deed(network_node: None) -> None:
    listed = resources()
    run(listed)
    for deed in DEEDS:
        began = time.monotonic()
        subprocess.run(["sh", "-c", deed], check=True, timeout=60)
        while lacking(listed):
            assert time.monotonic() - began < SECONDS, (deed, lacking(listed))
            time.sleep(0.2)
        print(f"{deed}: as told after {time.monotonic() - began:.1f} s")
    (item,) = [item for item in run(listed).operations if item["kind"] == "rebuild"]
    assert item["changes"]["mended"]["before"].startswith(f"{len(DEEDS)} times since "), item
