# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``packet_filter``: what an IP stack must not see or pass on, in nft tables of our own (nft(8))."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors, _options
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends import _namespaces, _nft
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds import _drop_table as drop_table
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds import _own_table as own_table
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_NEW: Spec = {"isolated_interfaces": [], "blocked": []}


def _isolated(names: Any) -> list[str]:
    result = values.unique(values.interface_name, key=str)(names)
    if "lo" in result:
        raise ValueError("must not hold lo, by which a host talks to itself")
    return result


def _blocked(items: list[Spec]) -> list[Spec]:
    result = sorted((item for item in items if item["destinations"]), key=lambda item: str(item["interface"]))
    for one, other in zip(result, result[1:]):
        if one["interface"] == other["interface"]:
            raise ValueError(f"must not hold {one['interface']} twice; merge the two")
    return result


class PacketFilter(_engine.Kind):
    """See plugins/modules/packet_filter.py for the meaning of the options."""

    name = "packet_filter"
    rank = _engine.Stage.NAT
    options = {
        "name": _options.Option(default="filter", canonical=values.word, role=_options.Role.IDENTITY),
        "namespace": _options.Option(canonical=values.object_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        "isolated_interfaces": _options.Option(type="list", elements="str", canonical=_isolated),
        "blocked": _options.Option(
            type="list",
            elements="dict",
            options={
                "interface": _options.Option(required=True, canonical=values.interface_name),
                "destinations": _options.Option(
                    type="list", elements="str", required=True, canonical=values.unique(values.network)
                ),
            },
            canonical=_blocked,
        ),
    }

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the options that our tables amount to; ``edits`` is what else was done to them by hand."""
        namespace, table = want["namespace"], drop_table.table_name(want["name"])
        if not _namespaces.exists(namespace):
            return None
        tables = {family: node.nft.table(namespace, family, table) for family in drop_table.FAMILIES}
        for family, items in tables.items():
            if items is not None and not own_table.is_ours(items):
                raise _errors.Conflict(
                    f"the nft table {family} {table} exists and is not ours (it has no chain {own_table.MARK}); "
                    "choose another name or remove it"
                )
        if not any(items is not None for items in tables.values()):
            return None
        return {"namespace": namespace, **drop_table.parse(want["name"], tables)}

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """The interfaces need not be there: a filter waits for them."""
        if not node.netlink.namespace_exists(want["namespace"]):
            raise _errors.Conflict("the namespace does not exist; declare it with netns_router")
        if have is None and want["isolated_interfaces"] is None and want["blocked"] is None:
            raise _errors.InvalidValue("isolated_interfaces or blocked is required")
        return {**super().desired(node, have or {**_NEW, "namespace": want["namespace"]}, want), "edits": []}

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """One operation: the tables are replaced, or removed, as a whole and together."""
        spec = desired or have
        if spec is None:
            return
        namespace, table = spec["namespace"], drop_table.table_name(spec["name"])
        present: dict[str, list[_nft.Item]] = {}
        for family in drop_table.FAMILIES if have is not None else ():  # a new filter's namespace may be new, too
            present[family] = node.nft.table(namespace, family, table) or []

        def load(tables: dict[str, list[_nft.Item]]) -> None:
            for family in drop_table.FAMILIES:
                if tables.get(family):
                    node.nft.replace(namespace, family, table, tables[family])
                elif present.get(family):
                    node.nft.delete(namespace, family, table)

        if desired is None:
            yield _engine.Operation(_engine.Stage.DROP_NAT, "delete", lambda: load({}))
            return
        owner = own_table.owner(present.get(drop_table.IP, [])) or node.settings.owner
        tables = {family: drop_table.build(family, desired, owner) for family in drop_table.FAMILIES}
        action = "create" if have is None else "update"
        yield _engine.Operation(_engine.Stage.NAT, action, lambda: load(tables), _engine.differences(have, desired))

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the filters whose mark names the owner, in all namespaces."""
        for namespace in (None, *_namespaces.names()) if node.nft.installed else ():
            tables = node.nft.tables(namespace).items()
            found = {
                drop_table.instance(table)
                for (family, table), items in tables
                if family in drop_table.FAMILIES and own_table.owner(items) == owner
            }
            for name in sorted(found - {""}):
                yield {"name": name, "namespace": namespace, "state": "absent"}
