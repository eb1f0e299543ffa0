# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``link_bond``: several interfaces as one by the kernel's bonding (kernel documentation, networking/bonding)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional, cast

from ansible_collections.netvirt.fabric.plugins.module_utils import _carrier, _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links import _link
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_MODES = (  # by the kernel's numbers, as are the following
    "balance-rr",
    "active-backup",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
)
_RATES = ("slow", "fast")
_POLICIES = ("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac")
_LACP = "802.3ad"
_WITH_PRIMARY = ("active-backup", "balance-tlb", "balance-alb")
_WITH_MIIMON = (_LACP, "balance-tlb", "balance-alb")
_WORDS = {"mode": _MODES, "lacp_rate": _RATES, "xmit_hash_policy": _POLICIES}
_NUMBERS = ("miimon", "updelay", "downdelay", "min_links")
_ATTRIBUTE = {"lacp_rate": "bond_ad_lacp_rate"}  # others have the option's name
_MILLISECONDS = values.integer(0, 2**31 - 1)
_DEFAULTS: Spec = {
    "mode": "active-backup",
    "miimon": 100,  # the kernel's own 0 would never notice that a member is gone
    "updelay": 0,
    "downdelay": 0,
    "xmit_hash_policy": "layer2",
    "min_links": 0,
    "members": [],
    "mtu": 1500,
    "up": True,
}


class LinkBond(_engine.Kind):
    """See plugins/modules/link_bond.py for the meaning of the options."""

    name = "link_bond"
    turn = _engine.Turn.BOND
    options = {
        **_link.IDENTITY,
        "mode": _options.Option(choices=_MODES),
        "members": _options.Option(
            type="list", elements="str", canonical=values.unique(values.interface_name, key=str)
        ),
        "miimon": _options.Option(type="int", canonical=_MILLISECONDS),
        "updelay": _options.Option(type="int", canonical=_MILLISECONDS),
        "downdelay": _options.Option(type="int", canonical=_MILLISECONDS),
        "lacp_rate": _options.Option(choices=_RATES),
        "xmit_hash_policy": _options.Option(choices=_POLICIES),
        "primary": _options.Option(canonical=lambda name: name and values.interface_name(name)),
        "min_links": _options.Option(type="int", canonical=_MILLISECONDS),
        **_link.COMMON,
    }

    def check(self, want: Spec) -> None:
        """A bond is no member of itself."""
        if want["name"] in (want["members"] or ()):
            raise _errors.InvalidValue("members must not hold the bond itself, which makes a loop")

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the bond; what means nothing in its mode is not shown."""
        link = _link.find(node, want, "bond")
        if link is None:
            return None
        have = _link.common(node, want, link)
        for option in _NUMBERS:
            have[option] = link.data[f"bond_{option}"]
        for option, words in _WORDS.items():
            number = link.data.get(_attribute(option))
            if number is not None and number < len(words):
                have[option] = words[number]
        members = [item for item in node.netlink.links(want["namespace"]).values() if item.master == link.name]
        have["members"] = sorted(item.name for item in members)
        primary = link.data.get("bond_primary")
        have["primary"] = next((item.name for item in members if item.index == primary), "")
        return _fitting(have)

    def provides(self, want: Spec) -> Iterable[tuple[_references.Reference, Spec]]:
        """An interface."""
        return _link.provided(want)

    def requires(self, want: Spec) -> Iterable[_references.Reference]:
        """Its members are other interfaces."""
        yield from super().requires(want)
        yield from (_references.interface(want["namespace"], member) for member in want["members"] or ())

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Raise an error for options that the mode does not have, and members that cannot join."""
        own = {key: value for key, value in want.items() if value is not None and key != "state"}
        both: Spec = {"name": want["name"], "namespace": want["namespace"], **_link.base(have, _DEFAULTS), **own}
        if both["mode"] == _LACP:
            both.setdefault("lacp_rate", "slow")
        both.setdefault("primary", "")
        if both["primary"] not in both["members"] and want["primary"] is None:
            both["primary"] = ""  # it leaves
        result = _fitting(both)
        _check(want, result)
        there = have["members"] if have else []
        for member in result["members"]:
            if member not in there:
                _link.require_free(node, want, member, "member")
                _check_member(node, want, member)
        if there != result["members"] and "mac" not in own:
            result.pop("mac", None)  # a bond takes that of its first member
        return result

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """A bond is changed in place; it goes down for a moment where the kernel asks for that."""
        if desired is None:
            old = cast(Spec, have)  # not both are None
            yield _engine.Operation(
                _engine.Stage.DROP_LINK, "delete", lambda: _delete(node, old), predict=lambda: _predict_gone(node, old)
            )
            return
        changes = _engine.differences(have, desired)
        if have is not None:
            yield _engine.Operation(
                _engine.Stage.BOND,
                "update",
                lambda: _update(node, have, desired, changes),
                changes,
                lambda: _predict(node, have, desired),
            )
            return
        yield _engine.Operation(
            _engine.Stage.BOND, "create", lambda: _create(node, desired), predict=lambda: _predict(node, None, desired)
        )
        yield from _link.reattachment(node, desired)

    def disturbs(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_carrier.Disturbance]:
        """A bond goes down for a new mode and without members; a member goes down when it joins."""
        yield from _link.disturbed(have, desired, mode=True)
        before, after = set((have or {}).get("members", ())), set((desired or {}).get("members", ()))
        if desired is None or desired["namespace"] is None:
            if before and desired is not None and not before & after:
                yield _carrier.Disturbance(desired["name"], "take all members out of the bond")
            for member in after - before:
                yield _carrier.Disturbance(member, f"take {member} into the bond")

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the marked bonds."""
        return _link.owned(node, owner, "bond")

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner that its alias names."""
        return _link.owner_of(node, want)

    def adopt(self, node: Node, want: Spec) -> None:
        """Mark it."""
        _link.adopt(node, want)

    def foreign_parts(self, node: Node, want: Spec) -> Iterable[str]:
        """Return the VLAN interfaces of others that are on it; its members lose nothing."""
        return _link.foreign_parts(node, want)


def _attribute(option: str) -> str:
    return _ATTRIBUTE.get(option, f"bond_{option}")


def _fitting(spec: Spec) -> Spec:
    """Return a bond without what means nothing in its mode."""
    unfit = set()
    if spec["mode"] != _LACP:
        unfit.add("lacp_rate")
    if spec["mode"] not in _WITH_PRIMARY:
        unfit.add("primary")
    return {option: value for option, value in spec.items() if option not in unfit}


def _check(want: Spec, result: Spec) -> None:
    mode, miimon = result["mode"], result["miimon"]
    if want["lacp_rate"] is not None and mode != _LACP:
        raise _errors.InvalidValue(f"lacp_rate means nothing in mode {mode}; it needs {_LACP}")
    if want["primary"] and mode not in _WITH_PRIMARY:
        raise _errors.InvalidValue(f"primary means nothing in mode {mode}; it needs {', '.join(_WITH_PRIMARY)}")
    if want["primary"] and want["primary"] not in result["members"]:
        raise _errors.InvalidValue(f"primary {want['primary']} must be one of the members")
    if not miimon and mode in _WITH_MIIMON:
        raise _errors.InvalidValue(f"miimon must not be 0 in mode {mode}, which needs it")
    for option in ("updelay", "downdelay"):
        if result[option] and (not miimon or result[option] % miimon):
            raise _errors.InvalidValue(f"{option} must be a multiple of miimon ({miimon}), not {result[option]}")


def _check_member(node: Node, want: Spec, member: str) -> None:
    link = node.netlink.link(want["namespace"], member)
    if link is not None and (member == "lo" or link.kind in ("bond", "bridge")):
        raise _errors.Conflict(f"member {member} cannot be part of a bond; only NICs and links like them can")


def _data(spec: Spec) -> dict[str, Any]:
    """Return options of the bond in the backend's words. Delays count in intervals, so they go with miimon."""
    words = {_attribute(option): names.index(spec[option]) for option, names in _WORDS.items() if option in spec}
    return {**words, **{_attribute(option): spec[option] for option in _NUMBERS if option in spec}}


def _create(node: Node, desired: Spec) -> None:
    place = _link.place(desired)
    data = _data(desired)
    node.netlink.add_device(place, "bond", data, _link.creation(node, desired, ("mac", "mtu")))
    node.netlink.set_data(*place, "bond", data)  # for the one that was there when the module was loaded
    node.netlink.set_link(*place, **{**_link.mark(node), **_link.given(desired, ("mac", "mtu"))})
    for member in desired["members"]:
        _enslave(node, desired, member)
    if desired.get("primary"):
        node.netlink.set_primary(*place, desired["primary"])
    node.netlink.set_link(*place, up=desired["up"])


def _enslave(node: Node, bond: Spec, member: str) -> None:
    """Add a member. The kernel takes only what is down, and brings it up itself."""
    node.netlink.set_link(bond["namespace"], member, up=False)
    node.netlink.set_link(bond["namespace"], member, master=bond["name"])


def _release(node: Node, bond: Spec, member: str) -> None:
    """Let a member go: the kernel gives it back its MAC address and MTU but leaves it down."""
    node.netlink.set_link(bond["namespace"], member, master="")
    node.netlink.set_link(bond["namespace"], member, up=True)


def _update(node: Node, have: Spec, desired: Spec, changes: dict[str, Any]) -> None:
    """Change what differs: a new mode wants a bond without members, a new rate one that is down."""
    place = _link.place(desired)
    up, wanted = have["up"], desired["members"]
    staying = [] if "mode" in changes else [member for member in have["members"] if member in wanted]
    for member in have["members"]:
        if member not in staying:
            _release(node, desired, member)
    if up and ("mode" in changes or "lacp_rate" in changes):
        node.netlink.set_link(*place, up=False)
        up = False
    options = set(changes) | ({"updelay", "downdelay"} if "miimon" in changes else set())
    data = _data({option: desired[option] for option in options if option in desired})
    if data:
        node.netlink.set_data(*place, "bond", data)
    attributes = _link.given(desired, [option for option in ("mac", "mtu") if option in changes])
    if "unfinished" in changes:
        attributes.update(_link.mark(node))
    if attributes:
        node.netlink.set_link(*place, **attributes)
    for member in wanted:
        if member not in staying:
            _enslave(node, desired, member)
    if "primary" in desired and ("primary" in changes or "mode" in changes):
        node.netlink.set_primary(*place, desired["primary"])
    if up != desired["up"]:
        node.netlink.set_link(*place, up=desired["up"])


def _delete(node: Node, have: Spec) -> None:
    for member in have["members"]:
        _release(node, have, member)
    node.netlink.delete_link(*_link.place(have))


def _predict(node: Node, have: Optional[Spec], desired: Spec) -> None:
    """A member that joins loses what an interface loses when it goes down, as does a bond that changes its mode."""
    namespace, name = _link.place(desired)
    if have and have["up"] and any(have.get(option) != desired.get(option) for option in ("mode", "lacp_rate")):
        node.netlink.predict_down(namespace, name)
    _link.predict(node, have, desired, "bond")
    before = set(have["members"]) if have else set()
    for member in before - set(desired["members"]):
        _link.predict_upper(node, namespace, member, "")
    for member in desired["members"]:
        if member not in before and node.netlink.link(namespace, member) is not None:
            node.netlink.predict_down(namespace, member)
            _link.predict_upper(node, namespace, member, name, up=True)


def _predict_gone(node: Node, have: Spec) -> None:
    namespace, name = _link.place(have)
    for member in have["members"]:
        _link.predict_upper(node, namespace, member, "")
    node.netlink.predict_no_link(namespace, name)
