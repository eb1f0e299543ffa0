# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs on one node: one waits for the other or gives up with a line that says so, and they never mix."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from engine import DATAPATH, Spec, apply, output
from netlink_node import addresses, clean_node

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import LockTimeout, NetvirtError
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings

__all__ = ["clean_node"]

ROUNDS = 6
HOSTS = [f"nvth{number}" for number in range(4)]


def wanted(number: int) -> list[Spec]:
    """Return hosts on a bridge, whose VLAN, addresses and translation are all of this number."""
    network = f"10.97.{number}"
    resources: list[Spec] = [{"ovs_bridge": {"name": "nvtbr", "datapath_type": DATAPATH}}]
    for index, host in enumerate(HOSTS, 1):
        inside = {"name": "eth0", "namespace": host}
        interface = {"name": "eth0", "addresses": [f"{network}.{index}/24"]}
        resources += [
            {"netns_router": {"name": host, "interfaces": [interface]}},
            {"veth_pair": {"name": host, "mtu": 1300 + number, "peer": inside}},
            {"ovs_port_vlan": {"name": host, "bridge": "nvtbr", "tag": number}},
            {"nat_masquerade": {"namespace": host, "sources": [f"{network}.0/24"], "out_interface": "eth0"}},
        ]
    return resources


@pytest.fixture(autouse=True)
def ours(clean_node: None) -> Iterator[None]:
    """Leave nothing."""
    yield
    output("ovs-vsctl", "--if-exists", "del-br", "nvtbr")


def started(number: int, lock_timeout: int = 60) -> int:
    """Converge in a process of its own, which ends with status 0 when that worked, and return its number."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            apply(wanted(number), lock_timeout=lock_timeout, timeout=60)
            status = 0
        except NetvirtError as error:
            os.write(2, f"{error}\n".encode())
        finally:
            os._exit(status)
    return child


def status(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def planned(number: int) -> bool:
    return bool(apply(wanted(number), check=True).operations)


def test_runs_at_the_same_time_do_not_mix() -> None:
    for _round in range(ROUNDS):
        children = [started(number) for number in (1, 2)]
        assert [status(child) for child in children] == [0, 0]
        assert planned(1) != planned(2)


def test_a_run_that_waits_too_long_says_so_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        verify = _engine._verify

        def late(*arguments: Any) -> None:
            os.kill(os.getpid(), signal.SIGSTOP)
            verify(*arguments)

        patch.setattr(_engine, "_verify", late)
        first = started(1)
    os.waitpid(first, os.WUNTRACED)
    try:
        begun = time.monotonic()
        line = "^another run holds /run/netvirt/lock for more than 1 s; wait for it to end or raise lock_timeout$"
        with pytest.raises(LockTimeout, match=line):
            apply(wanted(2), lock_timeout=1)
        assert time.monotonic() - begun < 10
        assert addresses("eth0", HOSTS[0]) == ["10.97.1.1/24"]
        second = started(2)
        time.sleep(1)
        assert addresses("eth0", HOSTS[0]) == ["10.97.1.1/24"]
    finally:
        os.kill(first, signal.SIGCONT)
    assert [status(first), status(second)] == [0, 0]
    assert planned(1)
    assert not planned(2)


def test_reading_does_not_wait() -> None:
    apply(wanted(1))
    node = Node(Settings())
    with node.lock():
        assert planned(2)
        assert not planned(1)
    node.close()


def test_others_commit_to_the_database_at_the_same_time() -> None:
    """A later configuration of theirs, which ovs-vswitchd has not taken over yet, is none of ours."""
    busy = "for i in $(seq 2000); do ovs-vsctl set bridge nvtbr external_ids:number=$i; done"
    apply([{"ovs_bridge": {"name": "nvtbr", "datapath_type": DATAPATH}}])
    others = [subprocess.Popen(["sh", "-c", busy]) for _number in range(3)]
    try:
        for number in range(ROUNDS * 5):
            port = {"name": "nvtp", "bridge": "nvtbr", "type": "internal", "tag": 1 + number}
            assert apply([{"ovs_port_vlan": port}]).operations
        assert [other.poll() for other in others] == [None] * 3, "they ended before we did"
    finally:
        for other in others:
            other.terminate()
            other.wait()
        output("ovs-vsctl", "del-br", "nvtbr")
