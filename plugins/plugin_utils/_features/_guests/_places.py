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


def stranded(former: Mapping[str, Iterable[Guest]], facts: Facts) -> dict[str, list[tuple[str, str]]]:
    """Return by node the faults, each with its path, of guests that would start anew without what they wrote.

    Their disk is still on the node that they leave. It is a fault of both nodes: the one must not start the guest, the
    other must not stop it.
    """
    result: dict[str, list[tuple[str, str]]] = {}
    for node, guests in former.items():
        for guest in guests:
            if (
                guest.settings.get("image")
                and _has_disk(node, guest, facts)
                and not _has_disk(guest.node, guest, facts)
            ):
                place = f"/var/lib/netvirt/guests/{guest.name}"
                message = (
                    f"{guest.name} has its disk on {called(node)}; stop it there and copy {place}/disk.qcow2 to the "
                    f"same place on {called(guest.node)}, or remove {place} from {called(node)} to start anew"
                )
                for concerned in (node, guest.node):
                    result.setdefault(concerned, []).append((f"{guest.path}.node", message))
    return result


def _has_disk(node: str, guest: Guest, facts: Facts) -> bool:
    return bool(told(node, facts).get(guest.name, {}).get("disk"))


def told(node: str, facts: Facts) -> dict[str, dict[str, Any]]:
    """Return the guests that a node says it has, by name."""
    guests = (facts.get(node) or {}).get("guests")
    found = guests if isinstance(guests, dict) else {}
    return {name: item for name, item in found.items() if isinstance(item, dict)}
