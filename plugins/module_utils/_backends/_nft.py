# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""nftables, by ``nft -j``: JSON in, JSON out (libnftables-json(5)).

Reads come from one listing per namespace. Writes replace or remove whole tables; they are collected and loaded as one
transaction per namespace, so that packets meet the old rules or the new ones and never none.
"""

from __future__ import annotations

import json
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends import _namespaces, _programs

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
        """Return what the table holds in nft's order, or None when there is no such table."""
        return self.tables(namespace).get((family, name))

    def tables(self, namespace: Optional[str]) -> dict[tuple[str, str], list[Item]]:
        """Return what each table holds, by family and name."""
        if namespace not in self._tables:
            self._tables[namespace] = self._read(namespace)
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

    def _read(self, namespace: Optional[str]) -> dict[tuple[str, str], list[Item]]:
        output = self._run(namespace, ["list", "ruleset"])
        tables: dict[tuple[str, str], list[Item]] = {}
        try:
            for item in json.loads(output)["nftables"]:
                ((kind, content),) = item.items()
                if kind == "table":
                    tables.setdefault((content["family"], content["name"]), [])
                elif "table" in content:
                    tables.setdefault((content["family"], content["table"]), []).append(item)
        except (KeyError, TypeError, ValueError) as error:
            raise _errors.Unavailable(
                f"nft lists the rules{_namespaces.where(namespace)} in a form that is not understood"
            ) from error
        return tables

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
