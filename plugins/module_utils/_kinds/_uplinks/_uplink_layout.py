# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Where a NIC, a bridge, their addresses and routes are before and after a move. Used by bridge_uplink."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors, _node
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _rtnetlink

KEPT_DIRECTORY = "/var/lib/netvirt/uplinks"

Kept = dict[str, Any]
"""What is needed to move a NIC back, also after a reboot: bridge, addresses, routes, and how the bridge was."""


@dataclass(frozen=True)
class Request:
    """What is to be done. ``vlan`` 0 is no tag; ``inside`` is False for the way back."""

    nic: str
    bridge: str
    ovs: bool
    inside: bool
    vlan: int
    owner: str


@dataclass(frozen=True)
class Device:
    """What of a link changes with a move. ``index`` is 0 for one that is not there."""

    index: int = 0
    mac: str = ""
    mtu: int = 0
    up: bool = False


@dataclass(frozen=True)
class Layout:
    """Where NIC, addresses and routes are, and how the bridge is; plain data."""

    request: Request
    nic: Device
    bridge: Device
    hwaddr: str = ""
    mtu_request: int = 0
    records: tuple[_rtnetlink.Record, ...] = field(default=())

    def dump(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return dataclasses.asdict(self)

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Layout:
        """Return what ``dump`` gave."""
        records = tuple(map(_record, data["records"]))
        parts = {
            "request": Request(**data["request"]),
            "nic": Device(**data["nic"]),
            "bridge": Device(**data["bridge"]),
        }
        return cls(**{**data, **parts, "records": records})


def _record(item: Mapping[str, Any]) -> _rtnetlink.Record:
    attributes = tuple((number, value) for number, value in item["attributes"])
    return _rtnetlink.Record(item["kind"], tuple(item["header"]), attributes, item["interface"])


def kept_path(nic: str) -> str:
    """Return where is kept what is needed to move the NIC back."""
    return f"{KEPT_DIRECTORY}/{nic}.json"


def unfinished_path(nic: str) -> str:
    """Return the file that is there from the beginning of a move to its end."""
    return f"{_node.RUN_DIRECTORY}/uplink-{nic}.json"


def read_kept(files: _files.Files, nic: str) -> Optional[Kept]:
    """Return what was kept when the NIC was moved, or None; raises Conflict."""
    file = files.read(kept_path(nic))
    if file is None:
        return None
    try:
        kept: Kept = json.loads(file.text.partition("\n")[2])
        return {"bridge": kept["bridge"], **kept}
    except (KeyError, TypeError, ValueError) as error:
        raise _errors.Conflict(
            f"{kept_path(nic)} cannot be used ({error}); move the addresses back by hand and remove it"
        ) from error


def write_kept(nic: str, kept: Optional[Kept], owner: str) -> None:
    """Keep this at once, or nothing any more."""
    files = _files.Files()
    if kept is None:
        files.remove(kept_path(nic))
        return
    files.write(kept_path(nic), _files.header(kept.get("owner", owner)) + json.dumps(kept, indent=1) + "\n", 0o600)
    files.commit()


def keep(original: Layout, kept: Optional[Kept]) -> Kept:
    """Return what the way back needs; what an earlier move has kept stays."""
    request, nic = original.request, original.nic.index
    mine = [record for record in original.records if record.interface == nic]
    before = kept if kept is not None and kept["bridge"] == request.bridge else {}
    return {
        "owner": before.get("owner", request.owner),
        "bridge": request.bridge,
        "addresses": _merged(before.get("addresses", ()), (r.cidr for r in mine if r.kind == "address")),
        "routes": _merged(before.get("routes", ()), (r.text for r in mine if r.kind == "route")),
        "records": _lasting(before, original),
        "nic_up": before.get("nic_up", original.nic.up),
        "bridge_up": before.get("bridge_up", original.bridge.up),
        "bridge_mac": before.get("bridge_mac", original.bridge.mac),
        "bridge_mtu": before.get("bridge_mtu", original.bridge.mtu),
        "hwaddr": before.get("hwaddr", original.hwaddr),
        "mtu_request": before.get("mtu_request", original.mtu_request),
    }


def _lasting(before: Kept, original: Layout) -> list[dict[str, Any]]:
    """Return what is on the bridge again after a boot; of what was moved before and now, what is there now counts."""
    nic, bridge = original.nic.index, original.bridge.index
    earlier = list(map(_record, before.get("records", ())))
    moved = {record.key for record in earlier}
    known = [record for record in original.records if record.interface == bridge and record.key in moved]
    known += [record for record in original.records if record.interface == nic and record.lasts]
    there = {record.key for record in known}
    known += [record for record in earlier if record.key not in there]
    return [dataclasses.asdict(record) for record in known]


def lost(kept: Kept, there: Iterable[tuple[object, ...]], wanted: Optional[Iterable[str]]) -> list[_rtnetlink.Record]:
    """Return what was moved and is neither ``there`` nor contradicted by ``wanted``, the addresses of the bridge."""
    found, addresses = set(there), list(wanted or ())

    def fits(record: _rtnetlink.Record) -> bool:
        if wanted is None:
            return True
        return record.works_with(addresses) if record.kind == "route" else record.cidr in addresses

    return [record for record in map(_record, kept.get("records", ())) if record.key not in found and fits(record)]


def _merged(before: Iterable[str], now: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*before, *now]))


def inward(original: Layout, restored: Iterable[_rtnetlink.Record] = ()) -> Layout:
    """Return the layout with the addresses and routes of the NIC on the bridge, which has its MAC address and MTU.

    What is ``restored`` was on the bridge already, under the number that it had before a boot.
    """
    request, nic, bridge = original.request, original.nic, original.bridge
    records = [
        record.over(nic.index, bridge.index, request.bridge) if record.interface == nic.index else record
        for record in original.records
    ]
    records += [record.over(record.interface, bridge.index, request.bridge) for record in restored]
    return replace(
        original,
        nic=replace(nic, up=True),
        bridge=replace(bridge, mac=nic.mac, mtu=nic.mtu, up=True),
        hwaddr=nic.mac,
        records=tuple(records),
    )


def outward(original: Layout, kept: Kept) -> Layout:
    """Return the layout with the NIC on its own, with what was moved and the routes that need it."""
    nic, bridge = original.nic, original.bridge
    moved = [
        record
        for record in original.records
        if record.kind == "address" and record.interface == bridge.index and record.cidr in kept.get("addresses", ())
    ]
    networks = [ipaddress.ip_interface(record.cidr) for record in moved]

    def goes(record: _rtnetlink.Record) -> bool:
        if record.kind == "address" or record.interface != bridge.index:
            return record in moved
        needed = [address for address in (*record.gateways, record.source) if address]
        dependent = any(ipaddress.ip_address(address) in network.network for address in needed for network in networks)
        return dependent or record.text in kept.get("routes", ())

    records = [
        record.over(bridge.index, nic.index, original.request.nic) if goes(record) else record
        for record in original.records
    ]
    alone = not any(record.interface == bridge.index for record in records if record.kind == "address")
    return replace(
        original,
        nic=replace(nic, up=bool(kept.get("nic_up", nic.up))),
        bridge=replace(
            bridge,
            mac=kept.get("bridge_mac") or bridge.mac,
            mtu=kept.get("bridge_mtu") or bridge.mtu,
            up=kept.get("bridge_up", bridge.up) if alone else bridge.up,
        ),
        hwaddr=kept.get("hwaddr", original.hwaddr),
        mtu_request=kept.get("mtu_request", original.mtu_request),
        records=tuple(records),
    )
