# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom the DNS servers of networks ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fabric_samples import ABSENT, NODES, build, changed, facts_of, faults_of, named, sample

from ansible_collections.netvirt.fabric.plugins.module_utils import _node_facts


def forwarders(resolvers: Any, changes: dict[str, Any] | None = None) -> list[str]:
    facts = facts_of(NODES)
    facts["network1"]["resolvers"] = resolvers
    resources = build(changed(sample(), changes or {}), "network1", facts)
    found: list[str] = named(resources, "dnsmasq_netns", "blue")["dns_forwarders"]
    return found


def test_the_node_s_own_are_asked_unless_the_document_says_otherwise() -> None:
    assert forwarders(["192.0.2.53", "192.0.2.54"]) == ["192.0.2.53", "192.0.2.54"]
    assert forwarders(["192.0.2.53"], {"fabric_networks[0].dhcp.dns_forwarders": []}) == []
    assert forwarders(["192.0.2.53"], {"fabric_networks[0].dhcp.dns_forwarders": ["9.9.9.9"]}) == ["9.9.9.9"]
    assert forwarders([]) == []


def test_nobody_is_asked_without_a_way_there() -> None:
    assert forwarders(["192.0.2.53"], {"fabric_routers[0].external": ABSENT, "fabric_networks[0].mode": "routed"}) == []
    assert forwarders(["2001:db8::53", "10.0.10.7", "192.0.2.53"]) == ["192.0.2.53"]


def test_what_a_node_says_is_data() -> None:
    said = ["127.0.0.53", "::1", "169.254.1.1", "224.0.0.1", "0.0.0.0", "9.9.9.9"]
    assert forwarders([*said, "9.9.9.9", *(f"192.0.2.{number}" for number in range(60, 99))]) == [
        "9.9.9.9",
        "192.0.2.60",
        "192.0.2.61",
    ]


@pytest.mark.parametrize(
    "said", [None, "9.9.9.9", {}, [5], [None], ["x"], ["9.9.9.9,1.1.1.1"], ["9.9.9.9/24"], ["1\n"]]
)
def test_other_than_addresses_is_a_fault_of_the_node(said: Any) -> None:
    facts = facts_of(NODES)
    facts["network1"]["resolvers"] = said
    (line,) = faults_of(sample(), facts=facts)
    assert line.startswith("network1: its fact resolvers must be a list of addresses, not ")


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("nameserver 192.0.2.53\nnameserver 192.0.2.53\n", "nameserver 9.9.9.9\n", ["192.0.2.53"]),
        ("# stub\nnameserver 127.0.0.53\noptions edns0\n", "nameserver 9.9.9.9\nsearch a\n", ["9.9.9.9"]),
        ("nameserver\nnameserver fe80::1%eth0\n\xff\n", "", []),
        (None, None, []),
    ],
)
def test_resolvers_of_a_node(tmp_path: Path, first: str | None, second: str | None, found: list[str]) -> None:
    paths = [tmp_path / "resolv.conf", tmp_path / "upstream.conf"]
    for path, text in zip(paths, (first, second)):
        if text is not None:
            path.write_text(text, encoding="latin-1")
    assert _node_facts.resolvers([str(path) for path in paths]) == found
