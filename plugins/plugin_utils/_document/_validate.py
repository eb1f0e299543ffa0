# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read and check a whole document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _node
from ansible_collections.netvirt.fabric.plugins.module_utils._values import shown
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults, Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features import _registry

DEFAULT_OWNER = "fabric"


def validate(variables: Any, hosts: Optional[Iterable[str]] = None) -> Document:
    """Return the document in these variables (``fabric_networks`` ...); raises FabricError with every fault.

    ``hosts`` are the names that nodes may have (the inventory); ``None`` accepts any.
    """
    faults = Faults()
    document = _read(variables, faults)
    _check_unique_names(document, faults)
    _check_nodes(document, None if hosts is None else frozenset(hosts), faults)
    for feature in _registry.FEATURES:
        feature.check(document, faults)
    _check_interface_names(document, faults)
    if faults.lines():
        raise FabricError(faults.lines())
    return document


def _read(variables: Any, faults: Faults) -> Document:
    if not isinstance(variables, dict):
        faults.add("the document", f"must be a dictionary, not {shown(variables)}")
        return Document(owner=DEFAULT_OWNER, underlay=None)
    extensions: dict[str, list[Callable[[Reader], Mapping[str, Any]]]] = {}
    for feature in _registry.FEATURES:
        for sort, read in feature.extends.items():
            extensions.setdefault(sort, []).append(read)
    return Reader(variables, "", faults, extensions).finish(_document)


def _document(reader: Reader) -> Document:
    owner = reader.get("fabric_owner", _convert.name, DEFAULT_OWNER)
    former = reader.get("fabric_owner_was", _convert.name, "")
    if former and former in (owner, _node.SETTINGS["owner"].default):
        reason = "fabric_owner itself" if former == owner else "the owner of what single modules make"
        reader.faults.add("fabric_owner_was", f"must be the owner of another document; {former} is {reason}")
    found: dict[str, Any] = {}
    for feature in _registry.FEATURES:
        found.update(feature.read(reader, former or owner))
    own = {field.name for field in fields(Document)}
    parts = {name: found.pop(name) for name in set(found) - own}
    return Document(owner=owner, owner_was=former, parts=parts, **found)


def _check_unique_names(document: Document, faults: Faults) -> None:
    for feature in _registry.FEATURES:
        seen: set[str] = set()
        for item in feature.named(document):
            if item.name and item.name in seen:
                faults.add(f"{item.path}.name", f"'{item.name}' is used twice")
            seen.add(item.name)


def _check_nodes(document: Document, hosts: Optional[frozenset[str]], faults: Faults) -> None:
    for path, node in document.named_nodes():
        if hosts is not None and node not in hosts:
            faults.add(path, f"{shown(node)} is not a host of the inventory")


def _check_interface_names(document: Document, faults: Faults) -> None:
    owners: dict[str, str] = {}
    for path, owner, name in _interface_names(document):
        other = owners.setdefault(name, owner)
        if other != owner:
            faults.add(path, f"interface name {name} is already used by {other}; choose another name")


def _interface_names(document: Document) -> Iterator[tuple[str, str, str]]:
    """Yield (path, what it belongs to, name) of every interface in the root namespace of any node."""
    for name in sorted(_names.RESERVED):
        yield "", "the fabric itself", name
    for feature in _registry.FEATURES:
        yield from feature.interfaces(document)
