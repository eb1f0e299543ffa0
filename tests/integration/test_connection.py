# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection of Ansible is found whichever way a task gets to root, and nothing takes it away."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from netvirt_testing.lab import Lab, run_ansible

NODES = ("compute1", "compute2")
NODE, JUMP, NIC, BRIDGE, USER = NODES[0], NODES[1], "eth0", "br-mgmt", "nvtadmin"
STRIP = ("ip_interface", {"name": NIC, "addresses": []})
SUDO = ("-e", f"ansible_user={USER}", "--become")
ASYNC = ("-B", "90", "-P", "1")


@pytest.fixture(scope="module")
def user(lab: Lab) -> Iterator[None]:
    """Have a user who needs sudo, by the key of root."""
    lab.run(NODE, ["useradd", "--password=*", "--create-home", "--shell=/bin/sh", USER])
    lab.run(NODE, ["install", "-d", "-m", "0700", "-o", USER, f"/home/{USER}/.ssh"])
    lab.run(NODE, ["install", "-m", "0600", "-o", USER, "/root/.ssh/authorized_keys", f"/home/{USER}/.ssh/"])
    lab.run(NODE, ["tee", f"/etc/sudoers.d/{USER}"], stdin=f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    yield
    lab.run(NODE, ["rm", f"/etc/sudoers.d/{USER}"])
    lab.run(NODE, ["userdel", "--force", "--remove", USER], check=False)


def module(lab: Lab, name: str, options: dict[str, Any], *arguments: str) -> dict[str, Any]:
    """Return the result of a module that is run with these options of ansible(1)."""
    command = ["ansible", "-i", str(lab.inventory), NODE, "-m", f"netvirt.fabric.{name}", "-a", json.dumps(options)]
    outcome = run_ansible([*command, *arguments], 300)
    assert outcome.tasks, outcome.output
    return {**outcome.tasks[-1].result, "failed": bool(outcome.failed)}


def through(lab: Lab) -> list[str]:
    """Return the arguments by which Ansible connects over a jump host, by connections of their own."""
    own, jump = lab.hosts[NODE], lab.hosts[JUMP]
    key = f"-i {jump['ansible_ssh_private_key_file']}"
    target = f"{jump['ansible_user']}@{jump['ansible_host']}"
    proxy = f"ssh {key} {' '.join(jump['ansible_ssh_common_args'].split())} -W [%h]:%p {target}"
    arguments = f"{own['ansible_ssh_common_args']} -o ProxyCommand={shlex.quote(proxy)}"
    return ["-e", json.dumps({"ansible_ssh_common_args": arguments, "ansible_ssh_args": "-o ControlMaster=no"})]


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize("arguments", [(), SUDO, ASYNC, (*SUDO, *ASYNC)], ids=["root", "sudo", "async", "both"])
def test_the_connection_is_found(lab: Lab, arguments: Sequence[str]) -> None:
    result = module(lab, *STRIP, *arguments)
    assert result["failed"], result
    assert f"the connection of Ansible comes by {NIC}, from " in result["msg"]


def test_the_connection_over_a_jump_host_is_found(lab: Lab) -> None:
    result = module(lab, *STRIP, *through(lab))
    assert result["failed"], result
    peer = lab.hosts[JUMP]["ansible_host"]
    assert f"the connection of Ansible comes by {NIC}, from {peer}; connect" in result["msg"]


@pytest.mark.usefixtures("user")
def test_an_asynchronous_move_with_sudo_is_guarded(lab: Lab) -> None:
    bridge = {"linux_bridge": {"name": BRIDGE}}
    try:
        for options in ({"bridge": BRIDGE}, {"state": "absent"}):
            uplink = {"bridge_uplink": {"name": NIC, "confirm_timeout": 60, **options}}
            moved = module(lab, "apply", {"resources": [bridge, uplink], "timeout": 30}, *SUDO, *ASYNC)
            assert not moved["failed"], moved
            assert any(operation["action"].endswith(", guarded") for operation in moved["operations"])
            confirmed = module(lab, "bridge_uplink_confirm", {"token": moved["unconfirmed"]}, *SUDO)
            assert confirmed["phase"] == "confirmed", confirmed
    finally:
        lab.module(NODE, "linux_bridge", {"name": BRIDGE, "state": "absent"})
