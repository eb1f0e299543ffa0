# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""IPv6 of the host's devices that are ports of Open vSwitch: off while they are, and given back when they leave.

The userspace datapath takes a frame for a tunnel packet whenever it is about to leave by a port that has an IP address,
and each device that is up has a link-local one, unless IPv6 is off on it.

Open_vSwitch.external_ids holds a record of each device on which IPv6 was switched off, with its owner. It is written
before that, and removed after IPv6 is on again.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _references
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _ovsdb
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links import _leg
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _ovs
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node

_RECORD = _ovs.RESERVED + "ipv6-"


def is_on(node: Node, name: str) -> bool:
    """Tell whether a device of the host is there and has IPv6."""
    return bool(node.netlink.ipv6(None, name))


def is_used(node: Node, name: str) -> bool:
    """Tell whether somebody has given the device an IPv6 address, which it would lose."""
    return is_on(node, name) and any(":" in address.local for address in _leg.addresses(node, None, name))


def is_declared(node: Node, name: str) -> bool:
    """Tell whether this run wants IPv6, or an IPv6 address, on the device."""
    wanted = [*node.coming(_references.interface(None, name)), *node.coming(_references.settings(None, name))]
    return any(item.get("ipv6") or any(":" in address for address in item.get("addresses") or ()) for item in wanted)


def switching(node: Node, name: str, on: bool) -> Iterable[_engine.Operation]:
    """Return the operation that switches IPv6.

    It is off before the device becomes a port, unless that has an address that another one may be about to get.
    """
    late = on or is_used(node, name)
    yield _engine.Operation(
        _engine.Stage.ADDRESS if late else _engine.Stage.TAKE_ADDRESS,
        f"switch IPv6 of {name} {'on' if on else 'off'}",
        partial(switch, node, name, on),
        {"ipv6": {"before": not on, "after": on}},
        predict=partial(node.netlink.predict_ipv6, None, name, on),
    )


def switch(node: Node, name: str, on: bool) -> None:
    """Switch IPv6 of a device that is there, and see to the record of it."""
    if not on:
        _write_record(node, name, node.settings.owner)
    node.netlink.set_link(None, name, ipv6=on)
    if on:
        _write_record(node, name, None)


def returning(node: Node, names: Iterable[str]) -> Iterable[_engine.Operation]:
    """Return the operations that give devices which stop being ports their IPv6 back, where it was taken.

    A device that gets an IPv6 address back from a bridge that goes has it before.
    """
    for name in names:
        if _owner(node, name) is not None:
            predict = None
            if node.netlink.ipv6(None, name) is not None:
                predict = partial(node.netlink.predict_ipv6, None, name, True)
            stage = _engine.Stage.VLAN if is_declared(node, name) else _engine.Stage.INTERFACE
            yield _engine.Operation(stage, f"give {name} IPv6 back", partial(give_back, node, name), predict=predict)


def left_behind(node: Node) -> dict[str, str]:
    """Return the owners of records whose device is no port, by device: a run was cut off before it gave IPv6 back."""
    ids = node.ovsdb.root.external_ids if node.ovsdb.installed else {}
    names = {key[len(_RECORD) :]: owner for key, owner in ids.items() if key.startswith(_RECORD)}
    return {name: owner for name, owner in names.items() if node.ovsdb.find("Interface", name) is None}


def give_back(node: Node, name: str) -> None:
    """Switch IPv6 on where it was taken, unless the device has gone."""
    if _owner(node, name) is None:
        return
    if node.netlink.ipv6(None, name) is not None:
        node.netlink.set_link(None, name, ipv6=True)
    _write_record(node, name, None)


def adopt(node: Node, names: Iterable[str]) -> None:
    """Write this run's owner into the records of devices, with the coming transaction."""
    keys = {_RECORD + name for name in names}

    def change(batch: _ovsdb.Batch) -> None:
        ids = dict(batch.root.external_ids)
        taken = dict.fromkeys(keys & ids.keys(), node.settings.owner)
        if taken:
            batch.root.external_ids = {**ids, **taken}

    node.ovsdb.change(change)


def _owner(node: Node, name: str) -> Optional[str]:
    owner: Optional[str] = node.ovsdb.root.external_ids.get(_RECORD + name)
    return owner


def _write_record(node: Node, name: str, owner: Optional[str]) -> None:
    key = _RECORD + name
    if (_owner(node, name) is None) == (owner is None):
        return

    def change(batch: _ovsdb.Batch) -> None:
        if owner is not None:
            batch.root.setkey("external_ids", key, owner)
        elif key in batch.root.external_ids:
            batch.root.delkey("external_ids", key)

    node.ovsdb.change(change)
    node.ovsdb.commit()
