# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``link_vlan``: an interface for one VLAN of another interface (ip-link(8), type vlan)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional, cast

from ansible_collections.netvirt.fabric.plugins.module_utils import _carrier, _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces, _netlink_model
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links import _link
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_PROTOCOLS = {"802.1q": 0x8100, "802.1ad": 0x88A8}  # linux/if_ether.h
_NAMES = {number: name for name, number in _PROTOCOLS.items()}
_FIXED = ("parent", "parent_namespace", "vlan", "protocol")  # for the life of the interface
_DEFAULTS: Spec = {"protocol": "802.1q", "up": True}


class LinkVlan(_engine.Kind):
    """See plugins/modules/link_vlan.py for the meaning of the options."""

    name = "link_vlan"
    turn = _engine.Turn.LINK
    options = {
        **_link.IDENTITY,
        "parent": _options.Option(canonical=values.interface_name),
        "parent_namespace": _options.Option(canonical=values.object_name),
        "vlan": _options.Option(type="int", canonical=values.vlan_id),
        "protocol": _options.Option(choices=tuple(_PROTOCOLS)),
        **_link.COMMON,
    }

    def check(self, want: Spec) -> None:
        """A VLAN is of something else."""
        if want["parent"] is None and want["parent_namespace"] is not None:
            raise _errors.InvalidValue("parent_namespace is of no use without parent")
        if (want["parent_namespace"], want["parent"]) == (want["namespace"], want["name"]):
            raise _errors.InvalidValue("parent must be another interface than the one that is made")

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the interface; a parent in a namespace that has no name is not shown."""
        link = _link.find(node, want, "vlan")
        if link is None:
            return None
        parent = node.netlink.peer(want["namespace"], link, want["parent_namespace"])
        return {
            **_link.common(node, want, link),
            "parent": parent[1].name if parent else None,
            "parent_namespace": parent[0] if parent else None,
            "vlan": link.data["vlan_id"],
            "protocol": _NAMES[link.data["vlan_protocol"]],
        }

    def provides(self, want: Spec) -> Iterable[tuple[_references.Reference, Spec]]:
        """An interface."""
        return _link.provided(want)

    def requires(self, want: Spec) -> Iterable[_references.Reference]:
        """It is on another interface."""
        yield from super().requires(want)
        if want["parent"] is not None:
            yield _references.interface(want["parent_namespace"], want["parent"])

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Only an interface of our own is made anew for another VLAN or parent."""
        own = {key: want[key] for key in ("vlan", "protocol", *_link.COMMON) if want[key] is not None}
        if want["parent"] is not None:
            own.update(parent=want["parent"], parent_namespace=want["parent_namespace"])
        result: Spec = {"name": want["name"], "namespace": want["namespace"], **_link.base(have, _DEFAULTS), **own}
        missing = [option for option in ("parent", "vlan") if result.get(option) is None]
        if missing and have is None:
            raise _errors.InvalidValue(f"{' and '.join(missing)} must be given to make it")
        if have is None or _differ(have, result):
            if have is not None:
                _require_ours(node, want)
                for option in ("mtu", "mac"):  # of the new parent
                    if option not in own:
                        result.pop(option, None)
            _require_parent(node, result)
            _require_unused(node, want, result)
        if "mtu" in own or have is None:
            _check_mtu(node, result)
        _require_carrier(node, have, result)
        return result

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """It goes up at once, or when its parent has been brought up by this run."""
        if desired is None:
            place = _link.place(cast(Spec, have))  # not both are None
            yield _engine.Operation(
                _engine.Stage.DROP_LINK,
                "delete",
                lambda: node.netlink.delete_link(*place),
                predict=lambda: node.netlink.predict_no_link(*place),
            )
            return
        changes = _engine.differences(have, desired)
        if have is not None and not _differ(have, desired):
            attributes = {option: value["after"] for option, value in changes.items() if option in _link.COMMON}
            if "unfinished" in changes:
                attributes.update(_link.mark(node))
            yield _engine.Operation(
                _engine.Stage.ADDRESS if _waits(node, desired) else _engine.Stage.VLAN,
                "update",
                lambda: node.netlink.set_link(*_link.place(desired), **attributes),
                changes,
                lambda: _link.predict(node, have, desired, "vlan"),
            )
            return
        waits = desired["up"] and _waits(node, desired)
        yield _engine.Operation(
            _engine.Stage.VLAN,
            "recreate" if have else "create",
            lambda: _create(node, have, desired, waits),
            changes,
            lambda: _predict(node, have, desired),
        )
        if waits:
            yield _engine.Operation(
                _engine.Stage.ADDRESS, "set up", lambda: node.netlink.set_link(*_link.place(desired), up=True)
            )
        yield from _link.reattachment(node, desired)

    def disturbs(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_carrier.Disturbance]:
        """An interface that is made anew loses all it has."""
        yield from _link.disturbed(have, desired, **dict.fromkeys(_FIXED, True))

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the marked interfaces."""
        return _link.owned(node, owner, "vlan")

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner that its alias names."""
        return _link.owner_of(node, want)

    def adopt(self, node: Node, want: Spec) -> None:
        """Mark it."""
        _link.adopt(node, want)

    def foreign_parts(self, node: Node, want: Spec) -> Iterable[str]:
        """Return the VLAN interfaces of others that are on it."""
        return _link.foreign_parts(node, want)


def _differ(have: Spec, desired: Spec) -> bool:
    return any(have[option] != desired[option] for option in _FIXED)


def _parent(spec: Spec) -> tuple[Optional[str], str]:
    return spec["parent_namespace"], spec["parent"]


def _parent_link(node: Node, spec: Spec) -> Optional[_netlink_model.Link]:
    return node.netlink.link(*_parent(spec)) if spec["parent"] else None


def _require_ours(node: Node, want: Spec) -> None:
    link = cast(_netlink_model.Link, node.netlink.link(*_link.place(want)))  # it was observed
    if not _link.is_ours(node, link):
        raise _errors.Conflict(
            f"it is another VLAN or has another parent, and was not made by the owner {node.settings.owner}; "
            f"remove it first: ip link delete {link.name}"
        )


def _require_parent(node: Node, result: Spec) -> None:
    namespace, name = _parent(result)
    link = node.netlink.link(namespace, name)
    if name == "lo" or (link is not None and link.kind == "vlan" and _parent(result) == _link.place(result)):
        raise _errors.InvalidValue(f"parent {name} has no VLANs")


def _require_unused(node: Node, want: Spec, result: Spec) -> None:
    """Raise Conflict when the parent has the VLAN already, under another name."""
    number = _PROTOCOLS[result["protocol"]]
    for namespace in dict.fromkeys((want["namespace"], result["parent_namespace"])):
        for link in node.netlink.links(namespace).values():
            if (link.data.get("vlan_id"), link.data.get("vlan_protocol")) != (result["vlan"], number):
                continue
            parent = node.netlink.peer(namespace, link, result["parent_namespace"])
            known = parent is not None and (parent[0], parent[1].name) == _parent(result)
            if (
                known
                and (namespace, link.name) != _link.place(want)
                and not node.going(_references.interface(namespace, link.name))
            ):
                raise _errors.Conflict(
                    f"VLAN {result['vlan']} of {result['parent']} is there already as "
                    f"{link.name}{_namespaces.where(namespace)}; "
                    "use that, or remove it first"
                )


def _check_mtu(node: Node, result: Spec) -> None:
    parent = _parent_link(node, result)
    if parent is None:
        return
    if result.setdefault("mtu", parent.mtu) > parent.mtu:
        raise _errors.InvalidValue(f"mtu {result['mtu']} is more than that of the parent {parent.name}, {parent.mtu}")


def _waits(node: Node, desired: Spec) -> bool:
    """Tell whether the parent is still down when the interface is made."""
    parent = _parent_link(node, desired)
    return parent is not None and not parent.up


def _require_carrier(node: Node, have: Optional[Spec], result: Spec) -> None:
    """Raise Conflict when the interface should go up on a parent that stays down."""
    if not result["up"] or (have is not None and have["up"]) or not _waits(node, result):
        return
    namespace, name = _parent(result)
    if not any(item["up"] for item in node.coming(_references.settings(namespace, name))):
        raise _errors.Conflict(
            f"parent {name} is down, and so is what is on it; set it up with ip_interface, or give up: false"
        )


def _create(node: Node, have: Optional[Spec], desired: Spec, waits: bool) -> None:
    place = _link.place(desired)
    if have is not None:
        node.netlink.delete_link(*place)
    data = {"vlan_id": desired["vlan"], "vlan_protocol": _PROTOCOLS[desired["protocol"]]}
    node.netlink.add_device(place, "vlan", data, _link.creation(node, desired, ("mtu", "mac")), _parent(desired))
    node.netlink.set_link(*place, **_link.mark(node), up=desired["up"] and not waits)


def _predict(node: Node, have: Optional[Spec], desired: Spec) -> None:
    """A new interface has no addresses, whatever its name had before."""
    if have is not None:
        node.netlink.predict_no_link(*_link.place(desired))
    data = {"vlan_id": desired["vlan"], "vlan_protocol": _PROTOCOLS[desired["protocol"]]}
    _link.predict(node, None, desired, "vlan", peer=_parent(desired), data=data)
