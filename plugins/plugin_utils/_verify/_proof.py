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
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._canaries import (
    INTERFACE,
    addresses,
    declared,
    namespace,
    owner,
    resources,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import (
    Case,
    Check,
    Leg,
    Outside,
    not_run,
)

Observed = Mapping[str, Mapping[str, Any]]
"""By node: ``guests`` as compiled, ``interfaces`` (answers to the first questions), and lists of results: of guests
``attempts``, of canaries ``canary_attempts``."""

Judgement = tuple[Check, str, str]
"""A check, what was found instead of what was expected, and why nothing was found; both empty if all is well."""


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
    planned = list(_checks(Case(document, legs, outside, peers), legs))
    wider, canaries = _with_canaries(variables, document, legs, observed, evidence)
    near = [leg for leg in legs if leg.node in observed]
    seen_by_canaries = Case(wider, [*near, *canaries], outside, peers)
    planned += _checks(seen_by_canaries, canaries)
    by_guests = {node: [check for check in planned if _is_from(check, node, False)] for node in observed}
    by_canaries = {node: [check for check in planned if _is_from(check, node, True)] for node in observed}
    judged = [
        (check, *_judge(check, position, observed[node].get(key) or []))
        for key, checks in (("attempts", by_guests), ("canary_attempts", by_canaries))
        for node, items in checks.items()
        for position, check in enumerate(items)
    ]
    reports = [_report(leg, judged, evidence, canaries) for leg in [*near, *canaries]]
    names = [leg.guest for leg in canaries]
    return {
        "questions": {node: _questions(seen.get("guests") or [], timeout) for node, seen in observed.items()},
        "checks": {node: [check.probe() for check in items] for node, items in by_guests.items()},
        "canary_checks": {node: [check.probe() for check in items] for node, items in by_canaries.items()},
        "canaries": {
            node: resources(document, wider, node, names, _mtus(observed))
            for node, seen in observed.items()
            if not seen["canary_attempts"]  # which are asked after they were made
        },
        "canary_owner": owner(document),
        "again": {
            node: len([check for check, wrong, why in judged if (wrong or why) and check.leg.node == node])
            for node in observed
        },
        "leases": _lease_servers(document),
        "intrusions": _intrusions(document, legs) if outside.addresses else [],
        "guests": [report for report, _failures, _unproven in reports],
        "failures": [line for _report, failures, _unproven in reports for line in failures],
        "unproven": [
            *(line for _report, _failures, unproven in reports for line in unproven),
            *_untried(document, planned, near, outside),
            *(line for feature in _registry.FEATURES for line in feature.unproven(seen_by_canaries)),
        ],
    }


def _checks(case: Case, asked: Sequence[Leg]) -> Iterator[Check]:
    """Yield the checks of those that were asked and have an address."""
    for leg in asked:
        if leg.interface and leg.addresses:
            for feature in _registry.FEATURES:
                yield from feature.prove(case, leg)


def _is_from(check: Check, node: str, canary: bool) -> bool:
    return check.leg.node == node and bool(check.leg.namespace) == canary


def _with_canaries(
    variables: Any, document: Document, legs: Sequence[Leg], observed: Observed, evidence: Evidence
) -> tuple[Document, list[Leg]]:
    """Return the document with canaries, and these; there are none before the guests were asked."""
    if not any(seen.get("interfaces") for seen in observed.values()) and any(leg.node in observed for leg in legs):
        return document, []
    silent = {(leg.guest, leg.network.name) for leg in legs if leg.silent}
    entries = declared(document, list(observed), silent, evidence.leases)
    if not entries:
        return document, []
    wider = validate({**variables, "fabric_guests": [*(variables.get("fabric_guests") or ()), *entries]})
    names, mtus, found = {entry["name"] for entry in entries}, _mtus(observed), []
    for guest in wider.guests:
        network = wider.network(guest.nics[0].network) if guest.name in names else None
        if network:
            nic = guest.nics[0]
            mtu, own = mtus.get(network.name, 0), addresses(nic, network)
            place = namespace(guest.name)
            found.append(Leg(guest.node, guest.name, network, nic, mtu, INTERFACE, own, namespace=place))
    return wider, found


def _mtus(observed: Observed) -> dict[str, int]:
    """Return the bytes of the largest packets by network, of those that have guests."""
    interfaces = [
        item for seen in observed.values() for guest in seen.get("guests") or [] for item in guest["interfaces"]
    ]
    return {item["network"]: int(item.get("mtu") or 0) for item in interfaces if item.get("network")}


def _untried(document: Document, planned: Sequence[Check], legs: Sequence[Leg], outside: Outside) -> Iterator[str]:
    """Yield a line for each promise of networks that nobody tried, with what would let it be tried."""
    for network in document.networks:
        here = [leg for leg in legs if leg.network.name == network.name]
        tried = any(check.leg.network.name == network.name for check in planned)
        asked = any(leg.interface or leg.silent for leg in here)
        if len(here) > 1 and asked and not tried:
            yield f"network {network.name}: what it lets pass: no guest has an address there"
        if here and network.mode == "nat" and not outside.addresses:
            yield f"network {network.name}: what it reaches outside: set verify_upstream to an address there"
        elif here and network.mode == "nat" and not outside.asks:
            yield f"network {network.name}: that nothing outside reaches it: set verify_upstream_command"


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
    silent = str(answer.get("error") or "")
    error = silent or (f"no interface with MAC address {nic.mac}" if answer else "")
    return Leg(guest.node, guest.name, network, nic, mtu, error=error, silent=bool(silent))


def _questions(guests: Sequence[Mapping[str, Any]], timeout: int) -> list[dict[str, Any]]:
    return [
        {"guest": guest["name"], "macs": [item["mac"] for item in guest["interfaces"]], "timeout": timeout}
        for guest in guests
    ]


def _judge(check: Check, position: int, attempts: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[str, str]:
    """Return what was found instead of what was expected, and why nothing was found; both empty if all is well.

    What should be reached may be lost once, while switches and neighbours learn. What should not must never be, but a
    guest may have been too slow once to tell.
    """
    answers = [result_at(attempt, position) for attempt in attempts]
    told = [answer for answer in answers if not not_run(answer)]
    if not told:
        return "", not_run(answers[-1]) if answers else "it was not asked"
    faults = [check.found(answer) for answer in told]
    return (next((fault for fault in faults if fault), "") if check.negative else faults[-1]), ""


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


def _report(
    leg: Leg, judged: Sequence[Judgement], evidence: Evidence, canaries: Sequence[Leg]
) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return what is reported of a connection, a line for each thing that is wrong, and for each that is untried."""
    title = f"{'canary' if leg.namespace else 'guest'} {leg.guest} on {leg.node}, network {leg.network.name}"
    failures, unproven, shown = [], [], []
    if not leg.silent:
        failures += [f"{title}: address: {fault}" for fault in _address_faults(leg)]
    elif not _stood_in_for(leg, canaries):
        unproven.append(f"{title}: what it sees: {leg.error}")
    lease = bool(leg.network.dhcp) and not leg.namespace and _is_leased(leg, evidence.leases)
    if leg.network.dhcp and not failures and not lease and not leg.silent and not leg.namespace:
        failures.append(f"{title}: lease: expected one of {_shown(leg)} in the DHCP server's list, found none")
    for check, fault, why in judged:
        if check.leg == leg:
            shown.append({"target": check.target, "what": check.what, "ok": not fault and not why})
            if fault:
                failures.append(f"{title}: {check.what}: expected {check.expected}, found {fault}")
            if why:
                unproven.append(f"{title}: {check.what}: {why}")
    for item in evidence.intrusions:
        target = item["target"]
        if (target["guest"], target["network"]) == (leg.guest, leg.network.name):
            why, fault = not_run(item), "" if not_run(item) or item["rc"] else "one"
            shown.append({"target": target["address"], "what": "not from upstream", "ok": not fault and not why})
            if fault:
                failures.append(f"{title}: expected no answer to upstream from {target['address']}, found {fault}")
            if why:
                unproven.append(f"{title}: not from upstream: {why}")
    report = {
        "node": leg.node,
        "network": leg.network.name,
        "guest": leg.guest,
        "canary": bool(leg.namespace),
        "address": _shown(leg),
        "lease": lease,
        "checks": shown,
    }
    return report, failures, unproven


def _stood_in_for(leg: Leg, canaries: Sequence[Leg]) -> bool:
    """Tell whether a canary on the node saw what the guest would see, and asked whether the guest has its address."""
    beside = any(item.node == leg.node and item.network.name == leg.network.name for item in canaries)
    return beside and any(item.version == 4 for item in leg.nic.addresses())


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
