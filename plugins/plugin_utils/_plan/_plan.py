# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of one node.

Features say what is to be there, in the words of the kinds, and several may speak of one object: see ``_rules``. The
plan has each object once, in the order in which they were first spoken of.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils._values import called, shown
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan import _rules
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._namespace import Namespace
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site

Resource = dict[str, dict[str, Any]]
"""One entry of an apply list: {module name: options}."""

IDENTITY = ("namespace", "bridge", "name")
"""What tells the objects of a kind apart; a port is one by its name alone."""
MAC_TABLE_SIZE = 50_000


class Plan:
    """What features say of a node. ``by`` says in whose name."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.contradictions: list[str] = []
        self._feature = ""
        self._objects: dict[tuple[str, ...], dict[str, Any]] = {}
        self._speakers: dict[tuple[str, ...], dict[str, list[str]]] = {}
        self._matches: dict[tuple[str, str], str] = {}

    def by(self, feature: str) -> Plan:
        """Return this plan, into which that feature writes from now on."""
        self._feature = feature
        return self

    def resources(self) -> list[Resource]:
        """Return the apply list."""
        return [{key[0]: dict(options)} for key, options in self._objects.items()]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Return the objects of a kind that were spoken of so far."""
        return [options for key, options in self._objects.items() if key[0] == kind]

    def say(self, kind: str, **options: Any) -> None:
        """Say something of an object; what was said of it before holds as well."""
        names = ("name",) if kind == "ovs_port_vlan" else IDENTITY
        key = (kind, *(str(options.get(name, "")) for name in names))
        before, speakers = self._objects.setdefault(key, {}), self._speakers.setdefault(key, {})
        rules = _rules.RULES.get(kind, {})
        for name, value in options.items():
            if name not in before:
                before[name] = value
                speakers[name] = [self._feature]
                continue
            try:
                before[name] = rules.get(name, _rules.same)(before[name], value)
            except _rules.Contradiction as error:
                self.contradictions.append(
                    f"{called(self.site.node)}: {kind} {called(options['name'])}: {name}{error.place} is "
                    f"{shown(error.before)} for {', '.join(speakers[name])} and {shown(error.now)} for {self._feature}"
                )
            if self._feature not in speakers[name]:
                speakers[name].append(self._feature)

    def bridge(self, name: str, **options: Any) -> None:
        """Say that there is a bridge, with as much room for MAC addresses as Neutron's have.

        Its own device has no IPv6, but for one that has an address of the host.
        """
        common = {"datapath_type": self.site.state.datapath_type, "mac_table_size": MAC_TABLE_SIZE}
        self.say("ovs_bridge", **{"name": name, **common, "fail_mode": "standalone", **options})
        if name != _names.UNDERLAY and name not in self.site.state.addressed:
            self.link(name, ipv6=False)

    def port(self, name: str, bridge: str, **options: Any) -> None:
        """Say that a device of the host is a port of a bridge. It must have no address: see ``_engines/_ovs``."""
        self.say("ovs_port_vlan", **{"name": name, "bridge": bridge, "ipv6": False, **options})

    def access_port(self, name: str, bridge: str, vlan: int, **options: Any) -> None:
        """The same, in one VLAN; VLAN 0 stands for a bridge that is not divided: the port carries what comes."""
        mode = {"mode": "access", "tag": vlan} if vlan else {"mode": "trunk", "trunks": "all"}
        self.port(name, bridge, **mode, **options)

    def bond(self, name: str, bridge: str, interfaces: Iterable[str], **options: Any) -> None:
        """Say that several NICs are one port of a bridge."""
        members = [{"name": interface, "ipv6": False} for interface in interfaces]
        self.say("ovs_port_vlan", **{"name": name, "bridge": bridge, **options, "interfaces": members})

    def patch(self, name: str, bridge: str, peer: str, **options: Any) -> None:
        """Say that there is one end of a patch between two bridges."""
        self.say("ovs_port_vlan", **{"name": name, "bridge": bridge, "type": "patch", "peer": peer, **options})

    def tunnel(self, name: str, **options: Any) -> None:
        """Say that there are tunnels to other nodes."""
        self.say("ovs_tunnel", name=name, **options)

    def flows(self, bridge: str, title: str, flows: list[str], table: int = 0, of: Optional[str] = None) -> None:
        """Say that a bridge has these flows in a table; ``title`` is how the feature's flows are called in results.

        Each feature has a cookie of its own, which follows from its name, or from ``of``. Two features cannot have a
        flow with the same priority and match: Open vSwitch keeps one of them.
        """
        feature = self._feature if of is None else of
        cookie = _names.cookie(self.site.document.origin, *([feature] if feature else []))
        placed = [f"table={table},{flow}" for flow in flows] if table else list(flows)
        for flow in placed:
            match = flow.partition("actions=")[0].strip(" ,")
            other = self._matches.setdefault((bridge, match), self._feature)
            if other != self._feature:
                self.contradictions.append(
                    f"{called(self.site.node)}: {called(bridge)}: {other} and {self._feature} both have a flow {match}"
                )
        self.say("ovs_flow", name=title, bridge=bridge, cookie=cookie, flows=placed)

    def link(self, name: str, **options: Any) -> None:
        """Say how an interface of the host is."""
        self.say("ip_interface", name=name, **options)

    def nic(self, name: str, **options: Any) -> None:
        """Say that a NIC is a port of a bridge, and that the host's network managers leave it alone.

        They do not set its MTU after a boot either, so that the node does. One on which other interfaces of the host
        stand stays with its manager, which would not make those otherwise.
        """
        state = self.site.state
        mtu = {"mtu": state.mtus[name]} if name in state.mtus else {}
        self.link(name, **options, **mtu, up=True)
        if name not in state.parents:
            self.say("link_unmanaged", name=name)

    def veth(self, name: str, **options: Any) -> None:
        """Say that there is a veth pair."""
        self.say("veth_pair", name=name, **options)

    def filter(self, name: str, **options: Any) -> None:
        """Say what a packet filter of the host does."""
        self.say("packet_filter", name=name, **options)

    def namespace(self, name: str) -> Namespace:
        """Return the namespace of that name, to say what is in it."""
        return Namespace(self, name)
