# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``ovs_port_vlan``: a port of a bridge with its VLANs, made of one interface or, as a bond, of several.

Source of the rules: ovs-vswitchd.conf.db(5), tables Port and Interface.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional, cast

from ansible_collections.netvirt.fabric.plugins.module_utils import _carrier, _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _ovsdb
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links import _ipv6
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _ovs
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _ovs_interface as interface
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_MODES = ("access", "trunk", "native-tagged", "native-untagged", "dot1q-tunnel")
_TAGGED_MODES = ("access", "native-tagged", "native-untagged", "dot1q-tunnel")
_TRUNKING_MODES = ("trunk", "native-tagged", "native-untagged")
_BOND_DEFAULTS: Spec = {"bond_mode": "active-backup", "lacp": "off", "bond_updelay": 0, "bond_downdelay": 0}
_MAX_DELAY = 2**31 - 1  # milliseconds


def _trunks(value: Any) -> Any:
    if value == "all":
        return "all"
    if value == []:
        raise ValueError("must not be empty, which Open vSwitch takes for all VLANs; use the word all to mean that")
    return values.vlan_set(value, lowest=0)  # 0 stands for untagged frames


class OvsPortVlan(_engine.Kind):
    """See plugins/modules/ovs_port_vlan.py for the meaning of the options."""

    name = "ovs_port_vlan"
    turn = _engine.Turn.SWITCH
    options = {
        "name": _options.Option(required=True, canonical=values.interface_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        "bridge": _options.Option(canonical=values.interface_name),
        "mode": _options.Option(choices=_MODES),
        "tag": _options.Option(type="int", canonical=values.vlan_id),
        "trunks": _options.Option(type="raw", canonical=_trunks),
        "cvlans": _options.Option(type="list", elements="str", canonical=values.vlan_set),
        **interface.OPTIONS,
        "interfaces": _options.Option(
            type="list",
            elements="dict",
            options={"name": _options.Option(required=True, canonical=values.interface_name), **interface.OPTIONS},
        ),
        "bond_mode": _options.Option(choices=("active-backup", "balance-slb", "balance-tcp")),
        "lacp": _options.Option(choices=("off", "active", "passive")),
        "bond_updelay": _options.Option(type="int", canonical=values.integer(0, _MAX_DELAY)),
        "bond_downdelay": _options.Option(type="int", canonical=values.integer(0, _MAX_DELAY)),
        "protected": _options.Option(type="bool"),
        "external_ids": _options.Option(type="dict", canonical=_ovs.external_ids),
        "other_config": _options.Option(type="dict", canonical=values.string_map),
        "merge": _ovs.MERGE,
        "move": _options.Option(type="bool", default=False, role=_options.Role.POLICY),
        "device_required": _options.Option(type="bool", default=True, role=_options.Role.POLICY),
    }

    def check(self, want: Spec) -> None:
        """The options of one interface and those of a bond exclude one another."""
        if want["state"] == "absent":
            return
        if want["bridge"] is None:
            raise _errors.InvalidValue("bridge is required")
        if want["bond_mode"] == "balance-tcp" and want["lacp"] == "off":
            raise _errors.InvalidValue("bond_mode balance-tcp needs lacp active or passive")
        if want["interfaces"] is None:
            interface.check(want)
            return
        _check_bond(want)

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the port; its bridge is shown as the fake one if that is how the user names it.

        A tunnel is a port as well, unless the run says that as a tunnel it is to be there, or not. What is to go is
        still there, without a bridge, while its device has not got its IPv6 back.
        """
        port = node.ovsdb.find("Port", want["name"])
        if port is None and want["state"] == "absent" and want["name"] in _ipv6.left_behind(node):
            return {"name": want["name"], "bridge": "", "type": "system"}
        bridge = node.ovsdb.bridge_of(want["name"])
        tunnel = _references.tunnel(want["name"])
        told_of = node.coming(tunnel) or node.going(tunnel)
        if port is None or bridge is None or (told_of and _ovs.is_tunnel(port)):
            return None
        spec = {"name": want["name"], "bridge": bridge.name, **_observed_vlans(port)}
        fake = _ovs.fake_bridge(node, want["bridge"]) if want["bridge"] else None
        if fake is not None and node.ovsdb.bridge_of(fake.name) == bridge and fake.tag == port.tag:
            spec["bridge"] = fake.name
        interfaces = [{"name": row.name, **interface.observe(node, row)} for row in port.interfaces]
        if len(interfaces) == 1 and interfaces[0]["name"] == want["name"]:
            spec.update(interfaces[0])
        else:
            spec["interfaces"] = sorted(interfaces, key=lambda item: str(item["name"]))
            spec["bond_mode"] = _ovs.optional(port.bond_mode, "active-backup")
            spec["lacp"] = _ovs.optional(port.lacp, "off")
            spec["bond_updelay"] = port.bond_updelay
            spec["bond_downdelay"] = port.bond_downdelay
        spec["protected"] = port.protected
        spec["external_ids"] = _ovs.without_marks(port.external_ids)
        spec["other_config"] = dict(port.other_config)
        return spec

    def provides(self, want: Spec) -> Iterable[tuple[_references.Reference, Spec]]:
        """A port with its interfaces; one of type internal is an interface of the root namespace."""
        yield _references.port(want["name"]), want
        for item in want["interfaces"] or [want]:
            yield (
                _references.port_interface(item["name"]),
                {**item, "bridge": want["bridge"]},
            )
            if item["type"] == "internal":
                yield _references.interface(None, item["name"]), {}

    def requires(self, want: Spec) -> Iterable[_references.Reference]:
        """A port is on a bridge."""
        yield _references.bridge(want["bridge"])

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Return the port as it will be; VLAN options complete one another."""
        _check_place(node, have, want)
        base = {"protected": False, "external_ids": {}, "other_config": {}}
        kept = {name: (have or base).get(name) for name in base}
        kept.update({name: want[name] for name in base if want[name] is not None})
        kept.update(_ovs.merged(have, want))
        fake_vlan = _fake_vlan(node, want["bridge"])
        if fake_vlan is not None and (want["mode"] not in (None, "access") or want["tag"] not in (None, fake_vlan)):
            raise _errors.Conflict(
                f"the fake bridge {want['bridge']} gives its ports access to VLAN {fake_vlan} and no other"
            )
        vlans = _desired_vlans(have, want if fake_vlan is None else {**want, "mode": "access", "tag": fake_vlan})
        return {
            "name": want["name"],
            "bridge": want["bridge"],
            **vlans,
            **_desired_interfaces(node, have, want),
            **kept,
        }

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """One operation, which joins the OVSDB transaction; a patch that moves is detached before."""
        changes = _engine.differences(have, desired)
        if desired is None:
            have = cast(Spec, have)  # not both are None
            yield from _ipv6.returning(node, sorted(interface.devices(have)))
            if not have["bridge"]:
                return
            row = node.ovsdb.bridge_of(have["name"])
            if row.name == have["name"] or _ovs.fake_bridge(node, have["name"]) is not None:
                raise _errors.Conflict("it is a bridge's own port; remove the bridge with ovs_bridge")
            change, action, order = _remove(have["name"]), "delete", _ovsdb.REMOVAL
        else:
            yield from interface.ipv6_operations(node, have, desired)
            if set(changes) == {"ipv6"}:
                return
            bridge, action, order = _real_bridge(node, desired["bridge"]), "update" if have else "create", 2
            options = {*changes, "type"} if have else set(desired)
            if have is not None and bridge != node.ovsdb.bridge_of(have["name"]).name:
                yield from _ovs.detachment(node, [node.ovsdb.find("Port", have["name"])], bridge)
            items = desired.get("interfaces") or [desired]
            yield from _ovs.renumbering(node, {item["name"]: item["ofport_request"] for item in items})
            change = _write(desired, options, bridge, node.settings.owner)
        yield _engine.Operation(_engine.Stage.OVSDB, action, lambda: node.ovsdb.change(change, order), changes)

    def disturbs(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_carrier.Disturbance]:
        """A device that joins a bridge, leaves it or changes its VLANs carries nothing for other uses."""
        before, after = _devices(have if have and have["bridge"] else None), _devices(desired)
        if have is not None and desired is not None:
            moves = have["bridge"] != desired["bridge"]
            for name in before & after if moves or _loses_vlans(have, desired) else ():
                yield _carrier.Disturbance(name, f"{'move' if moves else 'change the VLANs of'} {name}")
        for name in before - after:
            yield _carrier.Disturbance(name, f"take {name} out of bridge {(have or {})['bridge']}")
        for name in after - before:
            yield _carrier.Disturbance(name, f"take {name} into bridge {(desired or {})['bridge']}")

    def problems(self, node: Node, want: Spec) -> Iterable[str]:
        """Report the interfaces that Open vSwitch could not open."""
        port = node.ovsdb.find("Port", want["name"])
        for row in port.interfaces if port is not None else ():
            yield from interface.problems(node, row, want["device_required"])

    def details(self, node: Node, want: Spec) -> Spec:
        """Return the UUID of the port and the OpenFlow numbers of its interfaces; a bond has one for each."""
        port = node.ovsdb.find("Port", want["name"])
        if port is None:
            return {}
        numbers = {row.name: _ovs.optional(row.ofport, -1) for row in port.interfaces}
        alone = len(numbers) == 1 and want["name"] in numbers
        return {"uuid": port.uuid, **({"ofport": numbers[want["name"]]} if alone else {"ofports": numbers})}

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the marked ports, less those of other kinds: bridges' own, fake bridges, tunnels, uplinks."""
        for row in _ovs.owned_rows(node, "Port", owner):
            other = row.fake_bridge or _ovs.is_tunnel(row) or _ovs.UPLINK_KEY in row.external_ids
            if not (other or node.ovsdb.find("Bridge", row.name)):
                yield {"name": row.name, "state": "absent"}
        for name, whose in _ipv6.left_behind(node).items():
            if whose == owner:
                yield {"name": name, "state": "absent"}

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner of the port, or of what is left of one."""
        port = node.ovsdb.find("Port", want["name"])
        return _ovs.owner_of(port) if port is not None else _ipv6.left_behind(node).get(want["name"], "")

    def adopt(self, node: Node, want: Spec) -> None:
        """Mark the port, and the records of its devices' IPv6."""
        _ovs.adopt(node, [("Port", want["name"])])
        port = node.ovsdb.find("Port", want["name"])
        _ipv6.adopt(node, [row.name for row in port.interfaces] if port is not None else [])


def _devices(spec: Optional[Spec]) -> set[str]:
    return {item["name"] for item in (spec or {}).get("interfaces", [spec] if spec else [])}


def _loses_vlans(have: Spec, desired: Spec) -> bool:
    """Tell whether anything that passes now may not pass then."""
    if any(have[option] != desired[option] for option in ("mode", "tag", "cvlans")):
        return True
    before, after = have["trunks"], desired["trunks"]
    return after not in (None, "all") and (before == "all" or not set(before) <= set(after))


def _check_bond(want: Spec) -> None:
    own = sorted(name for name in interface.OPTIONS if want[name] is not None)
    if own:
        raise _errors.InvalidValue(f"with interfaces, {', '.join(own)} belongs to an entry of the list")
    names = [item["name"] for item in want["interfaces"]]
    if len(set(names)) < 2:
        raise _errors.InvalidValue(
            "interfaces makes a bond and needs two different ones; leave it out for a single interface"
        )
    if len(set(names)) < len(names):
        raise _errors.InvalidValue("interfaces names one of them twice")
    for item in want["interfaces"]:
        interface.check(item)
        if item["type"] == "patch":
            raise _errors.InvalidValue("a patch port cannot be part of a bond")


def _check_place(node: Node, have: Optional[Spec], want: Spec) -> None:
    """Refuse a bridge's name, and a move that was not asked for."""
    name, bridge = want["name"], want["bridge"]
    if _ovs.fake_bridge(node, name) is not None:
        raise _errors.Conflict("it is a fake bridge; manage it with ovs_bridge")
    if have is None and (node.ovsdb.find("Bridge", name) or node.coming(_references.bridge(name))):
        raise _errors.Conflict(f"{name} is a bridge; it cannot be a port as well")
    if have is not None and have["bridge"] != bridge and not want["move"]:
        raise _errors.Conflict(
            f"port {name} belongs to bridge {have['bridge']}, not {bridge}; set move: true to move it"
        )


def _fake_vlan(node: Node, bridge: str) -> Optional[int]:
    """Return the VLAN of a fake bridge as it will be, None for a real bridge."""
    for declared in node.coming(_references.bridge(bridge)):
        if declared["vlan"] is not None:
            return int(declared["vlan"])
    fake = _ovs.fake_bridge(node, bridge)
    return int(fake.tag[0]) if fake is not None and fake.tag else None


def _real_bridge(node: Node, bridge: str) -> str:
    """Return the bridge that holds the ports of ``bridge``: itself, or a fake bridge's parent."""
    for declared in node.coming(_references.bridge(bridge)):
        if declared["parent"]:
            return str(declared["parent"])
    return str(node.ovsdb.bridge_of(bridge).name) if _ovs.fake_bridge(node, bridge) is not None else bridge


def _observed_vlans(port: _ovsdb.Row) -> Spec:
    tag = _ovs.optional(port.tag, None) or None
    mode = _ovs.optional(port.vlan_mode, "access" if tag else "trunk")
    if 0 in port.tag and _ovs.optional(port.vlan_mode, "access") == "access":
        return {"mode": "trunk", "tag": None, "trunks": [0], "cvlans": None}
    return {
        "mode": mode,
        "tag": tag if mode in _TAGGED_MODES else None,
        "trunks": (sorted(port.trunks) or "all") if mode in _TRUNKING_MODES else None,
        "cvlans": sorted(port.cvlans) if mode == "dot1q-tunnel" else None,
    }


def _desired_mode(have: Optional[Spec], want: Spec) -> str:
    """Return the mode that was given, else the present one if it has the options given, else the one they imply."""
    if want["mode"] is not None:
        return str(want["mode"])
    mode = (have or {}).get("mode", "trunk" if want["tag"] is None else "access")
    if want["tag"] is not None and mode not in _TAGGED_MODES:
        mode = "access"
    if want["trunks"] is not None and mode not in _TRUNKING_MODES:
        if want["tag"] is not None:
            raise _errors.InvalidValue("tag and trunks together need mode native-tagged or native-untagged")
        mode = "trunk"
    return str(mode)


def _desired_vlans(have: Optional[Spec], want: Spec) -> Spec:
    mode = _desired_mode(have, want)
    present = have or {}
    tag = want["tag"] or present.get("tag")
    trunks = want["trunks"] or present.get("trunks")
    unused = [
        name
        for name, modes in (("tag", _TAGGED_MODES), ("trunks", _TRUNKING_MODES), ("cvlans", ("dot1q-tunnel",)))
        if want[name] is not None and mode not in modes
    ]
    if unused:
        raise _errors.InvalidValue(f"mode {mode} has no {' and no '.join(unused)}")
    if mode in _TAGGED_MODES and tag is None:
        raise _errors.InvalidValue(f"mode {mode} needs tag")
    if mode in _TRUNKING_MODES and trunks is None:
        if want["mode"] is not None:
            raise _errors.InvalidValue(f"mode {mode} needs trunks: a list of VLANs, or the word all")
        trunks = "all"
    cvlans = want["cvlans"] if want["cvlans"] is not None else present.get("cvlans") or []
    return {
        "mode": mode,
        "tag": tag if mode in _TAGGED_MODES else None,
        "trunks": trunks if mode in _TRUNKING_MODES else None,
        "cvlans": cvlans if mode == "dot1q-tunnel" else None,
    }


def _desired_interfaces(node: Node, have: Optional[Spec], want: Spec) -> Spec:
    """Return the options of the port's only interface, or ``interfaces`` and the options of a bond."""
    port, present = want["name"], have or {}
    old = {item["name"]: item for item in present.get("interfaces", ())}
    bond_options = {name: want[name] for name in _BOND_DEFAULTS if want[name] is not None}
    if want["interfaces"] is None and not old:
        if bond_options:
            raise _errors.InvalidValue(f"{', '.join(bond_options)} belongs to a bond; list its interfaces")
        single = {name: present[name] for name in interface.OPTIONS if name in present} if have else None
        return _desired_interface(node, port, want, single, want)
    if want["interfaces"] is None and any(want[name] is not None for name in interface.OPTIONS):
        raise _errors.Conflict(f"it is a bond of {', '.join(old)}; set options of an interface in the list interfaces")
    if "interfaces" not in present and have:
        old[port] = {"name": port, **{name: present[name] for name in interface.OPTIONS if name in present}}
    items = want["interfaces"] if want["interfaces"] is not None else list(old.values())
    return {
        "interfaces": [
            {**_desired_interface(node, item["name"], want, old.get(item["name"]), item), "name": item["name"]}
            for item in sorted(items, key=lambda item: str(item["name"]))
        ],
        **{name: present.get(name, default) for name, default in _BOND_DEFAULTS.items()},
        **bond_options,
    }


def _desired_interface(node: Node, name: str, want: Spec, have: Optional[Spec], asked: Spec) -> Spec:
    """Return an interface as it will be; raises Conflict for a new one whose device neither is there nor comes."""
    result = interface.desired(node, name, want["name"], have, asked)
    if result["type"] == "system" and have is None and want["device_required"]:
        interface.require_device(node, name)
    return result


def _remove(name: str) -> _ovsdb.Change:
    return lambda batch: batch.remove_port(name)


def _write(desired: Spec, options: set[str], bridge: str, owner: str) -> _ovsdb.Change:
    """Return a change that makes the port, or writes these options of it."""

    def change(batch: _ovsdb.Batch) -> None:
        name = desired["name"]
        port = batch.find("Port", name)
        holder = batch.bridge_of(name)
        if port is None:
            port = batch.insert("Port", name=name, external_ids={_ovs.OWNER_KEY: owner})
        current = list(getattr(port, "interfaces", ()))
        if options & {"interfaces", *interface.OPTIONS}:
            items = desired.get("interfaces") or [desired]
            rows = [interface.write(batch, item["name"], item, current) for item in items]
            if rows != current:
                port.interfaces = rows
        _write_columns(port, desired, options)
        if holder is None or holder.name != bridge:
            if holder is not None:
                holder.delvalue("ports", port)
            batch.find("Bridge", bridge).addvalue("ports", port)

    return change


def _write_columns(port: _ovsdb.Row, desired: Spec, options: set[str]) -> None:
    if options & {"mode", "tag", "trunks", "cvlans"}:
        port.vlan_mode = [] if desired["trunks"] == "all" and desired["mode"] == "trunk" else desired["mode"]
        port.tag = desired["tag"] or []
        port.trunks = desired["trunks"] if isinstance(desired["trunks"], list) else []
        port.cvlans = desired["cvlans"] or []
    for name in ("bond_mode", "lacp", "bond_updelay", "bond_downdelay", "protected", "other_config"):
        if name in options and desired.get(name) is not None:
            setattr(port, name, desired[name])
    if "external_ids" in options:
        port.external_ids = _ovs.with_marks(desired["external_ids"], port)
