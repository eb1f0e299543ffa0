# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What kinds have in common whose object is an nft table of our own, or one of the same name for each family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _nft
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _own_table as own_table
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec


class TableKind(_engine.Kind):
    """A kind with the options ``name`` and ``namespace``; its tables are called by a prefix and the name."""

    families: ClassVar[tuple[str, ...]]
    prefix: ClassVar[str]

    def table_name(self, want: Spec) -> str:
        """Return the name of the nft tables."""
        return self.prefix + str(want["name"])

    def tables(self, node: Node, want: Spec) -> dict[str, Optional[list[_nft.Item]]]:
        """Return what the table of each family holds, None where there is none; raises Conflict for one of others."""
        namespace, table = want["namespace"], self.table_name(want)
        found = {family: node.nft.table(namespace, family, table) for family in self.families}
        for family, items in found.items():
            if items is not None and not own_table.is_ours(items):
                raise _errors.Conflict(
                    f"the nft table {family} {table} exists and is not ours (it has no chain {own_table.MARK}); "
                    "choose another name or remove it"
                )
        return found

    def owner_to_write(self, node: Node, present: Mapping[str, Optional[list[_nft.Item]]]) -> str:
        """Return the owner that tables are loaded with: the one that they have, else this run's."""
        owners = (own_table.owner(items or []) for items in present.values())
        return next(filter(None, owners), node.settings.owner)

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return what has a table whose mark names the owner, in all namespaces."""
        for namespace in (None, *_namespaces.names()) if node.nft.installed else ():
            found = {
                table[len(self.prefix) :]
                for (family, table), items in node.nft.tables(namespace).items()
                if family in self.families and table.startswith(self.prefix) and own_table.owner(items) == owner
            }
            for name in sorted(found - {""}):
                yield {"name": name, "namespace": namespace, "state": "absent"}

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner that the first of the tables names."""
        tables = (node.nft.table(want["namespace"], family, self.table_name(want)) for family in self.families)
        return next(filter(None, (own_table.owner(items or []) for items in tables)), "")

    def adopt(self, node: Node, want: Spec) -> None:
        """Mark the tables."""
        for family in self.families:
            own_table.adopt(node, want["namespace"], family, self.table_name(want))
