# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``ovs_tunnel``: a tunnel port, or the ports of a mesh to a list of remotes.

Source of the rules: ovs-vswitchd.conf.db(5), table Interface, "Tunnel Options".
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _ovsdb
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _ovs
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_TYPES = ("gre", "vxlan", "geneve")
_PORTS = {"gre": None, "vxlan": 4789, "geneve": 6081}  # default UDP destination ports; GRE has none
_MAX_KEY = {"gre": 2**32 - 1, "vxlan": 2**24 - 1, "geneve": 2**24 - 1}
_MAX_MESH_NAME = 6  # leaves room for a dash and eight digits in 15 characters
_BFD = (
    *("enable", "min_rx", "min_tx", "decay_min_rx", "forwarding_if_rx", "cpath_down", "check_tnl_key", "mult"),
    *("bfd_local_src_mac", "bfd_local_dst_mac", "bfd_remote_dst_mac", "bfd_src_ip", "bfd_dst_ip", "oam"),
)

# Options that live in Interface.options, with the value that Open vSwitch assumes where the key is absent.
_TUNNEL_DEFAULTS: Spec = {"local_ip": "", "key": "", "ttl": "64", "tos": "0", "csum": False, "df_default": True}
_DEFAULTS: Spec = {**_TUNNEL_DEFAULTS, "bfd": {}, "external_ids": {}}
_SHARED = ("bridge", "type", *_TUNNEL_DEFAULTS, "dst_port", "bfd", "protected", "external_ids")


def _key(value: str) -> str:
    return value if value in ("", "flow") else str(values.integer(0, 2**32 - 1)(value))


def _endpoint(value: Any) -> str:
    """Return the address of a host; Open vSwitch makes no tunnel to a group or to nowhere."""
    address = values.address(value)
    ip = ipaddress.ip_address(address)
    if ip.is_multicast or ip.is_unspecified:
        raise ValueError(f"must be the address of a host, and {address} is none")
    return address


def _byte(value: str) -> str:
    return value if value == "inherit" else str(values.integer(0, 255)(value))


def _bfd(value: Any) -> dict[str, str]:
    result = values.string_map(value)
    for name in result:
        if name not in _BFD:
            raise ValueError(f"must hold only {', '.join(_BFD)}, not {values.shown(name)}")
    return result


def port_name(mesh: str, remote: str) -> str:
    """Return the name of a mesh's port: MESH-xxxxxxxx with the IPv4 address, or a digest of the IPv6 one, in hex."""
    address = ipaddress.ip_address(remote)
    digest = hashlib.sha256(address.packed).digest()[:4] if address.version == 6 else address.packed
    return f"{mesh}-{digest.hex()}"


class OvsTunnel(_engine.Kind):
    """See plugins/modules/ovs_tunnel.py for the meaning of the options."""

    name = "ovs_tunnel"
    turn = _engine.Turn.SWITCH
    options = {
        "name": _options.Option(required=True, canonical=values.interface_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        "bridge": _options.Option(canonical=values.interface_name),
        "type": _options.Option(choices=_TYPES),
        "remote": _options.Option(canonical=_endpoint),
        "remotes": _options.Option(type="list", elements="str", canonical=values.unique(_endpoint)),
        "local_ip": _options.Option(canonical=lambda address: address and _endpoint(address)),
        "key": _options.Option(canonical=_key, public=True),
        "dst_port": _options.Option(type="int", canonical=values.port_number),
        "ttl": _options.Option(canonical=_byte),
        "tos": _options.Option(canonical=_byte),
        "csum": _options.Option(type="bool"),
        "df_default": _options.Option(type="bool"),
        "bfd": _options.Option(type="dict", canonical=_bfd),
        "protected": _options.Option(type="bool"),
        "external_ids": _options.Option(type="dict", canonical=_ovs.external_ids),
        "merge": _ovs.MERGE,
    }

    def check(self, want: Spec) -> None:
        """Address families agree, numbers fit the type, and a mesh's name leaves room for its ports' names."""
        if want["state"] == "absent":
            return
        for name in ("bridge", "type"):
            if want[name] is None:
                raise _errors.InvalidValue(f"{name} is required")
        if (want["remote"] is None) == (want["remotes"] is None):
            raise _errors.InvalidValue("exactly one of remote (a single tunnel) and remotes (a mesh) is required")
        if want["remotes"] is not None and len(want["name"]) > _MAX_MESH_NAME:
            raise _errors.InvalidValue(f"the name of a mesh must have at most {_MAX_MESH_NAME} characters")
        if want["type"] == "gre" and want["dst_port"] is not None:
            raise _errors.InvalidValue("gre has no dst_port")
        if want["key"] not in (None, "", "flow") and int(want["key"]) > _MAX_KEY[want["type"]]:
            raise _errors.InvalidValue(
                f"key must be at most {_MAX_KEY[want['type']]} for {want['type']}, not {want['key']}"
            )
        names: dict[str, str] = {}
        for remote in _remotes(want):
            name = port_name(want["name"], remote)
            if names.setdefault(name, remote) != remote:
                raise _errors.InvalidValue(
                    f"remotes {names[name]} and {remote} would both have the port {name}; use another address of "
                    "one of them, or a tunnel of its own with remote"
                )
            if want["local_ip"] and values.family(remote) != values.family(want["local_ip"]):
                raise _errors.InvalidValue(
                    f"local_ip {want['local_ip']} and remote {remote} are not of one address family"
                )
            if remote == want["local_ip"]:
                raise _errors.InvalidValue(f"remote {remote} is local_ip itself")

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the port or the mesh. An option on which the ports of a mesh differ is shown per port."""
        ports = _ports(node, want["name"])
        if not ports:
            return _complete(want, None) if want["remotes"] == [] else None  # a mesh to nobody is always there
        specs = {name: _observed(node, row) for name, row in sorted(ports.items())}
        first = next(iter(specs.values()))
        shared = {
            option: first[option]
            if all(spec[option] == first[option] for spec in specs.values())
            else {name: spec[option] for name, spec in specs.items()}
            for option in _SHARED
        }
        if want["name"] in ports:
            return {"name": want["name"], "remote": first["remote"], "remotes": None, **shared}
        remotes = sorted((spec["remote"] for spec in specs.values()), key=_remote_order)
        if any(name != port_name(want["name"], spec["remote"] or "::") for name, spec in specs.items()):
            remotes = [f"{name}: {spec['remote']}" for name, spec in specs.items()]
        return {"name": want["name"], "remote": None, "remotes": remotes, **shared}

    def provides(self, want: Spec) -> Iterable[tuple[_references.Reference, Spec]]:
        """A port for each remote."""
        yield _references.tunnel(want["name"]), want
        for name in _port_remotes(want):
            yield _references.port(name), want
            yield _references.port_interface(name), want

    def requires(self, want: Spec) -> Iterable[_references.Reference]:
        """Its ports are on a bridge."""
        yield _references.bridge(want["bridge"])

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Return the tunnel as it will be; raises Conflict for what Open vSwitch would refuse."""
        if _ovs.is_fake(node, want["bridge"]):
            raise _errors.Conflict(f"{want['bridge']} is a fake bridge and can have no tunnel; use its parent")
        if have is not None and (have["remote"] is None) != (want["remote"] is None):
            raise _errors.Conflict("a single tunnel cannot become a mesh, nor the other way round; remove it first")
        result = _complete(want, have if want["remotes"] != [] else None)
        _refuse_foreign_ports(node, result)
        others = [
            other
            for other in node.declarations(self.name)
            if other["name"] != want["name"] and not set(_remotes(other)).isdisjoint(_remotes(want))
        ]
        if have is None or (have["type"], have["dst_port"]) != (result["type"], result["dst_port"]):
            _refuse_devices(node, result)
        _refuse_twins(node, result, [_complete(other, self.observe(node, other)) for other in others])
        return result

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """One operation, which joins the OVSDB transaction; tunnels that move are detached before."""
        changes = _engine.differences(have, desired)
        action = "create" if have is None else "delete" if desired is None else "update"
        there = _ports(node, (desired or have or {})["name"])
        ports, kept = set(there), _port_remotes(desired) if desired is not None else {}
        if desired is not None:
            yield from _ovs.detachment(node, [row for name, row in there.items() if name in kept], desired["bridge"])

        def change(batch: _ovsdb.Batch) -> None:
            for name in sorted(ports - set(kept)):
                batch.remove_port(name)
            for name, remote in kept.items():
                _write(batch, name, {**(desired or {}), "remote": remote}, node.settings.owner)

        order = _ovsdb.REMOVAL if desired is None else 2
        yield _engine.Operation(_engine.Stage.OVSDB, action, lambda: node.ovsdb.change(change, order), changes)

    def problems(self, node: Node, want: Spec) -> Iterable[str]:
        """Report the tunnel ports that Open vSwitch could not make."""
        for port in _ports(node, want["name"]).values():
            yield from _ovs.interface_problems(port.interfaces[0])

    def details(self, node: Node, want: Spec) -> Spec:
        """Return the OpenFlow numbers of the ports."""
        rows = _ports(node, want["name"])
        return {"ofports": {name: _ovs.optional(row.interfaces[0].ofport, -1) for name, row in rows.items()}}

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the marked tunnels, a mesh once."""
        rows = [row for row in _ovs.owned_rows(node, "Port", owner) if _ovs.is_tunnel(row)]
        for name in sorted({row.external_ids.get(_ovs.MESH_KEY, row.name) for row in rows}):
            yield {"name": name, "state": "absent"}

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner of the port, of a mesh another's before this run's."""
        owners = {_ovs.owner_of(row) for row in _ports(node, want["name"]).values()}
        return min(owners, key=lambda owner: (owner in ("", node.settings.owner), owner), default="")

    def adopt(self, node: Node, want: Spec) -> None:
        """Mark all of its ports."""
        _ovs.adopt(node, [("Port", name) for name in _ports(node, want["name"])])

    def foreign_parts(self, node: Node, want: Spec) -> Iterable[str]:
        """Return the ports that somebody else has put into the mesh."""
        for name, row in _ports(node, want["name"]).items():
            if not node.ours(_ovs.owner_of(row)):
                yield f"port {name}"


def _complete(want: Spec, have: Optional[Spec]) -> Spec:
    """Return all options: the given ones, else the present ones, else the defaults."""
    defaults = {"dst_port": _PORTS[want["type"]], "protected": want["remotes"] is not None, **_DEFAULTS}
    result = {name: want[name] for name in ("name", "remote", "remotes", "bridge", "type")}
    for option, default in defaults.items():
        present = have[option] if have is not None else default
        if isinstance(present, dict) and (not isinstance(default, dict) or _is_by_port(present)):
            present = default  # the ports of a mesh differ
        result[option] = want[option] if want[option] is not None else present
        if want["merge"] and option == "external_ids":
            result[option] = {**present, **(want[option] or {})}
    if have is not None and have["type"] != want["type"] and want["dst_port"] is None:
        result["dst_port"] = defaults["dst_port"]
    return result


def _is_by_port(values_of: Spec) -> bool:
    """Tell whether a dictionary, such as external_ids, is shown for each port of a mesh."""
    return any(isinstance(value, dict) for value in values_of.values())


def _remotes(spec: Spec) -> list[str]:
    return list(spec["remotes"]) if spec["remotes"] is not None else [spec["remote"]]


def _remote_order(remote: str) -> Any:
    return values.address_key(remote) if remote else (0, 0, 0)


def _port_remotes(spec: Spec) -> dict[str, str]:
    """Return the remote by port name."""
    if spec["remotes"] is None:
        return {spec["name"]: spec["remote"]}
    return {port_name(spec["name"], remote): remote for remote in spec["remotes"]}


def _ports(node: Node, name: str) -> dict[str, _ovsdb.Row]:
    """Return the ports that make up the tunnel: the one of that name, or those marked as parts of the mesh."""
    single = node.ovsdb.find("Port", name)
    if single is not None and any("remote_ip" in interface.options for interface in single.interfaces):
        return {name: single}
    prefix = name + "-"
    ports = (row for row in node.ovsdb.rows("Port") if row.name.startswith(prefix))
    return {row.name: row for row in ports if row.external_ids.get(_ovs.MESH_KEY) == name}


def _observed(node: Node, port: _ovsdb.Row) -> Spec:
    interface = port.interfaces[0]
    options = dict(interface.options)
    spec = {"remote": _address(options.get("remote_ip", "")), "type": interface.type}
    for option, default in _TUNNEL_DEFAULTS.items():
        spec[option] = options.get(option, default)
        if isinstance(default, bool) and option in options:
            spec[option] = options[option] == "true"
    spec["local_ip"] = _address(spec["local_ip"])
    port_number = options.get("dst_port", "")
    spec["dst_port"] = int(port_number) if port_number.isdigit() else _PORTS.get(interface.type)
    spec["bridge"] = node.ovsdb.bridge_of(port.name).name
    spec["bfd"] = dict(interface.bfd)
    spec["protected"] = port.protected
    spec["external_ids"] = _ovs.without_marks(port.external_ids)
    return spec


def _address(text: str) -> str:
    """Return the canonical form of an address that others may have written, or their text."""
    try:
        return values.address(text)
    except ValueError:
        return text


def _refuse_foreign_ports(node: Node, desired: Spec) -> None:
    own = _ports(node, desired["name"])
    for name in _port_remotes(desired):
        if name not in own and node.ovsdb.find("Port", name) is not None and not node.going(_references.port(name)):
            raise _errors.Conflict(
                f"a port {name} that is no part of it is on bridge {node.ovsdb.bridge_of(name).name}"
            )


def _refuse_devices(node: Node, desired: Spec) -> None:
    """Refuse a port at which a device of the host takes the packets, or would lose them.

    On the kernel's datapath Open vSwitch makes such a device itself (dpif_netlink_rtnl in its sources). GRE has no
    ports, and the kernel a device gre0 of its own wherever its module is loaded.
    """
    if desired["dst_port"] is None:
        return
    try:
        links = node.netlink.links(None).values()
    except _errors.Missing:  # a node for modules of Open vSwitch alone
        return
    for link in links:
        port = link.data.get(f"{link.kind}_port")
        if link.kind == desired["type"] and port == desired["dst_port"] and "_sys_" not in link.name:
            raise _errors.Conflict(
                f"the interface {link.name} of the host has the UDP port {port} ({link.kind}) already; remove it, or "
                "give one of them another port: dst_port, in a document fabric_underlay.dst_port"
            )


def _identities(spec: Spec) -> dict[tuple[Any, ...], str]:
    """Return what must be unique in one vswitchd, by which it tells tunnels apart, with the port's name.

    It holds no key and key 0 for the same (ofproto/tunnel.c).
    """
    shared = (spec["type"], spec["local_ip"], spec["key"] or "0", spec["dst_port"])
    return {(*shared, remote): name for name, remote in _port_remotes(spec).items()}


def _refuse_twins(node: Node, desired: Spec, others: Iterable[Spec]) -> None:
    """Raise Conflict when another tunnel has, or will have, the same type, local address, remote, key and port."""
    wanted, own = _identities(desired), set(_ports(node, desired["name"]))
    for other in others:
        _raise_twin(wanted, _identities(other), other["name"])
    for row in node.ovsdb.rows("Interface"):
        if row.type in _TYPES and row.name not in own and not _goes(node, row.name):
            port = node.ovsdb.find("Port", row.name)
            if port is not None:
                _raise_twin(wanted, _identities({**_observed(node, port), "name": row.name, "remotes": None}), row.name)


def _raise_twin(wanted: dict[tuple[Any, ...], str], others: dict[tuple[Any, ...], str], other: str) -> None:
    for identity in wanted.keys() & others.keys():
        kind, local, key, port, remote = identity
        raise _errors.Conflict(
            f"tunnel {other} has the same type {kind}, local_ip {local or 'any'}, remote {remote}, key {key} "
            f"and dst_port {port or 'none'}; give one of them another key"
        )


def _goes(node: Node, port: str) -> bool:
    """Tell whether this run removes or rewrites the tunnel port."""
    mesh = node.ovsdb.find("Port", port)
    names = {port, mesh.external_ids.get(_ovs.MESH_KEY) if mesh is not None else None}
    return any(node.removed("ovs_tunnel", name) or node.declared("ovs_tunnel", name) for name in names)


def _write(batch: _ovsdb.Batch, name: str, spec: Spec, owner: str) -> None:
    """Make the port or write what differs. A tunnel is changed in place, so that its packets go on."""
    port, interface = batch.find("Port", name), batch.find("Interface", name)
    if port is None:
        interface = batch.insert("Interface", name=name, type=spec["type"])
        marks = {_ovs.OWNER_KEY: owner, **({_ovs.MESH_KEY: spec["name"]} if spec["remotes"] is not None else {})}
        port = batch.insert("Port", name=name, interfaces=[interface], external_ids=marks)
        batch.find("Bridge", spec["bridge"]).addvalue("ports", port)
    elif batch.bridge_of(name).name != spec["bridge"]:
        batch.bridge_of(name).delvalue("ports", port)
        batch.find("Bridge", spec["bridge"]).addvalue("ports", port)
    columns = {"type": spec["type"], "options": _interface_options(spec, getattr(interface, "options", {}))}
    _set(interface, {**columns, "bfd": spec["bfd"]})
    _set(port, {"protected": spec["protected"], "external_ids": _ovs.with_marks(spec["external_ids"], port)})


def _set(row: _ovsdb.Row, columns: dict[str, Any]) -> None:
    """Write the columns that differ."""
    for column, value in columns.items():
        if getattr(row, column, None) != value:
            setattr(row, column, value)


def _interface_options(spec: Spec, present: dict[str, str]) -> dict[str, str]:
    """Return Interface.options: what others set there stays, and what is at its default is left out."""
    options = {key: value for key, value in present.items() if key not in _TUNNEL_DEFAULTS}
    options["remote_ip"] = spec["remote"]
    for option, default in _TUNNEL_DEFAULTS.items():
        if spec[option] != default:
            options[option] = str(spec[option]).lower() if isinstance(default, bool) else spec[option]
    options.pop("dst_port", None)
    if spec["dst_port"] != _PORTS[spec["type"]]:
        options["dst_port"] = str(spec["dst_port"])
    return options
