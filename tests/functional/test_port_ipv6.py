# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device that becomes a port loses its IPv6, and gets it back when it stops being one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import DATAPATH, Spec, apply, output
from netlink_node import addresses, clean, ip

BRIDGE, NIC, OTHER = "nvtbr", "nvtnic", "nvtnic2"


@pytest.fixture(autouse=True)
def _nics() -> Iterator[None]:
    clean()
    for name in (NIC, OTHER):
        ip("link", "add", name, "type", "veth", "peer", "name", name + "p")
        for end in (name, name + "p"):
            ip("link", "set", end, "up")
    yield
    output("ovs-vsctl", "--if-exists", "del-br", BRIDGE)
    output("ovs-vsctl", "remove", "Open_vSwitch", ".", "external_ids", f"netvirt-ipv6-{NIC}", f"netvirt-ipv6-{OTHER}")
    clean()


def bridge(**options: Any) -> Spec:
    return {"ovs_bridge": {"name": BRIDGE, "datapath_type": DATAPATH, **options}}


def port(**options: Any) -> Spec:
    return {"ovs_port_vlan": {"name": NIC, "bridge": BRIDGE, **options}}


def ipv6(name: str = NIC) -> bool:
    return Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").read_text(encoding="ascii").strip() == "0"


def set_ipv6(on: bool, name: str = NIC) -> None:
    Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text(str(int(not on)), encoding="ascii")


def recorded() -> list[str]:
    text = output("ovs-vsctl", "get", "Open_vSwitch", ".", "external_ids")
    return [name for name in (NIC, OTHER) if f"netvirt-ipv6-{name}=" in text]


def actions(*resources: Spec) -> list[str]:
    """Converge twice, each time in check mode first; return the actions."""
    planned = apply(resources, check=True).operations
    done = apply(resources).operations
    assert done == planned
    for check in (True, False):
        assert apply(resources, check=check).operations == []
    return [item["action"] for item in done]


def test_off_as_a_port_and_back_afterwards() -> None:
    assert ipv6()
    actions(bridge(), port())
    assert (ipv6(), recorded()) == (False, [NIC])
    assert actions(port(state="absent")) == ["delete", f"give {NIC} IPv6 back"]
    assert (ipv6(), recorded()) == (True, [])


def test_back_when_the_bridge_goes() -> None:
    actions(bridge(), port())
    actions(bridge(state="absent"))
    assert (ipv6(), recorded()) == (True, [])


def test_off_before_is_off_afterwards() -> None:
    set_ipv6(False)
    actions(bridge(), port())
    assert recorded() == []
    actions(port(state="absent"))
    assert not ipv6()


def test_drift_is_repaired_where_it_is_asked_for() -> None:
    actions(bridge(), port(ipv6=False))
    set_ipv6(True)
    assert actions(port(ipv6=False)) == [f"switch IPv6 of {NIC} off"]
    assert not ipv6()
    assert actions(port(ipv6=True)) == [f"switch IPv6 of {NIC} on"]
    assert (ipv6(), recorded()) == (True, [])


def test_a_device_with_an_address_is_left_alone_unless_asked() -> None:
    ip("address", "add", "2001:db8:7::1/64", "dev", NIC, "nodad")
    actions(bridge(), port())
    assert (ipv6(), addresses(NIC)) == (True, ["2001:db8:7::1/64"])
    actions(port(ipv6=False))
    assert (ipv6(), addresses(NIC)) == (False, [])


def test_members_of_a_bond() -> None:
    bond = {"name": "nvtbond", "bridge": BRIDGE, "interfaces": [{"name": NIC}, {"name": OTHER}]}
    actions(bridge(), {"ovs_port_vlan": bond})
    assert (ipv6(), ipv6(OTHER), recorded()) == (False, False, [NIC, OTHER])
    actions({"ovs_port_vlan": {**bond, "state": "absent"}})
    assert (ipv6(), ipv6(OTHER), recorded()) == (True, True, [])


def test_a_device_that_comes_later() -> None:
    resources = [
        bridge(),
        {"ovs_port_vlan": {"name": "nvtlate", "bridge": BRIDGE, "ipv6": False, "device_required": False}},
    ]
    actions(*resources)
    ip("link", "add", "nvtlate", "type", "veth", "peer", "name", "nvtlatep")
    ip("link", "set", "nvtlate", "up")
    assert actions(*resources) == ["switch IPv6 of nvtlate off"]
    assert not ipv6("nvtlate")
    ip("link", "delete", "nvtlate")
    actions({"ovs_port_vlan": {"name": "nvtlate", "state": "absent"}})
    assert "nvtlate" not in output("ovs-vsctl", "get", "Open_vSwitch", ".", "external_ids")


def test_a_new_veth_that_is_a_port_never_has_an_address() -> None:
    pair = {"veth_pair": {"name": "nvtv0", "peer": {"name": "nvtv1"}}}
    actions(bridge(), pair, {"ovs_port_vlan": {"name": "nvtv0", "bridge": BRIDGE}})
    assert (ipv6("nvtv0"), ipv6("nvtv1"), recorded()) == (False, True, [])
    ip("link", "delete", "nvtv0")
    actions(pair)  # as after a boot: the port is in the database, the veth is made anew
    assert not ipv6("nvtv0")
