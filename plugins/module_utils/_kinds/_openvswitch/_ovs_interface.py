# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Rows of the table Interface: what a port consists of. Used by ovs_port_vlan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _ovsdb
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links import _ipv6
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _ovs
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

# 0 and "" stand for "not requested", so that a request can be taken back.
OPTIONS = {
    "type": _options.Option(choices=("system", "internal", "patch")),
    "peer": _options.Option(canonical=lambda peer: peer and values.interface_name(peer)),
    "mtu": _options.Option(type="int", canonical=lambda mtu: mtu and values.mtu(mtu)),
    "mac": _options.Option(canonical=lambda mac: mac and values.mac(mac)),
    "ofport_request": _options.Option(type="int", canonical=values.integer(0, 65279)),
    "ingress_policing_rate": _options.Option(type="int", canonical=values.integer(0, 2**32 - 1)),
    "ingress_policing_burst": _options.Option(type="int", canonical=values.integer(0, 2**32 - 1)),
    "ipv6": _options.Option(type="bool"),
}

DEFAULTS: Spec = {
    "type": "system",
    "peer": "",
    "mtu": 0,
    "mac": "",
    "ofport_request": 0,
    "ingress_policing_rate": 0,
    "ingress_policing_burst": 0,
}

# Option: column whose value is a plain number, or a set of at most one value that is empty for 0 and "".
_PLAIN = {"ingress_policing_rate": "ingress_policing_rate", "ingress_policing_burst": "ingress_policing_burst"}
_OPTIONAL = {"mtu": "mtu_request", "mac": "mac", "ofport_request": "ofport_request"}


def check(want: Spec) -> None:
    """Raise InvalidValue for options that the interface's type does not have."""
    if want["type"] == "patch" and not want["peer"]:
        raise _errors.InvalidValue("a patch port needs peer, the name of the patch port at the other end")
    if want["type"] not in (None, "patch") and want["peer"]:
        raise _errors.InvalidValue(f"peer belongs to type patch, not {want['type']}")
    if want["type"] not in (None, "internal") and want["mac"]:
        raise _errors.InvalidValue("mac can be set for type internal only; other interfaces bring their own")
    if want["type"] == "patch" and want["mtu"]:
        raise _errors.InvalidValue("a patch port has no mtu")
    if want["type"] not in (None, "system") and want["ipv6"] is not None:
        raise _errors.InvalidValue("ipv6 belongs to type system; other interfaces are no devices of the host")


def observe(node: Node, row: _ovsdb.Row) -> Spec:
    """Return the options of an interface, with the canonical value of what was not requested.

    A device that is not there has no IPv6.
    """
    columns = _columns(row)
    return {**columns, "ipv6": _ipv6.is_on(node, row.name)} if columns["type"] == "system" else columns


def _columns(row: _ovsdb.Row) -> Spec:
    return {
        "type": row.type or "system",
        "peer": row.options.get("peer", ""),
        **{option: _ovs.optional(getattr(row, column), DEFAULTS[option]) for option, column in _OPTIONAL.items()},
        **{option: getattr(row, column) for option, column in _PLAIN.items()},
    }


def desired(node: Node, name: str, port: str, have: Optional[Spec], want: Spec) -> Spec:
    """Return the options of interface ``name`` of ``port`` as they will be; raises Conflict if another port has it."""
    row = node.ovsdb.find("Interface", name) if have is None else None
    if row is not None:
        holder = next((other.name for other in node.ovsdb.rows("Port") if row in other.interfaces), None)
        if holder not in (None, port) and not node.going(_references.port(holder)):
            raise _errors.Conflict(f"interface {name} belongs to port {holder}; remove it there first")
    result = {**(have or DEFAULTS), **{option: want[option] for option in OPTIONS if want.get(option) is not None}}
    if result["type"] == _ovs.DETACHED:
        result["type"] = "system"
    if result["type"] != "patch":
        result["peer"] = ""
    if result["type"] != "internal":
        result["mac"] = ""
    if result["type"] != "system":
        if want.get("ipv6") is not None:
            raise _errors.InvalidValue(f"ipv6 belongs to type system, and {name} is of type {result['type']}")
        result.pop("ipv6", None)
    else:
        result.setdefault("ipv6", _ipv6.is_used(node, name) or _ipv6.is_declared(node, name))
    return result


def require_device(node: Node, name: str) -> None:
    """Raise Conflict unless a device of the host is there, or made by this run."""
    device = _references.interface(None, name)
    if not node.coming(_references.tap(name)) and not _references.will_be(node, device):
        raise _references.missing(node, device, remedy=", or set device_required: false if it comes later")


def ipv6_operations(node: Node, have: Optional[Spec], desired: Spec) -> Iterable[_engine.Operation]:
    """Return what switches IPv6 of the devices of a port on or off, and gives it back to those that leave it."""
    items = desired.get("interfaces") or [desired]
    names = {item["name"] for item in items if "ipv6" in item}
    yield from _ipv6.returning(node, sorted(devices(have) - names) if have else ())
    for item in items:
        if "ipv6" in item and _ipv6.is_on(node, item["name"]) != item["ipv6"]:
            yield from _ipv6.switching(node, item["name"], item["ipv6"])


def devices(have: Spec) -> set[str]:
    """Return the devices of the host that a port consists of."""
    return {item["name"] for item in have.get("interfaces") or [have] if item["type"] == "system"}


def write(batch: _ovsdb.Batch, name: str, spec: Spec, current: Iterable[_ovsdb.Row]) -> _ovsdb.Row:
    """Return the interface's row, made or brought to ``spec``, writing only what differs."""
    row = next((row for row in current if row.name == name), None)
    if row is None:
        row = batch.insert("Interface", name=name)
        have = DEFAULTS
    else:
        have = _columns(row)
    if spec["type"] != have["type"]:
        row.type = spec["type"]
    if spec["peer"] != have["peer"]:
        others = {key: value for key, value in getattr(row, "options", {}).items() if key != "peer"}
        row.options = {**others, "peer": spec["peer"]} if spec["peer"] else others
    for option, column in _OPTIONAL.items():
        if spec[option] != have[option]:
            setattr(row, column, spec[option] or [])
    for option, column in _PLAIN.items():
        if spec[option] != have[option]:
            setattr(row, column, spec[option])
    return row


def problems(node: Node, row: _ovsdb.Row, device_required: bool) -> Iterable[str]:
    """Report what Open vSwitch says of the interface.

    A patch port whose peer is not there yet is half of a pair that is being made, and no problem.
    """
    if row.type == "patch" and node.ovsdb.find("Interface", row.options.get("peer", "")) is None:
        return ()
    return _ovs.interface_problems(row, device_required)
