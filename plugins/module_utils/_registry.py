# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""All kinds by name, for lists of resources."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values

if TYPE_CHECKING:  # Not run: a kind costs time only where it is used. But Ansible packs what it finds here.
    from ansible_collections.netvirt.fabric.plugins.module_utils._kinds import (  # noqa: F401
        bridge_uplink,
        dnsmasq_netns,
        ip_interface,
        kvm_guest,
        link_bond,
        link_unmanaged,
        link_vlan,
        linux_bridge,
        nat_inbound,
        nat_masquerade,
        netns_router,
        ovs_bridge,
        ovs_db,
        ovs_flow,
        ovs_port_vlan,
        ovs_tunnel,
        packet_filter,
        veth_pair,
    )

KINDS = {
    "ovs_bridge": "OvsBridge",
    "ovs_port_vlan": "OvsPortVlan",
    "ovs_tunnel": "OvsTunnel",
    "ovs_db": "OvsDb",
    "ovs_flow": "OvsFlow",
    "veth_pair": "VethPair",
    "linux_bridge": "LinuxBridge",
    "link_vlan": "LinkVlan",
    "link_bond": "LinkBond",
    "link_unmanaged": "LinkUnmanaged",
    "bridge_uplink": "BridgeUplink",
    "ip_interface": "IpInterface",
    "netns_router": "NetnsRouter",
    "nat_masquerade": "NatMasquerade",
    "nat_inbound": "NatInbound",
    "packet_filter": "PacketFilter",
    "dnsmasq_netns": "DnsmasqNetns",
    "kvm_guest": "KvmGuest",
}
"""The class of each kind, in the module of the kind's name."""


@cache
def kind(name: str) -> _engine.Kind:
    """Return the kind of that name; raises InvalidValue."""
    if name not in KINDS:
        raise _errors.InvalidValue(f"unknown kind {values.shown(name)} (known: {', '.join(KINDS)})")
    module = import_module(f"{__package__}._kinds.{name}")
    result: _engine.Kind = getattr(module, KINDS[name])()
    return result


def parse(entries: Any) -> list[_engine.Resource]:
    """Return the resources of a list of ``{kind: options}``; raises InvalidValue with all faults in one line."""
    if not isinstance(entries, list):
        raise _errors.InvalidValue(f"resources must be a list, not {values.shown(entries)}")
    faults: list[str] = []
    result: list[_engine.Resource] = []
    for index, entry in enumerate(entries):
        try:
            if not isinstance(entry, dict) or len(entry) != 1:
                raise _errors.InvalidValue(
                    f"must be a dictionary with one kind as its only key, not {values.shown(entry)}"
                )
            ((name, options),) = entry.items()
            result.append(_engine.resource(kind(name), options))
        except _errors.InvalidValue as error:
            faults.append(f"resources[{index}]: {error}")
    if faults:
        raise _errors.InvalidValue("; ".join(faults))
    return result
