# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What the OVSDB kinds share: the mark of ownership in external_ids, and VLANs of fake bridges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _node, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _ovsdb
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

RESERVED = _node.MARK_PREFIX

OWNER_KEY = _node.MARK_OWNER

UPLINK_KEY = RESERVED + "uplink"
"""Mark of the port of a NIC that bridge_uplink has moved; its value is the bridge."""

MESH_KEY = RESERVED + "tunnel"
"""Port.external_ids key that holds the name of the mesh to which a port belongs."""

DETACHED = "detached"
"""A type that Open vSwitch does not have: of an interface that it is to let go of for a moment."""


MERGE = _options.Option(type="bool", default=False, role=_options.Role.POLICY)
"""Whether keys of external_ids and other_config that are not listed stay."""


def merged(have: Optional[Spec], want: Spec) -> Spec:
    """Return what external_ids and other_config will be where ``want`` asks to merge them; empty where it does not."""
    listed = [name for name in ("external_ids", "other_config") if want.get(name) is not None]
    return {name: {**(have or {}).get(name, {}), **want[name]} for name in listed} if want["merge"] else {}


def external_ids(value: Any) -> dict[str, str]:
    """Canonical form of the option external_ids."""
    ids = values.string_map(value)
    for key in ids:
        if key.startswith(RESERVED):
            raise ValueError(f"must not hold {key}: keys that start with {RESERVED} are the collection's own")
    return ids


def without_marks(ids: Mapping[str, str]) -> dict[str, str]:
    """Return external_ids as users see them."""
    return {key: value for key, value in ids.items() if not key.startswith(RESERVED)}


def with_marks(ids: Mapping[str, str], row: _ovsdb.Row) -> dict[str, str]:
    """Return the user's external_ids together with the marks that the row has."""
    marks = {key: value for key, value in row.external_ids.items() if key.startswith(RESERVED)}
    return {**ids, **marks}


def owned_rows(node: Node, table: str, owner: str) -> list[_ovsdb.Row]:
    """Return the rows that bear the owner's mark; none where there is no Open vSwitch."""
    rows = node.ovsdb.rows(table) if node.ovsdb.installed else []
    return [row for row in rows if row.external_ids.get(OWNER_KEY) == owner]


def owner_of(*rows: Optional[_ovsdb.Row]) -> str:
    """Return the owner whose mark the first row bears that has one."""
    return next(filter(None, (row.external_ids.get(OWNER_KEY, "") for row in rows if row is not None)), "")


def adopt(node: Node, places: Iterable[tuple[str, str]]) -> None:
    """Replace the marks of rows, given by table and name, with the coming transaction; others get none."""
    rows = list(places)

    def change(batch: _ovsdb.Batch) -> None:
        for table, name in rows:
            row = batch.find(table, name)
            if row is not None and OWNER_KEY in row.external_ids:
                row.external_ids = {**row.external_ids, OWNER_KEY: node.settings.owner}

    node.ovsdb.change(change)


def is_tunnel(port: _ovsdb.Row) -> bool:
    """Tell whether a port is for the kind ``ovs_tunnel``."""
    return MESH_KEY in port.external_ids or any("remote_ip" in interface.options for interface in port.interfaces)


def detachment(node: Node, ports: Iterable[_ovsdb.Row], bridge: str) -> Iterable[_engine.Operation]:
    """Return the operation by which Open vSwitch lets go of those patches and tunnels that are not on ``bridge`` yet.

    ovs-vswitchd looks up such a port of the old bridge by its device, which in one transaction the new bridge has by
    then: the old one keeps the port. A tunnel is refused, a patch dead from the next change on (OVS 3.1).
    A port without its type goes at once, and its row stays; who moves it writes the type again.
    """
    moving = [port.name for port in ports if is_virtual(port) and node.ovsdb.bridge_of(port.name).name != bridge]

    def change(batch: _ovsdb.Batch) -> None:
        for name in moving:
            batch.find("Interface", name).type = ""

    if moving:
        yield _engine.Operation(_engine.Stage.DROP_LINK, "detach", lambda: node.ovsdb.change(change))


def renumbering(node: Node, wanted: Mapping[str, int]) -> Iterable[_engine.Operation]:
    """Return the operation by which Open vSwitch lets go of those devices that are to have another OpenFlow number.

    ``wanted`` are the numbers by name. In one transaction ovs-vswitchd removes such a port and adds it again, several
    in any order, and what the datapath has learnt for one of them would leave by another.
    """
    rows = [(number, node.ovsdb.find("Interface", name)) for name, number in wanted.items() if number]
    names = [
        row.name
        for number, row in rows
        if row is not None and row.type in ("", "system") and optional(row.ofport, -1) not in (-1, number)
    ]

    def change(batch: _ovsdb.Batch) -> None:
        for name in names:
            batch.find("Interface", name).type = DETACHED

    if names:
        yield _engine.Operation(_engine.Stage.DROP_LINK, "detach", lambda: node.ovsdb.change(change))


def devices(port: Mapping[str, Any]) -> list[str]:
    """Return the network devices of the host that a declared port consists of."""
    items = port["interfaces"] or [port]
    return [item["name"] for item in items if item["type"] in (None, "system")]


def is_virtual(port: _ovsdb.Row) -> bool:
    """Tell whether a port is a patch or a tunnel, which is no device of the datapath by itself."""
    return any(interface.type not in ("", "system", "internal") for interface in port.interfaces)


def fake_bridge(node: Node, name: str) -> Optional[_ovsdb.Row]:
    """Return the port row of the fake bridge of that name, or None."""
    port = node.ovsdb.find("Port", name) if node.ovsdb.find("Bridge", name) is None else None
    return port if port is not None and port.fake_bridge else None


def is_fake(node: Node, name: str) -> bool:
    """Tell whether a bridge, there or made by this run, is a fake one."""
    declared = node.coming(_references.bridge(name))
    return bool(declared[0]["parent"]) if declared else fake_bridge(node, name) is not None


def optional(row_value: list[Any], default: Any) -> Any:
    """Return the value of a column that holds at most one, or the default that OVS assumes."""
    return row_value[0] if row_value else default


def interface_problems(interface: _ovsdb.Row, device_required: bool = True) -> Iterable[str]:
    """Report an interface that ovs-vswitchd could not open (ovs-vswitchd.conf.db(5): error, ofport).

    A device that does not exist yet is no problem unless it is required: OVS attaches it when it appears.
    """
    error = optional(interface.error, "")
    if not device_required and (not error or "No such device" in error):
        return
    if error:
        yield f"Open vSwitch cannot use the interface {interface.name}: {error}"
    elif optional(interface.ofport, -1) < 0:
        yield f"Open vSwitch gave the interface {interface.name} no port number; see its log"
