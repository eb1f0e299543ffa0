# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prove a document by what its guests see: which questions to ask, and what the answers say. Pure functions, no I/O.

Answers come in several rounds, since what to ask depends on the addresses that guests have. ``verify`` takes all that
is known so far and returns what is to be asked next, and the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features import _registry
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._model import ranges
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Guest, Nic
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._answers import proper, result_at
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import (
    TIMEOUT,
    Case,
    Check,
    Leg,
    Outside,
    not_run,
)

Observed = Mapping[str, Mapping[str, Any]]
"""By node: ``guests`` as compiled, ``interfaces`` (answers to the first questions), ``attempts`` (lists of results)."""


@dataclass(frozen=True)
class Evidence:
    """What is known besides the guests' own answers.

    ``leases`` are pairs of a MAC address and an address by network. ``intrusions`` are results of echo requests from
    outside, each with the ``target`` that was asked for.
    """

    leases: Mapping[str, set[tuple[str, str]]] = field(default_factory=dict)
    intrusions: Sequence[Mapping[str, Any]] = ()


def verify(
    variables: Any, answers: Mapping[str, Any], outside: Outside, evidence: Evidence, peers: int, timeout: int
) -> dict[str, Any]:
    """Return what to ask and the report so far; see the module ``proof`` for the keys."""
    document = validate(variables)
    observed: Observed = {node: proper(said) for node, said in answers.items()}
    legs = [_leg(guest, index, document, observed) for guest in document.guests for index in range(len(guest.nics))]
    planned = list(_checks(Case(document, legs, outside, peers)))
    by_node = {node: [check for check in planned if check.leg.node == node] for node in observed}
    judged = [
        (check, _judge(check, position, observed[node].get("attempts") or []))
        for node, items in by_node.items()
        for position, check in enumerate(items)
    ]
    reports = [_report(leg, judged, evidence) for leg in legs if leg.node in observed]
    return {
        "questions": {node: _questions(seen.get("guests") or [], timeout) for node, seen in observed.items()},
        "checks": {node: [_probe(check) for check in items] for node, items in by_node.items()},
        "again": {
            node: len([check for check, wrong in judged if wrong and check.leg.node == node]) for node in observed
        },
        "leases": _lease_servers(document),
        "intrusions": _intrusions(document, legs) if outside.addresses else [],
        "guests": [report for report, _failures in reports],
        "failures": [line for _report, failures in reports for line in failures],
    }


def _checks(case: Case) -> Iterator[Check]:
    """Yield the checks of all guests that were asked and have an address."""
    for leg in case.legs:
        if leg.interface and leg.addresses:
            for feature in _registry.FEATURES:
                yield from feature.prove(case, leg)


def _leg(guest: Guest, index: int, document: Document, observed: Observed) -> Leg:
    """Return a guest's connection as found; where the node was not asked, what the document says."""
    nic = guest.nics[index]
    network = next(item for item in document.networks if item.name == nic.network)
    node = observed.get(guest.node, {})
    compiled = next((item for item in node.get("guests") or [] if item["name"] == guest.name), None)
    mtu = int(compiled["interfaces"][index].get("mtu") or 0) if compiled else 0
    answer: Mapping[str, Any] = next((item for item in node.get("interfaces") or [] if item["guest"] == guest.name), {})
    for interface in answer.get("interfaces") or []:
        if interface["mac"] == nic.mac:
            usable = tuple(item for item in interface["addresses"] if not item.ip.is_link_local)
            return Leg(guest.node, guest.name, network, nic, mtu, interface["name"], usable)
    error = answer.get("error") or (f"no interface with MAC address {nic.mac}" if answer else "")
    return Leg(guest.node, guest.name, network, nic, mtu, error=error)


def _questions(guests: Sequence[Mapping[str, Any]], timeout: int) -> list[dict[str, Any]]:
    return [
        {"guest": guest["name"], "macs": [item["mac"] for item in guest["interfaces"]], "timeout": timeout}
        for guest in guests
    ]


def _probe(check: Check) -> dict[str, Any]:
    return {"guest": check.leg.guest, "command": list(check.command), "timeout": TIMEOUT}


def _judge(check: Check, position: int, attempts: Sequence[Sequence[Mapping[str, Any]]]) -> str:
    """Return what was found instead of what was expected, empty if nothing.

    What should be reached may be lost once, while switches and neighbours learn. What should not must never be, but a
    guest may have been too slow once to tell.
    """
    answers = [result_at(attempt, position) for attempt in attempts]
    told = [answer for answer in answers if not answer.get("error")]
    faults = [check.found(answer) for answer in told or answers]
    if check.negative:
        return next((fault for fault in faults if fault), "") if faults else "no answer of the guest"
    return faults[-1] if faults else "no answer of the guest"


def _lease_servers(document: Document) -> list[dict[str, str]]:
    """Return the DHCP servers that have leases: network and node."""
    files = []
    for network in document.networks:
        router = document.router(network.router)
        node = router.node if router else network.dhcp.node if network.dhcp else ""
        if network.dhcp and node:
            files.append({"network": network.name, "node": node})
    return files


def _intrusions(document: Document, legs: Sequence[Leg]) -> list[dict[str, str]]:
    """Return one guest of each network that nothing outside may reach: guest, network, address."""
    targets = []
    for network in document.networks:
        address = next((leg.address(4) or leg.address(6) for leg in legs if leg.network == network), None)
        guest = next((leg.guest for leg in legs if leg.network == network), "")
        if address and network.mode in ("nat", "isolated"):
            targets.append({"guest": guest, "network": network.name, "address": str(address)})
    return targets


def _report(leg: Leg, judged: Sequence[tuple[Check, str]], evidence: Evidence) -> tuple[dict[str, Any], list[str]]:
    """Return what is reported of a guest's connection, and a line for each thing that is not as it should be."""
    title = f"guest {leg.guest} on {leg.node}, network {leg.network.name}"
    failures = [f"{title}: address: {fault}" for fault in _address_faults(leg)]
    shown = []
    lease = bool(leg.network.dhcp) and _is_leased(leg, evidence.leases)
    if leg.network.dhcp and not failures and not lease:
        failures.append(f"{title}: lease: expected one of {_shown(leg)} in the DHCP server's list, found none")
    for check, fault in judged:
        if check.leg == leg:
            shown.append({"target": check.target, "what": check.what, "ok": not fault})
            if fault:
                failures.append(f"{title}: {check.what}: expected {check.expected}, found {fault}")
    for item in evidence.intrusions:
        target = item["target"]
        if (target["guest"], target["network"]) == (leg.guest, leg.network.name):
            fault = not_run(item) or ("one" if item["rc"] == 0 else "")
            shown.append({"target": target["address"], "what": "not from upstream", "ok": not fault})
            if fault:
                failures.append(f"{title}: expected no answer to upstream from {target['address']}, found {fault}")
    report = {
        "node": leg.node,
        "network": leg.network.name,
        "guest": leg.guest,
        "address": _shown(leg),
        "lease": lease,
        "checks": shown,
    }
    return report, failures


_NOBODY_GIVES = "; the network has no dhcp, so nothing gives guests addresses: add it, or set the address in the guest"


def _shown(leg: Leg) -> str:
    address = next((leg.address(version) for version in leg.versions()), None)
    return str(address or "")


def _address_faults(leg: Leg) -> list[str]:
    if leg.error:
        return [leg.error]
    have = [address.ip for address in leg.addresses]
    found = ", ".join(map(str, have)) or "none"
    missing = [address for address in leg.nic.addresses() if address not in have]
    if missing:
        line = f"expected {', '.join(map(str, missing))}, found {found}"
        return [line if leg.network.dhcp else line + _NOBODY_GIVES]
    if not leg.network.dhcp:
        return []
    subnets = [subnet for subnet, _gateway in leg.network.subnets()]
    if not any(address in subnet for address in have for subnet in subnets if address.version == subnet.version):
        return [f"expected one in {', '.join(map(str, subnets))}, found {found}"]
    return []


def _is_leased(leg: Leg, leases: Mapping[str, set[tuple[str, str]]]) -> bool:
    """Tell whether the address comes from the DHCP server.

    IPv4 leases are looked up in dnsmasq's list. Where the list could not be read, or for IPv6, whose leases carry no
    MAC address, an address that the server would give must do.
    """
    addresses = {address.ip for address in leg.addresses}
    if leg.network.name in leases and leg.network.cidr:
        return any((leg.nic.mac, str(address)) in leases[leg.network.name] for address in addresses)
    return any(_may_be_leased(leg.network, leg.nic, address) for address in addresses)


def _may_be_leased(network: Network, nic: Nic, address: Any) -> bool:
    if address in nic.addresses():
        return True
    offered = ranges(network, address.version)
    subnet = network.subnet(address.version)
    if not offered and address.version == 6:
        return subnet is not None and address in subnet
    return any(item.first <= address <= item.last for item in offered)
