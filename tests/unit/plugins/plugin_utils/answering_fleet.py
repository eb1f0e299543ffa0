# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guests and canaries of a document, which answer as they would where all is well, or as a test says."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from typing import Any

from fabric_samples import NODES, facts_of

from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._answers import intrusions, lease_entries
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import Outside
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._proof import Evidence, verify

UPSTREAM = "198.51.100.1"
PAGE = f"HTTP as 203.0.113.10: expected a page from http://{UPSTREAM}/, asked for by 203.0.113.10"
ROUTES = "Iface\tDestination\tGateway\nlo\t00000000\t00000000\t0001\neth0\t00000000\tFE0A000A\t0003\n"
KNOWN = {"vm1": "10.0.10.11", "vm2": "10.0.10.12", "www.example": "192.0.2.80"}
RAN = {"delta": "0:00:00.1"}  # as the module command returns it
OTHER_NETWORK = {
    "fabric_networks[1]": {"name": "red", "mode": "isolated", "vlan": 20, "cidr": "10.0.20.0/24"},
    "fabric_guests[2]": {"name": "vm3", "node": "compute1", "network": "red", "address": "10.0.20.11"},
}


def proof(
    document: dict[str, Any],
    observed: dict[str, Any],
    *,
    upstream: tuple[str, ...] = (),
    http: tuple[str, ...] = (),
    name: str = "",
    leases: Any = (),
    told: Any = (),
    peers: int = 8,
) -> dict[str, Any]:
    """Return what the module proof returns."""
    outside = Outside(tuple(ipaddress.ip_address(address) for address in upstream), http, name, asks=True)
    return verify(document, observed, outside, Evidence(lease_entries(leases), intrusions(told)), peers, 30)


Answer = Callable[[str, list[str]], dict[str, Any]]


def proper(guest: str, command: list[str]) -> dict[str, Any]:
    """Answer as a guest does where all is well."""
    good = {"rc": 0, "stdout": "", "stderr": ""}
    if command[0] == "cat":
        return {**good, "stdout": ROUTES if command[1].endswith("route") else "1446\n"}
    if command[0] == "getent":
        return {**good, "stdout": f"{KNOWN[command[-1]]} STREAM {command[-1]}\n"}
    if command[0] == "wget":
        return {**good, "stdout": json.dumps({"client": "203.0.113.10"})}
    networks = {"vm1": "10.0.10.", "vm2": "10.0.10.", "vm3": "10.0.20."}
    reached = command[-1].startswith(networks[guest]) or (command[-1] == UPSTREAM and guest != "vm3")
    return {**good, "rc": 0 if reached else 1}


Asked = Callable[[dict[str, Any], dict[str, str], dict[str, str]], dict[str, Any]]
"""What a canary finds, by the probe, the MAC addresses by address, and the canaries' addresses by namespace."""
GOOD = {"rc": 0, "stdout": "", "stderr": ""}


def told(*words: str) -> dict[str, Any]:
    return {**GOOD, "stdout": json.dumps(words)}


def as_it_should_be(probe: dict[str, Any], macs: dict[str, str], canaries: dict[str, str]) -> dict[str, Any]:
    """Answer a canary where all is well."""
    if "dhcp" in probe:
        return told("10.0.10.254")
    if "arp" in probe:
        asker = probe["arp"]
        return told(macs.get(asker["address"], "")) if macs.get(asker["source"]) == asker["mac"] else told()
    if "connect" in probe:
        return GOOD
    target, own = probe["command"][-1], canaries[probe["namespace"]]
    outside = target == UPSTREAM and own.startswith("10.0.10.")
    return {**GOOD, "rc": 0 if outside or target.startswith(own.rpartition(".")[0]) else 1}


class Fleet:
    """The guests of a document, which answer questions as the role verify asks them."""

    def __init__(self, document: dict[str, Any], *answers: Answer) -> None:
        self.document = document
        self.answers = answers or (proper,)
        self.addresses: dict[str, list[str]] = {}
        self.errors: dict[str, str] = {}
        self.options: dict[str, Any] = {"upstream": (UPSTREAM,), "http": ("wget", "-q", "-O", "-")}
        self.leases = [{"mac": f"52:54:00:aa:bb:0{index}", "address": f"10.0.10.1{index}"} for index in (1, 2)]
        self.checks: dict[str, list[dict[str, Any]]] = {}
        self.guests: list[dict[str, Any]] = []
        self.canary: Asked = as_it_should_be
        self.canaries: dict[str, list[dict[str, Any]]] = {}
        self.canary_checks: dict[str, list[dict[str, Any]]] = {}

    def found(self, probe: dict[str, Any]) -> dict[str, Any]:
        """Return what a canary is answered."""
        canaries: dict[str, str] = {}
        for item in (item for resources in self.canaries.values() for item in resources):
            if "netns_router" in item:
                (interface,) = item["netns_router"]["interfaces"]
                canaries[item["netns_router"]["name"]] = interface["addresses"][0].partition("/")[0]
        macs = {item["address"]: item["mac"] for item in self.guests if "address" in item}
        for item in (item for resources in self.canaries.values() for item in resources):
            if "veth_pair" in item:
                macs[canaries[item["veth_pair"]["peer"]["namespace"]]] = item["veth_pair"]["peer"]["mac"]
        return self.canary(probe, macs, canaries)

    def interfaces(self, guest: dict[str, Any]) -> dict[str, Any]:
        if guest["name"] in self.errors:
            return {"guest": guest["name"], "error": self.errors[guest["name"]]}
        found = []
        for index, item in enumerate(guest["interfaces"]):
            prefix = [f"{item['address']}/24"] if item.get("address") else []
            addresses = self.addresses.get(guest["name"], [*prefix, "fe80::1/64"])
            found.append({"name": f"eth{index}", "mac": item["mac"].upper(), "addresses": addresses})
        return {"guest": guest["name"], "interfaces": found}

    def run(self) -> dict[str, Any]:
        """Return what the last round returns."""
        facts = facts_of(NODES)
        observed: dict[str, dict[str, Any]] = {
            node: {"guests": compile_node(self.document, node, facts, NODES)["guests"]} for node in NODES
        }
        self.guests = [nic for seen in observed.values() for guest in seen["guests"] for nic in guest["interfaces"]]
        state = proof(self.document, observed, **self.options)
        for node, seen in observed.items():
            seen["interfaces"] = [self.interfaces(guest) for guest in seen["guests"]]
            assert [item["guest"] for item in state["questions"][node]] == [guest["name"] for guest in seen["guests"]]
        leases = [{"target": {"network": "blue"}, "leases": self.leases}]
        state = proof(self.document, observed, leases=leases, **self.options)
        self.checks, self.canary_checks, self.canaries = state["checks"], state["canary_checks"], state["canaries"]
        for node, seen in observed.items():
            seen["canary_attempts"] = [[self.found(probe) for probe in self.canary_checks[node]]]
        for answer in self.answers:
            for node, seen in observed.items():
                results = [answer(probe["guest"], probe["command"]) for probe in state["checks"][node]]
                seen["attempts"] = [*seen.get("attempts", []), results]
        return proof(self.document, observed, leases=leases, **self.options)

    def of_guests(self) -> list[str]:
        """Return what is wrong as guests see it."""
        return [line for line in self.run()["failures"] if line.startswith("guest")]

    def commands(self, guest: str) -> list[str]:
        """Return the commands that were run in a guest."""
        return [
            " ".join(probe["command"]) for probes in self.checks.values() for probe in probes if probe["guest"] == guest
        ]


def instead(wanted: str, result: dict[str, Any]) -> Answer:
    """Answer commands with this text in them otherwise."""

    def answer(guest: str, command: list[str]) -> dict[str, Any]:
        return {"stdout": "", "stderr": "", **result} if wanted in " ".join(command) else proper(guest, command)

    return answer
