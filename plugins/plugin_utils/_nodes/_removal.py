# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run would take from its own fabric, and whether that is so much that it wants to be asked for.

A list that was not found, or a variable of the inventory that got lost, looks like a document with less in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils._values import called
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names

_SHOWN = 8  # names of one kind in a line
_ROUTER = _names.router_namespace("")


def fault(document: Document, node: str, facts: Mapping[str, Any]) -> Optional[str]:
    """Return a line where the node would lose something of what the fabric should not lose by mistake.

    That is a router, a network with all of its guests, or more than half of all guests. What has moved to another node
    is not lost.
    """
    guests, routers = _kept_guests(document, facts), _kept_routers(document, facts)
    lost_guests, lost_routers = _lost_guests(document, guests), _lost_routers(document, routers)
    own = {node: facts.get(node)}
    concerned = _lost_guests(document, _kept_guests(document, own)) or _lost_routers(
        document, _kept_routers(document, own)
    )
    parts = [f"the router {called(name)}" for name in lost_routers]
    for vlan in sorted({vlan for name in lost_guests for vlan in guests[name]}):
        there = [name for name, vlans in guests.items() if vlan in vlans]
        if set(there) <= set(lost_guests) and all(network.vlan != vlan for network in document.networks):
            parts.append(f"the network of VLAN {vlan} with its guests ({_listed(there)})")
    if 2 * len(lost_guests) > len(guests):
        parts.append(f"{len(lost_guests)} of {len(guests)} guests ({_listed(lost_guests)})")
    if not parts or not concerned:
        return None
    return f"fabric_allow_removal: this run would remove {', '.join(parts)}; set it to true if that is meant"


def _kept(document: Document, facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what nodes were last told for this document; nothing of answers that have another form."""
    answers = [(found or {}).get("kept") for found in facts.values() if isinstance(found or {}, dict)]
    told = [item for answer in answers if isinstance(answer, dict) for item in answer.items()]
    return [kept for owner, kept in told if document.owns(owner) and isinstance(kept, dict)]


def _kept_guests(document: Document, facts: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return the VLANs of all guests that nodes were told of."""
    result: dict[str, list[int]] = {}
    for kept in _kept(document, facts):
        guests = kept.get("guests")
        for name, vlans in guests.items() if isinstance(guests, dict) else ():
            if isinstance(vlans, list):
                result.setdefault(str(name), []).extend(vlan for vlan in vlans if isinstance(vlan, int) and vlan)
    return result


def _kept_routers(document: Document, facts: Mapping[str, Any]) -> list[str]:
    """Return the routers that nodes were told of."""
    found = [kept.get("routers") for kept in _kept(document, facts)]
    names = {str(name) for routers in found if isinstance(routers, list) for name in routers}
    return sorted(name.removeprefix(_ROUTER) for name in names if name.startswith(_ROUTER))


def _lost_guests(document: Document, guests: Mapping[str, Any]) -> list[str]:
    known = {guest.name for guest in document.guests}
    known |= {_names.tap(guest.name, index) for guest in document.guests for index, _nic in enumerate(guest.nics)}
    return sorted(guests.keys() - known)


def _lost_routers(document: Document, routers: list[str]) -> list[str]:
    return [name for name in routers if document.router(name) is None]


def _listed(names: list[str]) -> str:
    shown = [called(name) for name in sorted(names)[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
