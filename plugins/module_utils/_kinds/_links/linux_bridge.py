# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``linux_bridge``: a bridge of the kernel (ip-link(8), type bridge) and the links that are its ports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional, cast

from ansible_collections.netvirt.fabric.plugins.module_utils import _carrier, _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links import _link
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _bridge_ports
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_TICKS = 100  # USER_HZ: the kernel tells times in hundredths of a second
_STP_DELAY = (2, 30)  # IEEE 802.1D-1998, table 8-3; the kernel refuses others while STP is on
_DEFAULTS: Spec = {"stp": False, "forward_delay": 15, "ageing_time": 300, "vlan_filtering": False, "up": True}
_MTU = 1500
_PVID = 1  # of a new bridge


class LinuxBridge(_engine.Kind):
    """See plugins/modules/linux_bridge.py for the meaning of the options."""

    name = "linux_bridge"
    turn = _engine.Turn.LINK
    options = {
        **_link.IDENTITY,
        "stp": _options.Option(type="bool"),
        "forward_delay": _options.Option(type="int", canonical=values.integer(0, 30)),
        "ageing_time": _options.Option(type="int", canonical=values.integer(0, 1_000_000)),
        "vlan_filtering": _options.Option(type="bool"),
        "vlan_default_pvid": _options.Option(type="int", canonical=values.integer(0, 4094)),
        **_link.COMMON,
        "ports": _bridge_ports.OPTION,
        "purge_ports": _options.Option(type="bool", default=False, role=_options.Role.POLICY),
    }

    def check(self, want: Spec) -> None:
        """A bridge is no port of itself."""
        if any(port["name"] == want["name"] for port in want["ports"] or ()):
            raise _errors.InvalidValue("ports must not hold the bridge itself, which makes a loop")

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the bridge with all its ports. Times that are no whole seconds are not shown."""
        link = _link.find(node, want, "bridge")
        if link is None:
            return None
        data = link.data
        have: Spec = {
            **_link.common(node, want, link),
            "stp": bool(data["br_stp_state"]),
            "vlan_filtering": bool(data["br_vlan_filtering"]),
        }
        for option in ("forward_delay", "ageing_time"):
            seconds, rest = divmod(data[f"br_{option}"], _TICKS)
            if not rest:
                have[option] = seconds
        if "br_vlan_default_pvid" in data:
            have["vlan_default_pvid"] = data["br_vlan_default_pvid"]
        ports = _bridge_ports.of(node, want, have["vlan_filtering"], have.get("vlan_default_pvid", _PVID))
        return {**have, "ports": ports}

    def provides(self, want: Spec) -> Iterable[tuple[_references.Reference, Spec]]:
        """An interface that is a bridge."""
        yield from _link.provided(want)
        yield _references.linux_bridge(want["namespace"], want["name"]), want

    def requires(self, want: Spec) -> Iterable[_references.Reference]:
        """Its ports are other interfaces."""
        yield from super().requires(want)
        yield from (_references.interface(want["namespace"], port["name"]) for port in want["ports"] or ())

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Ports keep what is not said of them. MTU and MAC address, unless set, follow the ports, and are not told."""
        own = {key: want[key] for key in (*_DEFAULTS, *_link.COMMON, "vlan_default_pvid") if want[key] is not None}
        result: Spec = {"name": want["name"], "namespace": want["namespace"], **_link.base(have, _DEFAULTS), **own}
        if result["stp"] and not _STP_DELAY[0] <= result.get("forward_delay", _STP_DELAY[0]) <= _STP_DELAY[1]:
            raise _errors.InvalidValue(f"forward_delay must be from 2 to 30 s with STP, not {result['forward_delay']}")
        _check_filtering(have, want, result)
        there = have["ports"] if have else []
        result["ports"] = _desired_ports(node, have, want, result)
        _bridge_ports.check(node, want, result["ports"])
        if there or result["ports"]:
            for option in ("mtu", "mac"):
                if option not in own:
                    result.pop(option, None)
        elif have is None:
            result.setdefault("mtu", _MTU)
        return result

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """A bridge is made before the links that may name it as their master, and gets its ports after them."""
        if desired is None:
            place = _link.place(cast(Spec, have))  # not both are None
            yield _engine.Operation(
                _engine.Stage.DROP_LINK,
                "delete",
                lambda: node.netlink.delete_link(*place),
                predict=lambda: _predict_gone(node, cast(Spec, have)),
            )
            return
        if have is None:
            yield _engine.Operation(
                _engine.Stage.BRIDGE,
                "create",
                lambda: _create(node, desired),
                predict=lambda: _predict(node, None, desired),
            )
            if desired["ports"]:
                changes = {"ports": {"before": [], "after": desired["ports"]}}
                yield _engine.Operation(
                    _engine.Stage.INTERFACE, "set ports", lambda: _set_ports(node, [], desired), changes
                )
            return
        changes = _engine.differences(have, desired)
        yield _engine.Operation(
            _engine.Stage.INTERFACE,
            "update",
            lambda: _update(node, have, desired, changes),
            changes,
            lambda: _predict(node, have, desired),
        )

    def disturbs(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_carrier.Disturbance]:
        """What becomes a port, or is none any more, carries nothing for other uses."""
        yield from _link.disturbed(have, desired)
        before, after = ({port["name"] for port in (spec or {}).get("ports", ())} for spec in (have, desired))
        if (have or desired or {})["namespace"] is None:
            for name in before - after if desired else ():
                yield _carrier.Disturbance(name, f"take {name} out of the bridge")
            for name in after - before:
                yield _carrier.Disturbance(name, f"take {name} into the bridge")

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the marked bridges."""
        return _link.owned(node, owner, "bridge")

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner that its alias names."""
        return _link.owner_of(node, want)

    def adopt(self, node: Node, want: Spec) -> None:
        """Mark it."""
        _link.adopt(node, want)

    def foreign_parts(self, node: Node, want: Spec) -> Iterable[str]:
        """Return the ports that others made and put there, and the VLAN interfaces of others; a NIC loses nothing."""
        yield from _link.foreign_parts(node, want)
        for link in node.netlink.links(want["namespace"]).values():
            if link.master == want["name"] and link.kind and not _link.is_ours(node, link):
                yield link.name


def _check_filtering(have: Optional[Spec], want: Spec, result: Spec) -> None:
    """Raise an error where VLANs are spoken of and nothing filters them; tell the default pvid of a new bridge."""
    asked = want["vlan_filtering"] or want["vlan_default_pvid"] is not None
    if have is None and asked:
        result.setdefault("vlan_default_pvid", _PVID)
    if have is not None and asked and "vlan_default_pvid" not in have:
        raise _errors.Missing(
            "this kernel cannot filter VLANs on a Linux bridge; boot one that can, or use Open vSwitch"
        )
    if not result["vlan_filtering"]:
        for port in want["ports"] or ():
            if "pvid" in port:
                raise _errors.InvalidValue(f"the VLANs of port {port['name']} need vlan_filtering: true")


def _desired_ports(node: Node, have: Optional[Spec], want: Spec, result: Spec) -> list[Spec]:
    filtering = result["vlan_filtering"]
    after = result.get("vlan_default_pvid", _PVID)
    before = have.get("vlan_default_pvid", _PVID) if have else after
    there = _bridge_ports.of(node, want, filtering, before)  # of a new bridge, those that join it by their own options
    if filtering and before != after:
        there = [_bridge_ports.following(port, before, after) for port in there]
    return _bridge_ports.desired(there, want, after, filtering)


def _data(spec: Spec) -> dict[str, Any]:
    """Return options of the bridge in the backend's words."""
    result: dict[str, Any] = {}
    for option in ("forward_delay", "ageing_time"):
        if option in spec:
            result[f"br_{option}"] = spec[option] * _TICKS
    if "stp" in spec:  # after the delay, which the kernel checks while STP is on
        result["br_stp_state"] = int(spec["stp"])
    for option in ("vlan_filtering", "vlan_default_pvid"):
        if option in spec:
            result[f"br_{option}"] = int(spec[option])
    return result


def _create(node: Node, desired: Spec) -> None:
    """Make the bridge; what the kernel does not know to filter is not asked of it when it is not wanted either."""
    data = _data({key: value for key, value in desired.items() if key != "vlan_filtering" or value})
    node.netlink.add_device(_link.place(desired), "bridge", data, _link.creation(node, desired, ["mac"]))
    node.netlink.set_link(*_link.place(desired), **_link.mark(node), up=desired["up"])
    if not desired["ports"]:
        node.netlink.set_link(*_link.place(desired), mtu=desired["mtu"])


def _set_ports(node: Node, have: list[Spec], desired: Spec) -> None:
    """Change the ports; the MTU follows that of the smallest one unless it is set when they are there."""
    _bridge_ports.apply(node, desired, have)
    if "mtu" in desired:
        node.netlink.set_link(*_link.place(desired), mtu=desired["mtu"])


def _update(node: Node, have: Spec, desired: Spec, changes: dict[str, Any]) -> None:
    data = _data({option: desired[option] for option in changes})
    if data:
        node.netlink.set_data(*_link.place(desired), "bridge", data)
    if "ports" in changes:
        _set_ports(node, have["ports"], desired)
    attributes = {option: desired[option] for option in _link.COMMON if option in changes}
    if "unfinished" in changes:
        attributes.update(_link.mark(node))
    if attributes:
        node.netlink.set_link(*_link.place(desired), **attributes)


def _predict(node: Node, have: Optional[Spec], desired: Spec) -> None:
    _link.predict(node, have, desired, "bridge")
    _bridge_ports.predict(node, desired, have["ports"] if have else [])


def _predict_gone(node: Node, have: Spec) -> None:
    namespace, name = _link.place(have)
    for port in have["ports"]:
        _link.predict_upper(node, namespace, port["name"], "", isolated=False)
    node.netlink.predict_no_link(namespace, name)
