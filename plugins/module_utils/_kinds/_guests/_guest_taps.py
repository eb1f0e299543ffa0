# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The tap devices of a guest.

They outlive it, since Open vSwitch in userspace does not notice that a device is another one of that name. The alias
of a device names its guest. Its guest's user alone may open it, so that it is of no use to other guests.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _accounts
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _sysctl, _taps
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests import _guest_values as guest
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _ovs
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_MARK = "netvirt-guest:"


def with_mtus(node: Node, interfaces: Iterable[Spec]) -> list[Spec]:
    """Return interfaces with the MTUs that their devices have; one that is missing has what it was told."""
    links = node.netlink.links(None)
    return [{**item, "mtu": links[item["tap"]].mtu if item["tap"] in links else item["mtu"]} for item in interfaces]


def check(node: Node, name: str, interfaces: Iterable[Spec]) -> None:
    """Raise Conflict for a device that is there and not this guest's."""
    for item in interfaces:
        link = node.netlink.link(None, item["tap"])
        if link is not None and link.alias not in ("", _MARK + name):
            raise _errors.Conflict(f"the device {item['tap']} is there and is not this guest's; remove or rename it")


def faults(node: Node, name: str, interfaces: Iterable[Spec]) -> list[str]:
    """Return the devices that are not quite as they should be, and those that the guest has beyond these."""
    names = [item["tap"] for item in interfaces]
    return sorted({tap for tap in names if not _is_sound(node, name, tap)} | set(_marked(node, name)) - set(names))


def lost(name: str, interfaces: Iterable[Spec]) -> list[str]:
    """Return the devices that its user cannot open: they are missing, or another's."""
    account = _accounts.find(guest.account(name), guest.comment(name))
    uid = account.pw_uid if account else None
    return sorted(item["tap"] for item in interfaces if uid is None or _taps.owner(item["tap"]) != uid)


def _is_sound(node: Node, name: str, tap: str) -> bool:
    link = node.netlink.link(None, tap)
    if link is None or not link.up or link.alias != _MARK + name:
        return False
    settings = _settings(tap)
    return all(found in (None, settings[key]) for key, found in node.netlink.read_sysctls(None, settings).items())


def _settings(tap: str) -> dict[str, str]:
    """The node is no party on the guest's network, on none of its addresses."""
    return {
        _sysctl.for_interface("ipv4", tap, "arp_ignore"): "8",
        _sysctl.for_interface("ipv6", tap, "disable_ipv6"): "1",
    }


def _marked(node: Node, name: str) -> list[str]:
    return [link.name for link in node.netlink.links(None).values() if link.alias == _MARK + name]


def operations(node: Node, name: str, interfaces: list[Spec]) -> Iterable[_engine.Operation]:
    """Return what gives a guest that is off these devices and no others."""
    surplus = sorted(set(_marked(node, name)) - {item["tap"] for item in interfaces})
    for tap in surplus:
        delete = partial(node.netlink.delete_link, None, tap)
        predict = partial(node.netlink.predict_no_link, None, tap)
        yield _engine.Operation(_engine.Stage.DROP_LINK, f"remove {tap}", delete, predict=predict)
    mtus = [item["mtu"] for item in with_mtus(node, interfaces)]
    wrong = {*faults(node, name, interfaces), *lost(name, interfaces)} - set(surplus)
    if wrong or mtus != [item["mtu"] for item in interfaces]:
        yield _engine.Operation(_engine.Stage.LINK, "devices", partial(_make, node, name, interfaces))
    for item in interfaces:
        tap = item["tap"]
        if node.netlink.link(None, tap) is None and _is_held(node, tap):
            yield _engine.Operation(_engine.Stage.OVSDB, f"reattach {tap}", partial(_reattach, node, tap))


def _is_held(node: Node, tap: str) -> bool:
    """Tell whether the userspace datapath of Open vSwitch still has the device of that name, which is gone."""
    if not node.ovsdb.on_userspace_datapath(tap):
        return False
    row = node.ovsdb.find("Interface", tap)
    return row is not None and _ovs.optional(row.ofport, -1) > 0


def _reattach(node: Node, tap: str) -> None:
    """Have Open vSwitch open the new device, and bring that up again, as ``veth_pair`` does."""
    node.ovsdb.reattach(tap)
    node.netlink.set_link(None, tap, up=True)


def _make(node: Node, name: str, interfaces: Iterable[Spec]) -> None:
    account = _accounts.add(guest.account(name), guest.comment(name), node.settings.timeout)
    for item in interfaces:
        tap = item["tap"]
        if _taps.owner(tap) != account.pw_uid:
            _taps.make(tap, account.pw_uid)
        node.netlink.set_link(None, tap, alias=_MARK + name)
    tune(node, interfaces)


def tune(node: Node, interfaces: Iterable[Spec]) -> None:
    """Give devices their MTUs, and have them up, without the node on the other end."""
    for item in interfaces:
        tap = item["tap"]
        if _taps.owner(tap) is None:  # Somebody deleted it under a guest that may not restart.
            continue
        settings = _settings(tap)
        for key, found in node.netlink.read_sysctls(None, settings).items():
            if found is not None:  # the host may be without IPv6
                node.netlink.write_sysctl(None, key, settings[key])
        node.netlink.set_link(None, tap, mtu=item["mtu"], up=True)


def delete(node: Node, name: str) -> None:
    """Delete the devices of a guest that is off."""
    for tap in _marked(node, name):
        node.netlink.delete_link(None, tap)
