# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``ovs_bridge``: a bridge of Open vSwitch, or a fake bridge, which is a VLAN of its parent (ovs-vsctl(8))."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Optional, cast

from ansible_collections.netvirt.fabric.plugins.module_utils import _carrier, _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _ovsdb
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links import _ipv6, _shut_link
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _datapath, _ovs
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_PROTOCOLS = ("OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15")
_LEAST_MACS, _MOST_MACS = 10, 1_000_000
_FAKE_OPTIONS = {"name", "parent", "vlan", "external_ids"}
_COLUMNS = {
    "datapath_type": "datapath_type",
    "fail_mode": "fail_mode",
    "protocols": "protocols",
    "stp": "stp_enable",
    "rstp": "rstp_enable",
    "mcast_snooping": "mcast_snooping_enable",
}
# Option: key of Bridge.other_config.
_CONFIG_OPTIONS = {"hwaddr": "hwaddr", "datapath_id": "datapath-id", "mac_table_size": "mac-table-size"}

# Canonical values of a real bridge on which nothing was ever set (ovs-vswitchd.conf.db(5)).
_DEFAULTS: Spec = {
    "parent": "",
    "datapath_type": "system",
    "fail_mode": "standalone",
    "protocols": [],
    "controllers": [],
    "datapath_id": "",
    "hwaddr": "",
    "mac_table_size": 0,
    "stp": False,
    "rstp": False,
    "mcast_snooping": False,
    "external_ids": {},
    "other_config": {},
}


def _protocols(names: Any) -> list[str]:
    for name in names:
        if name not in _PROTOCOLS:
            raise ValueError(f"must be a list of {', '.join(_PROTOCOLS)}, not {values.shown(name)}")
    return sorted(set(names))


def _datapath_id(value: str) -> str:
    text = value.lower()
    if text and not re.fullmatch("[0-9a-f]{16}", text):
        raise ValueError(f"must be 16 hexadecimal digits, not {values.shown(value)}")
    return text


def _mac_table_size(value: Any) -> int:
    """Return a size in the range of ovs-vswitchd, which takes the nearest one for others; 0 is its own choice."""
    size: int = values.integer(0, _MOST_MACS)(value)
    if 0 < size < _LEAST_MACS:
        raise ValueError(f"must be 0, or from {_LEAST_MACS} to {_MOST_MACS}, not {size}")
    return size


def _controllers(targets: Any) -> list[str]:
    for target in map(values.text, targets):
        if not re.fullmatch(r"(ssl|tcp|unix|pssl|ptcp|punix):\S+", target):
            example = "tcp:192.0.2.1:6653"
            raise ValueError(f"must be a list of connection methods such as {example}, not {values.shown(target)}")
    return sorted(set(targets))


def _other_config(value: Any) -> dict[str, str]:
    config = values.string_map(value)
    for option, key in _CONFIG_OPTIONS.items():
        if key in config:
            raise ValueError(f"must not hold {key}; use the option {option}")
    return config


class OvsBridge(_engine.Kind):
    """See plugins/modules/ovs_bridge.py for the meaning of the options."""

    name = "ovs_bridge"
    turn = _engine.Turn.SWITCH
    options = {
        "name": _options.Option(required=True, canonical=values.interface_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        "parent": _options.Option(canonical=lambda name: name and values.interface_name(name)),
        "vlan": _options.Option(type="int", canonical=values.vlan_id),
        "datapath_type": _options.Option(choices=("system", "netdev")),
        "fail_mode": _options.Option(choices=("standalone", "secure")),
        "protocols": _options.Option(type="list", elements="str", canonical=_protocols),
        "controllers": _options.Option(type="list", elements="str", canonical=_controllers),
        "datapath_id": _options.Option(canonical=_datapath_id),
        "hwaddr": _options.Option(canonical=lambda mac: mac and values.mac(mac)),
        "mac_table_size": _options.Option(type="int", canonical=_mac_table_size),
        "stp": _options.Option(type="bool"),
        "rstp": _options.Option(type="bool"),
        "mcast_snooping": _options.Option(type="bool"),
        "external_ids": _options.Option(type="dict", canonical=_ovs.external_ids),
        "other_config": _options.Option(type="dict", canonical=_other_config),
        "merge": _ovs.MERGE,
    }

    def check(self, want: Spec) -> None:
        """Parent and VLAN go together, and a fake bridge has no switch of its own to configure."""
        if want["state"] == "absent":
            return
        if bool(want["parent"]) != (want["vlan"] is not None):
            raise _errors.InvalidValue("parent and vlan belong together: both make a fake bridge, neither a real one")
        if want["parent"]:
            own = sorted(name for name in _DEFAULTS if want[name] not in (None, "") and name not in _FAKE_OPTIONS)
            if own:
                raise _errors.InvalidValue(
                    f"a fake bridge has no {', '.join(own)}; set it on its parent {want['parent']}"
                )
            if want["parent"] == want["name"]:
                raise _errors.InvalidValue("a bridge cannot be its own parent")
        if want["stp"] and want["rstp"]:
            raise _errors.InvalidValue("stp and rstp exclude one another; enable one of them")

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the bridge, real or fake."""
        bridge = node.ovsdb.find("Bridge", want["name"])
        if bridge is not None:
            return _observed(bridge)
        port = _ovs.fake_bridge(node, want["name"])
        if port is None:
            return None
        return {
            "name": port.name,
            "parent": node.ovsdb.bridge_of(port.name).name,
            "vlan": _ovs.optional(port.tag, 0),
            "external_ids": _ovs.without_marks(port.external_ids),
        }

    def provides(self, want: Spec) -> Iterable[tuple[_references.Reference, Spec]]:
        """A bridge, and the port and the interface of its name."""
        yield _references.bridge(want["name"]), want
        yield _references.interface(None, want["name"]), {}
        yield _references.port(want["name"]), {}
        yield _references.port_interface(want["name"]), {"type": "internal"}

    def requires(self, want: Spec) -> Iterable[_references.Reference]:
        """A fake bridge is part of its parent."""
        if want["parent"]:
            yield _references.bridge(want["parent"])

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """A bridge stays what it is: real, or fake under the same parent."""
        parent = want["parent"] or ""
        if have is not None and want["parent"] is None:
            parent = have["parent"]
        if have is None:
            port = node.ovsdb.find("Port", want["name"])
            if port is not None:
                raise _errors.Conflict(
                    f"a port of that name is on bridge {node.ovsdb.bridge_of(want['name']).name}; remove it"
                )
            have = {"name": want["name"]} if parent else {**_DEFAULTS, "datapath_type": _datapath.preferred(node)}
        elif have["parent"] != parent:
            raise _errors.Conflict(
                f"it is a {'fake bridge under ' + have['parent'] if have['parent'] else 'real bridge'} "
                f"and cannot become {'a fake bridge under ' + parent if parent else 'a real one'}; remove it first"
            )
        if parent:
            _refuse_twin(node, want, parent)
        return {**super().desired(node, have, want), **_ovs.merged(have, want)}

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """One operation, which joins the OVSDB transaction."""
        changes, order = _engine.differences(have, desired), 2
        if desired is None:
            have = cast(Spec, have)  # not both are None
            change, action = _delete(have, _declared_ports(node)), "delete"
            yield from _ipv6.returning(node, _devices_that_go(node, have))
        elif have is None:
            change, action = _create(desired, node.settings.owner), "create"
            order = 1 if desired.get("parent") else 0
        else:
            change, action = _update(have, desired, changes, _declared_ports(node)), "update"
        lost = (
            partial(node.openflow.expect_empty, desired["name"]) if desired and _loses_flows(desired, changes) else None
        )
        link = _shut_link.ShutLink(node, (desired or {}).get("name", ""))
        # For another MAC address ovs-vswitchd shuts the interface (netdev_linux_set_etheraddr() in its sources).
        if have is None or "hwaddr" not in changes or not link.has_addresses:
            change_it = partial(node.ovsdb.change, change, order)
            yield _engine.Operation(_engine.Stage.OVSDB, action, change_it, changes, predict=lost)
            return

        def readdress() -> None:
            link.remember()
            node.ovsdb.change(change, order)

        yield _engine.Operation(_engine.Stage.OVSDB, action, readdress, changes, predict=lost)
        yield _engine.Operation(_engine.Stage.INTERFACE, "restore addresses and routes", link.restore)

    def disturbs(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_carrier.Disturbance]:
        """A bridge that goes takes its own interface along; one without flows that fails secure drops all."""
        if have is None:
            return
        if desired is None:
            yield _carrier.Disturbance(have["name"], "remove the bridge")
        elif _loses_flows(desired, _engine.differences(have, desired)):
            yield _carrier.Disturbance(have["name"], "interrupt what the bridge forwards")

    def problems(self, node: Node, want: Spec) -> Iterable[str]:
        """Report a bridge whose own interface does not work, as when the kernel has no Open vSwitch datapath."""
        interface = node.ovsdb.find("Interface", want["name"])
        for problem in _ovs.interface_problems(interface) if interface is not None else ():
            yield f"{problem}; where the kernel has no Open vSwitch datapath, set datapath_type: netdev"

    def details(self, node: Node, want: Spec) -> Spec:
        """Return the UUID of the bridge, of a fake one that of its port."""
        row = node.ovsdb.find("Bridge", want["name"]) or node.ovsdb.find("Port", want["name"])
        return {"uuid": row.uuid} if row is not None else {}

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the marked bridges, real and fake."""
        fakes = (port for port in _ovs.owned_rows(node, "Port", owner) if port.fake_bridge)
        for row in (*_ovs.owned_rows(node, "Bridge", owner), *fakes):
            yield {"name": row.name, "state": "absent"}

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner of the bridge, or of the port that makes a fake one."""
        bridge = node.ovsdb.find("Bridge", want["name"])
        return _ovs.owner_of(bridge if bridge is not None else _ovs.fake_bridge(node, want["name"]))

    def adopt(self, node: Node, want: Spec) -> None:
        """Mark the bridge and the port of its name."""
        _ovs.adopt(node, [("Bridge", want["name"]), ("Port", want["name"])])

    def foreign_parts(self, node: Node, want: Spec) -> Iterable[str]:
        """Return the ports of others, which would go with the bridge."""
        bridge = node.ovsdb.find("Bridge", want["name"])
        fake = _ovs.fake_bridge(node, want["name"])
        ports = bridge.ports if bridge is not None else []
        if fake is not None:
            ports = _followers(node.ovsdb.bridge_of(fake.name), _ovs.optional(fake.tag, 0), _declared_ports(node))
        for port in ports:
            ours = node.ours(_ovs.owner_of(port))
            if port.name != want["name"] and not ours and not node.coming(_references.port(port.name)):
                yield f"port {port.name}"


def _refuse_twin(node: Node, want: Spec, parent: str) -> None:
    """Raise Conflict when another fake bridge is the same VLAN of the parent: Open vSwitch allows one."""
    bridge = node.ovsdb.find("Bridge", parent)
    there = {port.name: _ovs.optional(port.tag, 0) for port in (bridge.ports if bridge else ()) if port.fake_bridge}
    there = {name: vlan for name, vlan in there.items() if not node.removed(OvsBridge.name, name)}
    there.update({spec["name"]: spec["vlan"] for spec in node.declarations(OvsBridge.name) if spec["parent"] == parent})
    for name, vlan in there.items():
        if vlan == want["vlan"] and name != want["name"]:
            raise _errors.Conflict(
                f"the fake bridge {name} is VLAN {vlan} of {parent} already; use that, or remove it first"
            )


def _loses_flows(desired: Spec, changes: Mapping[str, Any]) -> bool:
    """Tell whether the change makes ovs-vswitchd flush the bridge's flows (ofproto/connmgr.c; tried on 3.1)."""
    controllers = changes.get("controllers")
    return (
        "datapath_type" in changes
        or (controllers is not None and bool(controllers["before"]) != bool(controllers["after"]))
        or ("fail_mode" in changes and not desired["controllers"])
    )


def _observed(bridge: _ovsdb.Row) -> Spec:
    config = dict(bridge.other_config)
    return {
        "name": bridge.name,
        "parent": "",
        "datapath_type": bridge.datapath_type or "system",
        "fail_mode": _ovs.optional(bridge.fail_mode, "standalone"),
        "protocols": sorted(bridge.protocols),
        "controllers": sorted(row.target for row in bridge.controller),
        "datapath_id": config.pop("datapath-id", ""),
        "hwaddr": config.pop("hwaddr", ""),
        "mac_table_size": _size(config.pop("mac-table-size", "")),
        "stp": bridge.stp_enable,
        "rstp": bridge.rstp_enable,
        "mcast_snooping": bridge.mcast_snooping_enable,
        "external_ids": _ovs.without_marks(bridge.external_ids),
        "other_config": config,
    }


def _size(text: str) -> int:
    """Return the size of the MAC table that ovs-vswitchd makes of what is written, 0 for its own choice."""
    return min(max(int(text), _LEAST_MACS), _MOST_MACS) if text.isdigit() else 0


def _devices_that_go(node: Node, bridge: Spec) -> list[str]:
    """Return the devices of the ports that are lost together with a bridge, but by no resource of their own."""
    row = node.ovsdb.find("Bridge", bridge["name"])
    rows = row.ports if row is not None else ()
    ports = [port for port in rows if not node.going(_references.port(port.name))]
    return sorted(interface.name for port in ports for interface in port.interfaces)


def _create(desired: Spec, owner: str) -> _ovsdb.Change:
    def change(batch: _ovsdb.Batch) -> None:
        name = desired["name"]
        interface = batch.insert("Interface", name=name, type="internal")
        port = batch.insert("Port", name=name, interfaces=[interface], external_ids={_ovs.OWNER_KEY: owner})
        if desired.get("parent"):
            port.fake_bridge = True
            batch.find("Bridge", desired["parent"]).addvalue("ports", port)
            _write_fake(batch, desired, port)
        else:
            bridge = batch.insert("Bridge", name=name, ports=[port], external_ids={_ovs.OWNER_KEY: owner})
            batch.root.addvalue("bridges", bridge)
            _write(batch, {key: value for key, value in desired.items() if value != _DEFAULTS.get(key)}, bridge)

    return change


def _declared_ports(node: Node) -> set[str]:
    """Return the ports whose VLAN this run declares, which therefore do not follow a fake bridge."""
    return {reference.name for reference, _options in node.all_coming(_references.Sort.PORT)}


def _followers(parent: _ovsdb.Row, vlan: int, declared: set[str]) -> list[_ovsdb.Row]:
    """Return the ports on a fake bridge, which are those of its parent with its VLAN.

    Those that the transaction itself has made may lack a column.
    """
    return [
        port
        for port in parent.ports
        if port.name not in declared and getattr(port, "tag", []) == [vlan] and not getattr(port, "fake_bridge", False)
    ]


def _update(have: Spec, desired: Spec, changed: Iterable[str], declared: set[str]) -> _ovsdb.Change:
    options = {name: desired[name] for name in changed}

    def change(batch: _ovsdb.Batch) -> None:
        if not desired["parent"]:
            _write(batch, options, batch.find("Bridge", desired["name"]))
            return
        _write_fake(batch, options, batch.find("Port", desired["name"]))
        if "vlan" in options:
            for port in _followers(batch.find("Bridge", desired["parent"]), have["vlan"], declared):
                port.tag = options["vlan"]

    return change


def _delete(have: Spec, declared: set[str]) -> _ovsdb.Change:
    def change(batch: _ovsdb.Batch) -> None:
        if not have["parent"]:
            batch.root.delvalue("bridges", batch.find("Bridge", have["name"]))
            return
        parent = batch.find("Bridge", have["parent"])
        for port in [batch.find("Port", have["name"]), *_followers(parent, have["vlan"], declared)]:
            parent.delvalue("ports", port)

    return change


def _write_fake(batch: _ovsdb.Batch, options: Spec, port: _ovsdb.Row) -> None:
    if "vlan" in options:
        port.tag = options["vlan"]
    if "external_ids" in options:
        port.external_ids = _ovs.with_marks(options["external_ids"], port)


def _write(batch: _ovsdb.Batch, options: Spec, bridge: _ovsdb.Row) -> None:
    for option, column in _COLUMNS.items():
        if option in options:
            setattr(bridge, column, options[option])
    if "controllers" in options:
        bridge.controller = [batch.insert("Controller", target=target) for target in options["controllers"]]
    if "external_ids" in options:
        bridge.external_ids = _ovs.with_marks(options["external_ids"], bridge)
    if options.keys() & {"other_config", *_CONFIG_OPTIONS}:
        bridge.other_config = _config(options, dict(getattr(bridge, "other_config", {})))


def _config(options: Spec, config: dict[str, str]) -> dict[str, str]:
    """Return Bridge.other_config with the options laid over it."""
    own = {key: str(options.get(option, config.get(key)) or "") for option, key in _CONFIG_OPTIONS.items()}
    others = options.get("other_config", {key: value for key, value in config.items() if key not in own})
    return {**others, **{key: value for key, value in own.items() if value}}
