# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``link_unmanaged``: that the host's own network managers leave an interface alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _carrier, _engine, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._uplinks import _uplink_layout
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec


class LinkUnmanaged(_engine.Kind):
    """See plugins/modules/link_unmanaged.py. The finding ``stale`` names managers that have not been told."""

    name = "link_unmanaged"
    turn = _engine.Turn.SERVICE
    options = {
        "name": _options.Option(required=True, canonical=values.interface_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
    }

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return which managers have not been told. Where the host has none, nothing is missing."""
        name, managers = want["name"], node.link_managers
        stale = managers.stale(name) if want["state"] == "present" else []
        if not managers.told(name) and (stale or want["state"] == "absent"):
            return None
        return {"name": name, "stale": stale}

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """All managers in use have been told."""
        return {"name": want["name"], "stale": []}

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """They are told when all else is done, since some take along the addresses that they gave to the interface."""
        if desired is None:
            gone = (have or {})["name"]
            yield _engine.Operation(_engine.Stage.SERVICE, "delete", lambda: node.link_managers.give_back(gone))
            return
        name = desired["name"]
        yield _engine.Operation(
            _engine.Stage.SERVICE,
            "update" if have else "create",
            lambda: _release(node, name),
            _engine.differences(have, desired),
        )

    def disturbs(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_carrier.Disturbance]:
        """systemd-networkd and NetworkManager take along the addresses that they gave to the interface."""
        if desired is not None:
            name = desired["name"]
            deed = f"have the host's network manager let go of {name}, which loses its addresses"
            yield _carrier.Disturbance(name, deed, layer3=True)

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner that the files name."""
        return node.link_managers.owner(want["name"])

    def adopt(self, node: Node, want: Spec) -> None:
        """Write the owner into the files; the managers need not know."""
        node.link_managers.adopt(want["name"], node.settings.owner)

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the interfaces that are told of with the owner's mark, less those that bridge_uplink sees to."""
        for name in node.link_managers.owned(owner):
            uplink = _references.uplink(name)
            told_of = node.coming(uplink) or node.going(uplink)
            if _uplink_layout.read_kept(node.files, name) is None and not told_of:
                yield {"name": name, "state": "absent"}


def _release(node: Node, name: str) -> None:
    """Have the managers let go, and the interface keep its state and MTU, which NetworkManager takes back with it."""
    node.netlink.forget()
    before = node.netlink.link(None, name)
    node.link_managers.release(name, node.settings.owner)
    node.netlink.forget()
    after = node.netlink.link(None, name)
    if before is not None and after is not None:
        changes = {key: getattr(before, key) for key in ("mtu", "up") if getattr(before, key) != getattr(after, key)}
        if changes:
            node.netlink.set_link(None, name, **changes)
