# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Address
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils._values import quoted
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults, Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._graph import Graph, Vertex
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests import _build, _prove
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._keys import SECTIONS
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Guest, read
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import Case, Check, Leg, Result


class GuestsFeature(Feature):
    """``fabric_guests`` and ``fabric_guest_defaults``."""

    name = "guests"
    keys = SECTIONS

    def read(self, reader: Reader, origin: str) -> Mapping[str, Any]:
        """See Feature."""
        return {"guests": read(reader, origin)}

    def named(self, document: Document) -> Iterable[Guest]:
        """See Feature."""
        return document.guests

    def interfaces(self, document: Document) -> Iterator[tuple[str, str, str]]:
        """See Feature."""
        for guest in document.guests:
            for index in range(len(guest.nics)):
                yield f"{guest.path}.name", f"guest '{guest.name}'", _names.tap(guest.name, index)

    def check(self, document: Document, faults: Faults) -> None:
        """See Feature."""
        used: dict[str, str] = {}
        for guest in document.guests:
            for nic in guest.nics:
                network = document.network(nic.network)
                faults.missing(f"{nic.path}.network", nic.network, network, "network", "fabric_networks")
                if nic.mac and nic.mac in used:
                    faults.add(f"{nic.path}.mac", f"{nic.mac} is already used by '{used[nic.mac]}'")
                used.setdefault(nic.mac, guest.name)

    def build(self, site: Site, plan: Plan) -> None:
        """See Feature."""
        _build.build(site, plan)

    def prove(self, case: Case, leg: Leg) -> Iterator[Check]:
        """See Feature."""
        yield from _settings(leg)
        yield from _prove.addresses(case, leg)

    def draw(self, document: Document, graph: Graph) -> None:
        """See Feature."""
        for guest in document.guests:
            vertex = Vertex(f"guest_{guest.name}", "guest", (guest.name,))
            graph.nodes[guest.node].append(vertex)
            for nic in guest.nics:
                graph.edges.append((vertex.id, f"network_{nic.network}", ", ".join(map(str, nic.addresses()))))


def _settings(leg: Leg) -> Iterator[Check]:
    """What the guest was told of its link: the MTU, and the router that DHCP names. A canary was told nothing."""
    if leg.namespace:
        return
    if leg.mtu:
        path = f"/sys/class/net/{leg.interface}/mtu"
        yield Check(leg, leg.interface, f"MTU {leg.mtu}", str(leg.mtu), ("cat", path), _differs(str(leg.mtu)))
    network = leg.network
    if network.dhcp and network.router and network.gateway and 4 in leg.versions():
        gateway = str(network.gateway)
        yield Check(leg, gateway, f"router {gateway}", gateway, ("cat", "/proc/net/route"), _lacks_router(gateway))


def _differs(expected: str) -> Callable[[Result], str]:
    def found(result: Result) -> str:
        text = quoted(result.get("error") or result["stdout"].strip() or "nothing")
        return "" if text == expected else text

    return found


def _lacks_router(gateway: str) -> Callable[[Result], str]:
    """Look for the gateway among the default routes; addresses are hexadecimal and little-endian (proc(5))."""

    def found(result: Result) -> str:
        if result.get("error"):
            return str(result["error"])
        default = re.findall(r"^\S+\s+00000000\s+([0-9A-F]{8})\s", result["stdout"], re.MULTILINE)
        routers = [str(IPv4Address(bytes.fromhex(item)[::-1])) for item in default]
        return "" if gateway in routers else quoted(", ".join(routers) or "none")

    return found
