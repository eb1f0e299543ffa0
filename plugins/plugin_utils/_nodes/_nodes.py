# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the compiler needs to know of the nodes: their underlay addresses and MTU, the datapath type of one of them.

Facts are what the module ``node_info`` returned, by node: ``{"datapath_types": [...], "interfaces": {name:
{"addresses": [CIDR], "mtu": bytes, "mac": MAC}}}``. What the document pins is not looked for, so that a node that
cannot be reached need not stop the others.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Collection, Mapping
from typing import Any, Optional, Union

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address, Interface, Subnet
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import LOCAL, Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._nodes import NodeSettings
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._physical_networks import PhysicalNetwork
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._underlay import Underlay
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes import _mtu
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._facts import Facts, global_addresses, interfaces_of
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._state import NodeState

Ignored = Collection[Union[str, tuple[str, str]]]
"""Nodes, and interfaces as node and name, whose facts do not count."""
_MOST_RESOLVERS = 3  # as resolv.conf(5) has it
DEFAULT_MTU = 1500  # IEEE 802.3, where there is no underlay to ask


def settings_of(document: Document, node: str) -> NodeSettings:
    """Return what the document says of a node."""
    return document.nodes.get(node) or NodeSettings(path=f"fabric_nodes.{node}")


def underlay_interface(document: Document, node: str) -> str:
    """Return the name of a node's underlay interface, empty where the fabric has no underlay."""
    if document.underlay is None:
        return ""
    return settings_of(document, node).underlay_interface or document.underlay.interface


def node_state(document: Document, node: str, facts: Facts, faults: Faults) -> NodeState:
    """Return the state of the node to compile for."""
    if not interfaces_of(facts, node):
        faults.add(node, "there are no facts of this node; it has to be reached before it can be built")
        return NodeState(datapath_type="")
    interfaces = interfaces_of(facts, node)
    name = underlay_interface(document, node)
    if name and name not in interfaces:
        _add_lack(document, node, name, faults)
    return NodeState(
        datapath_type=_datapath_type(document, node, facts, faults),
        address=_underlay_address(document, node, facts, faults),
        underlay_interface=name,
        underlay_addresses=_underlay_addresses(document, node, facts),
        underlay_mac=str(interfaces.get(name, {}).get("mac") or ""),
        mtus={key: int(value.get("mtu") or DEFAULT_MTU) for key, value in interfaces.items()},
        resolvers=_resolvers(facts, node),
        parents=frozenset(str(value["parent"]) for value in interfaces.values() if value.get("parent")),
        addressed=frozenset(key for key in interfaces if global_addresses(facts, node, key)),
    )


def _resolvers(facts: Facts, node: str) -> tuple[Address, ...]:
    """Return the DNS servers that a node says it asks, as far as others can ask them."""
    found = []
    for text in (facts.get(node) or {}).get("resolvers") or []:
        with contextlib.suppress(ValueError):
            found.append(_values.resolver(text))
    return tuple(ipaddress.ip_address(text) for text in list(dict.fromkeys(found))[:_MOST_RESOLVERS])


def underlay_addresses(
    document: Document, facts: Facts, faults: Faults, ignored: Ignored = frozenset()
) -> dict[str, Interface]:
    """Return the underlay address of every node of the document: unique, and all of one IP version."""
    found = {
        node: _underlay_address(document, node, facts, Faults() if node in ignored else faults)
        for node in document.members()
    }
    addresses = {node: address for node, address in found.items() if address}
    if len({address.version for address in addresses.values()}) > 1:
        listed = ", ".join(f"{node} {address}" for node, address in addresses.items())
        message = f"addresses are of different IP versions ({listed}); set underlay_address in fabric_nodes"
        faults.add("fabric_underlay", message)
    first_with: dict[Any, str] = {}
    for node, address in addresses.items():
        other = first_with.setdefault(address.ip, node)
        if other != node:
            faults.add(f"fabric_nodes.{node}.underlay_address", f"{address.ip} is already the address of {other}")
    return addresses


def network_mtus(document: Document, facts: Facts, faults: Faults, ignored: Ignored) -> dict[str, int]:
    """Return the MTU of every network, in bytes: what the document asks for, or the most that what carries it does.

    The MTUs of ``ignored`` nodes and interfaces do not count.
    """
    tunnels = (
        _most(document, facts, faults, ignored) if any(network.tunnelled() for network in document.networks) else 0
    )
    limits = {
        physical.name: _physical_mtu(document, physical, facts, faults, ignored)
        for physical in document.physical_networks
    }
    result = {}
    for network in document.networks:
        if network.physical_network:
            most, carrier = limits[network.physical_network], f"physical network '{network.physical_network}'"
        else:
            most, carrier = tunnels if network.tunnelled() else DEFAULT_MTU, "the underlay"
        if most and network.network_type != LOCAL:
            _check_mtu(network, most, carrier, faults)
        result[network.name] = network.mtu or most
    return result


def _check_mtu(network: Network, most: int, carrier: str, faults: Faults) -> None:
    if network.mtu > most:
        faults.add(f"{network.path}.mtu", f"{network.mtu} is more than the {most} that {carrier} leaves for guests")
    elif most < _mtu.IPV6_MIN and network.cidr6:
        faults.add(f"{network.path}.cidr6", f"{carrier} leaves an MTU of {most}, IPv6 needs {_mtu.IPV6_MIN}")
    elif most < _mtu.IPV4_MIN:
        faults.add(f"{network.path}.mtu", f"{carrier} leaves an MTU of {most}, IPv4 needs {_mtu.IPV4_MIN}")


def _physical_mtu(document: Document, physical: PhysicalNetwork, facts: Facts, faults: Faults, ignored: Ignored) -> int:
    """Return what the document says, else the least MTU of the uplinks; 0 where it cannot be told.

    Nobody need know it where no guest is on the physical network, only routers' external ports.
    """
    if physical.mtu or not document.carried_by(physical):
        return physical.mtu
    mtus = []
    for node in document.members():
        for name in document.uplink(physical, node).devices() if physical in document.attached(node) else ():
            if node in ignored or (node, name) in ignored:
                continue
            mtu = interfaces_of(facts, node).get(name, {}).get("mtu")
            if mtu:
                mtus.append(int(mtu))
            else:
                _add_unknown(node, f"the MTU of its uplink {name}", f"{physical.path}.mtu", facts, faults)
    return min(mtus, default=0)


def _most(document: Document, facts: Facts, faults: Faults, ignored: Ignored) -> int:
    """Return the largest MTU for guests; 0 where it cannot be told."""
    underlay = document.underlay
    if underlay is None:
        return DEFAULT_MTU
    addresses = underlay_addresses(document, facts, Faults(), ignored)
    mtu = _underlay_mtu(document, underlay, facts, faults, ignored)
    if not addresses or not mtu:
        return 0
    return _mtu.inner_mtu(mtu, underlay.type, next(iter(addresses.values())).version)


def _underlay_mtu(document: Document, underlay: Underlay, facts: Facts, faults: Faults, ignored: Ignored) -> int:
    """Return what the document says, else the least MTU of all underlay interfaces."""
    mtus = _underlay_mtus(document, facts, ignored)
    for node in document.members() if not underlay.mtu else ():
        name = underlay_interface(document, node)
        if mtus.get(node, 1):
            continue
        if interfaces_of(facts, node) and name not in interfaces_of(facts, node):
            _add_lack(document, node, name, faults)
        else:
            _add_unknown(node, f"the MTU of its underlay interface {name}", "fabric_underlay.mtu", facts, faults)
    return underlay.mtu or min([mtu for mtu in mtus.values() if mtu], default=0)


def _underlay_mtus(document: Document, facts: Facts, ignored: Ignored) -> dict[str, int]:
    """Return the MTUs of the underlay interfaces by node, 0 where it is not known, less those that do not count."""
    names = {node: underlay_interface(document, node) for node in document.members() if node not in ignored}
    return {
        node: int(interfaces_of(facts, node).get(name, {}).get("mtu") or 0)
        for node, name in names.items()
        if (node, name) not in ignored
    }


def uneven_mtus(document: Document, facts: Facts, ignored: Ignored) -> str:
    """Return a line about a node that makes the networks of all smaller than the others would, if there is one."""
    tunnelled = any(network.tunnelled() and not network.mtu for network in document.networks)
    if document.underlay is None or document.underlay.mtu or not tunnelled:
        return ""
    mtus = {node: mtu for node, mtu in _underlay_mtus(document, facts, ignored).items() if mtu}
    if len(set(mtus.values())) < 2:
        return ""
    least = min(mtus, key=lambda node: mtus[node])
    name = underlay_interface(document, least)
    return (
        f"{least}: its {name} has an MTU of {mtus[least]}, others have up to {max(mtus.values())}; all networks that "
        "tunnels carry follow it; raise it, or set fabric_underlay.mtu"
    )


def _add_lack(document: Document, node: str, name: str, faults: Faults) -> None:
    settings = settings_of(document, node)
    path = f"{settings.path}.underlay_interface" if settings.underlay_interface else "fabric_underlay.interface"
    faults.add(path, f"{node} has no interface {name}")


def _add_unknown(node: str, what: str, remedy: str, facts: Facts, faults: Faults) -> None:
    reason = "it is not there" if interfaces_of(facts, node) else "the node could not be asked"
    faults.add(node, f"{what} is not known, since {reason}; set {remedy}")


def _underlay_addresses(document: Document, node: str, facts: Facts) -> tuple[Interface, ...]:
    """Return all underlay addresses: the pinned one, and those of the interface, or of br-phy that took them.

    After a boot whose rebuild has failed, nobody has them: the host's network managers leave the interface alone.
    """
    pinned = settings_of(document, node).underlay_address
    names = (underlay_interface(document, node), _names.UNDERLAY)
    found = [address for name in names for address in global_addresses(facts, node, name)]
    found += [pinned] if pinned else []
    found = found or _kept_addresses(document, node, facts)
    return tuple(sorted(dict.fromkeys(found), key=lambda address: (address.version, address)))


def _kept_addresses(document: Document, node: str, facts: Facts) -> list[Interface]:
    """Return the addresses of br-phy that the node was last told; nothing of what has another form."""
    kept = (facts.get(node) or {}).get("kept")
    told = [item for owner, item in kept.items() if document.owns(owner)] if isinstance(kept, dict) else []
    found = []
    for item in told:
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
            found += [ipaddress.ip_interface(str(text)) for text in item["addresses"][_names.UNDERLAY]]
    return [address for address in found if not address.ip.is_link_local]


def _underlay_address(document: Document, node: str, facts: Facts, faults: Faults) -> Optional[Interface]:
    name = underlay_interface(document, node)
    pinned = settings_of(document, node).underlay_address
    if not name or pinned:
        return pinned if name else None
    addresses = _underlay_addresses(document, node, facts)
    if not addresses:
        what = f"the address of its underlay interface {name}"
        _add_unknown(node, what, f"fabric_nodes.{node}.underlay_address", facts, faults)
        return None
    if len([address for address in addresses if address.version == addresses[0].version]) > 1:
        listed = ", ".join(map(str, addresses))
        faults.add(
            f"fabric_nodes.{node}.underlay_address", f"is required, since {name} has several addresses: {listed}"
        )
    return addresses[0]


def _datapath_type(document: Document, node: str, facts: Facts, faults: Faults) -> str:
    """Return the pinned type, else the one that the node prefers."""
    settings = settings_of(document, node)
    offered = (facts.get(node) or {}).get("datapath_types") or []
    if settings.datapath_type:
        if offered and settings.datapath_type not in offered:
            message = f"{node} offers {', '.join(sorted(offered))} only, not {settings.datapath_type}"
            faults.add(f"{settings.path}.datapath_type", message)
        return settings.datapath_type
    if not offered:
        faults.add(node, "offers no Open vSwitch datapath; is openvswitch-switch installed and running?")
    return str(offered[0]) if offered else ""


def check_on_link(state: NodeState, node: str, peers: Mapping[Subnet, Mapping[str, Interface]], faults: Faults) -> None:
    """Note the peers that br-phy has no route to: it takes over the underlay's addresses, no routes beyond them.

    ``peers`` are the underlay addresses by node, by their subnets: those of an own subnet need no look at each.
    """
    own = [address.network for address in state.underlay_addresses]
    for subnet, addresses in peers.items():
        subnets = [item for item in own if item.version == subnet.version]
        for peer, address in addresses.items() if subnets and subnet not in subnets else ():
            if peer != node and not any(address.ip in item for item in subnets):
                faults.add(
                    f"fabric_nodes.{peer}.underlay_address",
                    f"{address.ip} is not in {subnets[0]} of {node}, whose userspace datapath reaches no other subnet",
                )


def check_lease(state: NodeState, node: str, facts: Facts, faults: Faults) -> None:
    """Note an underlay address that goes with its lease, which nobody would renew on br-phy."""
    name = state.underlay_interface
    for address in interfaces_of(facts, node).get(name, {}).get("leased", ()):
        faults.add(
            "fabric_underlay.interface",
            f"{node} has {address} of {name} by a lease (DHCP), and nobody would renew it on br-phy; give the host "
            f"this address statically where {name} is configured now",
        )
