# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""nftables, by ``nft -j``: JSON in, JSON out (libnftables-json(5)).

Sets are read only of tables whose names have our prefix: those of others may hold hundreds of thousands of elements.
Writes replace or remove whole tables; they are collected and loaded as one transaction per namespace, so that packets
meet the old rules or the new ones and never none.
"""

from __future__ import annotations

import json
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces

PREFIX = "netvirt"
"""The names of the collection's tables begin with it."""

_REMEDY = "install nftables (and util-linux), or run the role netvirt.fabric.hypervisor"

Item = dict[str, Any]
"""One object as nft lists it: ``{"chain": {...}}`` or ``{"rule": {...}}``."""


class Nft:
    """The rulesets of the node's namespaces; None is the root one."""

    def __init__(self, timeout: int) -> None:
        self.timeout = timeout
        self._tables: dict[Optional[str], dict[tuple[str, str], list[Item]]] = {}
        self._commands: dict[Optional[str], list[Item]] = {}

    def table(self, namespace: Optional[str], family: str, name: str) -> Optional[list[Item]]:
        """Return what one of our tables holds in nft's order, or None when there is no such table."""
        return self.tables(namespace).get((family, name))

    def tables(self, namespace: Optional[str]) -> dict[tuple[str, str], list[Item]]:
        """Return what each table holds whose name begins with PREFIX, by family and name.

        There is nothing in a namespace that somebody has removed.
        """
        if namespace not in self._tables:
            try:
                self._tables[namespace] = {
                    (family, name): [
                        item for item in self._list(namespace, ["list", "table", family, name]) if "table" not in item
                    ]
                    for family, name in self._names(namespace)
                    if name.startswith(PREFIX)
                }
            except _errors.Unavailable:
                if not _namespaces.vanished(namespace):
                    raise
                self._tables[namespace] = {}
        return self._tables[namespace]

    @property
    def installed(self) -> bool:
        """Whether there is nft; without it nobody made a table with it."""
        return _programs.installed("nft")

    def require(self) -> None:
        """Raise Missing where there is no nft."""
        if not self.installed:
            raise _errors.Missing(f"the program nft is missing on the node; {_REMEDY}")

    def replace(self, namespace: Optional[str], family: str, name: str, items: list[Item]) -> None:
        """Let the table hold exactly these items after the coming commit; each names its family and table itself."""
        self.delete(namespace, family, name)
        table = {"table": {"family": family, "name": name}}
        self._commands[namespace].extend({"add": item} for item in (table, *items))

    def renew(self, namespace: Optional[str], chain: Item, rules: list[Item]) -> None:
        """Let a chain, given by family, table and name, hold exactly these rules after the coming commit."""
        commands = self._commands.setdefault(namespace, [])
        commands.extend(({"flush": {"chain": chain}}, *({"add": rule} for rule in rules)))

    def delete(self, namespace: Optional[str], family: str, name: str) -> None:
        """Remove the table with the coming commit, whether it is there or not."""
        table = {"table": {"family": family, "name": name}}
        self._commands.setdefault(namespace, []).extend(({"add": table}, {"delete": table}))

    def commit(self) -> None:
        """Load what was collected, one transaction per namespace; raises Unavailable when the kernel refuses it."""
        commands, self._commands = self._commands, {}
        for namespace, items in commands.items():
            self._tables.pop(namespace, None)
            self._run(namespace, ["-f", "-"], json.dumps({"nftables": items}))

    def _names(self, namespace: Optional[str]) -> list[tuple[str, str]]:
        """Return family and name of each table: of a terse listing, which has no elements of sets.

        "list tables" reads them all, up to version 1.0.6 at least.
        """
        listed = self._list(namespace, ["--terse", "list", "ruleset"])
        return [(item["table"]["family"], item["table"]["name"]) for item in listed if "table" in item]

    def _list(self, namespace: Optional[str], arguments: list[str]) -> list[Item]:
        """Return what nft lists. It is asked for one table at a time: version 1.0.6 mixes up several of one name."""
        output = self._run(namespace, arguments)
        try:
            found: list[Item] = json.loads(output)["nftables"]
            return [item for item in found if "metainfo" not in item]
        except (KeyError, TypeError, ValueError) as error:
            raise _errors.Unavailable(
                f"nft lists the rules{_namespaces.where(namespace)} in a form that is not understood"
            ) from error

    def _run(self, namespace: Optional[str], arguments: list[str], text: str = "") -> str:
        argv = ["nft", "-j", *arguments]
        if namespace is not None:
            argv = ["nsenter", f"--net={_namespaces.path_of(namespace)}", "--", *argv]
        self.require()
        result = _programs.run_program(argv, self.timeout, _REMEDY, text)
        if result.returncode:
            raise _errors.Unavailable(f"nft failed{_namespaces.where(namespace)}: {_programs.complaint(result)}")
        return result.stdout

    def forget(self) -> None:
        """Drop the listings."""
        self._tables.clear()

    def close(self) -> None:
        """Nothing is open."""
