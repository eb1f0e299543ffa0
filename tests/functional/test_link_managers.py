# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is moved to a bridge stays there when the host's own network manager is restarted, and after a boot."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from engine import Object, apply, output
from killed import run_until
from netlink_node import addresses, ip
from uplink_node import BRIDGE, KEPT, MARK, NEIGHBOUR, NIC, everything, moved, reached, uplink

from ansible_collections.netvirt.fabric.plugins.module_utils._engine import converge
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import NetvirtError
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import kind

CONFIGURED = Path(f"/etc/systemd/network/50-{NIC}.network")
LINES = f"""[Match]
Name={NIC}

[Network]
LinkLocalAddressing=no
IPv6AcceptRA=no
Address=10.99.0.2/24
Address=10.99.0.3/24

[Route]
Destination=198.51.100.0/24
Gateway=10.99.0.1
"""


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, output("networkctl", "--no-pager", "status", NIC)
        time.sleep(0.1)


def state(name: str = NIC) -> str:
    """Return what systemd-networkd says of a NIC."""
    return str(json.loads(output("networkctl", "--json=short", "status", name))["AdministrativeState"])


def restart(name: str = NIC) -> None:
    """Restart systemd-networkd and wait until it has looked at a NIC; systemd refuses a sixth start in 10 s."""
    output("systemctl", "reset-failed", "systemd-networkd")
    output("systemctl", "restart", "systemd-networkd")
    wait(lambda: state(name) not in {"pending", "initialized", "configuring"})


@pytest.fixture
def networkd(bridge: str) -> Iterator[str]:
    """Have a NIC that systemd-networkd configures."""
    ip("address", "flush", "dev", NIC)
    CONFIGURED.write_text(LINES, encoding="utf-8")
    try:
        output("networkctl", "reload")
        wait(lambda: len(addresses(NIC)) == 2 and state() == "configured")
        yield bridge
    finally:
        CONFIGURED.unlink()
        output("networkctl", "reload")


@pytest.mark.usefixtures("networkd")
def test_systemd_networkd_leaves_alone_what_was_moved() -> None:
    planned = apply([uplink()], check=True)
    assert not MARK.exists()
    assert apply([uplink()]).operations == planned.operations
    assert MARK.read_text(encoding="utf-8").startswith("# Managed by netvirt.fabric, owner netvirt\n")
    assert state() == "unmanaged"
    before = everything()
    for deed in (restart, lambda: output("networkctl", "reload")):
        deed()
        time.sleep(1)
        assert addresses(NIC) == []
        assert everything() == before
    assert apply([uplink()], check=True).operations == []
    assert reached("10.99.0.2")
    MARK.unlink()
    (operation,) = apply([uplink()]).operations
    assert operation["changes"]["managed_by"] == {"before": ["systemd-networkd"], "after": []}
    assert state() == "unmanaged"
    apply([uplink(state="absent")])
    assert not MARK.exists()
    wait(lambda: state() == "configured")
    for _again in range(2):
        assert sorted(addresses(NIC)) == ["10.99.0.2/24", "10.99.0.3/24"]
        assert ip("route", "show", "198.51.100.0/24")[0]["dev"] == NIC
        restart()
    assert addresses(BRIDGE) == []


@pytest.mark.usefixtures("networkd")
@pytest.mark.parametrize("bridge", ["linux"], indirect=True)
def test_a_provider_nic_is_left_alone() -> None:
    unmanaged = Object("link_unmanaged", name=NIC)
    unmanaged.present()
    wait(lambda: state() == "unmanaged")
    restart()
    assert addresses(NIC) == []
    unmanaged.absent()
    wait(lambda: len(addresses(NIC)) == 2)


def telling(frame: FrameType, event: str, _argument: Any) -> bool:
    return event == "call" and frame.f_code.co_name == "_tell"


def killed_before_it_tells(resource: Any) -> None:
    """Apply in a process that is killed when it has written the mark, or removed it, and has told nobody."""
    assert run_until(1, lambda: apply([resource]), telling) == 0


@pytest.mark.usefixtures("networkd")
@pytest.mark.parametrize("bridge", ["linux"], indirect=True)
@pytest.mark.parametrize("wanted", [{"link_unmanaged": {"name": NIC}}, uplink()], ids=lambda item: next(iter(item)))
def test_what_a_killed_run_did_not_tell_is_told_by_the_next(wanted: dict[str, Any]) -> None:
    ((kind, options),) = wanted.items()
    gone = {kind: {**options, "state": "absent"}}
    killed_before_it_tells(wanted)
    assert (MARK.exists(), state()) == (True, "configured")
    assert [item["kind"] for item in apply([wanted]).operations] == [kind]
    assert state() == "unmanaged"
    assert apply([wanted], check=True).operations == []
    killed_before_it_tells(gone)
    assert (MARK.exists(), state()) == (False, "unmanaged")
    assert [item["kind"] for item in apply([gone]).operations] == [kind]
    wait(lambda: state() == "configured")
    assert apply([gone], check=True).operations == []
    assert not list(Path("/run/netvirt/link-managers").iterdir())


@pytest.mark.usefixtures("networkd")
@pytest.mark.parametrize("bridge", ["linux"], indirect=True)
def test_a_purge_finishes_what_a_killed_run_gave_back() -> None:
    def purge() -> Any:
        node = Node(Settings())
        try:
            return converge(node, [], False, [kind("link_unmanaged")])
        finally:
            node.close()

    apply([{"link_unmanaged": {"name": NIC}}])
    assert run_until(1, purge, telling) == 0
    assert (MARK.exists(), state()) == (False, "unmanaged")
    purge()
    wait(lambda: state() == "configured")
    assert purge().operations == []


def test_a_mark_of_somebody_else_stays(nic: None) -> None:
    MARK.write_text("[Match]\nName=none\n", encoding="utf-8")
    try:
        with pytest.raises(NetvirtError, match=r"00-netvirt-nvtnic.network exists and is not ours"):
            apply([{"link_unmanaged": {"name": NIC}}])
    finally:
        MARK.unlink()


def test_addresses_and_routes_return_after_a_boot(bridge: str) -> None:
    """A boot takes away the addresses of both, and a Linux bridge wholly."""
    wanted = [{"linux_bridge": {"name": BRIDGE}}] if bridge == "linux" else []
    apply([*wanted, uplink()])
    before = everything()
    if bridge == "linux":
        ip("link", "delete", BRIDGE)
    else:
        ip("address", "flush", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "down")
    (*_made, operation) = apply([*wanted, uplink()]).operations
    assert operation["kind"] == "bridge_uplink"
    assert moved()
    after = everything()
    for shown in (before, after):
        shown.pop("config")
    assert after == before
    assert apply([*wanted, uplink()], check=True).operations == []
    apply([uplink(state="absent")])
    assert not KEPT.exists()


def test_the_bridge_may_have_other_addresses_since(nic: None) -> None:
    wanted: list[dict[str, Any]] = [
        {"linux_bridge": {"name": BRIDGE}},
        uplink(),
        {"ip_interface": {"name": BRIDGE, "addresses": ["10.99.0.2/24", "10.99.0.77/24"]}},
    ]
    apply(wanted)
    assert sorted(addresses(BRIDGE)) == ["10.99.0.2/24", "10.99.0.77/24"]
    assert apply(wanted, check=True).operations == []


LEASES = """
interface wire
start 10.99.7.10
end 10.99.7.20
opt lease 10
opt subnet 255.255.255.0
min_lease 10
lease_file /run/nvt-leases
pidfile /run/nvt-leases.pid
"""


@pytest.fixture
def client(bridge: str, tmp_path: Path) -> Iterator[None]:
    """Have systemd-networkd lease an address for the NIC, for ten seconds each time."""
    ip("address", "flush", "dev", NIC)
    ip("address", "add", "10.99.7.1/24", "dev", "wire", namespace=NEIGHBOUR)
    configured = tmp_path / "udhcpd.conf"
    configured.write_text(LEASES, encoding="ascii")
    Path("/run/nvt-leases").touch()
    serves = ["ip", "netns", "exec", NEIGHBOUR, "busybox", "udhcpd", "-f", str(configured)]
    with subprocess.Popen(serves, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            CONFIGURED.write_text(f"[Match]\nName={NIC}\n\n[Network]\nDHCP=ipv4\n", encoding="utf-8")
            output("networkctl", "reload")
            wait(lambda: bool(lease()))
            yield
        finally:
            server.terminate()
            CONFIGURED.unlink()
            output("networkctl", "reload")


def lease() -> dict[str, Any]:
    """Return what the NIC has by lease."""
    listed = ip("address", "show", "dev", NIC)[0]["addr_info"]
    return next((item for item in listed if item["local"].startswith("10.99.7.")), {})


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("bridge", ["linux"], indirect=True)
def test_a_lease_of_ten_seconds_stays_with_its_client() -> None:
    """The client renews it, which it could not do where it may not touch the bridge: so the move is refused."""
    first = lease()
    for check in (True, False):
        with pytest.raises(NetvirtError) as caught:
            apply([uplink()], check)
        assert f"its address {first['local']}/24 is leased (DHCP), and nobody would renew it" in str(caught.value)
    left = first["valid_life_time"]
    for _turn in range(2):  # the first may be of a renewal on the way
        wait(lambda: lease()["valid_life_time"] < left)
        wait(lambda: lease()["valid_life_time"] >= left)
    assert lease()["local"] == first["local"]
    assert not MARK.exists()
    assert reached(first["local"])


@pytest.mark.usefixtures("bridge")
def test_a_leased_address_is_refused() -> None:
    ip("address", "add", "10.99.5.2/24", "dev", NIC, "valid_lft", "10", "preferred_lft", "10")
    before = everything()
    for check in (True, False):
        with pytest.raises(NetvirtError) as caught:
            apply([uplink()], check)
        assert "its address 10.99.5.2/24 is leased (DHCP), and nobody would renew it on the bridge" in str(caught.value)
    ip("address", "del", "10.99.5.2/24", "dev", NIC)
    after = everything()
    assert [item for item in before[NIC]["addresses"] if item["local"] != "10.99.5.2"] == after[NIC]["addresses"]
    ip("address", "add", "2001:db8:99::77/64", "dev", NIC, "valid_lft", "600", "preferred_lft", "600")
    assert apply([uplink()], check=True).operations, "the kernel renews what it has from advertisements"
