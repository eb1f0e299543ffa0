# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a document promises of its guests, as questions that are put from them. Pure functions, no I/O.

Expected is only what the document alone decides. Whether a routed network is reached from outside, for instance,
is up to the routes outside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils._values import quoted
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address, Interface
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._answers import IMPROPER

if TYPE_CHECKING:
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Nic
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network

Result = Mapping[str, Any]
"""What M(netvirt.fabric.guest_agent) returned for one command: rc, stdout, stderr, or error."""

ANSWER_SECONDS = 3
SILENCE_SECONDS = 2
TIMEOUT = 12
NOT_RUN = 126  # of a command that cannot be run, and more of one that is not there or was killed (POSIX, sh)
HEADERS = {4: 28, 6: 48}  # bytes of IP and ICMP headers before the data of an echo request


@dataclass(frozen=True)
class Leg:
    """A guest's connection to a network as found; ``mtu`` and ``interface`` are empty where it was not asked.

    A canary has the ``namespace`` that it is in.
    """

    node: str
    guest: str
    network: Network
    nic: Nic
    mtu: int = 0
    interface: str = ""
    addresses: tuple[Interface, ...] = ()
    error: str = ""
    silent: bool = False  # whether the guest did not answer, and ``error`` says why
    namespace: str = ""

    def address(self, version: int) -> Optional[Address]:
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
    """One question and what it should show. ``found`` returns what is wrong with a result, or nothing.

    It is a command, or what a canary can be asked besides: see the module ``netns_probe``.
    """

    leg: Leg
    target: str
    what: str
    expected: str
    command: tuple[str, ...]
    found: Callable[[Result], str]
    negative: bool = False
    asked: tuple[str, Mapping[str, Any]] = ("", {})

    def probe(self) -> dict[str, Any]:
        """Return the question as the modules ``guest_agent`` and ``netns_probe`` take it."""
        kind, arguments = self.asked
        place = {"namespace": self.leg.namespace} if self.leg.namespace else {"guest": self.leg.guest}
        return {**place, "timeout": TIMEOUT, **({kind: arguments} if kind else {"command": list(self.command)})}


@dataclass(frozen=True)
class Outside:
    """Addresses outside the fabric that answer, and the command that fetches a page from them, less the URL.

    ``name`` is a name outside that DNS servers know, ``resolve`` the command that looks one up, less the name.
    """

    addresses: tuple[Address, ...] = ()
    http: tuple[str, ...] = ()
    name: str = ""
    resolve: tuple[str, ...] = ("getent", "ahosts")
    asks: bool = False
    """Whether somebody outside tries to reach guests."""


@dataclass(frozen=True)
class Case:
    """What is to be proven: the document, all guests' connections, what is outside, and how many neighbours to ask."""

    document: Document
    legs: Sequence[Leg]
    outside: Outside
    peers: int


def titled(name: str, address: Address) -> str:
    """Return how an address of something is called."""
    return name if address.version == 4 else f"{name} over IPv6"


def _ping(address: Address, *options: str) -> tuple[str, ...]:
    return ("ping", *(["-6"] if address.version == 6 else []), *options, str(address))


def reached(leg: Leg, address: Address, what: str, size: int = 0) -> Check:
    """An echo request is answered; with a size the packet has so many bytes and may not be fragmented.

    Linux forbids fragmentation of what fits the interface (ip(7), IP_PMTUDISC_WANT).
    """
    options = ["-c", "1", "-W", str(ANSWER_SECONDS)]
    if size:
        options += ["-s", str(size - HEADERS[address.version])]
    return Check(leg, str(address), what, f"an answer from {address}", _ping(address, *options), _silence)


def not_reached(leg: Leg, address: Address, what: str, bound: bool = False) -> Check:
    """No echo request is answered; with ``bound``, none that leaves by this interface, whatever the guest's routes."""
    through = ["-I", leg.interface] if bound and leg.interface else []
    command = _ping(address, *through, "-c", str(SILENCE_SECONDS), "-W", "1")
    return Check(leg, str(address), f"not {what}", f"no answer from {address}", command, _answer, negative=True)


def connected(leg: Leg, address: Address, service: tuple[str, int], what: str, passes: bool) -> Check:
    """A canary gets an answer from a port, be it a refusal, or none."""
    protocol, port = service
    title = f"{what}, {protocol} port {port}"
    asked = ("connect", {"protocol": protocol, "address": str(address), "port": port})
    if passes:
        return Check(leg, str(address), title, f"an answer from {address}", (), _silence, asked=asked)
    expected = f"no answer from {address}"
    return Check(leg, str(address), f"not {title}", expected, (), _answer, negative=True, asked=asked)


def asked_who_has(
    leg: Leg, address: Address, expected: Sequence[str], what: str, source: Optional[Address] = None, mac: str = ""
) -> Check:
    """A canary asks who has an address, and those MAC addresses answer, no others; by itself or by a forged address."""
    request = {
        "interface": leg.interface,
        "address": str(address),
        "source": str(source or leg.address(4)),
        "mac": mac or leg.nic.mac,
    }
    wanted = ", ".join(expected) or "none"
    return Check(
        leg, str(address), what, wanted, (), _differing(sorted(expected)), negative=not expected, asked=("arp", request)
    )


def offered(leg: Leg, server: Address) -> Check:
    """A canary is offered a lease by the network's own DHCP server, and by no other."""
    request = {"interface": leg.interface, "mac": leg.nic.mac}
    expected = [str(server)]
    return Check(leg, str(server), "DHCP server", str(server), (), _differing(expected), asked=("dhcp", request))


def _differing(expected: Sequence[str]) -> Callable[[Result], str]:
    """Return what tells how a list in JSON differs from the expected one."""

    def found(result: Result) -> str:
        if not_run(result):
            return not_run(result)
        try:
            listed = [str(item) for item in json.loads(result["stdout"])]
        except (ValueError, TypeError, RecursionError):
            return IMPROPER
        return "" if listed == list(expected) else quoted(", ".join(listed) or "none")

    return found


def not_run(result: Result) -> str:
    """Return why a result shows nothing, empty where it shows something."""
    if result.get("error"):
        return str(result["error"])
    return f"that the command could not be run (status {result['rc']})" if result["rc"] >= NOT_RUN else ""


def _silence(result: Result) -> str:
    return not_run(result) or ("" if result["rc"] == 0 else "none")


def _answer(result: Result) -> str:
    return not_run(result) or ("one" if result["rc"] == 0 else "")
