# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""All kinds by name, for lists of resources."""

from __future__ import annotations

from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils._engine import Kind, Resource, resource
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import InvalidValue
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds.dnsmasq_netns import DnsmasqNetns
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds.nat_masquerade import NatMasquerade
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds.ovs_bridge import OvsBridge
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds.ovs_port_vlan import OvsPortVlan
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds.ovs_tunnel import OvsTunnel

_ALL: tuple[Kind, ...] = (
    OvsBridge(),
    OvsPortVlan(),
    OvsTunnel(),
    NatMasquerade(),
    DnsmasqNetns(),
)

KINDS = {kind.name: kind for kind in _ALL}


def parse(entries: Any) -> list[Resource]:
    """Return the resources of a list of ``{kind: options}``; raises InvalidValue with all faults in one line."""
    if not isinstance(entries, list):
        raise InvalidValue(f"resources must be a list, not {entries!r}")
    faults: list[str] = []
    result: list[Resource] = []
    for index, entry in enumerate(entries):
        try:
            if not isinstance(entry, dict) or len(entry) != 1:
                raise InvalidValue(f"must be a dictionary with one kind as its only key, not {entry!r}")
            ((name, options),) = entry.items()
            if name not in KINDS:
                raise InvalidValue(f"unknown kind {name!r} (known: {', '.join(KINDS)})")
            result.append(resource(KINDS[name], options))
        except InvalidValue as error:
            faults.append(f"resources[{index}]: {error}")
    if faults:
        raise InvalidValue("; ".join(faults))
    return result
