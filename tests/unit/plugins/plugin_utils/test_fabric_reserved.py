# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""New guests of a run that leaves out the node with their DHCP server."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_samples import NODES, build, changed, facts_of, named, sample

from ansible_collections.netvirt.fabric.plugins.module_utils._reservations import digest
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._reserved import unreserved

FAULT = (
    "fabric_guests[0]: vm1 is new, and the DHCP server of blue on network1 does not keep its address yet; "
    "add network1 to the hosts of the run"
)


def found(facts: dict[str, Any], *running: str, document: dict[str, Any] | None = None) -> list[str]:
    return list(unreserved(validate(document or sample(), NODES), "compute1", facts, running or ("compute1",)))


def keeping(kept: object) -> dict[str, Any]:
    facts = facts_of(NODES)
    facts["network1"]["reservations"] = kept
    return facts


def test_the_node_with_the_server_is_named() -> None:
    assert found(keeping({})) == [FAULT]
    assert found(keeping({"blue": "other"})) == [FAULT]


def test_a_guest_that_is_there_does_not_wait() -> None:
    facts = keeping({})
    facts["compute1"]["guests"] = {"vm1": {"owner": "fabric", "disk": True}}
    assert found(facts) == []
    facts["compute1"]["guests"] = {"vm1": {"owner": "", "disk": True}}
    assert found(facts) == [FAULT], "a disk alone is left of one"


def test_a_server_that_keeps_the_address_need_not_run() -> None:
    hosts = named(build(sample(), "network1"), "dnsmasq_netns", "blue")["hosts"]
    assert found(keeping({"blue": digest(reversed(hosts))})) == []


@pytest.mark.parametrize("facts", [facts_of(NODES), facts_of(["compute1"]), keeping("all"), {}])
def test_a_server_of_which_nothing_is_known_stops_nobody(facts: dict[str, Any]) -> None:
    assert found(facts) == []


def test_nothing_is_amiss_in_a_run_of_all_or_without_a_reservation() -> None:
    assert found(keeping({}), "compute1", "network1") == []
    guest = {"name": "vm1", "node": "compute1", "network": "blue"}
    assert found(keeping({}), document=changed(sample(), {"fabric_guests[0]": guest})) == []
