# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strategies of hypothesis for lists of resources that a node with the scene of scene.py can have, one after the other.

Objects refer to one another only where both are in the list, so that few lists are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine import DATAPATH, Spec
from hypothesis import strategies as st

Maker = st.DrawFn
Key = tuple[str, str, str]
"""Kind, name and namespace (or what else tells two objects of a kind apart)."""

SCENE_BRIDGE, SCENE_NIC = "nvtbr0", "nvtx0"
ROUTER, PAIR, PEER, LINUX_BRIDGE = "nvtr", "nvtw0", "nvtw1", "nvtlb"

_maps = st.dictionaries(st.sampled_from(["a", "b", "a b"]), st.sampled_from(["1", "x=y", "'"]), max_size=2)
_vlans = st.integers(1, 4094)
_mtus = st.sampled_from([1280, 1400, 1500])
_mode = st.one_of(
    st.fixed_dictionaries({"mode": st.just("access"), "tag": _vlans}),
    st.fixed_dictionaries({"mode": st.just("trunk"), "trunks": st.lists(_vlans, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"mode": st.just("trunk"), "trunks": st.just("all")}),
    st.fixed_dictionaries({"mode": st.just("native-tagged"), "tag": _vlans, "trunks": st.just("all")}),
    st.fixed_dictionaries({"mode": st.just("native-untagged"), "tag": _vlans, "trunks": st.just([1, 2])}),
    st.fixed_dictionaries({"mode": st.just("dot1q-tunnel"), "tag": _vlans, "cvlans": st.just([3, 4])}),
    st.just({}),
)
_port = {"protected": st.booleans(), "external_ids": _maps, "other_config": _maps}


def _maybe(**options: st.SearchStrategy[Any]) -> st.SearchStrategy[Spec]:
    """Return some of these options."""
    return st.fixed_dictionaries({}, optional=options)


def _macs(number: int) -> st.SearchStrategy[str]:
    return st.sampled_from([f"02:00:00:0a:{number:02x}:{last:02x}" for last in (1, 2)])


class Making:
    """A list that is being made, object by object; later ones may refer to earlier ones."""

    def __init__(self, draw: Maker, former: Sequence[Spec]) -> None:
        self.draw = draw
        self.former = {key(resource): resource for resource in former}
        self.made: dict[Key, Spec] = {}

    def add(self, kind: str, **options: Any) -> None:
        """Add an object."""
        resource = {kind: options}
        self.made[key(resource)] = resource

    def wanted(self) -> bool:
        """Tell whether to have the next object. Hypothesis begins with the first choice, and near it."""
        return self.draw(st.sampled_from([True, True, False]))

    def has(self, kind: str, name: str) -> bool:
        """Tell whether the list has the object."""
        return any(made[:2] == (kind, name) for made in self.made)

    def some(self, **options: st.SearchStrategy[Any]) -> Spec:
        """Return some of these options."""
        return self.draw(_maybe(**options))

    def bridge(self) -> str:
        """Return the name of a bridge that will be there."""
        return self.draw(st.sampled_from([SCENE_BRIDGE, *(made[1] for made in self.made if made[0] == "ovs_bridge")]))


def key(resource: Spec) -> Key:
    """Return what tells an object from others."""
    ((kind, options),) = resource.items()
    name = options["bridge"] if kind == "ovs_flow" else options["name"]
    return kind, name, options.get("namespace") or ""


def absent(resource: Spec) -> Spec:
    """Return the resource that removes this one."""
    ((kind, options),) = resource.items()
    names = ("bridge", "cookie") if kind == "ovs_flow" else ("name", "namespace")
    return {kind: {**{name: options[name] for name in names if name in options}, "state": "absent"}}


def _bridges(making: Making) -> None:
    for name in ("nvtq0", "nvtq1"):
        if making.wanted():
            options = making.some(
                fail_mode=st.sampled_from(["standalone", "secure"]),
                protocols=st.sampled_from([[], ["OpenFlow13", "OpenFlow14"]]),
                hwaddr=_macs(1),
                mac_table_size=st.sampled_from([0, 50000]),
                datapath_id=st.sampled_from(["", "00000000000000aa"]),
                stp=st.booleans(),
                mcast_snooping=st.booleans(),
                external_ids=_maps,
                other_config=_maps,
            )
            making.add("ovs_bridge", name=name, datapath_type=DATAPATH, **options)


def _links(making: Making) -> None:
    if making.wanted():
        options = making.some(stp=st.booleans(), forward_delay=st.integers(2, 30), ageing_time=st.integers(0, 999))
        making.add("linux_bridge", name=LINUX_BRIDGE, mac="02:00:00:0a:05:01", **options)
    if making.wanted():
        parameters = {"net.ipv4.conf.all.arp_ignore": st.sampled_from(["0", "1"])}
        options = making.some(
            ip_forward=st.booleans(),
            ipv6_forward=st.booleans(),
            rp_filter=st.integers(0, 2),
            sysctls=st.fixed_dictionaries(parameters),
        )
        making.add("netns_router", name=ROUTER, **options)
    routers = [ROUTER] if making.has("netns_router", ROUTER) else []
    stays = bool(routers) and _has_leg(making)
    if stays or making.wanted():
        namespaces = routers if stays else ["nvtns", *routers]
        end = {"mtu": _mtus, "up": st.booleans(), "tx_checksum": st.booleans(), "ipv6": st.booleans()}
        peer = {"name": PEER, "namespace": making.draw(st.sampled_from(namespaces)), **making.some(**end, mac=_macs(4))}
        masters = ["", *([LINUX_BRIDGE] if making.has("linux_bridge", LINUX_BRIDGE) else [])]
        near = {"master": making.draw(st.sampled_from(masters)), **making.some(**end, mac=_macs(3))}
        making.add("veth_pair", name=PAIR, peer=peer, **near)
        if peer["namespace"] == ROUTER:
            _leg(making)


def _has_leg(making: Making) -> bool:
    """Tell whether the former list gave the router's leg addresses, which a list without the leg cannot bring back."""
    router = making.former.get(("netns_router", ROUTER, ""), {"netns_router": {}})
    return any(leg["addresses"] for leg in router["netns_router"].get("interfaces", ()))


def _leg(making: Making) -> None:
    """Give the router the far end of the pair, and say all of it: what is not said of a leg, no run can bring back."""
    addresses = st.lists(st.sampled_from(["10.3.0.1/24", "10.3.1.1/24", "2001:db8:3::1/64"]), unique=True, max_size=3)
    leg = {"name": PEER, "up": True, "addresses": making.draw(addresses)}
    routes = []
    if "10.3.0.1/24" in leg["addresses"] and making.draw(st.booleans()):
        routes = [{"destination": "10.33.0.0/16", "via": "10.3.0.9", "metric": making.draw(st.sampled_from([5, 6]))}]
    making.made["netns_router", ROUTER, ""]["netns_router"].update(interfaces=[leg], routes=routes)
    for option in ("up", "ipv6"):
        making.made["veth_pair", PAIR, ""]["veth_pair"]["peer"].pop(option, None)


def _ports(making: Making) -> None:
    if making.wanted():
        options = making.some(mtu=_mtus, mac=_macs(2), ofport_request=st.integers(40, 41), **_port)
        mode = making.draw(_mode)
        where = {"bridge": making.bridge(), "move": True}
        making.add("ovs_port_vlan", name="nvtp0", type="internal", **where, **mode, **options)
    if making.has("veth_pair", PAIR) and making.wanted():  # a port whose device the same run makes
        making.made["veth_pair", PAIR, ""]["veth_pair"]["master"] = ""
        making.add("ovs_port_vlan", name=PAIR, bridge=making.bridge(), move=True, **making.draw(_mode))
    if making.wanted():
        for name, peer in (("nvtpa", "nvtpb"), ("nvtpb", "nvtpa")):
            place = {"bridge": making.bridge(), "move": True}
            making.add("ovs_port_vlan", name=name, type="patch", peer=peer, **place, **making.draw(_mode))
    if making.wanted():
        options = making.some(bond_updelay=st.sampled_from([0, 100]), lacp=st.sampled_from(["off", "active"]), **_port)
        members = [{"name": "nvtx2"}, {"name": "nvti1", "type": "internal"}, {"name": "nvti2", "type": "internal"}]
        options["interfaces"] = making.draw(st.sampled_from([members, members[:2], members[1:]]))
        options["bond_mode"] = making.draw(st.sampled_from(["active-backup", "balance-slb"]))
        making.add("ovs_port_vlan", name="nvtbo", bridge=making.bridge(), move=True, **options, **making.draw(_mode))


def _tunnels(making: Making) -> None:
    if making.wanted():
        remotes = st.lists(st.sampled_from(["192.0.2.7", "192.0.2.8", "192.0.2.9"]), max_size=3, unique=True)
        options = making.some(
            key=st.sampled_from(["5", "flow", ""]), csum=st.booleans(), ttl=st.just("9"), external_ids=_maps
        )
        kind = making.draw(st.sampled_from(["vxlan", "gre", "geneve"]))
        place = {"bridge": making.bridge(), "type": kind, "remotes": making.draw(remotes)}
        making.add("ovs_tunnel", name="nvtm", **place, **options)
    if making.wanted():
        options = making.some(key=st.sampled_from(["6", "7"]), dst_port=st.sampled_from([4789, 4790]))
        making.add("ovs_tunnel", name="nvts", bridge=making.bridge(), type="vxlan", remote="192.0.2.17", **options)


def _services(making: Making) -> None:
    lines = ["priority=7,ip,nw_dst=10.0.0.1 actions=drop", "table=3,arp actions=NORMAL", "priority=9 actions=drop"]
    if making.has("ovs_bridge", "nvtq0"):
        flows = making.draw(st.sampled_from([lines[:2], lines[1:], lines, []]))
        making.add("ovs_flow", bridge="nvtq0", cookie="0x77", flows=flows)
    if making.has("netns_router", ROUTER) and making.wanted():
        sources = making.draw(st.sampled_from([["10.3.0.0/24"], ["10.3.0.0/16", "2001:db8:3::/64"]]))
        options = making.some(to_source=st.sampled_from([[], ["192.0.2.50"]]), inbound=st.sampled_from(["drop"]))
        making.add("nat_masquerade", name="nat", namespace=ROUTER, sources=sources, out_interface=PEER, **options)
    if making.has("netns_router", ROUTER) and making.wanted():
        floating = [{"address": "192.0.2.60", "to": making.draw(st.sampled_from(["10.3.0.5", "10.3.0.6"]))}]
        ports = making.draw(st.sampled_from([("80", 8080), ("8000-8003", 9000), ("8000-8010", 8000)]))
        forward = {"address": "192.0.2.50", "to": "10.3.0.7", "port": ports[0], "to_port": ports[1]}
        options = making.some(floating_ips=st.just(floating), port_forwards=st.just([forward]))
        making.add("nat_inbound", name="inbound", namespace=ROUTER, out_interface=PEER, **options)
    for namespace in ("nvtns", *([ROUTER] if making.has("netns_router", ROUTER) else [])):
        if making.wanted():
            destinations = st.sampled_from([["10.0.0.0/8"], ["10.1.0.0/16", "2001:db8::/32"]])
            blocked = destinations.map(lambda networks: [{"interface": "nvtl0", "destinations": networks}])
            options = {"isolated_interfaces": making.draw(st.sampled_from([["nvtl1"], ["nvtl1", "nvtz"]]))}
            ends = [
                {"address": "10.4.0.1", "interface": "nvtl0", "protocol": "udp", "port": 4789},
                {"address": "fd04::1", "interface": "nvtl1", "protocol": "gre"},
            ]
            options.update(making.some(blocked=blocked, tunnel_endpoints=st.sampled_from([ends[:1], ends, []])))
            making.add("packet_filter", name="filter", namespace=namespace, **options)
    if making.wanted():
        addresses = st.lists(
            st.sampled_from(["10.4.0.1/24", "10.4.0.2/24", "2001:db8:4::1/64"]), unique=True, max_size=3
        )
        options = making.some(up=st.booleans(), mtu=_mtus)
        making.add("ip_interface", name=SCENE_NIC, addresses=making.draw(addresses), **options)


def _dhcp(making: Making) -> None:
    if making.wanted() and making.wanted():  # each change of it starts a daemon
        hosts = [{"mac": "02:00:00:00:06:01", "address": "10.5.0.7", "hostname": "vm1"}]
        options = making.some(hosts=st.sampled_from([[], hosts]), domain=st.sampled_from(["a.example", "b.example"]))
        ranges = [{"start": "10.5.0.100", "end": making.draw(st.sampled_from(["10.5.0.200", "10.5.0.201"]))}]
        place = {"namespace": "nvtns", "interface": "nvtl0"}
        making.add("dnsmasq_netns", name="nvtdhcp", **place, ranges=ranges, **options)


@st.composite
def two_lists(draw: Maker) -> tuple[list[Spec], list[Spec]]:
    """Return a list, and another in which each object of the first is there with other options, or absent."""
    lists: list[list[Spec]] = [[]]
    for _number in range(2):
        making = Making(draw, lists[-1])
        for add in (_bridges, _links, _ports, _tunnels, _services, _dhcp):
            add(making)
        gone = [absent(item) for name, item in making.former.items() if name not in making.made]
        lists.append(draw(st.permutations([*making.made.values(), *gone])))
    return lists[1], lists[2]
