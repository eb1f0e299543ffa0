# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge of the fabric learns 9,000 MAC addresses that come in one go, and forgets none."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from engine import DATAPATH, apply, output
from netlink_node import clean, ip
from wire_frames import BROADCAST, MARKED, ethernet, opened

from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import MAC_TABLE_SIZE

BRIDGE, PORT, WIRE = "nvtmacs", "nvtm0", "nvtm1"
COUNT = 9000
_ATTEMPTS = 10  # a busy machine drops frames


@pytest.fixture
def wire() -> Iterator[None]:
    clean()
    ip("link", "add", PORT, "type", "veth", "peer", "name", WIRE)
    for end in (PORT, WIRE):
        ip("link", "set", end, "up")
    yield
    output("ovs-vsctl", "--if-exists", "del-br", BRIDGE)
    clean()


def learnt() -> int:
    return len(re.findall(" 02:00:00:0a:", output("ovs-appctl", "fdb/show", BRIDGE)))


def evicted() -> int:
    found = re.search(r"evicted[^:]*: *([0-9]+)", output("ovs-appctl", "fdb/stats-show", BRIDGE))
    assert found is not None
    return int(found[1])


def learn(size: int) -> None:
    """Send a frame from each of the addresses; Open vSwitch looks at each of them in turn."""
    bridge = {"name": BRIDGE, "datapath_type": DATAPATH, "mac_table_size": size}
    apply([{"ovs_bridge": bridge}, {"ovs_port_vlan": {"name": PORT, "bridge": BRIDGE}}])
    with opened([(None, WIRE)]) as sockets:
        for _attempt in range(_ATTEMPTS):
            for number in range(COUNT):
                source = f"02:00:00:0a:{number >> 8:02x}:{number & 0xFF:02x}"
                sockets[None, WIRE].send(ethernet(source, BROADCAST, MARKED, b"".ljust(46, b"\0")))
                if number % 20 == 0:
                    time.sleep(0.01)
            time.sleep(1)
            if learnt() + evicted() >= COUNT:
                return


def test_nine_thousand_addresses_in_one_go(wire: None) -> None:
    learn(MAC_TABLE_SIZE)
    assert (learnt(), evicted()) == (COUNT, 0)


def test_a_table_of_the_usual_size_forgets_some(wire: None) -> None:
    """So the first test can fail."""
    learn(0)
    assert evicted() > 0
