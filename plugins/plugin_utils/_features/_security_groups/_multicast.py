# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes to all, or to a group, and is not of the sort that always passes: each guest gets it if its rules allow it.

Open vSwitch floods to all ports of a VLAN or to none. So in a network that has filtered guests on the node, a copy is
made for each port: those of filtered guests are judged one by one, those of other guests and the patches to where the
network goes on get theirs as it is. Ports of routers and DHCP servers, and foreign ones, get none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._port_security import _model
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._port_security._flows import FORWARD
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._port_security._port_security import numbered
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups import _tables
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site


@dataclass(frozen=True)
class Exit:
    """A port of br-int that is not filtered, by name or number. ``native`` is the VLAN that is untagged on it, or 0."""

    port: str
    vlans: tuple[int, ...]
    native: int
    guest: bool = False


def exits(site: Site, plan: Plan) -> list[Exit]:
    """Return the patches of br-int, and the ports of guests without port security, whose devices may be yet to come."""
    found = [
        Exit(item["name"], tuple(item.get("trunks") or ()), item.get("tag", 0))
        for item in plan.of_kind("ovs_port_vlan")
        if item.get("bridge") == _names.INTEGRATION and item.get("type") == "patch"
    ]
    for _tap, number, nic in numbered(site):
        network = site.document.network(nic.network)
        if network and not _model.of(nic).enabled:
            found.append(Exit(str(number), (network.vlan,), network.vlan, guest=True))
    return found


def flows(ports: Sequence[_tables.Port], open_to: Sequence[Exit]) -> Iterator[str]:
    """Yield the flows for the networks of filtered guests."""
    judged = {port.number: port for port in reversed(ports)}  # of its addresses the own one, which is the first
    vlans = dict.fromkeys(port.vlan for port in ports)
    for item in open_to:
        if item.native:
            on = f"{_tables.put(_tables.NETWORK, item.native)},{_tables.to(_tables.TO)}"
            action = on if item.native in vlans else "NORMAL"
            yield f"table={FORWARD},priority=6,in_port={item.port},vlan_tci=0x0000/0x1fff actions={action}"
    for number, port in judged.items():
        yield from _tables.judge(number, port)
    for vlan in vlans:
        here = [_tables.copy(number) for number, port in judged.items() if port.vlan == vlan]
        here += [f"output:{item.port}" for item in open_to if item.guest and vlan in item.vlans]
        away = [item for item in open_to if not item.guest and vlan in item.vlans]
        plain = [f"output:{item.port}" for item in away if item.native == vlan]
        tagged = [f"output:{item.port}" for item in away if item.native != vlan]
        tag = [f"mod_vlan_vid:{vlan}", *tagged] if tagged else []
        yield from _tables.to_all(vlan, here, [*plain, *tag])
