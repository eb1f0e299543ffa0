# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``bridge_uplink``: a NIC that is a port of a bridge, with its addresses, routes and gateway on the bridge."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Optional, cast

from ansible_collections.netvirt.fabric.plugins.module_utils import _carrier, _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _uplink_guard as guard
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _netlink_model, _rtnetlink
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _ovs
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._uplinks import _uplink, _uplink_layout
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_SOUND: Spec = {
    "unfinished": False,
    "managed_by": [],
    "lost": [],
    "left_on_nic": [],
}  # what is found beside the options
_MAIN_TABLE = 254  # RT_TABLE_MAIN
_FROM_KERNEL = (2, 9)  # RTPROT_KERNEL, RTPROT_RA


class BridgeUplink(_engine.Kind):
    """See plugins/modules/bridge_uplink.py for the meaning of the options.

    Addresses and routes that are on a NIC in a bridge, where they are of no use, are findings, and so is a move that a
    killed run has left unfinished.
    """

    name = "bridge_uplink"
    turn = _engine.Turn.NAMESPACE
    options = {
        "name": _options.Option(required=True, canonical=values.interface_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        "bridge": _options.Option(canonical=values.interface_name),
        "vlan": _options.Option(type="int", canonical=values.integer(0, 4094)),
        "confirm_timeout": _options.Option(
            type="int", canonical=values.integer(5, 3600), default=30, role=_options.Role.POLICY
        ),
    }

    def check(self, want: Spec) -> None:
        """A bridge is needed, and it is not the NIC."""
        if want["state"] == "absent":
            return
        if want["bridge"] is None:
            raise _errors.InvalidValue("bridge is required")
        if want["bridge"] == want["name"]:
            raise _errors.InvalidValue(f"bridge must be another interface than {want['name']} itself")

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the bridge that the NIC is in, or, when it should leave, was moved into."""
        name = want["name"]
        kept = _uplink_layout.read_kept(node.files, name)
        link = node.netlink.link(None, name)
        holder, vlan = _holder(node, name, link)
        if want["state"] == "absent":
            return _leaving(want, kept if link is not None else None, holder, vlan)
        if link is None or holder is None:
            return None
        addresses, routes = _stranded(node, name)
        return {
            "name": name,
            "bridge": holder,
            "vlan": vlan,
            "unfinished": node.files.read(_uplink_layout.unfinished_path(name)) is not None,
            "managed_by": node.link_managers.stale(name),
            "lost": _lost(node, name, holder, kept),
            "left_on_nic": [*(address.cidr for address in addresses), *(route.destination for route in routes)],
        }

    def provides(self, want: Spec) -> Iterable[tuple[_references.Reference, Spec]]:
        """A NIC that is a port of a bridge."""
        yield _references.uplink(want["name"]), want
        yield _references.port(want["name"]), want

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Refuse what cannot be a port of that bridge."""
        name, bridge = want["name"], want["bridge"]
        ovs = _on_ovs(node, bridge)
        if want["vlan"] and not ovs:
            raise _errors.InvalidValue(f"vlan is for bridges of Open vSwitch, and {bridge} is a Linux bridge")
        _check_nic(node, name, bridge, have)
        for other in _others(node, name, bridge):
            raise _errors.Conflict(
                f"bridge {bridge} has the uplink {other}, and two of them make a loop where they meet one switch; "
                "put both into a bond"
            )
        _require_no_lease(node, name)
        vlan = want["vlan"] if want["vlan"] is not None else (have or {}).get("vlan", 0)
        return {"name": name, "bridge": bridge, "vlan": vlan, **_SOUND}

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """One operation, which is the whole move."""
        spec = cast(Spec, desired or have)  # not both are None
        name, bridge = spec["name"], spec["bridge"]
        request = _uplink_layout.Request(
            nic=name,
            bridge=bridge,
            ovs=_on_ovs(node, bridge) if desired else _was_on_ovs(node, bridge),
            inside=desired is not None,
            vlan=spec["vlan"],
            owner=node.settings.owner,
        )
        seconds = int(node.asked(self.name, name)["confirm_timeout"])
        if desired is None:
            source, target, stage, action = bridge, name, _engine.Stage.DROP_ADDRESS, "move back"
            addresses, routes = _kept_on(node, bridge, _uplink_layout.read_kept(node.files, name) or {})
        else:
            source, target, stage, action = name, bridge, _engine.Stage.INTERFACE, "update" if have else "move"
            addresses, routes = _movable(node, name)
        changes: dict[str, Any] = dict(_engine.differences(have, desired))
        moved = [*(address.cidr for address in addresses), *(route.destination for route in routes)]
        if moved:
            changes["moved"] = {"before": {source: moved}, "after": {target: moved}}

        def predict() -> None:
            if desired is not None:
                _predict_bridge(node, name, bridge)
            node.netlink.predict_moved(source, target, addresses, routes)

        carriers = _carrier.carriers(node)
        guarded = not carriers.known or bool(carriers.every & {name, bridge})
        apply = partial(_guarded, node, request, seconds) if guarded else partial(_move, node, request)
        yield _engine.Operation(stage, f"{action}, guarded" if guarded else action, apply, changes, predict)

    def problems(self, node: Node, want: Spec) -> Iterable[str]:
        """Report a port that Open vSwitch could not open, and what came back onto the NIC."""
        row = _ovs_interface(node, want["name"])
        if row is not None:
            yield from _ovs.interface_problems(row)
        addresses, _routes = _stranded(node, want["name"])
        for address in addresses:
            yield f"{address.cidr} is on {want['name']} again; something else on the node configures it"

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner for whom the NIC was moved."""
        return str((_uplink_layout.read_kept(node.files, want["name"]) or {}).get("owner", ""))

    def adopt(self, node: Node, want: Spec) -> None:
        """Mark what is kept, the port, and what the network managers were told."""
        name, owner = want["name"], node.settings.owner
        kept = _uplink_layout.read_kept(node.files, name)
        if kept is not None:
            _uplink_layout.write_kept(name, {**kept, "owner": owner}, owner)
        if _ovs_interface(node, name) is not None:
            _ovs.adopt(node, [("Port", name)])
        node.link_managers.adopt(name, owner)
        node.files.forget()

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the NICs that were moved for this owner."""
        for name in _moved():
            if (_uplink_layout.read_kept(node.files, name) or {}).get("owner") == owner:
                yield {"name": name, "state": "absent"}


def _move(node: Node, request: _uplink_layout.Request) -> None:
    mover = _uplink.Mover(node)
    try:
        mover.move(request)
    finally:
        mover.close()


def _guarded(node: Node, request: _uplink_layout.Request, seconds: int) -> None:
    node.unconfirmed = guard.start(node, request, seconds)


# What is there


def _moved() -> list[str]:
    """Return the NICs of which something is kept."""
    files = os.listdir(_uplink_layout.KEPT_DIRECTORY) if os.path.isdir(_uplink_layout.KEPT_DIRECTORY) else []
    return sorted(file.removesuffix(".json") for file in files if not file.startswith("."))


def _leaving(want: Spec, kept: Optional[_uplink_layout.Kept], holder: Optional[str], vlan: int) -> Optional[Spec]:
    """Return what is to be moved back."""
    bridge = kept["bridge"] if kept is not None else holder
    if bridge is None or want["bridge"] not in (None, bridge):
        return None
    if kept is None:
        path = _uplink_layout.kept_path(want["name"])
        raise _errors.Conflict(
            f"it is in bridge {bridge}, but was not moved there by bridge_uplink, since {path} is missing; "
            "take it out with the means that put it in"
        )
    return {"name": want["name"], "bridge": bridge, "vlan": vlan}


def _holder(node: Node, name: str, link: Optional[_netlink_model.Link]) -> tuple[Optional[str], int]:
    """Return the bridge that the NIC is a port of, and its VLAN there."""
    master = node.netlink.link(None, link.master) if link is not None and link.master else None
    if master is not None and master.kind == "bridge":
        return master.name, 0
    try:
        row = node.ovsdb.bridge_of(name)
        port = node.ovsdb.find("Port", name)
    except (_errors.Missing, _errors.Unavailable):  # then there is none
        return None, 0
    return (row.name, _ovs.optional(port.tag, 0)) if row is not None and port is not None else (None, 0)


def _on_ovs(node: Node, bridge: str) -> bool:
    """Tell whether a bridge, there or declared, is one of Open vSwitch; raises Conflict for what is no bridge."""
    of_ovs, of_linux = _references.bridge(bridge), _references.linux_bridge(None, bridge)
    link = node.netlink.link(None, bridge)
    if node.coming(of_linux) or (not node.coming(of_ovs) and link is not None and link.kind == "bridge"):
        return False
    try:
        if _references.will_be(node, of_ovs):
            if _ovs.is_fake(node, bridge):
                raise _errors.Conflict(f"bridge {bridge} is a fake bridge; name its parent, and its VLAN as vlan")
            return True
        reason = ""
    except (_errors.Missing, _errors.Unavailable) as error:
        reason = f" ({error})"
    if link is not None and not node.going(of_ovs):
        raise _errors.Conflict(f"{bridge} is an interface, but no bridge")
    raise _references.missing(node, of_ovs, of_linux, remedy=reason)


def _was_on_ovs(node: Node, bridge: str) -> bool:
    link = node.netlink.link(None, bridge)
    if link is not None and link.kind == "bridge":
        return False
    try:
        return node.ovsdb.find("Bridge", bridge) is not None
    except (_errors.Missing, _errors.Unavailable):
        return False


def _ovs_interface(node: Node, name: str) -> Any:
    try:
        return node.ovsdb.find("Interface", name)
    except (_errors.Missing, _errors.Unavailable):
        return None


def _check_nic(node: Node, name: str, bridge: str, have: Optional[Spec]) -> None:
    link = node.netlink.link(None, name)
    if link is None:
        raise _references.missing(node, _references.interface(None, name))
    if name == "lo":
        raise _errors.Conflict("lo cannot be a port of a bridge")
    if have is not None and have["bridge"] != bridge:
        raise _errors.Conflict(f"it is in bridge {have['bridge']}, not {bridge}; take it out there first")
    if have is None and link.master:
        raise _errors.Conflict(f"it is part of {link.master}; put {link.master} into the bridge in its stead")
    row = _ovs_interface(node, name)
    if link.kind == "bridge" or (row is not None and row.type == "internal"):
        raise _errors.Conflict("it is a bridge or a port of one itself; give the name of a NIC or bond")
    if link.index:
        tables = _rtnetlink.Rtnetlink()
        try:
            bound = [route for route in tables.routes(link.index) if route.uses_nexthop_object]
        finally:
            tables.close()
        if bound:
            raise _errors.Conflict(
                f"its route to {bound[0].text} uses a nexthop object, which cannot be moved; give the route its gateway"
            )


def _others(node: Node, name: str, bridge: str) -> Iterable[str]:
    """Return other uplinks of the bridge, declared by this run or moved by an earlier one."""
    for spec in node.declarations("bridge_uplink"):
        if spec["name"] != name and spec["bridge"] == bridge:
            yield spec["name"]
    for other in _moved():
        if other == name or node.going(_references.uplink(other)):
            continue
        if _holder(node, other, node.netlink.link(None, other))[0] == bridge:
            yield other


# What moves


def _local(address: str) -> bool:
    return ipaddress.ip_interface(address).is_link_local


def _movable(node: Node, name: str) -> tuple[list[_netlink_model.Address], list[_netlink_model.Route]]:
    """Return the addresses and routes of an interface but link-local ones."""
    return (
        [address for address in node.netlink.addresses(None, name) if not _local(address.local)],
        [route for route in node.netlink.routes(None) if route.interface == name and not _local(route.destination)],
    )


def _stranded(node: Node, name: str) -> tuple[list[_netlink_model.Address], list[_netlink_model.Route]]:
    """Return what is on a NIC and was put there by somebody: not what the kernel made from router advertisements."""
    addresses, routes = _movable(node, name)
    return (
        [address for address in addresses if address.permanent or ":" not in address.local],
        [route for route in routes if route.protocol not in _FROM_KERNEL],
    )


def _lost(node: Node, name: str, bridge: str, kept: Optional[_uplink_layout.Kept]) -> list[str]:
    """Return what was moved and is not there any more, as after a boot; of routes, those of the main table."""
    if kept is None or kept["bridge"] != bridge:
        return []
    there: set[tuple[object, ...]] = set()
    for holder in (name, bridge):
        there |= {("address", address.cidr) for address in node.netlink.addresses(None, holder)}
    for route in node.netlink.routes(None):
        there.add(("route", route.destination, f"{route.metric} table {_MAIN_TABLE}"))
    lost = _uplink_layout.lost(kept, there, _uplink.addresses_wanted(node, bridge))
    return [
        record.cidr if record.kind == "address" else record.destination
        for record in lost
        if record.kind == "address" or record.text.endswith(f" table {_MAIN_TABLE}")
    ]


def _require_no_lease(node: Node, name: str) -> None:
    """Refuse an address that goes with its lease, which nobody renews on the bridge; /128 is how DHCPv6 gives them."""
    for address in node.netlink.addresses(None, name):
        if not (address.permanent or _local(address.local)) and (":" not in address.local or address.prefix == 128):
            raise _errors.Conflict(
                f"its address {address.cidr} is leased (DHCP), and nobody would renew it on the bridge; give the host "
                f"the address statically where {name} is configured now, and run again"
            )


def _kept_on(
    node: Node, bridge: str, kept: _uplink_layout.Kept
) -> tuple[list[_netlink_model.Address], list[_netlink_model.Route]]:
    """Return what goes back to the NIC, as far as it can be told from the main table."""
    addresses, routes = _movable(node, bridge)
    moved = [address for address in addresses if address.cidr in kept.get("addresses", ())]
    networks = [ipaddress.ip_interface(address.cidr).network for address in moved]

    def needs(route: _netlink_model.Route) -> bool:
        needed = [ipaddress.ip_address(address) for address in (route.via, route.source) if address]
        if any(address in network for address in needed for network in networks):
            return True
        return ipaddress.ip_network(route.destination) in networks

    return moved, [route for route in routes if needs(route)]


def _predict_bridge(node: Node, name: str, bridge: str) -> None:
    nic = cast(_netlink_model.Link, node.netlink.link(None, name))
    link = node.netlink.link(None, bridge) or _netlink_model.Link(bridge)
    node.netlink.predict_link(None, replace(link, mac=nic.mac, mtu=nic.mtu, up=True))
    node.netlink.predict_link(None, replace(nic, up=True))
