# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One network namespace in a node's plan."""

from __future__ import annotations

from typing import Any, Optional, Protocol

from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan import _autoconf
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site


class Speaker(Protocol):
    """See _plan.Plan."""

    site: Site

    def say(self, kind: str, **options: Any) -> None:
        """Declare a resource."""


class Namespace:
    """What features say of a namespace and of what is in it."""

    def __init__(self, plan: Speaker, name: str) -> None:
        self._plan = plan
        self.name = name

    def declare(self, forward: bool, forward6: bool, **options: Any) -> None:
        """Say that it is there, and whether it forwards IPv4 and IPv6."""
        self._say(interfaces=[], routes=[], ip_forward=forward, ipv6_forward=forward6, **options)
        self._say(sysctls=_autoconf.parameters([]))

    def interface(self, name: str, addresses: list[str]) -> None:
        """Say that an interface is up in it, with IPv6 where it has such an address, and takes nothing from others."""
        interface = _autoconf.interface(name, addresses)
        self._say(interfaces=[interface], sysctls=_autoconf.parameters([interface]))

    def route(self, destination: str, via: str, interface: str) -> None:
        """Say that it has a route."""
        self._say(routes=[{"destination": destination, "via": via, "interface": interface}])

    def sysctl(self, **parameters: str) -> None:
        """Say which kernel parameters it has."""
        self._say(sysctls=parameters)

    def veth(self, ends: tuple[str, str], mtu: Optional[int], mac: str = "") -> None:
        """Say that a veth pair leads into it, by default with a MAC address that follows from the names.

        The outer end is a port of a bridge and has no IPv6: see ``_engines/_ovs``. The inner one computes its checksums
        itself, since the userspace datapath passes on partial ones as they are. Its MAC address is derived, so that
        neighbours' caches outlive a rebuilt leg.
        """
        outer, inner = ends
        both: dict[str, Any] = {"up": True, **({"mtu": mtu} if mtu else {})}
        peer = {"name": inner, "namespace": self.name, "mac": mac or self._mac(inner), **both, "tx_checksum": False}
        self._plan.say("veth_pair", name=outer, **both, ipv6=False, peer=peer)

    def vlan(self, name: str, parent: str, vlan: int, mtu: Optional[int], mac: str) -> None:
        """Say that it has an interface for one VLAN of another interface in it."""
        place = {"namespace": self.name, "parent": parent, "parent_namespace": self.name, "up": True}
        size = {"mtu": mtu} if mtu else {}
        self._plan.say("link_vlan", name=name, **place, vlan=vlan, mac=mac, **size)

    def nat(self, **options: Any) -> None:
        """Say which addresses are translated in it."""
        self._plan.say("nat_masquerade", name="nat", namespace=self.name, **options)

    def inbound(self, **options: Any) -> None:
        """Say what of its outer addresses leads to guests."""
        self._plan.say("nat_inbound", name="inbound", namespace=self.name, **options)

    def filter(self, **options: Any) -> None:
        """Say which packets may pass it."""
        self._plan.say("packet_filter", name="router", namespace=self.name, **options)

    def dhcp(self, name: str, **options: Any) -> None:
        """Say that a DHCP server runs in it."""
        self._plan.say("dnsmasq_netns", name=name, namespace=self.name, **options)

    def _mac(self, interface: str) -> str:
        return _names.mac(self._plan.site.document.origin, self.name, interface)

    def _say(self, **options: Any) -> None:
        self._plan.say("netns_router", name=self.name, **options)
