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
    from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp import dnsmasq_netns  # noqa: F401
    from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import (  # noqa: F401
        nat_inbound,
        nat_masquerade,
        packet_filter,
    )
    from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests import kvm_guest  # noqa: F401
    from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links import (  # noqa: F401
        ip_interface,
        link_bond,
        link_unmanaged,
        link_vlan,
        linux_bridge,
        veth_pair,
    )
    from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import (  # noqa: F401
        ovs_bridge,
        ovs_db,
        ovs_flow,
        ovs_port_vlan,
        ovs_tunnel,
    )
    from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._routing import netns_router  # noqa: F401
    from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._uplinks import bridge_uplink  # noqa: F401

KINDS = {
    "ovs_bridge": "_openvswitch",
    "ovs_port_vlan": "_openvswitch",
    "ovs_tunnel": "_openvswitch",
    "ovs_db": "_openvswitch",
    "ovs_flow": "_openvswitch",
    "veth_pair": "_links",
    "linux_bridge": "_links",
    "link_vlan": "_links",
    "link_bond": "_links",
    "link_unmanaged": "_links",
    "bridge_uplink": "_uplinks",
    "ip_interface": "_links",
    "netns_router": "_routing",
    "nat_masquerade": "_filters",
    "nat_inbound": "_filters",
    "packet_filter": "_filters",
    "dnsmasq_netns": "_dhcp",
    "kvm_guest": "_guests",
}
"""The folder of _kinds in which each kind is: a module of its name, which has the class of that name."""


@cache
def kind(name: str) -> _engine.Kind:
    """Return the kind of that name; raises InvalidValue."""
    if name not in KINDS:
        raise _errors.InvalidValue(f"unknown kind {values.shown(name)} (known: {', '.join(KINDS)})")
    module = import_module(f"{__package__}._kinds.{KINDS[name]}.{name}")
    result: _engine.Kind = getattr(module, "".join(word.capitalize() for word in name.split("_")))()
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
