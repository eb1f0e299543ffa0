# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a document promises of its guests, as commands that run in them. Pure functions, no I/O.

Expected is only what the document alone decides. Whether a routed network is reached from outside, for instance,
is up to the routes outside.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils._values import quoted
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._model import (
    Address,
    Interface,
    Network,
    Nic,
    Router,
)

Result = Mapping[str, Any]
"""What M(netvirt.fabric.guest_agent) returned for one command: rc, stdout, stderr, or error."""

ANSWER_SECONDS = 3
SILENCE_SECONDS = 2
TIMEOUT = 12
NOT_RUN = 126  # of a command that cannot be run, and more of one that is not there or was killed (POSIX, sh)
HEADERS = {4: 28, 6: 48}  # bytes of IP and ICMP headers before the data of an echo request


@dataclass(frozen=True)
class Leg:
    """A guest's connection to a network as found; ``mtu`` and ``interface`` are empty where it was not asked."""

    node: str
    guest: str
    network: Network
    nic: Nic
    mtu: int = 0
    interface: str = ""
    addresses: tuple[Interface, ...] = ()
    error: str = ""

    def address(self, version: int) -> Address | None:
        """Return the address by which others reach it: the one it has, or the reserved one.

        The node says which it has, and others send packets there, so it must be one of the network's.
        """
        subnet = self.network.subnet(version)
        here = [item.ip for item in self.addresses if item.version == version]
        found = [item for item in here if subnet is None or item in subnet]
        reserved = [item for item in self.nic.addresses() if item.version == version]
        return next(iter([item for item in reserved if item in found] or found or reserved), None)

    def versions(self) -> list[int]:
        """Return the IP versions of the addresses it has, of those that its network has subnets of."""
        found = {item.version for item in self.addresses}
        offered = {subnet.version for subnet, _gateway in self.network.subnets()}
        return sorted(found & offered if offered else found)


@dataclass(frozen=True)
class Check:
    """One command in a guest and what it should show. ``found`` returns what is wrong with a result, or nothing."""

    leg: Leg
    target: str
    what: str
    expected: str
    command: tuple[str, ...]
    found: Callable[[Result], str]
    negative: bool = False


@dataclass(frozen=True)
class Outside:
    """Addresses outside the fabric that answer, and the command that fetches a page from them, less the URL.

    ``name`` is a name outside that DNS servers know, ``resolve`` the command that looks one up, less the name.
    """

    addresses: tuple[Address, ...] = ()
    http: tuple[str, ...] = ()
    name: str = ""
    resolve: tuple[str, ...] = ("getent", "ahosts")


def checks(document: Document, legs: Sequence[Leg], outside: Outside, peers: int) -> Iterator[Check]:
    """Yield the checks of all guests that were asked and have an address."""
    for leg in legs:
        if not leg.interface or not leg.addresses:
            continue
        yield from _gateway(leg)
        yield from _neighbours(leg, legs, peers)
        yield from _other_networks(document, leg, legs)
        yield from _outside(document, leg, outside)
        yield from _names(document, leg, legs, outside)
        yield from _settings(leg)


def _gateway(leg: Leg) -> Iterator[Check]:
    network = leg.network
    if not network.router and not network.dhcp and network.mode != "bridged":
        return
    for _subnet, gateway in network.subnets():
        if gateway and gateway.version in leg.versions():
            yield _reached(leg, gateway, _titled("gateway", gateway))


def _neighbours(leg: Leg, legs: Sequence[Leg], peers: int) -> Iterator[Check]:
    """Every guest asks the guests that follow it in the document, so that few checks cover all of a large network."""
    others = [other for other in legs if other.network.name == leg.network.name]
    start = others.index(leg)
    for other in [item for item in others[start + 1 :] + others[:start] if item.guest != leg.guest][:peers]:
        for version in leg.versions():
            address = other.address(version)
            if address:
                title = _titled(other.guest, address)
                yield _reached(leg, address, title)
                if leg.mtu:
                    yield _reached(leg, address, f"{title} with {leg.mtu} bytes", leg.mtu)


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
            title = f"{_titled(other.guest, address)} in {network.name}"
            yield _reached(leg, address, title) if expected else _not_reached(leg, address, title)


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
    """Tell whether the address is in use in the leg's own network as well."""
    return any(other.address(address.version) == address for other in legs if other.network.name == leg.network.name)


def _outside(document: Document, leg: Leg, outside: Outside) -> Iterator[Check]:
    router = document.router(leg.network.router)
    for address in outside.addresses:
        if address.version not in leg.versions():
            continue
        title = _titled("upstream", address)
        if leg.network.mode == "bridged":
            continue  # what is reached is up to the physical segment
        if router is None or router.external is None:
            yield _not_reached(leg, address, title)
        elif leg.network.mode == "nat":
            yield _reached(leg, address, title)
            if outside.http:
                yield _fetched(leg, address, outside.http, router)


def _names(document: Document, leg: Leg, legs: Sequence[Leg], outside: Outside) -> Iterator[Check]:
    """A guest that is given DNS servers finds a neighbour by name, if that is theirs, and a name outside.

    One with several NICs has the servers of one of them, and it cannot be told which.
    """
    dhcp, network = leg.network.dhcp, leg.network
    if (
        dhcp is None
        or not outside.resolve
        or 4 not in leg.versions()
        or len([item for item in legs if item.guest == leg.guest]) > 1
    ):
        return
    others = [item for item in legs if item.network == network and item.guest != leg.guest]
    named = [(item.guest, str(found)) for item in others for found in item.nic.addresses() if found.version == 4]
    if named and not dhcp.dns_servers:
        yield _resolved(leg, *named[0], outside.resolve)
    router = document.router(network.router)
    if outside.name and (dhcp.dns_servers or dhcp.dns_forwarders or (router and router.external)):
        yield _resolved(leg, outside.name, "", outside.resolve)


def _settings(leg: Leg) -> Iterator[Check]:
    if leg.mtu:
        path = f"/sys/class/net/{leg.interface}/mtu"
        yield Check(leg, leg.interface, f"MTU {leg.mtu}", str(leg.mtu), ("cat", path), _differs(str(leg.mtu)))
    network = leg.network
    if network.dhcp and network.router and network.gateway and 4 in leg.versions():
        gateway = str(network.gateway)
        yield Check(leg, gateway, f"router {gateway}", gateway, ("cat", "/proc/net/route"), _lacks_router(gateway))


def _titled(name: str, address: Address) -> str:
    return name if address.version == 4 else f"{name} over IPv6"


def _ping(address: Address, *options: str) -> tuple[str, ...]:
    return ("ping", *(["-6"] if address.version == 6 else []), *options, str(address))


def _reached(leg: Leg, address: Address, what: str, size: int = 0) -> Check:
    """An echo request is answered; with a size the packet has so many bytes and may not be fragmented.

    Linux forbids fragmentation of what fits the interface (ip(7), IP_PMTUDISC_WANT).
    """
    options = ["-c", "1", "-W", str(ANSWER_SECONDS)]
    if size:
        options += ["-s", str(size - HEADERS[address.version])]
    return Check(leg, str(address), what, f"an answer from {address}", _ping(address, *options), _silence)


def _not_reached(leg: Leg, address: Address, what: str) -> Check:
    command = _ping(address, "-c", str(SILENCE_SECONDS), "-W", "1")
    return Check(leg, str(address), f"not {what}", f"no answer from {address}", command, _answer, negative=True)


def _fetched(leg: Leg, address: Address, http: tuple[str, ...], router: Router) -> Check:
    url = f"http://{address}/" if address.version == 4 else f"http://[{address}]/"
    sources = [str(item.ip) for item in (router.external.addresses() if router.external else [])]
    source = next(item for item in sources if ipaddress.ip_address(item).version == address.version)
    expected = f"a page from {url}, asked for by {source}"
    return Check(leg, str(address), f"HTTP as {source}", expected, (*http, url), _seen_as(source))


def _resolved(leg: Leg, name: str, address: str, resolve: tuple[str, ...]) -> Check:
    """A name is found, with this address among others if one is given."""

    def found(result: Result) -> str:
        if not_run(result):
            return not_run(result)
        words = result["stdout"].split()
        if result["rc"] != 0 or not words:
            return "none"
        return "" if not address or address in words else quoted(words[0])

    return Check(leg, name, f"name {name}", address or "an address", (*resolve, name), found)


def not_run(result: Result) -> str:
    """Return why a result shows nothing, empty where it shows something."""
    if result.get("error"):
        return str(result["error"])
    return f"that the command could not be run (status {result['rc']})" if result["rc"] >= NOT_RUN else ""


def _silence(result: Result) -> str:
    return not_run(result) or ("" if result["rc"] == 0 else "none")


def _answer(result: Result) -> str:
    return not_run(result) or ("one" if result["rc"] == 0 else "")


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
        routers = [str(ipaddress.IPv4Address(bytes.fromhex(item)[::-1])) for item in default]
        return "" if gateway in routers else quoted(", ".join(routers) or "none")

    return found


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
