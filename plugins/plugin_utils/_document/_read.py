# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the variables of the role ``fabric`` into the model: types, ranges, defaults. Relations are checked later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible_collections.netvirt.fabric.plugins.module_utils import _node, _values
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds import _dnsmasq_values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._model import (
    FLAT,
    LOCAL,
    VLAN,
    AddressRange,
    Dhcp,
    ExternalLeg,
    Guest,
    Network,
    Nic,
    NodeSettings,
    PhysicalNetwork,
    Reservation,
    Router,
    Underlay,
    Uplink,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults, Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes import _mtu

MODES = ("isolated", "routed", "nat", "bridged")
NETWORK_TYPES = (LOCAL, FLAT, VLAN, *_mtu.OVERHEAD)
BOND_MODES = ("active-backup", "balance-slb", "balance-tcp")
DEFAULT_OWNER = "fabric"
DEFAULT_LEASE = "24h"
DEFAULT_MEMORY = 512
DEFAULT_VCPUS = 1
KEY_BITS = {"gre": 32, "vxlan": 24, "geneve": 24}

_mtu_value = _values.integer(_mtu.IPV4_MIN, 65535)


def read_document(variables: Any, faults: Faults) -> Document:
    """Return the document that these variables (``fabric_networks`` ...) hold; what is wrong goes to ``faults``."""
    if not isinstance(variables, dict):
        faults.add("the document", f"must be a dictionary, not {_values.shown(variables)}")
        return Document(owner=DEFAULT_OWNER, underlay=None)
    return Reader(variables, "", faults).finish(_document)


def _document(reader: Reader) -> Document:
    owner = reader.get("fabric_owner", _convert.name, DEFAULT_OWNER)
    former = reader.get("fabric_owner_was", _convert.name, "")
    if former and former in (owner, _node.SETTINGS["owner"].default):
        reason = "fabric_owner itself" if former == owner else "the owner of what single modules make"
        reader.faults.add("fabric_owner_was", f"must be the owner of another document; {former} is {reason}")
    defaults = reader.child("fabric_guest_defaults", _guest_settings) or {}
    return Document(
        owner=owner,
        owner_was=former,
        underlay=reader.child("fabric_underlay", _underlay) if reader.raw("fabric_underlay") else None,
        nodes=reader.mapping("fabric_nodes", _node_settings),
        physical_networks=reader.children("fabric_physical_networks", _physical_network),
        networks=reader.children("fabric_networks", _network),
        routers=reader.children("fabric_routers", _router),
        guests=reader.children("fabric_guests", lambda item: _guest(item, former or owner, defaults)),
    )


def _underlay(reader: Reader) -> Underlay:
    kind = reader.get("type", _convert.choice(*_mtu.OVERHEAD), "", required=True)
    dst_port = reader.get("dst_port", _values.port_number, None)
    if dst_port and kind == "gre":
        reader.faults.add(reader.at("dst_port"), "GRE has no ports")
    return Underlay(
        type=kind,
        interface=reader.get("interface", _values.interface_name, ""),
        key=reader.get("key", _values.integer(0, 2 ** KEY_BITS.get(kind, 32) - 1), 1),
        dst_port=dst_port,
        mtu=reader.get("mtu", _mtu_value, 0),
        path=reader.path,
    )


def _node_settings(reader: Reader) -> NodeSettings:
    return NodeSettings(
        physical_networks=reader.mapping("physical_networks", _uplink),
        underlay_interface=reader.get("underlay_interface", _values.interface_name, ""),
        underlay_address=reader.get("underlay_address", _convert.interface, None),
        datapath_type=reader.get("datapath_type", _convert.choice("system", "netdev"), ""),
        path=reader.path,
    )


def _physical_network(reader: Reader) -> PhysicalNetwork:
    return PhysicalNetwork(
        name=reader.get("name", _convert.name, "", required=True),
        bridge=reader.get("bridge", _values.interface_name, _names.EXTERNAL),
        uplink=_uplink(reader),
        mtu=reader.get("mtu", _mtu_value, 0),
        path=reader.path,
    )


def _uplink(reader: Reader) -> Uplink:
    """Return what joins a bridge to a physical network: one of three keys says it."""
    interface = reader.get("interface", _values.interface_name, "")
    interfaces = reader.values("interfaces", _values.interface_name)
    linux_bridge = reader.get("linux_bridge", _values.interface_name, "")
    bond_mode = reader.get("bond_mode", _convert.choice(*BOND_MODES), "")
    lacp = reader.get("lacp", _convert.choice("off", "active", "passive"), "")
    given = [key for key in ("interface", "interfaces", "linux_bridge") if reader.raw(key) is not None]
    if len(given) > 1:
        reader.faults.add(reader.at(given[1]), f"cannot be combined with {given[0]}")
    elif given == ["interfaces"] and len(set(interfaces)) < max(2, len(reader.items("interfaces"))):
        if not reader.faults.below(reader.at("interfaces")):
            reader.faults.add(reader.at("interfaces"), "makes a bond and needs two different ones or more")
    elif given and given != ["interfaces"] and (bond_mode or lacp):
        reader.faults.add(reader.at("bond_mode" if bond_mode else "lacp"), f"{given[0]} makes no bond; use interfaces")
    if bond_mode == "balance-tcp" and lacp in ("", "off"):
        reader.faults.add(reader.at("bond_mode"), "balance-tcp needs lacp active or passive")
    return Uplink((interface,) if interface else interfaces, linux_bridge, bond_mode, lacp, reader.path)


def _network(reader: Reader) -> Network:
    cidr = reader.get("cidr", _convert.network4, None)
    cidr6 = reader.get("cidr6", _convert.network6, None)
    mode = reader.get("mode", _convert.choice(*MODES), "", required=True)
    vlan = reader.get("vlan", _values.vlan_id, 0, required=True)
    network_type = reader.get("network_type", _convert.choice(*NETWORK_TYPES), "")
    return Network(
        name=reader.get("name", _convert.name, "", required=True),
        mode=mode,
        vlan=vlan,
        network_type=network_type,
        physical_network=reader.get("physical_network", _convert.name, ""),
        segmentation_id=reader.get("segmentation_id", _values.vlan_id, vlan if network_type == VLAN else 0),
        cidr=cidr,
        gateway=reader.get("gateway", _convert.address4, _first(cidr, mode)),
        cidr6=cidr6,
        gateway6=reader.get("gateway6", _convert.address6, _first(cidr6, mode)),
        mtu=reader.get("mtu", _mtu_value, 0),
        router=reader.get("router", _convert.name, ""),
        dhcp=reader.child("dhcp", _dhcp),
        path=reader.path,
    )


def _first(subnet: Any, mode: str) -> Any:
    """Return the first address for hosts, which is the gateway unless the document says otherwise (as in Neutron).

    On a physical segment somebody else has it, or another.
    """
    return subnet[1] if subnet and mode != "bridged" else None


def _dhcp(reader: Reader) -> Dhcp:
    ranges = reader.located("ranges", _convert.address_range)
    single = reader.get("range", _convert.address_range, None)
    if single:
        ranges.append((reader.at("range"), single))
    return Dhcp(
        ranges=tuple(AddressRange(first, last, path) for path, (first, last) in ranges),
        lease=reader.get("lease", _values.duration, _values.duration(DEFAULT_LEASE)),
        dns_servers=reader.values("dns_servers", _convert.address),
        dns_forwarders=(
            None if reader.raw("dns_forwarders") is None else reader.values("dns_forwarders", _convert.address)
        ),
        domain=reader.get("domain", _values.hostname, ""),
        options=_dhcp_options(reader),
        hosts=reader.children("hosts", _reservation),
        node=reader.get("node", _convert.node, ""),
        address=reader.get("address", _convert.address4, None),
        address6=reader.get("address6", _convert.address6, None),
        path=reader.path,
    )


def _dhcp_options(reader: Reader) -> tuple[dict[str, Any], ...]:
    """Return further DHCP options, by the rules of the kind that gets them."""
    options = reader.children("options", _dhcp_option)
    try:
        _dnsmasq_values.dhcp_options([{"family": 4, **option} for option in options if option["option"]])
    except ValueError as error:
        reader.faults.add(reader.at("options"), str(error))
    return options


def _dhcp_option(reader: Reader) -> dict[str, Any]:
    option = {
        "option": reader.get("option", lambda value: _convert.text(_values.written(value)), "", required=True),
        "value": reader.get(
            "value", _dnsmasq_values.DHCP_OPTION["value"].canonical or _convert.text, "", required=True
        ),
        "family": reader.get("family", lambda value: int(_convert.choice("4", "6")(_values.written(value))), None),
    }
    return {key: value for key, value in option.items() if value is not None}


def _reservation(reader: Reader) -> Reservation:
    addresses = (reader.get("address", _convert.address4, None), reader.get("address6", _convert.address6, None))
    return Reservation(
        mac=reader.get("mac", _values.mac, "", required=True),
        addresses=tuple(address for address in addresses if address),
        hostname=reader.get("hostname", _convert.label, ""),
        path=reader.path,
    )


def _router(reader: Reader) -> Router:
    return Router(
        name=reader.get("name", _convert.name, "", required=True),
        node=reader.get("node", _convert.node, "", required=True),
        external=reader.child("external", _external_leg),
        routes_between=None if reader.raw("routes_between") is None else reader.values("routes_between", _group),
        trunk=reader.get("legs", _convert.choice("access", "trunk"), "access") == "trunk",
        path=reader.path,
    )


def _group(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) < 2:
        raise ValueError(f"must be a list of two networks or more, not {_values.shown(value)}")
    return tuple(_convert.name(item) for item in value)


def _external_leg(reader: Reader) -> ExternalLeg:
    leg = ExternalLeg(
        network=reader.get("network", _convert.name, "", required=True),
        address=reader.get("address", _convert.interface4, None),
        gateway=reader.get("gateway", _convert.address4, None),
        address6=reader.get("address6", _convert.interface6, None),
        gateway6=reader.get("gateway6", _convert.address6, None),
        vlan=reader.get("vlan", _values.vlan_id, 0),
        path=reader.path,
    )
    if reader.raw("address") is None and reader.raw("address6") is None:
        reader.faults.add(reader.at("address"), "is required, or address6")
    return leg


def _guest(reader: Reader, owner: str, defaults: Mapping[str, Any]) -> Guest:
    name = reader.get("name", _convert.label, "", required=True)
    return Guest(
        name=name,
        node=reader.get("node", _convert.node, "", required=True),
        nics=_nics(reader, owner, name),
        settings={"memory": DEFAULT_MEMORY, "vcpus": DEFAULT_VCPUS, **defaults, **_guest_settings(reader)},
        path=reader.path,
    )


def _nics(reader: Reader, owner: str, guest: str) -> tuple[Nic, ...]:
    """Return a guest's NICs: those of ``networks``, or the one that its own keys describe."""

    def nic(item: Reader, index: int) -> Nic:
        return Nic(
            network=item.get("network", _convert.name, "", required=True),
            mac=item.get("mac", _values.mac, _names.mac(owner, "guest", guest, str(index))),
            address=item.get("address", _convert.address4, None),
            address6=item.get("address6", _convert.address6, None),
            path=item.path,
        )

    if reader.raw("networks") is None:
        return (nic(reader, 0),)
    given = [key for key in ("network", "mac", "address", "address6") if reader.raw(key) is not None]
    if given:
        reader.faults.add(reader.at("networks"), f"cannot be combined with {', '.join(given)}")
    counter = iter(range(len(reader.items("networks"))))
    return reader.children("networks", lambda item: nic(item, next(counter)))


def _guest_settings(reader: Reader) -> dict[str, Any]:
    """Return the settings that are given, of those that a guest and fabric_guest_defaults have in common."""
    converters: dict[str, Callable[[Any], Any]] = {
        "memory": _values.integer(16, 2**24),
        "vcpus": _values.integer(1, 1024),
        "image": _convert.file_path,
        "kernel": _convert.file_path,
        "initrd": _convert.file_path,
        "cmdline": _convert.text,
    }
    found = {key: reader.get(key, convert, None) for key, convert in converters.items()}
    return {key: value for key, value in found.items() if value is not None}
