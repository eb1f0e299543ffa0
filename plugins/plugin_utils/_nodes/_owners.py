# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One document at a time on a host: bridges, VLANs and tunnels of two would be the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _node
from ansible_collections.netvirt.fabric.plugins.module_utils._values import called
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document

_OF_MODULES = _node.SETTINGS["owner"].default


def faults(
    document: Document, node: str, facts: Mapping[str, Any], resources: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield a line for each other owner that has bridges of the node which the document needs as well.

    A bridge that a single module made is no document's. It is used, and left when the fabric goes.
    """
    bridges = (facts.get(node) or {}).get("bridges") or {}
    needed = [item["ovs_bridge"]["name"] for item in resources if "ovs_bridge" in item]
    found: dict[str, list[str]] = {}
    for name in needed:
        owner = (bridges.get(name) or {}).get("owner") or _OF_MODULES
        if owner != _OF_MODULES and not document.owns(owner):
            found.setdefault(owner, []).append(name)
    for owner, names in found.items():
        yield refused(document.owner, node, owner, f"which has {', '.join(sorted(names))} there")


def refused(owner: str, node: str, other: str, reason: str) -> str:
    """Return the line that says why a node cannot be part of a document of this owner."""
    return (
        f"fabric_owner: {called(node)} is part of the fabric of the owner {called(other)}, {reason}, and cannot be "
        f"part of {owner} as well; put both into one document of the role fabric, take {called(other)} down first, or "
        f"take it over with fabric_owner_was: {called(other)}"
    )
