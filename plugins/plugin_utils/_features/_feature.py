# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a feature of the document has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults, Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._graph import Graph
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._facts import Facts
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import Case, Check, Leg


class Named(Protocol):
    """An object of the document that has a name of its own among those of its section."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def path(self) -> str:
        """Where it is in the document."""


class Feature:
    """One thing that a document may hold. It leaves out the methods that it does not need."""

    name = ""
    """It tells the feature's flows from those of others, and stands in messages about contradictions."""

    keys: Sequence[Key] = ()
    """Its sections of the document, for the reference and the argument specifications."""

    extra_keys: Mapping[str, Sequence[Key]] = {}
    """The same of its keys in objects of other features, by sort of object."""

    extends: Mapping[str, Callable[[Reader], Mapping[str, Any]]] = {}
    """By sort of object of other features (network, router, guest, nic): reads its further keys, into ``parts``."""

    def read(self, _reader: Reader, _origin: str) -> Mapping[str, Any]:
        """Return the sections of the document that are the feature's, by fields of Document, or of its ``parts``.

        ``origin`` is the name that MAC addresses and the like follow from.
        """
        return {}

    def named(self, _document: Document) -> Iterable[Named]:
        """Return the objects whose names must be different."""
        return ()

    def interfaces(self, _document: Document) -> Iterator[tuple[str, str, str]]:
        """Yield (path, what it belongs to, name) of each interface in the root namespace of any node."""
        yield from ()

    def check(self, document: Document, faults: Faults) -> None:
        """Note what is wrong with the feature's part of the document."""

    def check_site(self, site: Site, facts: Facts, faults: Faults) -> None:
        """Note what a node lacks."""

    def build(self, site: Site, plan: Plan) -> None:
        """Say what one node is to have."""

    def prove(self, _case: Case, _leg: Leg) -> Iterator[Check]:
        """Yield what must be seen from one guest's connection."""
        yield from ()

    def unproven(self, _case: Case) -> Iterator[str]:
        """Yield a line for each promise that no guest and no canary can try."""
        yield from ()

    def draw(self, document: Document, graph: Graph) -> None:
        """Add to the drawing."""
