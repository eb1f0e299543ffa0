# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check the facts that nodes gave of themselves, before anything is made of them. Pure functions, no I/O.

A node may be broken or taken over. Facts of another form, or an MTU that would shrink the networks of all, are a fault
of that node alone. The others are built without what only it could have told.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.netvirt.fabric.plugins.module_utils._values import called, mac, shown
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Interface
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes import _mtu

Facts = Mapping[str, Any]
DATAPATH_TYPES = ("system", "netdev")
LARGEST_MTU = 2**31 - 1
MOST_LEASES = 4096  # of one server


@dataclass(frozen=True)
class Checked:
    """Facts of the form that the compiler relies on.

    ``malformed`` are lines by node, of which there are no facts then. ``small`` are lines by node about MTUs that do
    not count, ``ignored`` the node and name of their interfaces.
    """

    facts: Facts
    malformed: dict[str, str]
    small: dict[str, list[str]]
    ignored: frozenset[tuple[str, str]]

    def of(self, node: str) -> list[str]:
        """Return what is wrong with a node's own facts."""
        return [self.malformed[node]] if node in self.malformed else self.small.get(node, [])

    def notes(self, node: str) -> list[str]:
        """Return what the operators are to know of the facts of other nodes."""
        lines = [f"{line}; {_LEFT_OUT}" for other, line in self.malformed.items() if other != node]
        return lines + [line for other, found in self.small.items() if other != node for line in found]


def interfaces_of(facts: Facts, node: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the interfaces of a node by name, none where it was not asked."""
    result: Mapping[str, Mapping[str, Any]] = (facts.get(node) or {}).get("interfaces") or {}
    return result


def global_addresses(facts: Facts, node: str, interface: str) -> list[Interface]:
    """Return the addresses of a node's interface, without the link-local ones that it has by itself."""
    found = interfaces_of(facts, node).get(interface, {}).get("addresses") or []
    addresses = [ipaddress.ip_interface(str(address)) for address in found]
    return [address for address in addresses if not address.ip.is_link_local]


def checked(document: Document, facts: Facts, underlays: Mapping[str, str]) -> Checked:
    """Return the facts that can be used; ``underlays`` are the names of the underlay interfaces by node."""
    malformed: dict[str, str] = {}
    small: dict[str, list[str]] = {}
    ignored: set[tuple[str, str]] = set()
    for node, found in facts.items():
        if not found or (isinstance(found, dict) and "interfaces" not in found):
            continue  # it was not reached, and Ansible's own words are all that there is
        line = next(_faults(found, underlays.get(node, "")), "")
        if line:
            malformed[node] = f"{node}: its fact {line}"
            continue
        for name, message in _small(document, node, found, underlays.get(node, "")):
            small.setdefault(node, []).append(message)
            ignored.add((node, name))
    good = {node: found for node, found in facts.items() if node not in malformed}
    return Checked(good, malformed, small, frozenset(ignored))


def _faults(facts: Any, underlay: str) -> Iterator[str]:
    """Yield what is wrong with facts, each with the fact's path and value."""
    if not isinstance(facts, dict):
        yield f"set must be a dictionary, not {shown(facts)}"
        return
    types = facts.get("datapath_types")
    if not isinstance(types, list) or not all(isinstance(name, str) and name in DATAPATH_TYPES for name in types):
        yield f"datapath_types must be a list out of {', '.join(DATAPATH_TYPES)}, not {shown(types)}"
    interfaces, bridges = facts["interfaces"], facts.get("bridges") or {}
    for key, value in (("interfaces", interfaces), ("bridges", bridges)):
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            yield f"{key} must be a dictionary by name, not {shown(value)}"
            return
    if not _are_hosts(facts.get("resolvers", [])):
        yield f"resolvers must be a list of addresses, not {shown(facts['resolvers'])}"
    servers = facts.get("dhcp_servers", {})
    if not isinstance(servers, dict) or not all(isinstance(name, str) for name in servers):
        yield f"dhcp_servers must be a dictionary by name, not {shown(servers)}"
        return
    for name, server in servers.items():
        yield from _of(f"dhcp_servers.{called(name)}", server, _SERVER)
        if isinstance(server, dict) and set(_SERVER) - set(server):
            yield f"dhcp_servers.{called(name)} must have {', '.join(_SERVER)}, not {shown(server)}"
    for name, interface in interfaces.items():
        yield from _of(f"interfaces.{called(name)}", interface, _INTERFACE)
    for name in (underlay, _names.UNDERLAY):
        for address in (interfaces.get(name) or {}).get("addresses", ()) if name else ():
            ip = ipaddress.ip_interface(address).ip
            if ip.is_loopback or ip.is_multicast or ip.is_unspecified:
                yield f"interfaces.{name}.addresses must be addresses by which a host is reached, not {ip}"
    for name, bridge in bridges.items():
        yield from _of(f"bridges.{called(name)}", bridge, _BRIDGE)


def _of(path: str, value: Any, keys: Mapping[str, tuple[Callable[[Any], bool], str]]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path} must be a dictionary, not {shown(value)}"
        return
    for key, (check, what) in keys.items():
        if key in value and not check(value[key]):
            yield f"{path}.{key} must be {what}, not {shown(value[key])}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 255 and value.isprintable()


def _is_mtu(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_MTU


def _are_addresses(value: Any) -> bool:
    try:
        return isinstance(value, list) and all(_is_text(item) and ipaddress.ip_interface(item) for item in value)
    except ValueError:
        return False


def _are_hosts(value: Any) -> bool:
    return _are_addresses(value) and not any("/" in item for item in value)


def _are_ranges(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, list) and len(item) == 2 and _are_ipv4(item) for item in value
    )


def _are_ipv4(items: list[Any]) -> bool:
    try:
        return all(_is_text(item) and str(ipaddress.IPv4Address(item)) == item for item in items)
    except ValueError:
        return False


def _are_leases(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MOST_LEASES and all(map(_is_lease, value))


def _is_lease(item: Any) -> bool:
    if not isinstance(item, dict) or set(item) != {"mac", "address", "seconds"} or not _are_ipv4([item["address"]]):
        return False
    seconds = item["seconds"]
    try:
        known = isinstance(item["mac"], str) and mac(item["mac"]) == item["mac"]
    except ValueError:
        return False
    return known and isinstance(seconds, int) and not isinstance(seconds, bool) and 0 <= seconds < 2**32 - 1


_SERVER = {
    "owner": (_is_text, "text"),
    "ranges": (_are_ranges, "a list of pairs of IPv4 addresses"),
    "leases": (_are_leases, "a list of at most 4096 leases, each with mac, address and seconds"),
}
_INTERFACE = {
    "addresses": (_are_addresses, "a list of addresses with prefix lengths"),
    "leased": (_are_addresses, "a list of addresses with prefix lengths"),
    "mtu": (_is_mtu, f"a whole number from 0 to {LARGEST_MTU}"),
    "mac": (_is_text, "text"),
    "parent": (_is_text, "text"),
    "vlan_filtering": (lambda value: isinstance(value, bool), "true or false"),
}
_BRIDGE = {
    "owner": (_is_text, "text"),
    "ports": (lambda value: isinstance(value, list) and all(map(_is_text, value)), "a list of names"),
}


def _small(document: Document, node: str, facts: Facts, underlay: str) -> Iterator[tuple[str, str]]:
    """Yield the interfaces whose MTU is less than networks can be given, each with a line that says so."""
    interfaces = facts.get("interfaces") or {}
    if document.underlay and underlay in interfaces and any(network.tunnelled() for network in document.networks):
        mtu, pinned = interfaces[underlay].get("mtu", 0), document.underlay.mtu
        addresses = [ipaddress.ip_interface(item) for item in interfaces[underlay].get("addresses", ())]
        version = max([item.version for item in addresses if not item.ip.is_link_local], default=4)
        left = _mtu.inner_mtu(mtu, document.underlay.type, version) if document.underlay.type else _mtu.IPV6_MIN
        if mtu and pinned and mtu < pinned:
            yield underlay, f"fabric_underlay.mtu: {pinned} is more than the MTU {mtu} of {underlay} on {node}"
        elif mtu and not pinned and left < _mtu.IPV6_MIN:
            need = mtu + _mtu.IPV6_MIN - left
            yield underlay, f"{node}: its {underlay} has an MTU of {mtu}; {_LESS} {need}, or set fabric_underlay.mtu"
    for physical in document.physical_networks if node in document.members() else ():
        if physical.mtu or not document.carried_by(physical) or physical not in document.attached(node):
            continue
        for name in document.uplink(physical, node).devices():
            mtu = (interfaces.get(name) or {}).get("mtu", 0)
            if 0 < mtu < _mtu.IPV6_MIN:
                yield (
                    name,
                    f"{node}: its {name} has an MTU of {mtu}; {_LESS} {_mtu.IPV6_MIN}, or set {physical.path}.mtu",
                )


_LEFT_OUT = "until that is mended, other nodes have no tunnel to it unless fabric_nodes has its underlay_address"
_LESS = f"networks are not made smaller than {_mtu.IPV6_MIN} for it: give it at least"
