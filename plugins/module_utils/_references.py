# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""References between objects of different kinds.

A reference names something on the node by its sort, not by the kind that makes it. Kinds say which references their
objects provide and require. So a kind that needs an interface does not know the kinds that make interfaces.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors

if TYPE_CHECKING:
    from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node


class Sort(enum.Enum):
    """What is referred to. The value is its name in messages."""

    NAMESPACE = "namespace"
    INTERFACE = "interface"
    LINUX_BRIDGE = "Linux bridge"
    BRIDGE = "bridge"  # of Open vSwitch, fake bridges included
    PORT = "port"  # row of Open vSwitch
    PORT_INTERFACE = "interface of a port"  # row of Open vSwitch
    TUNNEL = "tunnel"  # a single one, or a mesh
    TAP = "tap"  # is made when its guest starts, after everything else
    UPLINK = "uplink"  # a NIC that was moved into a bridge
    SETTINGS = "settings"  # addresses and the like of an interface, whatever makes it


MAKERS = {
    Sort.NAMESPACE: ("netns_router",),
    Sort.INTERFACE: ("veth_pair", "linux_bridge", "link_bond", "link_vlan", "ovs_bridge", "ovs_port_vlan"),
    Sort.LINUX_BRIDGE: ("linux_bridge",),
    Sort.BRIDGE: ("ovs_bridge",),
}
"""The kinds that provide what others require, for messages."""


@dataclass(frozen=True)
class Reference:
    """Something on the node. ``namespace`` is None for the root namespace, and for what is in none."""

    sort: Sort
    name: str
    namespace: Optional[str] = None

    def __str__(self) -> str:
        return f"{self.sort.value} {self.name}"


def namespace(name: str) -> Reference:
    """Return the reference to a network namespace."""
    return Reference(Sort.NAMESPACE, name)


def interface(inside: Optional[str], name: str) -> Reference:
    """Return the reference to a network interface in a namespace."""
    return Reference(Sort.INTERFACE, name, inside)


def linux_bridge(inside: Optional[str], name: str) -> Reference:
    """Return the reference to a Linux bridge in a namespace."""
    return Reference(Sort.LINUX_BRIDGE, name, inside)


def bridge(name: str) -> Reference:
    """Return the reference to a bridge of Open vSwitch."""
    return Reference(Sort.BRIDGE, name)


def port(name: str) -> Reference:
    """Return the reference to a port of Open vSwitch."""
    return Reference(Sort.PORT, name)


def port_interface(name: str) -> Reference:
    """Return the reference to an interface of a port of Open vSwitch, whether it is one of the node or not."""
    return Reference(Sort.PORT_INTERFACE, name)


def tunnel(name: str) -> Reference:
    """Return the reference to a tunnel or a mesh."""
    return Reference(Sort.TUNNEL, name)


def tap(name: str) -> Reference:
    """Return the reference to a guest's tap."""
    return Reference(Sort.TAP, name)


def uplink(name: str) -> Reference:
    """Return the reference to a NIC that was moved into a bridge."""
    return Reference(Sort.UPLINK, name)


def settings(inside: Optional[str], name: str) -> Reference:
    """Return the reference to the settings of an interface in a namespace."""
    return Reference(Sort.SETTINGS, name, inside)


_THERE: dict[Sort, Callable[[Node, Reference], bool]] = {
    Sort.NAMESPACE: lambda node, wanted: node.netlink.namespace_exists(wanted.name),
    Sort.INTERFACE: lambda node, wanted: node.netlink.link(wanted.namespace, wanted.name) is not None,
    Sort.LINUX_BRIDGE: lambda node, wanted: node.netlink.link(wanted.namespace, wanted.name) is not None,
    Sort.BRIDGE: lambda node, wanted: _bridge_exists(node, wanted.name),
}


def _bridge_exists(node: Node, name: str) -> bool:
    port_row = node.ovsdb.find("Port", name)
    return node.ovsdb.find("Bridge", name) is not None or (port_row is not None and bool(port_row.fake_bridge))


def will_be(node: Node, wanted: Reference) -> bool:
    """Tell whether something is on the node and stays, or is made by this run."""
    return bool(node.coming(wanted)) or (not node.going(wanted) and _THERE[wanted.sort](node, wanted))


def require(node: Node, wanted: Reference) -> None:
    """Raise Conflict for what neither is on the node nor is made by this run."""
    if wanted.namespace is not None:
        require(node, namespace(wanted.namespace))
    if not will_be(node, wanted):
        raise missing(node, wanted)


def missing(node: Node, *wanted: Reference, remedy: str = "") -> _errors.Conflict:
    """Return the error that something, or any one of several, is missing; ``remedy`` is one beside declaring it."""
    where = f" in namespace {wanted[0].namespace}" if wanted[0].namespace else ""
    found = "is removed in the same run" if any(map(node.going, wanted)) else f"does not exist{where}"
    *others, last = dict.fromkeys(maker for reference in wanted for maker in MAKERS[reference.sort])
    makers = f"{', '.join(others)} or {last}" if others else last
    return _errors.Conflict(f"{wanted[0]} {found}; declare it with {makers}{remedy}")
