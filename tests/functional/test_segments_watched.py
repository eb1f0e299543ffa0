# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests, wires and another node send all the time while networks are built, changed and removed.

A guest of each network sends; guests of all others, each physical network on every VLAN, and the underlay listen, and
send as well. Nothing arrives that neither the former document nor the new one allows. The suite tries the same changes
each time. Others, and more of them: NETVIRT_FUZZ_SEED=2 NETVIRT_FUZZ_COUNT=30 ./test functional -- -k segments_watched
"""

from __future__ import annotations

import contextlib
import pprint
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fabric_node
import pytest
from engine import DATAPATH, output
from fabric_node import NODE, OWNER, PEERS, nics, resources
from netlink_node import ip
from wire_watcher import Place, watching

from netvirt_testing import nasty

Document = dict[str, Any]

GUESTS = {f"vm{number}": f"nvtvm{number}" for number in range(1, 5)}
"""Guests, and the inner ends of their ports."""
WIRES = {"office": "nvtphp", "public": "nvtexp"}
UNDERLAY = "nvtulp"
VLANS = (20, 30, 40)
SEGMENTS = (200, 201, 202)
UNDERLAY_MAC = "02:00:00:00:00:10"
run = partial(fabric_node.run, keep=False)  # else the node itself repairs what is taken off it by hand
nic = pytest.fixture(nics)


@pytest.fixture
def ports(nic: None) -> Iterator[None]:
    """Have the guests' ports: veths, which are there before the fabric is."""
    try:
        for name, inner in GUESTS.items():
            ip("link", "add", f"tap-{name}", "type", "veth", "peer", "name", inner)
        for name in (*(f"tap-{name}" for name in GUESTS), *GUESTS.values()):
            Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1", encoding="ascii")
            ip("link", "set", name, "up")
        yield
    finally:
        for name in GUESTS:
            ip("link", "delete", f"tap-{name}", check=False)


def generated(chance: random.Random) -> Document:
    """Return a document with networks of each type, VLANs and segments of all sorts, and guests anywhere."""
    networks = []
    for vlan in chance.sample(VLANS, chance.randint(1, 3)):
        network = {"name": chance.choice("abcdef") + str(len(networks)), "vlan": vlan}
        if chance.random() < 0.3:
            network |= {"mode": "isolated", "cidr": f"10.0.{vlan}.0/24"}
        else:
            used = [item.get("segmentation_id") for item in networks]
            segment = chance.choice([number for number in SEGMENTS if number not in used])
            network |= {"mode": "bridged", "network_type": "vlan", "segmentation_id": segment}
            network |= {"physical_network": chance.choice(list(WIRES))}
        networks.append(network)
    names = [network["name"] for network in networks]
    guests = [
        {"name": name, "node": NODE, "network": chance.choice(names), "port_security": False}
        for name in GUESTS
        if chance.random() < 0.8
    ]
    elsewhere = [{"name": f"far{name}", "node": PEERS[0], "network": name} for name in names]
    return {
        "fabric_owner": OWNER,
        "fabric_underlay": {"type": "vxlan", "interface": "nvtul"},
        "fabric_physical_networks": [
            {"name": "public", "interface": "nvtex", "mtu": 1500},
            {"name": "office", "interface": "nvtph", "bridge": "br-office", "mtu": 1500},
        ],
        "fabric_networks": networks,
        "fabric_guests": guests + elsewhere,
    }


def network_at(document: Document, place: Place) -> str:
    """Return the network that a frame without a tag, or with that one, belongs to at an interface; nothing for none."""
    name, vlan = place
    for guest in document["fabric_guests"]:
        if GUESTS.get(guest["name"]) == name and not vlan:
            return str(guest["network"])
    for network in document["fabric_networks"]:
        wire = WIRES.get(network.get("physical_network", ""), UNDERLAY)
        if name == wire and vlan == network.get("segmentation_id", network["vlan"]):
            return str(network["name"])
    return ""


def allows(document: Document, sender: Place, where: Place) -> bool:
    """Tell whether frames of one place may arrive at another; nothing comes back to where it came from."""
    network = network_at(document, sender)
    return bool(network) and network == network_at(document, where) and sender[0] != where[0]


@contextlib.contextmanager
def watched(*documents: Document) -> Iterator[dict[tuple[Place, Place], int]]:
    """Have everybody send meanwhile; at the end nothing has arrived that none of the documents allows."""
    every = dict.fromkeys((0, *VLANS, *SEGMENTS), "")
    senders = dict.fromkeys((*GUESTS.values(), *WIRES.values()), every)
    senders[UNDERLAY] = dict.fromkeys((0, *VLANS), f"192.0.2.1 192.0.2.2 {UNDERLAY_MAC}")
    arrived: dict[tuple[Place, Place], int] = {}
    with watching(senders) as watch:
        yield arrived
    arrived.update(watch.counts)
    wrong = {
        pair: count for pair, count in arrived.items() if not any(allows(document, *pair) for document in documents)
    }
    if wrong:
        networks = [(one["fabric_networks"], one["fabric_guests"]) for one in documents]
        pytest.fail(pprint.pformat({"wrong": wrong, "documents": networks}, width=160))


def expected(document: Document) -> set[tuple[Place, Place]]:
    """Return what arrives once the network stands."""
    guests = [(name, 0) for name in GUESTS.values()]
    wires = [(wire, segment) for wire in (*WIRES.values(), UNDERLAY) for segment in (*VLANS, *SEGMENTS)]
    places = [place for place in (*guests, *wires) if network_at(document, place)]
    return {(one, other) for one in places for other in places if allows(document, one, other)}


def settle(document: Document) -> None:
    """Wait until everything arrives that should, and see that nothing else does."""
    other, mac = "192.0.2.2", "02:77:00:00:00:01"  # of a node that is not there
    if DATAPATH == "netdev":
        output("ovs-appctl", "tnl/arp/set", "br-phy", other, mac)
    else:
        ip("neighbour", "replace", other, "lladdr", mac, "dev", "nvtul")
    for _attempt in range(20):
        with watched(document) as arrived:
            time.sleep(0.5)
        if expected(document) <= arrived.keys():
            return
    raise AssertionError(f"does not arrive: {expected(document) - arrived.keys()} of {document}")


def test_generated_changes(ports: None) -> None:
    """Build, each change, and removal."""
    chance = random.Random(nasty.SEED)
    documents = [generated(chance) for _number in range(nasty.count(6))]
    with watched(documents[0]):
        run(resources(told=documents[0]))
    settle(documents[0])
    for before, after in zip(documents, documents[1:]):
        with watched(before, after):
            run(resources(told=after))
        assert run(resources(told=after), check=True).operations == []
        settle(after)
    with watched(documents[-1]):
        run([])
