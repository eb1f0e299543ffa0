# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NICs that a whole network node takes are left alone by the host's network manager, and given back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import output
from fabric_node import NICS, nics, resources, run
from netlink_node import addresses, ip, link
from test_link_managers import restart, state, wait

MTU = 1450
OWN, NETPLAN = "/etc/systemd/network/50-{name}.network", "/run/systemd/network/10-netplan-{name}.network"
"""Files of the host's operators, and those that netplan makes of its own."""
CONFIGURED = """[Match]
Name={name}

[Link]
MTUBytes={mtu}

[Network]
LinkLocalAddressing=ipv6
IPv6AcceptRA=no
{address}
"""

network_node = pytest.fixture(nics)


@pytest.fixture(params=[OWN])
def networkd(network_node: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Have systemd-networkd configure all of the node's NICs, which are veths here."""
    files = {name: Path(request.param.format(name=name)) for name in NICS}
    Path("/run/systemd/network").mkdir(exist_ok=True)
    for name, address in NICS.items():
        text = CONFIGURED.format(name=name, mtu=MTU, address=f"Address={address}" if address else "")
        files[name].write_text(text, encoding="utf-8")
    output("networkctl", "reload")
    try:
        wait_for("configured")
        yield
    finally:
        run([])
        for file in files.values():
            file.unlink()
        output("networkctl", "reload")


def wait_for(what: str) -> None:
    for name in NICS:
        wait(lambda name=name: state(name) == what)


def marks() -> list[str]:
    return sorted(path.name for path in Path("/etc/systemd/network").glob("00-netvirt-*"))


def holders() -> dict[str, list[str]]:
    """Return who has the underlay's address, and its route."""
    routes = ip("route", "show", "192.0.2.0/24")
    return {
        "address": [item["ifname"] for item in ip("address", "show") if NICS["nvtul"] in addresses(item["ifname"])],
        "route": [item["dev"] for item in routes],
    }


def assert_it_holds() -> None:
    assert holders() == {"address": ["br-phy"], "route": ["br-phy"]}
    for name in NICS:
        found = link(name)
        assert found is not None
        assert (found["mtu"], "UP" in found["flags"]) == (MTU, True), name
        assert [item for item in ip("address", "show", "dev", name)[0]["addr_info"] if item] == [], name
    assert run(resources(), check=True).operations == []


@pytest.mark.usefixtures("networkd")
@pytest.mark.parametrize("networkd", [OWN, NETPLAN], ids=["own", "netplan"], indirect=True)
def test_a_network_node_keeps_what_it_took() -> None:
    listed = resources()
    planned = [item for item in run(listed, check=True).operations if item["kind"] == "link_unmanaged"]
    assert [(item["name"], item["action"]) for item in planned] == [(name, "create") for name in NICS]
    assert marks() == []
    run(listed)
    assert marks() == sorted(f"00-netvirt-{name}.network" for name in NICS)
    wait_for("unmanaged")
    assert_it_holds()
    again = ("networkctl", "reconfigure", *NICS)  # as netplan apply does
    for deed in (lambda: restart("nvtul"), lambda: output("networkctl", "reload"), lambda: output(*again)):
        deed()
        time.sleep(1)
        assert_it_holds()
    run(resources("absent"))
    assert marks() == []
    wait_for("configured")
    assert holders() == {"address": ["nvtul"], "route": ["nvtul"]}


@pytest.mark.usefixtures("networkd")
def test_after_a_boot_mtu_and_state_are_the_nodes_own() -> None:
    listed = resources()
    run(listed)
    for name in NICS:  # as a boot leaves them, which no manager configures
        ip("link", "set", name, "down", "mtu", "1500")
    run(listed)
    assert_it_holds()
