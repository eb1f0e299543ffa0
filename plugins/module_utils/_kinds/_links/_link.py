# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What the kinds that make links have in common: Linux bridges, bonds and VLAN interfaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _carrier, _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _netlink_model
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links import _leg
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

IDENTITY = {
    "name": _options.Option(required=True, canonical=values.interface_name, role=_options.Role.IDENTITY),
    "namespace": _options.Option(canonical=values.object_name, role=_options.Role.IDENTITY),
    "state": _options.STATE,
}
COMMON = {
    "mtu": _options.Option(type="int", canonical=values.mtu),
    "mac": _options.Option(canonical=values.mac),
    "up": _options.Option(type="bool"),
}
_TITLES = {"bridge": "Linux bridge", "bond": "bond", "vlan": "VLAN interface"}
_DEPTH = 8  # links on top of one another that are followed in search of a loop


def place(want: Spec) -> tuple[Optional[str], str]:
    """Return namespace and name."""
    return want.get("namespace"), want["name"]


def find(node: Node, want: Spec, kind: str) -> Optional[_netlink_model.Link]:
    """Return the link that is meant, or None; raises Conflict when its name is that of something else."""
    link = node.netlink.link(*place(want))
    if link is not None and link.kind != kind:
        other = f"of kind {link.kind}" if link.kind else "a physical device"
        raise _errors.Conflict(
            f"an interface of that name is there and is no {_TITLES[kind]} but {other}; rename or remove it"
        )
    return link


def common(node: Node, want: Spec, link: _netlink_model.Link) -> Spec:
    """Return name, namespace and the options in COMMON of a link.

    The finding ``unfinished`` tells whether a killed run left it without its mark.
    """
    return {
        "name": link.name,
        "namespace": want["namespace"],
        "mtu": link.mtu,
        "up": link.up,
        "unfinished": link.unfinished(node.settings.owner),
        **({"mac": link.mac} if link.mac else {}),
    }


def provided(want: Spec) -> Iterable[tuple[_references.Reference, Spec]]:
    """Return the interface that a link is."""
    yield _references.interface(want["namespace"], want["name"]), want


def require_free(node: Node, want: Spec, name: str, role: str) -> None:
    """Raise Conflict for a link that cannot become a port or member of ``want``, or would take something with it."""
    namespace = want["namespace"]
    link = node.netlink.link(namespace, name)
    if link is None:
        return
    if link.upper or link.master:
        owner = f"in {link.master}" if link.master else "a port of Open vSwitch"
        raise _errors.Conflict(f"{role} {name} is {owner} already; take it out there first")
    if namespace is None and not link.kind and node.ovsdb.on_userspace_datapath(name):
        raise _errors.Conflict(f"{role} {name} is a port of Open vSwitch already; take it out there first")
    if _is_on(node, namespace, link, want["name"]):
        raise _errors.Conflict(f"{role} {name} is itself on top of {want['name']}, which makes a loop")
    addresses = _remaining_addresses(node, namespace, name)
    if addresses:
        raise _errors.Conflict(
            f"{role} {name} has the address {addresses[0]}, which nobody could reach there; give the address to "
            f"{want['name']} and take it from {name} with ip_interface first"
        )


def _is_on(node: Node, namespace: Optional[str], link: _netlink_model.Link, name: str) -> bool:
    """Tell whether a VLAN interface is on the link of that name, be it by others in between."""
    for _step in range(_DEPTH):
        found = node.netlink.peer(namespace, link, namespace) if link.kind == "vlan" else None
        if found is None or found[0] != namespace:
            return False
        link = found[1]
        if name in {link.name, link.master}:
            return True
    return False


def _remaining_addresses(node: Node, namespace: Optional[str], name: str) -> list[str]:
    """Return the addresses of an interface that this run does not take away."""
    settings = _references.settings(namespace, name)
    if node.going(settings) or any(declared["addresses"] == [] for declared in node.coming(settings)):
        return []
    return [address.cidr for address in _leg.addresses(node, namespace, name)]


def creation(node: Node, spec: Spec, options: Iterable[str]) -> Spec:
    """Return what a new link is made with: these options, and the group that marks it until it has its alias."""
    return {**given(spec, options), "group": _netlink_model.unfinished_group(node.settings.owner)}


def mark(node: Node) -> Spec:
    """Return what marks a link that this run has made."""
    return {"alias": _netlink_model.MARK + node.settings.owner, "group": 0}


def given(spec: Spec, options: Iterable[str]) -> Spec:
    """Return those of the options that the spec has."""
    return {option: spec[option] for option in options if option in spec}


def base(have: Optional[Spec], defaults: Spec) -> Spec:
    """Return what is there, overlaid with the defaults when a run that was killed did not get to set the rest."""
    return {**(have or {}), **(defaults if have is None or have["unfinished"] else {}), "unfinished": False}


def owned(node: Node, owner: str, kind: str) -> Iterable[Spec]:
    """Return the options that remove each marked link of the kind."""
    for namespace, links in node.netlink.everywhere():
        for link in links.values():
            if link.kind == kind and link.made_by(owner):
                yield {"name": link.name, "namespace": namespace, "state": "absent"}


def is_ours(node: Node, link: _netlink_model.Link) -> bool:
    """Tell whether a link bears this run's mark, or one that the run takes over."""
    return link.made_by(node.settings.owner) or node.takes(link.owner)


def owner_of(node: Node, want: Spec) -> str:
    """Return the owner of the link that is meant."""
    link = node.netlink.link(*place(want))
    return link.owner if link is not None else ""


def adopt(node: Node, want: Spec) -> None:
    """Mark the link that is meant."""
    node.netlink.set_link(*place(want), **mark(node))


def foreign_parts(node: Node, want: Spec) -> Iterable[str]:
    """Return the VLAN interfaces of others that are on a link."""
    for namespace, links in node.netlink.everywhere():
        for link in links.values():
            if link.kind != "vlan" or is_ours(node, link):
                continue
            parent = node.netlink.peer(namespace, link, want["namespace"])
            if parent is not None and (parent[0], parent[1].name) == place(want):
                yield link.name


def disturbed(have: Optional[Spec], desired: Optional[Spec], **decisive: bool) -> Iterable[_carrier.Disturbance]:
    """Return that a link of the root namespace goes, is shut, or is interrupted since a decisive option changes."""
    if have is None or have["namespace"] is not None:
        return
    name = have["name"]
    if desired is None:
        yield _carrier.Disturbance(name, f"remove {name}")
    elif have["up"] and not desired["up"]:
        yield _carrier.Disturbance(name, f"shut {name}")
    elif any(have.get(option) != desired.get(option) for option in decisive):
        yield _carrier.Disturbance(name, f"interrupt {name}")


def reattachment(node: Node, want: Spec) -> Iterable[_engine.Operation]:
    """Return the operation that tells the userspace datapath of Open vSwitch of a device that is made (anew)."""
    if want["namespace"] is None and node.ovsdb.on_userspace_datapath(want["name"]):
        yield _engine.Operation(_engine.Stage.OVSDB, "reattach", partial(node.ovsdb.reattach, want["name"]))


def predict(node: Node, have: Optional[Spec], desired: Spec, kind: str, **more: Any) -> None:
    """Tell the snapshot of a link as it will be, and of what it loses when it goes down."""
    netlink, (namespace, name) = node.netlink, place(desired)
    old = netlink.link(namespace, name) if have else None
    if old is not None and old.up and not desired["up"]:
        netlink.predict_down(namespace, name)
    attributes = {option: desired[option] for option in COMMON if option in desired}
    if old is None or old.unfinished(node.settings.owner):
        more.update(mark(node))
    link = replace(old or _netlink_model.Link(name, kind=kind), **{**attributes, **more})
    netlink.predict_link(namespace, link)


def predict_upper(node: Node, namespace: Optional[str], name: str, upper: str, **more: Any) -> None:
    """Tell the snapshot that a link joins another, or with an empty name that it leaves."""
    link = node.netlink.link(namespace, name)
    if link is not None:
        node.netlink.predict_link(namespace, replace(link, master=upper, upper=upper, **more))
