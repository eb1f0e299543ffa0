# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The interfaces that carry the connection of Ansible, and the refusal of what would take them away.

The engine asks each kind which interfaces its operations disturb. Only ``bridge_uplink`` may disturb these, since it
has a guard. Where it cannot be told how Ansible is connected, each interface with an address may carry the connection.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _connection
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _netlink_model, _rtnetlink
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node

_ON_ANOTHER = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "veth")  # IFLA_LINK is what they send by
_OF_OPEN_VSWITCH = ("openvswitch", "tun")  # internal ports, as the kernel calls them on either datapath
_ETHERNET_TUNNELS = ("vxlan", "geneve", "gretap", "ip6gretap")
_NO_PACKETS = ("", "lo")


@dataclass(frozen=True)
class Disturbance:
    """What an operation does to an interface of the root namespace, such as "take it into namespace blue".

    With ``address`` it takes away no more than that address; with ``layer3``, no more than the use of its addresses.
    """

    interface: str
    deed: str
    address: str = ""
    layer3: bool = False


@dataclass(frozen=True)
class Carriers:
    """The interfaces that the connection comes by: those that have its address or route, and all they send by.

    Where it is not ``known``, all that may be.
    """

    known: bool = True
    peers: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    addressed: frozenset[str] = frozenset()
    every: frozenset[str] = frozenset()

    def are_cut_by(self, disturbance: Disturbance) -> bool:
        """Tell whether the connection may be lost."""
        if disturbance.address and self.known:
            return disturbance.address.partition("/")[0] in self.addresses
        return disturbance.interface in (self.addressed if disturbance.layer3 else self.every)


def require_undisturbed(node: Node, disturbances: Iterable[Disturbance]) -> None:
    """Raise Conflict for what may cut Ansible off."""
    there = {name for _index, name in socket.if_nameindex()}
    feared = [item for item in disturbances if item.interface in there]
    if not feared:
        return
    found = carriers(node)
    for item in feared:
        if found.are_cut_by(item):
            by = f"the connection of Ansible comes by {item.interface}"
            known = f"{by}, from {', '.join(sorted(found.peers))}" if found.known else f"it may be that {by}"
            raise _errors.Conflict(
                f"it would {item.deed}, and {known}; connect by another interface, or move a NIC with bridge_uplink, "
                "which takes it back unless the node is reached again"
            )


def carriers(node: Node) -> Carriers:
    """Return the interfaces that carry the connection, as they are after what is planned so far."""
    connections = node.connections
    if connections is not None and not connections:
        return Carriers()
    known, addressed = connections is not None, set()
    for ends in connections or ():
        over = set(_over(node, ends))
        known = known and bool(over)
        addressed |= over
    every = _below(node, addressed)
    if not known or any(_is_tunnel(node, link) for link in _links(node, every)):
        known = False
        addressed |= set(_reachable(node))
        every = _below(node, addressed)
    return Carriers(
        known,
        frozenset(ends.peer for ends in connections or ()),
        frozenset(ends.own.partition("%")[0] for ends in connections or ()),
        frozenset(addressed),
        frozenset(every),
    )


def _over(node: Node, ends: _connection.Ends) -> Iterator[str]:
    """Return the interfaces that have the connection's own address, or by which its packets leave.

    There are none for a connection from this host itself: some other program has brought it here.
    """
    (peer, _percent, zone), own = ends.peer.partition("%"), ends.own.partition("%")[0]
    try:
        if ipaddress.ip_address(peer).is_loopback:
            return
    except ValueError:  # such as UNKNOWN, of a connection by no network
        return
    links = node.netlink.links(None)
    for name in links:
        if any(address.local == own for address in node.netlink.addresses(None, name)):
            yield name
    tables = _rtnetlink.Rtnetlink()
    try:
        index = tables.interface_towards(peer)
        name = zone or next((link.name for link in links.values() if link.index and link.index == index), "")
        # An address that is to move in this run takes along the routes that need it.
        if name not in _NO_PACKETS and not any(record.local == own for record in tables.addresses(index or 0)):
            yield name
    finally:
        tables.close()


def _reachable(node: Node) -> Iterator[str]:
    """Return the interfaces that have an address at which this host may be reached."""
    for name in node.netlink.links(None):
        addresses = [ipaddress.ip_address(address.local) for address in node.netlink.addresses(None, name)]
        if any(not (address.is_loopback or address.is_link_local) for address in addresses):
            yield name


def _links(node: Node, names: Iterable[str]) -> list[_netlink_model.Link]:
    links = node.netlink.links(None)
    return [links[name] for name in names if name in links]


def _is_tunnel(node: Node, link: _netlink_model.Link) -> bool:
    """Tell whether a link sends by whatever leads to another host, as a VPN does: its packets have no MAC address.

    Tunnels of Ethernet frames are known by their kind, which they may share with internal ports of Open vSwitch.
    """
    if link.kind == "tun":
        return not _ports_below(node, link.name)
    return link.name != "lo" and (not link.mac or link.kind in _ETHERNET_TUNNELS)


def _below(node: Node, names: Iterable[str]) -> set[str]:
    """Return the interfaces and all that they send by."""
    links = node.netlink.links(None)
    by_index = {link.index: link.name for link in links.values() if link.index}
    found: set[str] = set()
    rest = list(names)
    while rest:
        name = rest.pop()
        if name in found:
            continue
        found.add(name)
        link = links.get(name)
        if link is None:
            continue
        rest += [other.name for other in links.values() if other.master == name]
        if link.kind in _ON_ANOTHER and link.peer_nsid is None and link.peer_index in by_index:
            rest.append(by_index[link.peer_index])
        if link.kind in _OF_OPEN_VSWITCH:
            rest += _ports_below(node, name)
    return found


def _ports_below(node: Node, name: str) -> list[str]:
    """Return the bridge of an internal port and the devices by which frames leave it, over patches if it has none."""
    try:
        bridges = [node.ovsdb.bridge_of(name)] if node.ovsdb.installed else []
    except (_errors.Missing, _errors.Unavailable):
        return []
    seen: list[str] = []
    while bridges:
        interfaces = [row for bridge in bridges if bridge for port in bridge.ports for row in port.interfaces]
        seen += [bridge.name for bridge in bridges if bridge]
        devices = [row.name for row in interfaces if row.type in ("", "system") and _leads_out(node, row.name)]
        if devices:
            return seen + devices
        patches = [row for row in interfaces if row.type == "patch"]
        seen += [row.name for row in patches]
        bridges = [_bridge(node, row.options.get("peer", "")) for row in patches]
        bridges = [bridge for bridge in bridges if bridge is not None and bridge.name not in seen]
    return seen


def _bridge(node: Node, port: str) -> Optional[Any]:
    return node.ovsdb.bridge_of(port) if node.ovsdb.find("Port", port) is not None else None


def _leads_out(node: Node, name: str) -> bool:
    """Tell whether a port is a NIC or the like, and not that of a guest or of a router's namespace."""
    link = node.netlink.link(None, name)
    if link is None or link.kind == "tun":
        return False
    peer = node.netlink.peer(None, link) if link.kind == "veth" else None
    loopback = node.netlink.link(peer[0], "lo") if peer is not None and peer[0] is not None else None
    return loopback is None or not loopback.alias.startswith(_netlink_model.MARK)
