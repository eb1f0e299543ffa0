# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Moving a NIC into a bridge and out of it again, with its addresses and routes. Used by bridge_uplink.

One function leads from whatever is there to a given layout, so going there, going back and going on after a kill are
the same work.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors, _references
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _nft
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import (
    _netlink,
    _netlink_model,
    _rtnetlink,
    _sysctl,
)
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _ovsdb
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _ovs
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._uplinks import _uplink_layout
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node

_PASSES = 5  # the kernel drops some routes with an address, so what is missing is added again


def addresses_wanted(node: Node, bridge: str) -> Optional[list[str]]:
    """Return the addresses that this run declares for a bridge, all of them, or None."""
    for spec in node.coming(_references.settings(None, bridge)):
        if spec["addresses"] is not None and spec["purge_addresses"]:
            return list(spec["addresses"])
    return None


class Mover:
    """The work on one node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.netlink = _netlink.Netlink()
        self.tables = _rtnetlink.Rtnetlink()

    def close(self) -> None:
        """Close all sockets."""
        self.netlink.close()
        self.tables.close()

    def move(self, request: _uplink_layout.Request) -> None:
        """Do what was asked for, and keep what is needed for the way back."""
        self.carry_out(self.read(request), _uplink_layout.read_kept(_files.Files(), request.nic))

    def carry_out(self, original: _uplink_layout.Layout, kept: Optional[_uplink_layout.Kept]) -> None:
        """Lead from ``original`` to what its request asks for."""
        request = original.request
        if request.inside:
            _uplink_layout.write_kept(request.nic, _uplink_layout.keep(original, kept), request.owner)
            there = [record.key for record in original.records]
            restored = _uplink_layout.lost(kept or {}, there, addresses_wanted(self.node, request.bridge))
            self.establish(_uplink_layout.inward(original, restored), True)
        else:
            self.establish(_uplink_layout.outward(original, kept or {}), False)
            _uplink_layout.write_kept(request.nic, None, request.owner)

    def undo(
        self, original: _uplink_layout.Layout, inside: bool, vlan: int, kept: Optional[_uplink_layout.Kept]
    ) -> None:
        """Lead back to ``original``, in which the NIC was in the bridge or not, from wherever the move has got."""
        request = replace(original.request, vlan=vlan)
        self.establish(replace(original, request=request), inside)
        _uplink_layout.write_kept(request.nic, kept, request.owner)

    # Reading

    def read(self, request: _uplink_layout.Request) -> _uplink_layout.Layout:
        """Return what is there."""
        nic, bridge = self._device(request.nic), self._device(request.bridge)
        if not nic.index:
            raise _errors.Conflict(f"the interface {request.nic} has gone; run again")
        self.node.ovsdb.forget()
        row = self.node.ovsdb.find("Bridge", request.bridge) if request.ovs else None
        interface = self.node.ovsdb.find("Interface", request.bridge) if row is not None else None
        return _uplink_layout.Layout(
            request,
            nic,
            bridge,
            hwaddr=row.other_config.get("hwaddr", "") if row is not None else "",
            mtu_request=_ovs.optional(interface.mtu_request, 0) if interface is not None else 0,
            records=tuple(self._records(nic, bridge)),
        )

    def membership(self, request: _uplink_layout.Request) -> tuple[bool, int]:
        """Tell whether the NIC is in the bridge, and its VLAN there."""
        if not request.ovs:
            self.netlink.forget()
            link = self.netlink.link(None, request.nic)
            return link is not None and link.master == request.bridge, 0
        self.node.ovsdb.forget()
        holder, port = self.node.ovsdb.bridge_of(request.nic), self.node.ovsdb.find("Port", request.nic)
        inside = holder is not None and holder.name == request.bridge
        return inside, _ovs.optional(port.tag, 0) if inside and port is not None else 0

    def _device(self, name: str) -> _uplink_layout.Device:
        self.netlink.forget()
        link: Optional[_netlink_model.Link] = self.netlink.link(None, name)
        if link is None:
            return _uplink_layout.Device()
        return _uplink_layout.Device(link.index, link.mac, link.mtu, link.up)

    def _records(self, nic: _uplink_layout.Device, bridge: _uplink_layout.Device) -> Iterator[_rtnetlink.Record]:
        indexes = [device.index for device in (nic, bridge) if device.index]
        for index in indexes:
            yield from self.tables.addresses(index)
        yield from self.tables.routes(*indexes)

    # Changing

    def establish(self, target: _uplink_layout.Layout, inside: bool) -> None:
        """Make everything as ``target`` says, and the NIC a port of the bridge or not. Done twice, it does nothing."""
        request = target.request
        with self._without_detection(request):
            if inside:
                self._set_links(target)
                self._join(request)
                if request.ovs and self._device(request.bridge).mtu != target.bridge.mtu:
                    self._request_mtu(request.bridge, target.bridge.mtu)
            else:
                self._silence(request, False)
                if request.ovs:
                    self._request_mtu(request.bridge, target.mtu_request)
                self._leave(request)
            self._settle(target)
            self._tell_managers(request, inside)
            self._set_links(target)
            self._settle(target)  # an interface may lose routes when its MAC address changes
            if inside:
                self._silence(request, True)

    def _tell_managers(self, request: _uplink_layout.Request, inside: bool) -> None:
        """Tell the host's network managers of the NIC; what they do to it then is put right afterwards."""
        if inside:
            self.node.link_managers.release(request.nic, request.owner)
        else:
            self.node.link_managers.give_back(request.nic)

    @contextlib.contextmanager
    def _without_detection(self, request: _uplink_layout.Request) -> Iterator[None]:
        """Have IPv6 addresses usable at once: they are in use here already, so there is no duplicate to detect.

        What it was before is in a file until all is done, so that a run after a kill finds it, and goes on.
        """
        files, path = _files.Files(), _uplink_layout.unfinished_path(request.nic)
        file = files.read(path)
        before = json.loads(file.text.partition("\n")[2]) if file is not None else {}
        keys = [_sysctl.for_interface("ipv6", name, "accept_dad") for name in (request.nic, request.bridge)]
        found = {key: value for key, value in self.netlink.read_sysctls(None, keys).items() if value is not None}
        values = {key: before.get(key, value) for key, value in found.items()}
        files.write(path, _files.header(request.owner) + json.dumps(values) + "\n", 0o600)
        files.commit()
        for key in values:
            self.netlink.write_sysctl(None, key, "0")
        try:
            yield
        finally:
            for key, value in values.items():
                self.netlink.write_sysctl(None, key, value)
        files.remove(path)

    def _set_links(self, target: _uplink_layout.Layout) -> None:
        """Set MAC address, MTU and state, but the MTU where Open vSwitch sees to it."""
        request = target.request
        if request.ovs:
            self._pin(request.bridge, target.hwaddr)
        for name, wanted in ((request.bridge, target.bridge), (request.nic, target.nic)):
            have = self._device(name)
            if not have.index or not wanted.index:
                continue
            options = ["up"] if request.ovs and name == request.bridge else ["mac", "mtu", "up"]
            changes = {key: getattr(wanted, key) for key in options if getattr(wanted, key) != getattr(have, key)}
            if changes:
                self.netlink.set_link(None, name, **changes)

    def _pin(self, bridge: str, mac: str) -> None:
        """Set the MAC address of a bridge of Open vSwitch; empty: leave it to Open vSwitch."""
        self.node.ovsdb.forget()
        row = self.node.ovsdb.find("Bridge", bridge)
        if row is None or row.other_config.get("hwaddr", "") == mac:
            return

        def change(batch: _ovsdb.Batch) -> None:
            row = batch.find("Bridge", bridge)
            others = {key: value for key, value in row.other_config.items() if key != "hwaddr"}
            row.other_config = {**others, "hwaddr": mac} if mac else others

        self.node.ovsdb.change(change)
        self.node.ovsdb.commit()

    def _request_mtu(self, bridge: str, mtu: int) -> None:
        """Request the MTU of a bridge of Open vSwitch; 0: let it follow the least of its ports."""
        self.node.ovsdb.forget()
        row = self.node.ovsdb.find("Interface", bridge)
        if row is None or _ovs.optional(row.mtu_request, 0) == mtu:
            return

        def change(batch: _ovsdb.Batch) -> None:
            batch.find("Interface", bridge).mtu_request = mtu or []

        self.node.ovsdb.change(change)
        self.node.ovsdb.commit()

    def _join(self, request: _uplink_layout.Request) -> None:
        if self.membership(request) == (True, request.vlan):
            return
        if not request.ovs:
            self.netlink.set_link(None, request.nic, master=request.bridge)
            return

        def change(batch: _ovsdb.Batch) -> None:
            port = batch.find("Port", request.nic)
            if port is None:
                interface = batch.insert("Interface", name=request.nic)
                marks = {_ovs.OWNER_KEY: request.owner, _ovs.UPLINK_KEY: request.bridge}
                port = batch.insert("Port", name=request.nic, interfaces=[interface], external_ids=marks)
                batch.find("Bridge", request.bridge).addvalue("ports", port)
            port.tag = request.vlan or []
            port.vlan_mode = "access" if request.vlan else []

        self.node.ovsdb.change(change)
        self.node.ovsdb.commit()

    def _leave(self, request: _uplink_layout.Request) -> None:
        if not self.membership(request)[0]:
            return
        if not request.ovs:
            self.netlink.set_link(None, request.nic, master="")
            return

        def change(batch: _ovsdb.Batch) -> None:
            batch.find("Bridge", request.bridge).delvalue("ports", batch.find("Port", request.nic))

        self.node.ovsdb.change(change)
        self.node.ovsdb.commit()

    def _silence(self, request: _uplink_layout.Request, silent: bool) -> None:
        """Keep the kernel from answering on the NIC itself what the bridge answers already, or let it answer again.

        Open vSwitch's userspace datapath gets a copy of what arrives on a NIC, and the kernel gets the frames as well.
        Without nft nothing worse happens than that pings are answered twice.
        """
        bridge = self.node.ovsdb.find("Bridge", request.bridge) if request.ovs else None
        if bridge is None or bridge.datapath_type != "netdev":
            return
        with contextlib.suppress(_errors.Missing, _errors.Unavailable):
            for family, hook in (("inet", "prerouting"), ("arp", "input")):
                name, items = _silent_table(family, hook, request)
                if silent:
                    self.node.nft.replace(None, family, name, items)
                else:
                    self.node.nft.delete(None, family, name)
            self.node.nft.commit()

    def _settle(self, target: _uplink_layout.Layout) -> None:
        """Add what is missing, then delete what is elsewhere, until everything is where it should be."""
        wanted = {record.identity: record for record in target.records}
        trouble: Optional[_errors.NetvirtError] = None
        for _pass in range(_PASSES):
            have = {record.identity: record for record in self._records(target.nic, target.bridge)}
            missing = [record for identity, record in wanted.items() if identity not in have]
            extra = [record for identity, record in have.items() if identity not in wanted]
            if not missing and not extra:
                return
            trouble = None
            for record in sorted(missing, key=_order):
                try:
                    self.tables.add(record)
                except _errors.Unavailable as error:  # a gateway that another route leads to
                    trouble = error
            if trouble is None:
                # The last first: a secondary address that outlives its primary one is given a route of its own.
                self._delete(target, sorted(extra, key=_order)[::-1])
        raise trouble or _errors.Unavailable("the addresses and routes change while they are moved; run again")

    def _delete(self, target: _uplink_layout.Layout, extra: Iterable[_rtnetlink.Record]) -> None:
        with contextlib.ExitStack() as stack:
            for name, device in ((target.request.nic, target.nic), (target.request.bridge, target.bridge)):
                if device.index:
                    stack.enter_context(self.netlink.promoting_secondaries(None, name))
            for record in extra:
                self.tables.delete(record)


def _silent_table(family: str, hook: str, request: _uplink_layout.Request) -> tuple[str, list[_nft.Item]]:
    """Return name and content of a table that drops what enters by the NIC; its VLAN interfaces are others."""
    table = "netvirt-uplink-" + re.sub("[^A-Za-z0-9_.-]", "_", request.nic)
    place = {"family": family, "table": table}
    chain = {**place, "name": "silent", "type": "filter", "hook": hook, "prio": -300, "policy": "accept"}
    by_the_nic = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": request.nic}}
    rule = {**place, "chain": "silent", "expr": [by_the_nic, {"drop": None}], "comment": f"owner {request.owner}"}
    return table, [{"chain": chain}, {"rule": rule}]


def _order(record: _rtnetlink.Record) -> tuple[bool, bool]:
    """Addresses before the routes that need them, and routes on the link before those with a gateway."""
    return record.kind == "route", record.kind == "route" and bool(record.gateways)
