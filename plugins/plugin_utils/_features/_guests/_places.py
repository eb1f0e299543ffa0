# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests that move from node to node: where they run now, and where their disks are, as nodes tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils._values import called
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Guest
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._facts import Facts


def left(document: Document, facts: Facts) -> dict[str, list[Guest]]:
    """Return by node the document's guests that it runs, or at least has the unit of, and which are on others now."""
    guests = {guest.name: guest for guest in document.guests}
    return {
        node: [
            guests[name]
            for name, item in told(node, facts).items()
            if name in guests and guests[name].node != node and document.owns(item.get("owner"))
        ]
        for node in facts
    }


def moving(guests: Iterable[Guest]) -> list[dict[str, Any]]:
    """Return resources that remove guests from the node that they have left."""
    return [{"kvm_guest": {"name": guest.name, "state": "absent"}} for guest in guests]


def stranded(
    document: Document, former: Mapping[str, Iterable[Guest]], facts: Facts
) -> dict[str, list[tuple[str, str]]]:
    """Return by node the faults, each with its path, of guests that would start anew without what they wrote.

    Their disk is still on the node that they leave. It is a fault of both nodes: the one must not start the guest, the
    other must not stop it. A disk whose guest was removed before concerns only the node that would start it.
    """
    result: dict[str, list[tuple[str, str]]] = {}
    for node, guests in former.items():
        for guest in guests:
            if _would_lose(guest, node, facts, facts):
                for concerned in (node, guest.node):
                    result.setdefault(concerned, []).append((f"{guest.path}.node", _left_behind(guest, node)))
    known = {guest.name: guest for guest in document.guests}
    for node in document.members():
        for name in (name for name, item in told(node, facts).items() if item.get("owner") == "" and name in known):
            guest = known[name]
            new = not document.owns(told(guest.node, facts).get(name, {}).get("owner"))
            if new and node != guest.node and _would_lose(guest, node, facts, facts):
                result.setdefault(guest.node, []).append((f"{guest.path}.node", _left_behind(guest, node)))
    return result


def arriving(document: Document, node: str, facts: Facts) -> list[str]:
    """Return the guests that are new to a node. They may have stood anywhere, or nowhere."""
    here = told(node, facts)
    return [
        guest.name for guest in document.guests_on(node) if not document.owns(here.get(guest.name, {}).get("owner"))
    ]


def elsewhere(document: Document, node: str, facts: Facts, others: Facts) -> list[str]:
    """Return a line for each guest that is new to a node and stands on a host that the document does not name.

    ``others`` are the answers of such hosts, of which nothing counts but guests that bear the document's mark. A host
    that did not answer tells nothing.
    """
    new = set(arriving(document, node, facts))
    lines = []
    for host in others:
        there = told(host, others)
        for guest in document.guests_on(node):
            if guest.name in new and document.owns(there.get(guest.name, {}).get("owner")):
                lost = _would_lose(guest, host, others, facts)
                lines.append(f"{guest.path}.node: {_left_behind(guest, host) if lost else _still_there(guest, host)}")
    return lines


def _would_lose(guest: Guest, node: str, there: Facts, here: Facts) -> bool:
    """Tell whether a guest has a disk, and only on a node that it does not run on any more."""
    return bool(
        guest.settings.get("image") and _has_disk(node, guest, there) and not _has_disk(guest.node, guest, here)
    )


def _still_there(guest: Guest, host: str) -> str:
    return (
        f"{guest.name} still stands on {called(host)}, which the document does not name; set fabric_clean to true to "
        f"have it removed there, or name {called(host)} in fabric_nodes"
    )


def _left_behind(guest: Guest, node: str) -> str:
    place = f"/var/lib/netvirt/guests/{guest.name}"
    return (
        f"{guest.name} has its disk on {called(node)}; stop it there and copy {place}/disk.qcow2 to the "
        f"same place on {called(guest.node)}, or remove {place} from {called(node)} to start anew"
    )


def _has_disk(node: str, guest: Guest, facts: Facts) -> bool:
    return bool(told(node, facts).get(guest.name, {}).get("disk"))


def told(node: str, facts: Facts) -> dict[str, dict[str, Any]]:
    """Return the guests that a node says it has, by name."""
    guests = (facts.get(node) or {}).get("guests")
    found = guests if isinstance(guests, dict) else {}
    return {name: item for name, item in found.items() if isinstance(item, dict)}
