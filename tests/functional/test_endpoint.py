# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody but the nodes themselves can put a frame into a tunnel's end.

The frames are those of an attack: from a guest's port, and from each physical network, to the MAC and IP address of the
node's tunnel endpoint, with the fabric's key and a frame inside. They are looked for in each network of the node.

On the userspace datapath Open vSwitch itself may take such a frame for a tunnel packet. On the kernel's, the node's IP
stack does, so that the frames are sent to the MAC addresses of the bridges' own devices as well. Others come in by a
NIC of the host that has nothing to do with the fabric, such as that of its management.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import fabric_node
import pytest
from engine import DATAPATH, apply, column, output
from fabric_node import NICS, has_port_number, nics, wait_for
from netlink_node import addresses, ip
from wire_frames import BROADCAST, MARKED, TUNNEL_PORTS, Place, delivered, ethernet, tunnelled

KINDS = ("vxlan", "geneve", "gre")
BRIDGES = ("br-int", "br-tun", "br-ex")  # and br-phy, where Open vSwitch itself has the tunnels' end
GUEST, INSIDE = "tap-vm3", "nvtvm3"
SENDERS: list[Place] = [(None, INSIDE), (None, "nvtexp"), (None, "nvtphp")]
PLACES: list[Place] = [*SENDERS, (None, "nvtulp"), ("nv-r1", "gw-blue"), ("nv-r1", "ex-r1")]
SOURCES = ("192.0.2.2", "192.0.2.1", "192.0.2.9")  # another node, this one, nobody
INNER_VLANS: tuple[tuple[int, ...], ...] = ((), (10,), (20,), (200,), (4094,), (10, 20))
OUTER_VLANS: tuple[tuple[int, ...], ...] = ((), (20,), (200,), (10,))
UNDERLAY_MAC = "02:00:00:00:00:10"
OTHER, OTHER_MAC = "nvtot", "02:00:00:00:00:20"
nic = pytest.fixture(nics)
run = partial(fabric_node.run, keep=False)  # else the node itself repairs what a test spoils


@pytest.fixture(params=KINDS)
def tunnels(nic: None, request: pytest.FixtureRequest) -> Iterator[str]:
    """Have a built node and a guest on its port; the kind of its tunnels."""
    kind = str(request.param)
    try:
        run(fabric_node.resources(told=fabric_node.document(kind)))
        ip("link", "add", GUEST, "type", "veth", "peer", "name", INSIDE)
        Path(f"/proc/sys/net/ipv6/conf/{GUEST}/disable_ipv6").write_text("1", encoding="ascii")
        ip("link", "add", OTHER, "address", OTHER_MAC, "type", "veth", "peer", "name", f"{OTHER}p")
        for name in (GUEST, INSIDE, OTHER, f"{OTHER}p"):
            ip("link", "set", name, "up")
        ip("address", "add", "203.0.113.1/24", "dev", OTHER)
        wait_for(lambda: has_port_number(GUEST))
        yield kind
    finally:
        for name in (GUEST, OTHER):
            ip("link", "delete", name, check=False)


def attack(kind: str) -> dict[Place, list[bytes]]:
    """Return the frames that each sender sends."""
    return {**dict.fromkeys(SENDERS, frames_to(kind, ends())), (None, f"{OTHER}p"): frames_to(kind, [OTHER_MAC])}


def frames_to(kind: str, macs: list[str]) -> list[bytes]:
    frames = []
    for source, inner, outer, mac in product(SOURCES, INNER_VLANS, OUTER_VLANS, macs):
        name = f"{source} {inner} in {outer} to {mac}".encode()
        frame = ethernet("02:00:00:00:66:01", BROADCAST, MARKED, name, *inner)
        packet = tunnelled(kind, 1, source, "192.0.2.1", frame)
        frames.append(ethernet("02:00:00:00:66:02", mac, 0x0800, packet, *outer))
    return frames


def ends() -> list[str]:
    """Return the MAC addresses at which something may take a frame for a tunnel packet."""
    if DATAPATH == "netdev":
        return [UNDERLAY_MAC]
    return [UNDERLAY_MAC, *(ip("link", "show", "dev", bridge)[0]["address"] for bridge in BRIDGES)]


def give_ports_addresses() -> None:
    """Switch IPv6 on on the ports by hand, and wait for the link-local addresses."""
    names = ("rl-blue", "xl-r1", "nvtex", "nvtph", GUEST)
    for name in names:
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("0", encoding="ascii")
    for name in names:
        wait_for(partial(has_address, name))


def has_address(name: str) -> bool:
    return "fe80" in json.dumps(ip("address", "show", "dev", name))


def lose_flows() -> None:
    for bridge in BRIDGES:
        output("ovs-ofctl", "del-flows", bridge, f"dl_dst={UNDERLAY_MAC}")


def decapsulating(kind: str) -> list[str]:
    """Return the ports of all bridges but the underlay's from which such a packet would be decapsulated."""
    transport, port_number = (
        ("udp", f",udp_dst={TUNNEL_PORTS[kind]}") if kind in TUNNEL_PORTS else ("ip,nw_proto=47", "")
    )
    found = []
    for bridge in output("ovs-vsctl", "list-br").split():
        for port in output("ovs-vsctl", "list-ports", bridge).split() if bridge != "br-phy" else ():
            number = column("Interface", port, "ofport")
            for vlan in ("", ",dl_vlan=20", ",dl_vlan=200"):
                flow = f"in_port={number}{vlan},dl_src=02:00:00:00:66:02,dl_dst={UNDERLAY_MAC},{transport}"
                ends = "nw_src=192.0.2.2,nw_dst=192.0.2.1,nw_ttl=64"
                traced = output("ovs-appctl", "ofproto/trace", bridge, f"{flow},{ends}{port_number}")
                if "tnl_pop" in traced.rpartition("Datapath actions")[2]:
                    found.append(f"{bridge} {port}{vlan}")
    return found


def addressed_ports() -> list[str]:
    """Return the ports of all bridges but the underlay's, and the bridges' own, that have an address."""
    links = {item["ifname"]: item["addr_info"] for item in ip("address", "show")}
    bridges = output("ovs-vsctl", "list-br").split()
    names = [name for bridge in bridges for name in (bridge, *output("ovs-vsctl", "list-ports", bridge).split())]
    return [name for name in names if name != "br-phy" and links.get(name)]


def test_no_frame_gets_into_a_tunnels_end(tunnels: str) -> None:
    frames = attack(tunnels)
    assert addressed_ports() == []
    assert delivered(frames, PLACES) == {}
    told = fabric_node.resources(told=fabric_node.document(tunnels))
    if DATAPATH == "netdev":
        each_half_holds_alone(tunnels, frames, told)
    else:
        the_filter_holds(frames, told)
    assert addressed_ports() == []
    assert run(told, check=True).operations == []
    assert delivered(frames, PLACES) == {}


def each_half_holds_alone(kind: str, frames: dict[Place, list[bytes]], told: list[dict[str, Any]]) -> None:
    assert decapsulating(kind) == []
    lose_flows()  # as a restart of Open vSwitch does: the ports without addresses hold alone
    assert decapsulating(kind) == []
    assert delivered(frames, PLACES) == {}
    give_ports_addresses()  # With both gone the attack works, so this test would see it.
    wait_for(lambda: decapsulating(kind) != [])  # Open vSwitch hears of the addresses a moment later
    wait_for(partial(gets_in, frames))
    planned = {(item["kind"], item["name"].partition("/")[0]) for item in run(told, check=True).operations}
    assert planned == {
        *(("ovs_flow", bridge) for bridge in BRIDGES),
        *(("ovs_port_vlan", port) for port in ("nvtex", "nvtph", GUEST)),
        *(("veth_pair", port) for port in ("rl-blue", "xl-r1")),
    }
    flows = [item for item in told if "ovs_flow" in item]
    run_only(flows)  # the flows hold alone, too
    assert addressed_ports() != []
    assert decapsulating(kind) == []
    assert delivered(frames, PLACES) == {}
    run(told)


def the_filter_holds(frames: dict[Place, list[bytes]], told: list[dict[str, Any]]) -> None:
    """By another NIC, or a bridge's own device that somebody sets up, the node's IP stack would get the frames."""
    ip("link", "set", "br-ex", "up")
    assert delivered(frames, PLACES) == {}
    output("nft", "delete", "table", "inet", f"netvirtfilter_{fabric_node.OWNER}")
    for sender in ("nvtexp", f"{OTHER}p"):  # Without it the attack works, so this test would see it.
        wait_for(partial(gets_in, {(None, sender): frames[None, sender]}))
    assert {item["kind"] for item in run(told, check=True).operations} == {"packet_filter"}
    run(told)


def gets_in(frames: dict[Place, list[bytes]]) -> bool:
    return delivered(frames, PLACES) != {}


def run_only(resources: list[dict[str, Any]]) -> None:
    """Apply these and leave everything else as it is."""
    apply(resources, owner=fabric_node.OWNER)


def test_bridges_forward_as_before(tunnels: str) -> None:
    """The flows take nothing but those frames: an ordinary bridge keeps its NORMAL, beside others' flows."""
    for bridge in BRIDGES:
        modes = ("secure",) if bridge == "br-int" else ("standalone", [])
        assert column("Bridge", bridge, "fail_mode") in modes
        shown = output("ovs-ofctl", "dump-flows", bridge)
        assert re.search(r"priority=0 actions=NORMAL", shown), shown
        assert ("priority=65535" in shown) == (DATAPATH == "netdev")
    frame = ethernet("02:00:00:00:66:03", BROADCAST, MARKED, b"hello")
    assert delivered({(None, "nvtexp"): [frame]}, PLACES) == {("nv-r1", "ex-r1"): {b"hello"}}
    tagged = ethernet("02:00:00:00:66:04", BROADCAST, MARKED, b"office", 200)
    assert delivered({(None, "nvtphp"): [tagged]}, PLACES) == {(None, INSIDE): {b"office"}}


def test_an_underlay_gets_its_ipv6_addresses_back(nic: None) -> None:
    mine = "2001:db8:ab::1/64"
    ip("address", "add", mine, "dev", "nvtul", "nodad")
    run(fabric_node.resources())
    had_by = "br-phy" if DATAPATH == "netdev" else "nvtul"
    assert (mine in addresses(had_by), addresses("nvtul") == []) == (True, DATAPATH == "netdev")
    run(fabric_node.resources("absent"))
    assert addresses("nvtul") == ["192.0.2.1/24", mine]


def test_a_nic_gets_its_ipv6_back(nic: None) -> None:
    def ipv6_is_on(name: str) -> bool:
        return Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").read_text(encoding="ascii").strip() == "0"

    ports = [name for name in NICS if name != "nvtul" or DATAPATH == "netdev"]
    assert all(ipv6_is_on(name) for name in NICS)
    run(fabric_node.resources())
    assert [name for name in NICS if not ipv6_is_on(name)] == ports
    assert run(fabric_node.resources(), check=True).operations == []
    run(fabric_node.resources("absent"))
    assert all(ipv6_is_on(name) for name in NICS)
    shown = subprocess.run(["ovs-vsctl", "get", "Open_vSwitch", ".", "external_ids"], capture_output=True, check=True)
    assert b"ipv6" not in shown.stdout
