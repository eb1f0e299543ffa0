# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the proof of a document notices by its canaries. Namespaces stand in for guests, which answer no question."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import fabric_node
import pytest
from engine import output
from fabric_node import NODE, has_port_number, nics, wait_for
from netlink_node import inside, ip
from test_security_groups import GUESTS, document, make_guest, remove_guest

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _netns_probes
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import Outside
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._proof import Evidence, verify

nic = pytest.fixture(scope="module")(nics)
run = partial(fabric_node.run, keep=False)
OWNER = f"{fabric_node.OWNER}-canaries"
PRESENT = ("web", "app", "db")
OUTSIDE = Outside((ip_address("198.51.100.1"),), asks=True)


def told() -> dict[str, Any]:
    """Return the document less the guests and the network that no canary can stand in for."""
    found = document()
    found["fabric_guests"] = [item for item in found["fabric_guests"] if item["name"] in PRESENT]
    found["fabric_networks"] = [item for item in found["fabric_networks"] if item["name"] != "office"]
    found["fabric_physical_networks"] = [item for item in found["fabric_physical_networks"] if item["name"] != "office"]
    return found


@pytest.fixture(scope="module", autouse=True)
def fabric(nic: None) -> Iterator[None]:
    try:
        run(fabric_node.resources(told=told()))
        for name in PRESENT:
            make_guest(name)
        for name in PRESENT:
            wait_for(partial(has_port_number, f"tap-{name}"))
        yield
    finally:
        remove_canaries()
        for name in PRESENT:
            remove_guest(name)


def remove_canaries() -> None:
    run([], owner=OWNER)


def silent(text: dict[str, Any]) -> dict[str, Any]:
    """Return what is known where no guest answers."""
    guests = [{"name": item["name"], "interfaces": [{"mac": item["mac"]}]} for item in text["fabric_guests"]]
    return {"guests": guests, "interfaces": [{"guest": item["name"], "error": "it does not answer"} for item in guests]}


def proven() -> tuple[list[str], list[str], int]:
    """Ask by canaries; return what is wrong, what is not proven, and how many questions there were."""
    text, evidence = told(), Evidence()
    seen = silent(text)
    state = verify(text, {NODE: seen}, OUTSIDE, evidence, 8, 1)
    try:
        run(state["canaries"][NODE], owner=state["canary_owner"])
        for item in state["canaries"][NODE]:
            if "ovs_port_vlan" in item:
                wait_for(partial(has_port_number, item["ovs_port_vlan"]["name"]))
        seen["canary_attempts"] = [ask(state["canary_checks"][NODE]) for _time in range(2)]
    finally:
        remove_canaries()
    state = verify(text, {NODE: seen}, OUTSIDE, evidence, 8, 1)
    return state["failures"], state["unproven"], len(state["canary_checks"][NODE])


def ask(probes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(max_workers=64) as pool:
        return list(pool.map(_netns_probes.answer, map(_netns_probes.canonical, probes)))


def shape() -> tuple[Any, ...]:
    """Return what there is of canaries, and the flows of all others."""
    flows = output("ovs-ofctl", "--no-stats", "dump-flows", "br-int").splitlines()
    return (
        output("ip", "netns", "list"),
        output("ovs-vsctl", "list-ports", "br-int"),
        sorted(line.strip() for line in flows),
        output("ovs-vsctl", "get", "bridge", "br-int", "external_ids"),
    )


def test_a_fabric_as_it_should_be_is_proven_and_nothing_stays() -> None:
    before = shape()
    failures, unproven, questions = proven()
    assert failures == []
    assert questions > 30
    assert shape() == before
    assert all("no canary can try" in line for line in unproven), unproven


def test_what_a_killed_proof_has_left_is_removed_by_the_next() -> None:
    before = shape()
    text = told()
    state = verify(text, {NODE: silent(text)}, OUTSIDE, Evidence(), 8, 1)
    run(state["canaries"][NODE], owner=state["canary_owner"])
    assert shape() != before
    run(fabric_node.resources(told=text))  # which leaves to its owner what is not its own
    assert shape() != before
    assert proven()[0] == []
    assert shape() == before


DEEDS = {
    "port security is bypassed": (
        ("ovs-ofctl", "add-flow", "br-int", "table=0,priority=200,arp actions=NORMAL"),
        "not .* by another IP address: expected none, found",
    ),
    "the rules of groups are lost": (
        ("ovs-ofctl", "del-flows", "br-int", "table=40"),
        " port .*: expected an answer from .*, found none",
    ),
    "somebody added a rule": (
        ("ovs-ofctl", "add-flow", "br-int", "table=40,priority=65000,ip actions=resubmit(,41)"),
        "not .* port .*: expected no answer from .*, found one",
    ),
    "a port has another tag": (
        ("ovs-vsctl", "set", "port", "tap-web", "tag=999"),
        "address of web: expected 52:54:00:00:01:01, found none",
    ),
}


@pytest.mark.parametrize("what", DEEDS)
def test_they_notice(what: str) -> None:
    deed, line = DEEDS[what]
    try:
        output(*deed)
        failures, _unproven, _questions = proven()
    finally:
        run(fabric_node.resources(told=told()))
    assert any(re.search(line, failure) for failure in failures), failures


def test_they_notice_an_address_that_two_have() -> None:
    """Port security keeps a guest from it, so that here it is bypassed."""
    both = ", ".join(sorted((GUESTS["web"][2], GUESTS["app"][2])))
    try:
        ip("address", "add", f"{GUESTS['web'][1]}/32", "dev", "eth0", namespace="nvtapp")
        output("ovs-ofctl", "add-flow", "br-int", "table=0,priority=200,arp actions=NORMAL")
        failures, _unproven, _questions = proven()
    finally:
        ip("address", "delete", f"{GUESTS['web'][1]}/32", "dev", "eth0", namespace="nvtapp")
        run(fabric_node.resources(told=told()))
    assert any(line.endswith(f"address of web: expected {GUESTS['web'][2]}, found {both}") for line in failures), (
        failures
    )


def test_they_notice_a_second_dhcp_server() -> None:
    """Groups would keep its offers from those whom they filter, so that here they are bypassed."""
    server = "busybox", "udhcpd", "-f"
    ip("netns", "add", "nvtrogue")
    try:
        output("ovs-vsctl", "add-port", "br-int", "nvtrogue0", "tag=10")
        ip("link", "add", "nvtrogue0", "type", "veth", "peer", "name", "eth0", "netns", "nvtrogue")
        inside("nvtrogue", "ethtool", "-K", "eth0", "tx", "off")
        ip("link", "set", "nvtrogue0", "up")
        ip("link", "set", "eth0", "up", namespace="nvtrogue")
        ip("address", "add", "10.0.10.66/24", "dev", "eth0", namespace="nvtrogue")
        wait_for(partial(has_port_number, "nvtrogue0"))
        output("ovs-ofctl", "add-flow", "br-int", "table=0,priority=200,udp actions=NORMAL")
        with rogue(server):
            failures, _unproven, _questions = proven()
    finally:
        output("ovs-vsctl", "--if-exists", "del-port", "nvtrogue0")
        ip("link", "delete", "nvtrogue0", check=False)
        ip("netns", "delete", "nvtrogue")
        run(fabric_node.resources(told=told()))
    assert any("DHCP server: expected 10.0.10.254, found 10.0.10.254, 10.0.10.66" in line for line in failures), (
        failures
    )


@contextmanager
def rogue(command: Sequence[str]) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as place:
        leases = Path(place) / "leases"
        leases.touch()
        settings = Path(place) / "udhcpd.conf"
        settings.write_text(
            f"start 10.0.10.70\nend 10.0.10.80\ninterface eth0\nlease_file {leases}\npidfile {place}/pid\n"
        )
        process = subprocess.Popen(["ip", "netns", "exec", "nvtrogue", *command, str(settings)])
        try:
            yield
        finally:
            process.kill()
            process.wait()
