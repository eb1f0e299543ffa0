# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be seen of networks: who reaches whom, by their modes and routers."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils._values import quoted
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._inbound._inbound import source_outside
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._router_rules import OUTSIDE, accepts
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._routers._model import Router
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups._expected import (
    may_get,
    may_send,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups._model import TCP
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import (
    Case,
    Check,
    Leg,
    Result,
    not_reached,
    reached,
    titled,
)

HTTP = 80


def prove(case: Case, leg: Leg) -> Iterator[Check]:
    """Yield the checks of one guest's connection."""
    yield from _gateway(case.document, leg)
    yield from _neighbours(case.document, leg, case.legs, case.peers)
    yield from _other_networks(case.document, leg, case.legs)
    yield from _outside(case, leg)


def _gateway(document: Document, leg: Leg) -> Iterator[Check]:
    network = leg.network
    if not network.router and not network.dhcp and network.mode != "bridged":
        return
    for _subnet, gateway in network.subnets():
        if gateway and gateway.version in leg.versions():
            yield _asked(leg, gateway, titled("gateway", gateway), may_send(document, leg.nic, gateway))


def _neighbours(document: Document, leg: Leg, legs: Sequence[Leg], peers: int) -> Iterator[Check]:
    """Every guest asks the guests that follow it in the document, so that few checks cover all of a large network."""
    others = [other for other in legs if other.network.name == leg.network.name]
    start = others.index(leg)
    for other in [item for item in others[start + 1 :] + others[:start] if item.guest != leg.guest][:peers]:
        for version in leg.versions():
            address = other.address(version)
            if address:
                title, passes = titled(other.guest, address), _let_through(document, leg, other, address)
                yield _asked(leg, address, title, passes)
                if leg.mtu and passes:
                    yield reached(leg, address, f"{title} with {leg.mtu} bytes", leg.mtu)


def _other_networks(document: Document, leg: Leg, legs: Sequence[Leg]) -> Iterator[Check]:
    """One guest of each other network is reached or not, as the document has it; several NICs belong to no one side."""
    single = [item for item in legs if len([other for other in legs if other.guest == item.guest]) == 1]
    if leg not in single:
        return
    for network in document.networks:
        other = next((item for item in single if item.network == network and network.name != leg.network.name), None)
        expected = other and _joined(document, leg.network, network)
        if other is None or expected is None:
            continue
        for version in leg.versions():
            address = other.address(version)
            if address is None or _is_local(leg, address, legs):
                continue
            title = f"{titled(other.guest, address)} in {network.name}"
            passes = bool(expected) and _accepted(document, leg, network.name, address)
            yield _asked(leg, address, title, passes and _let_through(document, leg, other, address))


def _joined(document: Document, one: Network, other: Network) -> bool | None:
    """Return whether the first network reaches the other; None where things outside the fabric decide."""
    router = document.router(one.router)
    if router and one.router == other.router:
        return router.joins(one.name, other.name)
    if "isolated" in (one.mode, other.mode):
        return False
    if other.mode != "nat" and "bridged" in (one.mode, other.mode):
        return None
    if not one.router or not other.router or other.mode == "nat":
        return False
    return None


def _is_local(leg: Leg, address: Address, legs: Sequence[Leg]) -> bool:
    """Tell whether the address is in use in the guest's own network as well."""
    return any(other.address(address.version) == address for other in legs if other.network.name == leg.network.name)


def _outside(case: Case, leg: Leg) -> Iterator[Check]:
    """Where several NICs of a guest lead outside, its own routes decide by which of them it goes."""
    router, outside = case.document.router(leg.network.router), case.outside
    beside = [other for other in case.legs if other.guest == leg.guest and other != leg]
    chosen = any(other.network.router or other.network.mode == "bridged" for other in beside)
    for address in outside.addresses:
        if address.version not in leg.versions():
            continue
        title = titled("upstream", address)
        if leg.network.mode == "bridged":
            continue  # what is reached is up to the physical segment
        if router is None or router.external is None:
            yield not_reached(leg, address, title, bound=bool(beside))
        elif leg.network.mode == "nat" and not chosen:
            passes = _accepted(case.document, leg, OUTSIDE, address)
            yield _asked(leg, address, title, passes and may_send(case.document, leg.nic, address))
            fetches = may_send(case.document, leg.nic, address, TCP, HTTP)
            if (
                outside.http
                and not leg.namespace
                and fetches
                and _accepted(case.document, leg, OUTSIDE, address, "tcp", HTTP)
            ):
                seen_as = source_outside(case.document, leg) if address.version == 4 else None
                yield _fetched(leg, address, outside.http, router, seen_as)


def _asked(leg: Leg, address: Address, title: str, passes: bool) -> Check:
    """An echo request is answered, or is not."""
    return reached(leg, address, title) if passes else not_reached(leg, address, title)


def _let_through(document: Document, leg: Leg, other: Leg, address: Address) -> bool:
    """Return whether the security groups of two guests let the one ping the other."""
    source = leg.address(address.version)
    return may_send(document, leg.nic, address) and may_get(document, other.nic, source)


def _accepted(document: Document, leg: Leg, ends: str, address: Address, protocol: str = "", port: int = 0) -> bool:
    """Return whether the rules of the leg's router let what a guest begins pass."""
    router, source = document.router(leg.network.router), leg.address(address.version)
    return router is None or source is None or accepts(router, leg.network.name, ends, source, address, protocol, port)


def _fetched(
    leg: Leg, address: Address, http: tuple[str, ...], router: Router, seen_as: Optional[Address] = None
) -> Check:
    url = f"http://{address}/" if address.version == 4 else f"http://[{address}]/"
    sources = [str(item.ip) for item in (router.external.addresses() if router.external else [])]
    own = next(item for item in sources if ipaddress.ip_address(item).version == address.version)
    source = str(seen_as) if seen_as else own
    expected = f"a page from {url}, asked for by {source}"
    return Check(leg, str(address), f"HTTP as {source}", expected, (*http, url), _seen_as(source))


def _seen_as(source: str) -> Callable[[Result], str]:
    """The page was fetched; where it is JSON and says by which address the client was seen, that is the source."""

    def found(result: Result) -> str:
        if result.get("error"):
            return str(result["error"])
        if result["rc"] != 0:
            return quoted((result["stderr"].strip().splitlines() or ["none"])[-1])
        try:
            client = json.loads(result["stdout"])["client"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""
        return "" if client == source else f"a page asked for by {quoted(client)}"

    return found
