# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``veth_pair``: two interfaces joined by a virtual wire, each in a namespace of its own choice (veth(4)).

The kernel removes both ends together, so half a pair is one whose other end was renamed or moved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Optional, cast

from ansible_collections.netvirt.fabric.plugins.module_utils import _carrier, _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces, _netlink_model
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links import _leg, _link
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_END = {
    "mtu": _options.Option(type="int", canonical=values.mtu),
    "mac": _options.Option(canonical=values.mac),
    "up": _options.Option(type="bool"),
    "master": _options.Option(canonical=lambda name: name and values.interface_name(name)),
    "tx_checksum": _options.Option(type="bool"),
    "ipv6": _options.Option(type="bool"),
}
_PEER = {
    "name": _options.Option(required=True, canonical=values.interface_name),
    "namespace": _options.Option(canonical=values.object_name),
    **_END,
}
_DEFAULTS: Spec = {"mtu": 1500, "up": True, "master": "", "tx_checksum": True}  # of a new end


@dataclass(frozen=True)
class End:
    """An end that is there."""

    namespace: Optional[str]
    link: _netlink_model.Link

    @property
    def place(self) -> tuple[Optional[str], str]:
        return self.namespace, self.link.name


@dataclass(frozen=True)
class Pair:
    """What is there of a pair; an end is None when it is in a namespace that has no name."""

    near: Optional[End]
    far: Optional[End]


def _place(end: Spec) -> tuple[Optional[str], str]:
    return end.get("namespace"), end["name"]


def _called(place: tuple[Optional[str], str]) -> str:
    return place[1] + _namespaces.where(place[0])


class VethPair(_engine.Kind):
    """See plugins/modules/veth_pair.py for the meaning of the options."""

    name = "veth_pair"
    turn = _engine.Turn.PAIR
    options = {
        "name": _options.Option(required=True, canonical=values.interface_name, role=_options.Role.IDENTITY),
        "namespace": _options.Option(canonical=values.object_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        **_END,
        "peer": _options.Option(type="dict", options=_PEER, partial=True),
    }

    def check(self, want: Spec) -> None:
        """A pair has two ends."""
        if want["peer"] is None:
            if want["state"] == "present":
                raise _errors.InvalidValue("peer is required; it names the other end")
        elif _place(want["peer"]) == _place(want):
            raise _errors.InvalidValue("peer must be another interface than the one it is the peer of")

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the pair, also when only its other end is where it should be.

        The finding ``unfinished`` tells whether a killed run left it without its mark.
        """
        pair = _find(node, want)
        if pair is None:
            return None
        if want["state"] == "absent" and want["peer"] is not None:
            _require_ours_unless_in_place(node, pair, want)
        unfinished = any(end is not None and end.link.unfinished(node.settings.owner) for end in (pair.near, pair.far))
        return {**_observed(node, pair.near), "peer": _observed(node, pair.far), "unfinished": unfinished}

    def provides(self, want: Spec) -> Iterable[tuple[_references.Reference, Spec]]:
        """Two interfaces."""
        for end in (want, want["peer"]):
            if end is not None:
                yield _references.interface(end["namespace"], end["name"]), end

    def requires(self, want: Spec) -> Iterable[_references.Reference]:
        """Each end is in a namespace, and may be a port of a Linux bridge there."""
        for end in (want, want["peer"]):
            yield from super().requires(end)
            if end["master"]:
                yield _references.linux_bridge(end["namespace"], end["master"])

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Names and namespaces are as given, and only our own pairs are renamed, moved or made anew for that."""
        pair = _find(node, want)
        for end in (want, want["peer"]):
            _check_master(node, end)
        if pair is None or pair.far is None or pair.far.place != _place(want["peer"]):
            _require_free(node, want["peer"])
        if pair is not None:
            _require_ours_unless_in_place(node, pair, want)
        old = have if have is not None and not have["unfinished"] else {"peer": {}}
        near, far = _desired(node, old, want), _desired(node, old["peer"], want["peer"])
        return {**near, "peer": far, "unfinished": False}

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """A pair is made, changed and removed as a whole; the userspace datapath is told of a new device."""
        changes = _engine.differences(have, desired, self.options)
        if have is not None and (desired is None or _loses_its_namespace(node, have)):
            gone = have
            yield _engine.Operation(
                _engine.Stage.DROP_LINK,
                "delete",
                lambda: _delete(node, gone),
                predict=lambda: _predict_gone(node, gone),
            )
            have = None
        if desired is None:
            return
        if have is None:
            yield _engine.Operation(
                _engine.Stage.LINK,
                "create",
                lambda: _create(node, desired),
                predict=lambda: _predict(node, None, desired),
            )
        elif "name" in have and "name" in have["peer"]:
            yield _engine.Operation(
                _engine.Stage.LINK,
                "update",
                lambda: _update(node, have, desired),
                changes,
                lambda: _predict(node, have, desired),
            )
        else:

            def recreate() -> None:
                _delete(node, have)
                _create(node, desired)

            def predict() -> None:
                _predict_gone(node, have)
                _predict(node, None, desired)

            yield _engine.Operation(_engine.Stage.LINK, "recreate", recreate, changes, predict)
        yield from _reattachments(node, have or {"peer": {}}, desired)

    def disturbs(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_carrier.Disturbance]:
        """Both ends go with a pair that is removed or made anew."""
        if have is None:
            return
        wanted: Spec = desired or {"peer": {}}
        half = "name" not in have or "name" not in have["peer"] or _loses_its_namespace(node, have)
        for old, new in ((have, wanted), (have["peer"], wanted["peer"])):
            if "name" not in old or old.get("namespace"):
                continue
            if desired is None or half or _place(old) != _place(new):
                yield _carrier.Disturbance(old["name"], f"remove or move {old['name']}")
            elif old["up"] and not new["up"]:
                yield _carrier.Disturbance(old["name"], f"shut {old['name']}")
            elif old["master"] != new["master"]:
                yield _carrier.Disturbance(old["name"], f"take {old['name']} into another bridge, or out of one")

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the marked pairs of which no end is that of a declared pair, which would change it."""
        known = {_place(end) for spec in node.declarations(self.name) for end in (spec, spec["peer"])}
        for namespace, links in node.netlink.everywhere():
            for link in links.values():
                if link.kind != "veth" or not link.made_by(owner) or (namespace, link.name) in known:
                    continue
                other = _other_end(node, namespace, link, None)
                if other is None or other.place not in known:
                    yield {"name": link.name, "namespace": namespace, "state": "absent"}
                known |= {(namespace, link.name), *([other.place] if other else [])}

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner of the pair, another one's before this run's where a run was cut off between the ends."""
        owners = {end.link.owner for end in _ends(node, want)}
        return min(owners, key=lambda owner: (owner in ("", node.settings.owner), owner), default="")

    def adopt(self, node: Node, want: Spec) -> None:
        """Mark both ends."""
        for end in _ends(node, want):
            node.netlink.set_link(*end.place, **_mark(node))


def _ends(node: Node, want: Spec) -> list[End]:
    """Return the ends that are there."""
    pair = _find(node, want)
    return [end for end in (pair.near, pair.far) if end is not None] if pair is not None else []


def _loses_its_namespace(node: Node, have: Spec) -> bool:
    """Tell whether this run removes a namespace that an end is in, and thereby the pair."""
    return any(
        node.going(_references.namespace(end["namespace"])) for end in (have, have["peer"]) if end.get("namespace")
    )


def _reattachments(node: Node, have: Spec, desired: Spec) -> Iterable[_engine.Operation]:
    """Return the operations for ends that come to be where a port of Open vSwitch waits for them."""
    half = "name" not in have or "name" not in have["peer"]
    for old, new in ((have, desired), (have["peer"], desired["peer"])):
        comes = half or _place(old) != _place(new)
        if comes and new.get("namespace") is None and node.ovsdb.on_userspace_datapath(new["name"]):
            yield _engine.Operation(_engine.Stage.OVSDB, "reattach", partial(_reattach, node, new))


def _reattach(node: Node, end: Spec) -> None:
    """Have Open vSwitch open the new device, and bring that up again.

    When ovs-vswitchd lets go of the old device, it sets the flags that it remembers of it by name, on the new one.
    """
    node.ovsdb.reattach(end["name"])
    if end["up"]:
        node.netlink.set_link(None, end["name"], up=True)


def _find(node: Node, want: Spec) -> Optional[Pair]:
    """Return what is there of the pair; raises Conflict when the name is that of something else."""
    peer = want["peer"] or {"namespace": None}
    near = node.netlink.link(want["namespace"], want["name"])
    if near is not None:
        if near.kind != "veth":
            raise _errors.Conflict(
                f"an interface of that name is there and is no veth{_kind(near)}; rename or remove it"
            )
        return Pair(End(want["namespace"], near), _other_end(node, want["namespace"], near, peer["namespace"]))
    far = node.netlink.link(peer["namespace"], peer["name"]) if "name" in peer else None
    if far is None or far.kind != "veth" or not _link.is_ours(node, far):
        return None
    other = _other_end(node, peer["namespace"], far, want["namespace"])
    if other is not None and node.declared("veth_pair", other.link.name, other.namespace) is not None:
        return None
    return Pair(other, End(peer["namespace"], far))


def _other_end(node: Node, namespace: Optional[str], link: _netlink_model.Link, guess: Optional[str]) -> Optional[End]:
    found = node.netlink.peer(namespace, link, guess)
    return End(*found) if found is not None else None


def _kind(link: _netlink_model.Link) -> str:
    return f" but of kind {link.kind}" if link.kind else ""


def _identity(end: Spec) -> Spec:
    """Return name and namespace; the root namespace is not shown."""
    return {key: end[key] for key in ("name", "namespace") if end.get(key) is not None}


def _observed(node: Node, end: Optional[End]) -> Spec:
    if end is None:
        return {}
    link = end.link
    result = {
        **_identity({"name": link.name, "namespace": end.namespace}),
        "mtu": link.mtu,
        "up": link.up,
        "master": link.master,
        "tx_checksum": node.netlink.tx_checksum(end.namespace, link),
        "ipv6": bool(node.netlink.ipv6(end.namespace, link.name)),
    }
    return {**result, "mac": link.mac} if link.mac else result


def _desired(node: Node, have: Spec, want: Spec) -> Spec:
    """Return an end as it will be. One that comes back to its place was shut down by the move, and goes up.

    IPv6 is as the namespace has it for new links, but off on a port of Open vSwitch, which must have no address.
    """
    own = {key: value for key, value in want.items() if key in _END and value is not None}
    old = {key: value for key, value in have.items() if key in _END}
    if "name" in have and _place(have) != _place(want):
        del old["up"]
        if have.get("namespace") != want.get("namespace"):  # which its bridge does not follow
            del old["master"]
            old.pop("ipv6", None)
    if min(end.get("mtu", _leg.IPV6_MIN_MTU) for end in (have, own)) < _leg.IPV6_MIN_MTU:
        old.pop("ipv6", None)  # it follows the MTU
    new = {"ipv6": False} if "name" not in have and _is_port(node, want) else {}
    return {**_identity(want), **_DEFAULTS, **new, **old, **own}


def _is_port(node: Node, end: Spec) -> bool:
    """Tell whether an end is, or will be, a port of Open vSwitch."""
    if end["namespace"] is not None:
        return False
    coming = node.coming(_references.port_interface(end["name"]))
    return any(item.get("type") in (None, "system") for item in coming) or node.ovsdb.is_port(end["name"])


def _check_master(node: Node, end: Spec) -> None:
    link = node.netlink.link(end["namespace"], end["master"]) if end["master"] else None
    if link is not None and link.kind != "bridge":
        raise _errors.Conflict(
            f"master {end['master']} is no Linux bridge; ports of Open vSwitch are made with ovs_port_vlan"
        )


def _require_free(node: Node, end: Spec) -> None:
    link = node.netlink.link(end["namespace"], end["name"])
    if link is None:
        return
    found = node.netlink.peer(end["namespace"], link) if link.kind == "veth" else None
    role = f"is the peer of {_called((found[0], found[1].name))}" if found else "is no part of this pair"
    raise _errors.Conflict(f"{_called(_place(end))} is there already and {role}; rename or remove it")


def _require_ours_unless_in_place(node: Node, pair: Pair, want: Spec) -> None:
    """Raise Conflict when the pair must be renamed, moved or made anew, and is somebody else's."""
    if pair.near is not None and pair.far is not None:
        if pair.near.place == _place(want) and pair.far.place == _place(want["peer"]):
            return
        for end in (pair.near, pair.far):
            declared = node.declared("veth_pair", end.link.name, end.namespace)
            if declared is not None and end.place != _place(want):
                raise _errors.Conflict(f"its other end is {_called(end.place)}, which is declared as a pair of its own")
    known = cast(End, pair.near or pair.far)
    if not _link.is_ours(node, known.link):
        peer = f"is {_called(pair.far.place)}" if pair.far else "is in a namespace without a name"
        raise _errors.Conflict(
            f"its peer {peer}, not {_called(_place(want['peer']))}, and the pair was not made by the owner "
            f"{node.settings.owner}; remove it first: ip link delete {known.link.name}"
        )


def _attributes(end: Spec) -> dict[str, Any]:
    return {key: value for key, value in end.items() if key in _END}


def _create(node: Node, desired: Spec) -> None:
    peer = desired["peer"]
    near, far = _attributes(desired), _attributes(peer)
    group = {"group": _netlink_model.unfinished_group(node.settings.owner)}
    node.netlink.add_veth(*_place(desired), *_place(peer), {**near, **group}, {**far, **group})
    for end, attributes in ((peer, far), (desired, near)):
        rest = {key: value for key, value in attributes.items() if key in _FRESH and value != _FRESH[key]}
        node.netlink.set_link(*_place(end), **{**_mark(node), **rest})


def _mark(node: Node) -> dict[str, Any]:
    return {"alias": _netlink_model.MARK + node.settings.owner, "group": 0}


# As the kernel makes an end; IPv6 is as the namespace has it for new links.
_FRESH: Spec = {"up": False, "master": "", "tx_checksum": True, "ipv6": None}


def _update(node: Node, have: Spec, desired: Spec) -> None:
    for old, new in ((have, desired), (have["peer"], desired["peer"])):
        attributes = {key: value for key, value in _attributes(new).items() if old.get(key) != value}
        if "mtu" in attributes and "ipv6" in new:  # with its MTU the kernel may switch IPv6 on
            attributes["ipv6"] = new["ipv6"]
        if have["unfinished"]:
            attributes.update(_mark(node))
        if _place(old) != _place(new):
            node.netlink.move_link(*_place(old), *_place(new), new["up"], attributes.get("mac", ""))
            attributes["up"] = new["up"]
            if new["master"]:
                attributes["master"] = new["master"]
        if attributes:
            node.netlink.set_link(*_place(new), **attributes)


def _delete(node: Node, have: Spec) -> None:
    node.netlink.delete_link(*_place(have if "name" in have else have["peer"]))


def _predict_gone(node: Node, have: Spec) -> None:
    for end in (have, have["peer"]):
        if "name" in end:
            node.netlink.predict_no_link(*_place(end))


def _predict(node: Node, have: Optional[Spec], desired: Spec) -> None:
    """Tell the snapshot of the pair as it will be, and of the addresses that a move or a shut-down costs."""
    alias = _netlink_model.MARK + node.settings.owner
    ends = ((have, desired, desired["peer"]), (have and have["peer"], desired["peer"], desired))
    for old, new, other in ends:
        if old is not None:
            alias = _predict_moved(node, old, new)
        known = node.netlink.link(*_place(new)) if old is not None and _place(old) == _place(new) else None
        link = replace(known or _netlink_model.Link(new["name"], kind="veth"), alias=alias, group=0, peer=_place(other))
        node.netlink.predict_link(new.get("namespace"), replace(link, **_attributes(new)))
        if old is not None and old.get("ipv6") and new.get("ipv6") is False:
            node.netlink.predict_ipv6(*_place(new), False)


def _predict_moved(node: Node, old: Spec, new: Spec) -> str:
    """Tell the snapshot what an end loses; return its alias."""
    link = cast(_netlink_model.Link, node.netlink.link(*_place(old)))  # it was observed
    if old.get("namespace") != new.get("namespace"):
        node.netlink.predict_no_link(*_place(old))
    elif old["name"] != new["name"]:
        node.netlink.predict_rename(old.get("namespace"), old["name"], new["name"])
    elif old["up"] and not new["up"]:
        node.netlink.predict_down(*_place(old))
    return _netlink_model.MARK + node.settings.owner if link.unfinished(node.settings.owner) else link.alias
