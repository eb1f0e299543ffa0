# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Port security: which addresses guests have, by which numbers their ports go, and what is wrong in a document."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_samples import build, changed, faults_of, named, of_kind, sample

VM = "fabric_guests[0]"
NETWORK = "fabric_networks[0]"
FEW = ["10.0.10.100", "10.0.10.104"]


def guests(*names: str) -> dict[str, Any]:
    """Return the sample with guests to which DHCP gives addresses, of a range of five."""
    listed = [{"name": name, "node": "compute1", "network": "blue"} for name in names]
    return changed(sample(), {"fabric_guests": listed, f"{NETWORK}.dhcp.range": FEW})


def reserved(document: dict[str, Any]) -> dict[str, str]:
    """Return the addresses that DHCP keeps, by host name."""
    (server,) = of_kind(build(document, "network1"), "dnsmasq_netns")
    return {host["hostname"]: host["address"] for host in server["hosts"] if "address" in host}


def flows(document: dict[str, Any], node: str = "compute1") -> list[str]:
    found: list[str] = named(build(document, node), "ovs_flow", "port security")["flows"]
    return found


def number(changes: dict[str, Any]) -> int:
    port = named(build(changed(sample(), changes), "compute1"), "ovs_port_vlan", "tap-vm1")
    return int(port["ofport_request"])


def test_each_guest_has_an_address_of_its_own() -> None:
    found = reserved(guests("a", "b", "c", "d", "e"))
    assert sorted(found.values()) == [f"10.0.10.{number}" for number in range(100, 105)]


def test_guests_added_at_the_end_change_no_address() -> None:
    before = reserved(guests("a", "b", "c"))
    assert {name: reserved(guests("a", "b", "c", "d", "e"))[name] for name in before} == before


def test_a_guest_for_which_no_address_is_left_may_use_none() -> None:
    document = guests("a", "b", "c", "d", "e", "f")
    assert set(reserved(document)) == {"a", "b", "c", "d", "e"}
    ports = of_kind(build(document, "compute1"), "ovs_port_vlan")
    (last,) = (port["ofport_request"] for port in ports if port["name"] == "tap-f")
    sources = [flow for flow in flows(document) if f"in_port={last}," in flow and "priority=10,ip," in flow]
    assert sources == []


def test_a_guest_sends_with_the_address_that_dhcp_keeps_for_it() -> None:
    document = guests("a")
    (address,) = reserved(document).values()
    (source,) = (flow for flow in flows(document) if "priority=10,ip," in flow)
    assert f"nw_src={address}/32" in source or f"nw_src={address} " in source


@pytest.mark.parametrize(("subnet", "of4", "of6"), [({}, 1, 1), ({"cidr": "10.0.20.0/24"}, 1, 0)])
def test_where_nobody_can_know_the_address_any_may_be_sent(subnet: dict[str, str], of4: int, of6: int) -> None:
    red = {"name": "red", "mode": "isolated", "vlan": 20, **subnet}
    guest = {"name": "a", "node": "compute1", "network": "red"}
    found = flows(changed(sample(), {"fabric_networks[1]": red, "fabric_guests": [guest]}))
    assert len([flow for flow in found if "priority=10,ip," in flow and "nw_src" not in flow]) == of4
    assert len([flow for flow in found if "priority=10,ipv6," in flow and "ipv6_src" not in flow]) == of6


def test_the_number_of_a_port_says_what_it_may() -> None:
    """Another network or another right is another number, by which nothing passes before its flows are there."""
    red = {"name": "red", "mode": "isolated", "vlan": 20}
    there = {"fabric_networks[1]": red, VM: {"name": "vm1", "node": "compute1", "network": "red"}}
    secured, elsewhere, unsecured = number({}), number(there), number({f"{VM}.port_security": False})
    assert secured & 0x4000
    assert elsewhere & 0x4000
    assert unsecured & 0x6000 == 0x2000
    assert secured != elsewhere


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({f"{VM}.port_security": "perhaps"}, f"{VM}.port_security: must be true or false"),
        ({f"{VM}.allowed_addresses": [{"mac": "52:54:00:00:00:01"}]}, f"{VM}.allowed_addresses[0].subnet: is required"),
        ({f"{VM}.allowed_addresses": [{"subnet": "10.0.10.1/24"}]}, f"{VM}.allowed_addresses[0].subnet: "),
        ({f"{VM}.allowed_addresses": [{"subnet": "10.0.10.9", "mac": "x"}]}, f"{VM}.allowed_addresses[0].mac: "),
        (
            {f"{VM}.allowed_addresses": [{"subnet": "10.0.10.9"}], f"{VM}.port_security": False},
            f"{VM}.allowed_addresses: says nothing where port_security is false",
        ),
        (
            {VM: {"name": "vm1", "node": "compute1", "port_security": False, "networks": [{"network": "blue"}]}},
            f"{VM}.networks: cannot be combined with port_security",
        ),
    ],
)
def test_faults(changes: dict[str, Any], fault: str) -> None:
    (found,) = faults_of(changed(sample(), changes))
    assert found.startswith(fault), found
