# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a node that other software may spoil."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.netvirt.fabric.plugins.module_utils import _preflight


class System:
    """A node as its programs show it: the services that run, the chains of nft."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.active: set[str] = set()
        self.chains: list[dict[str, str]] = []

    def run(self, argv: list[str]) -> str:
        if argv[0] == "nft":
            return json.dumps({"nftables": [{"metainfo": {}}, *({"chain": chain} for chain in self.chains)]})
        units = argv[3:]
        states = {unit: "active" if unit in self.active else "inactive" for unit in units}
        return "\n\n".join(f"Id={unit}\nActiveState={state}" for unit, state in states.items()) + "\n"

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def warnings(self) -> list[str]:
        return list(_preflight._warnings(self.run, self.root))


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def test_a_plain_node_has_none(system: System) -> None:
    system.active = {"systemd-networkd.service"}
    system.write("etc/systemd/network/10-eth0.network", "[Match]\nName=eth0\n\n[Network]\nAddress=192.0.2.1/24\n")
    system.chains = [{"family": "inet", "table": "filter", "name": "input", "hook": "input", "policy": "drop"}]
    assert system.warnings() == []


def test_dropped_forwarding(system: System) -> None:
    system.chains = [{"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}]
    (line,) = system.warnings()
    assert "chain FORWARD of table ip filter" in line
    assert "bridge-nf-call-iptables" not in line
    system.write("proc/sys/net/bridge/bridge-nf-call-iptables", "1\n")
    (line,) = system.warnings()
    assert "bridge-nf-call-iptables is 1" in line


def test_services(system: System) -> None:
    system.active = {"firewalld.service", "dnsmasq.service"}
    assert [line.split()[0] for line in system.warnings()] == ["dnsmasq.service", "firewalld"]


def test_network_manager_can_be_told(system: System) -> None:
    system.active = {"NetworkManager.service"}
    assert len(system.warnings()) == 1
    system.write("etc/NetworkManager/conf.d/fabric.conf", "[keyfile]\nunmanaged-devices=interface-name:br-*\n")
    assert system.warnings() == []


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("[Match]\nName=*\n", True),
        ("[Match]\nType=ether\n", True),
        ("[Match]\nName=en* br-*\n", True),
        ("[Match]\nName=en*\n", False),
        ("[Match]\nName=*\n[Link]\nUnmanaged=yes\n", False),
        ("[Match]\nName=*\nDriver=virtio_net\n", False),
        ("[Network]\nDHCP=yes\n", False),
        ("no file at all", False),
    ],
)
def test_networkd(system: System, text: str, warned: bool) -> None:
    system.active = {"systemd-networkd.service"}
    system.write("etc/systemd/network/50-any.network", text)
    assert len(system.warnings()) == warned


def test_networkd_file_hidden_by_another(system: System) -> None:
    system.active = {"systemd-networkd.service"}
    system.write("usr/lib/systemd/network/50-any.network", "[Match]\nName=*\n")
    assert len(system.warnings()) == 1
    system.write("etc/systemd/network/50-any.network", "[Match]\nName=eth0\n")
    assert system.warnings() == []


def test_a_program_that_is_missing_gives_no_warning(tmp_path: Path) -> None:
    assert list(_preflight._warnings(lambda argv: "", tmp_path)) == []
