# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that the document declares for guests, where nothing gives them to the guests."""

from __future__ import annotations

from typing import Any

import yaml
from answering_fleet import Fleet
from fabric_samples import ROOT, changed


def without_dhcp(**addresses: list[str]) -> list[str]:
    """Return what is wrong with the guests of a network without DHCP that have these addresses."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "examples/classic_vxlan/fabric.yml").read_text())
    document = changed(document, {"fabric_nodes": {"network1": {}}})
    fleet = Fleet(document)
    fleet.leases, fleet.addresses = [], {f"vm{number}": [] for number in (1, 2, 3, 4)} | addresses
    return fleet.of_guests()


def test_an_address_that_nothing_gives_the_guest() -> None:
    failures = without_dhcp()
    assert failures == [
        f"guest vm{number} on {node}, network {network}: address: expected 10.0.0.1{number}, found none; the network "
        "has no dhcp, so nothing gives guests addresses: add it, or set the address in the guest"
        for number, node, network in (
            (1, "compute1", "blue"),
            (2, "compute1", "red"),
            (3, "compute2", "blue"),
            (4, "compute2", "red"),
        )
    ]


def test_an_address_that_was_set_in_the_guest() -> None:
    failures = without_dhcp(vm1=["10.0.0.11/24"], vm3=["10.0.0.30/24"])
    assert not [line for line in failures if line.startswith("guest vm1 on compute1, network blue: address")]
    assert any("expected 10.0.0.13, found 10.0.0.30; the network has no dhcp" in line for line in failures)
