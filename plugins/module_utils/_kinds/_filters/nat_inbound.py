# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``nat_inbound``: floating IPs and port forwards of a router, in an nft table of our own (nft(8), RFC 3022)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors, _options
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _conntrack
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _inbound_table as inbound_table
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters._table_kind import TableKind
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_NEW: Spec = {"out_interface": "", "floating_ips": [], "port_forwards": []}
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}  # IANA, Assigned Internet Protocol Numbers


def _floating_ips(items: list[Spec]) -> list[Spec]:
    for option in ("address", "to"):
        seen: set[str] = set()
        for item in items:
            if item[option] in seen:
                raise ValueError(f"must not have {option} {item[option]} twice; a floating IP is for one guest")
            seen.add(item[option])
    return sorted(items, key=lambda item: values.address_key(item["address"]))


def _port_forwards(items: list[Spec]) -> list[Spec]:
    result = []
    for item in items:
        to_port = item["to_port"] or values.port_bounds(item["port"])[0]
        wrong = inbound_table.unfit(item["port"], to_port)
        if wrong:
            raise ValueError(f"must fit to_port {to_port}: {wrong}")
        result.append({**item, "to_port": to_port})
    result.sort(key=inbound_table.order)
    for one, other in zip(result, result[1:]):
        same = (one["address"], one["protocol"]) == (other["address"], other["protocol"])
        if same and values.port_bounds(other["port"])[0] <= values.port_bounds(one["port"])[1]:
            raise ValueError(
                f"must not have ports of {one['protocol']} {one['address']} twice, "
                f"as {one['port']} and {other['port']} do"
            )
    return result


class NatInbound(TableKind):
    """See plugins/modules/nat_inbound.py for the meaning of the options."""

    name = "nat_inbound"
    families = (inbound_table.FAMILY,)
    prefix = inbound_table.PREFIX
    turn = _engine.Turn.FILTER
    options = {
        "name": _options.Option(default="inbound", canonical=values.word, role=_options.Role.IDENTITY),
        "namespace": _options.Option(canonical=values.object_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        "out_interface": _options.Option(canonical=values.interface_name),
        "floating_ips": _options.Option(
            type="list",
            elements="dict",
            options={
                "address": _options.Option(required=True, canonical=values.address4),
                "to": _options.Option(required=True, canonical=values.address4),
            },
            canonical=_floating_ips,
        ),
        "port_forwards": _options.Option(
            type="list",
            elements="dict",
            options={
                "protocol": _options.Option(choices=tuple(_PROTOCOLS), default="tcp"),
                "address": _options.Option(required=True, canonical=values.address4),
                "port": _options.Option(required=True, canonical=values.port_range),
                "to": _options.Option(required=True, canonical=values.address4),
                "to_port": _options.Option(type="int", canonical=values.port_number),
            },
            canonical=_port_forwards,
        ),
    }

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the options that our table amounts to; ``edits`` is what else was done to it by hand."""
        if not _namespaces.exists(want["namespace"]):
            return None
        items = self.tables(node, want)[inbound_table.FAMILY]
        if items is None:
            return None
        return {"name": want["name"], "namespace": want["namespace"], **inbound_table.parse(items)}

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """An address is a floating IP or has forwarded ports; both would be two answers to one question."""
        node.nft.require()
        result = {**super().desired(node, have or {**_NEW, "namespace": want["namespace"]}, want), "edits": []}
        if not result["out_interface"]:
            raise _errors.InvalidValue("out_interface is required, to tell what comes from outside")
        floating = {item["address"] for item in result["floating_ips"]}
        for item in result["port_forwards"]:
            if item["address"] in floating:
                raise _errors.InvalidValue(
                    f"port_forwards has {item['address']}, of which floating_ips forwards all; take it out of one"
                )
        return result

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """What goes ends before its address goes, what comes begins when its address is there.

        Connections are forgotten at the end of both: one that is forgotten before its address has gone comes back.
        """
        spec = desired or have
        if spec is None:
            return
        namespace, table = spec["namespace"], self.table_name(spec)
        owner = self.owner_to_write(node, self.tables(node, spec) if have is not None else {})

        def load(wanted: Spec) -> None:
            items = inbound_table.build(spec["name"], wanted, owner)
            node.nft.replace(namespace, inbound_table.FAMILY, table, items)

        def delete() -> None:
            if _namespaces.exists(namespace):  # else it has gone with the namespace
                node.nft.delete(namespace, inbound_table.FAMILY, table)

        def settle() -> None:
            if desired is not None:
                load(desired)
            node.conntrack.flush(namespace, _concerned(have or _NEW, desired or _NEW))

        if desired is None:
            yield _engine.Operation(_engine.Stage.TIGHTEN, "delete", delete)
            yield _engine.Operation(_engine.Stage.LOOSEN, "forget connections", settle)
            return
        changes = _engine.differences(have, desired)
        if have is not None:
            kept = _kept(have, desired)
            if kept != have:
                yield _engine.Operation(_engine.Stage.TIGHTEN, "tighten", lambda: load(kept))
        yield _engine.Operation(_engine.Stage.LOOSEN, "create" if have is None else "update", settle, changes)


def _kept(have: Spec, desired: Spec) -> Spec:
    """Return the translation that both have in common."""
    if have["out_interface"] != desired["out_interface"]:
        return {**desired, "floating_ips": [], "port_forwards": []}
    lists = ("floating_ips", "port_forwards")
    return {**desired, **{name: [item for item in have[name] if item in desired[name]] for name in lists}}


def _concerned(before: Spec, after: Spec) -> _conntrack.Concerned:
    """Return the test for connections that go to another destination now, or that had a floating IP and lost it."""
    old, new = _Destinations(before), _Destinations(after)
    floating = {guest: address for address, guest in new.guests.items()}

    def concerned(flow: _conntrack.Flow) -> bool:
        if flow.answered_at in old.guests and floating.get(flow.source) != flow.answered_at:
            return True
        return old.of(flow) != new.of(flow)

    return concerned


class _Destinations:
    """Where connections to outer addresses go: addresses in network byte order."""

    def __init__(self, spec: Spec) -> None:
        self.guests = {_packed(item["address"]): _packed(item["to"]) for item in spec["floating_ips"]}
        self._forwards: dict[bytes, list[tuple[int, int, int, Any]]] = {}
        for item in spec["port_forwards"]:
            first, last = values.port_bounds(item["port"])
            goes_to = (_packed(item["to"]), item["to_port"] - first)
            entry = (_PROTOCOLS[item["protocol"]], first, last, goes_to)
            self._forwards.setdefault(_packed(item["address"]), []).append(entry)

    def of(self, flow: _conntrack.Flow) -> object:
        """Return the destination of a connection, None for one that is not translated."""
        aim = flow.aimed_at
        if aim in self.guests:
            return self.guests[aim]
        for protocol, first, last, goes_to in self._forwards.get(aim, ()):
            if flow.protocol == protocol and first <= flow.port <= last:
                return goes_to
        return None


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed
