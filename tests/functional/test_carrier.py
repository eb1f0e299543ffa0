# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No kind but bridge_uplink takes, moves, strips or shuts what the connection of Ansible comes by."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import DATAPATH, apply, output
from netlink_node import ip
from uplink_node import BRIDGE, NIC, everything, uplink

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _connection
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import NetvirtError

OTHER, TUNNEL, NAMESPACE = "nvtother", "nvttun", "nvtns"
PROGRAM = f"""
import json, sys
sys.path[:0] = {sys.path!r}
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _connection
found = _connection.connections()
print(json.dumps(found if found is None else [[ends.peer, ends.own] for ends in found]))
"""


def connect(monkeypatch: pytest.MonkeyPatch, peer: str, own: str) -> None:
    """Pretend that this process was started over this connection."""
    monkeypatch.setenv("SSH_CONNECTION", f"{peer} 40000 {own} 22")
    monkeypatch.setattr(_connection, "_parents", lambda: iter([_connection.os.getpid()]))


@pytest.fixture
def connection(nic: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Come over the NIC."""
    connect(monkeypatch, "10.99.0.1", "10.99.0.2")
    yield
    output("ovs-vsctl", "--if-exists", "del-port", NIC)
    output("ovs-vsctl", "--if-exists", "del-br", OTHER)
    for name in (OTHER, TUNNEL):
        subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)
    subprocess.run(["ip", "netns", "delete", NAMESPACE], check=False, capture_output=True)


TAKEN: list[list[dict[str, Any]]] = [
    [{"ip_interface": {"name": NIC, "addresses": []}}],
    [{"ip_interface": {"name": NIC, "addresses": ["10.99.0.3/24"]}}],
    [{"ip_interface": {"name": NIC, "state": "absent"}}],
    [{"ip_interface": {"name": NIC, "up": False}}],
    [{"netns_router": {"name": NAMESPACE, "interfaces": [{"name": NIC}]}}],
    [{"ovs_bridge": {"name": BRIDGE, "datapath_type": DATAPATH}}, {"ovs_port_vlan": {"name": NIC, "bridge": BRIDGE}}],
    [
        {"ovs_bridge": {"name": BRIDGE, "datapath_type": DATAPATH}},
        {
            "ovs_port_vlan": {
                "name": "bond0",
                "bridge": BRIDGE,
                "interfaces": [{"name": NIC}, {"name": "eth9"}],
                "device_required": False,
            }
        },
    ],
    [{"veth_pair": {"name": NIC, "state": "absent"}}],
    [{"packet_filter": {"isolated_interfaces": [NIC]}}],
]


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("resources", TAKEN, ids=lambda resources: next(iter(resources[-1])))
def test_the_connection_is_not_taken(resources: list[dict[str, Any]]) -> None:
    before = everything()
    for check in (True, False):
        with pytest.raises(NetvirtError) as caught:
            apply(resources, check)
        assert f"and the connection of Ansible comes by {NIC}, from 10.99.0.1; connect by another" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert everything() == before


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    "resource",
    [
        {"ip_interface": {"name": NIC, "mtu": 1390, "up": True}},
        {"ip_interface": {"name": NIC, "addresses": ["10.99.0.2/24", "10.99.0.9/24"]}},
        {"ip_interface": {"name": NIC, "addresses": ["10.99.0.3/24"], "state": "absent"}},
    ],
)
def test_what_leaves_the_connection_alone_is_done(resource: dict[str, Any]) -> None:
    assert apply([resource]).operations


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    "resource",
    [
        {"linux_bridge": {"name": OTHER, "state": "absent"}},
        {"linux_bridge": {"name": OTHER, "up": False}},
        {"linux_bridge": {"name": OTHER, "ports": [], "purge_ports": True}},
        {"ovs_port_vlan": {"name": NIC, "bridge": BRIDGE}},
        {"veth_pair": {"name": NIC, "state": "absent"}},
    ],
)
def test_what_is_below_a_bridge_with_the_address(resource: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "10.97.0.1", "10.97.0.2")
    ip("link", "add", OTHER, "type", "bridge")
    ip("link", "set", NIC, "master", OTHER)
    ip("address", "add", "10.97.0.2/24", "dev", OTHER)
    ip("link", "set", OTHER, "up")
    output("ovs-vsctl", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, f"datapath_type={DATAPATH}")
    before = everything()
    with pytest.raises(NetvirtError, match=r"the connection of Ansible comes by (nvtother|nvtnic), from 10.97.0.1"):
        apply([resource])
    assert everything() == before


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    "resource",
    [
        {"ip_interface": {"name": NIC, "up": False}},
        {"ovs_port_vlan": {"name": NIC, "bridge": BRIDGE}},
        {"netns_router": {"name": NAMESPACE, "interfaces": [{"name": NIC}]}},
    ],
)
def test_what_is_below_an_interface_that_stands_on_another(
    resource: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A macvlan stands for a VLAN interface, which a kernel without modules lacks."""
    connect(monkeypatch, "10.97.0.1", "10.97.0.2")
    ip("link", "add", "link", NIC, "name", OTHER, "type", "macvlan")
    ip("link", "set", OTHER, "addrgenmode", "none")  # its routes would come while the test looks
    ip("address", "add", "10.97.0.2/24", "dev", OTHER)
    ip("link", "set", OTHER, "up")
    output("ovs-vsctl", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev")
    before = everything()
    with pytest.raises(NetvirtError, match=r"the connection of Ansible comes by nvtnic, from 10.97.0.1"):
        apply([resource])
    assert everything() == before


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    "resource",
    [
        {"ovs_port_vlan": {"name": NIC, "state": "absent"}},
        {"ovs_port_vlan": {"name": NIC, "bridge": BRIDGE, "tag": 9}},
        {"ovs_bridge": {"name": BRIDGE, "state": "absent"}},
        {"ovs_bridge": {"name": BRIDGE, "fail_mode": "secure"}},
        {"ovs_port_vlan": {"name": NIC, "bridge": OTHER, "move": True}},
    ],
)
def test_what_is_below_a_bridge_of_open_vswitch(resource: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "10.97.0.1", "10.97.0.2")
    for name in (BRIDGE, OTHER):
        output("ovs-vsctl", "add-br", name, "--", "set", "bridge", name, f"datapath_type={DATAPATH}")
    output("ovs-vsctl", "add-port", BRIDGE, NIC)
    ip("address", "add", "10.97.0.2/24", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    before = everything()
    with pytest.raises(NetvirtError, match=r"the connection of Ansible comes by (nvtbr|nvtnic), from 10.97.0.1"):
        apply([resource])
    assert everything() == before
    assert apply([{"ovs_port_vlan": {"name": "nvtin", "bridge": BRIDGE, "type": "internal"}}]).operations


@pytest.mark.usefixtures("connection")
def test_unknown_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a VPN, or from a program on this host that has brought the connection here, each address counts."""
    ip("link", "add", BRIDGE, "type", "bridge")
    output("ip", "tuntap", "add", TUNNEL, "mode", "tun")
    ip("address", "add", "10.97.0.2/24", "dev", TUNNEL)
    ip("link", "set", TUNNEL, "up")
    for peer, own in (("10.97.0.1", "10.97.0.2"), ("127.0.0.1", "127.0.0.1"), ("UNKNOWN", "UNKNOWN")):
        connect(monkeypatch, peer, own)
        (operation,) = apply([uplink()], check=True).operations
        assert operation["action"] == "move, guarded", peer
        with pytest.raises(NetvirtError, match=f"it may be that the connection of Ansible comes by {NIC}; connect"):
            apply([{"ip_interface": {"name": NIC, "addresses": []}}])
    connect(monkeypatch, "10.98.0.1", "10.98.0.2")
    ip("link", "add", OTHER, "type", "veth", "peer", "name", "nvtdummy")
    ip("address", "add", "10.98.0.2/24", "dev", OTHER)
    ip("link", "set", OTHER, "up")
    (operation,) = apply([uplink()], check=True).operations
    assert operation["action"] == "move", "it is known to be another"


def detached(tmp_path: Path) -> Any:
    """Return what a process finds that has neither a parent nor an environment, as of an asynchronous task of sudo."""
    path = tmp_path / "found"
    command = f'setsid -f env -i {sys.executable} -c "$0" > {path}.new 2>&1 && sleep 0; true'
    subprocess.run(["sh", "-c", command, PROGRAM], check=True, timeout=30)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(ValueError, OSError):
            return json.loads(Path(f"{path}.new").read_text(encoding="utf-8"))
        time.sleep(0.1)
    raise AssertionError(Path(f"{path}.new").read_text(encoding="utf-8"))


def test_a_process_without_a_parent_finds_the_session(tmp_path: Path) -> None:
    (mine,) = _connection.connections() or []
    found = detached(tmp_path)
    assert found, found
    assert [mine.peer, mine.own] in found


def test_a_unit_of_systemd_is_started_by_nobody() -> None:
    said = output("systemd-run", "--quiet", "--wait", "--pipe", sys.executable, "-c", PROGRAM)
    assert json.loads(said) == []
