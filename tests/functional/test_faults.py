# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemons, programs and disks that fail before or during a run: one clear line, soon, that says what was done."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from engine import DATAPATH, Spec, apply, output
from netlink_node import addresses, clean_node, ip, namespaces
from snapshot import changes, settled

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch._ovsdb import Ovsdb
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import (
    Conflict,
    Failed,
    InvalidValue,
    Missing,
    NetvirtError,
    Unavailable,
)

__all__ = ["clean_node"]

SECONDS = 15  # 10 are promised, to a machine that does nothing else
NAME = "nvtfault"
# Address translation stands before there is anything to translate.
MADE_FIRST = [("netns_router", "nvtns"), ("nat_masquerade", "nat"), ("veth_pair", "nvtleg")]
SWITCHED = [("ovs_bridge", "nvtbr"), ("ovs_port_vlan", "nvtleg")]
ADDRESSED = ("netns_router", "nvtns")
NETWORK: list[Spec] = [
    {"ovs_bridge": {"name": "nvtbr", "datapath_type": DATAPATH}},
    {"ovs_port_vlan": {"name": "nvtleg", "bridge": "nvtbr", "tag": 10}},
    {"veth_pair": {"name": "nvtleg", "peer": {"name": "gw", "namespace": "nvtns"}}},
    {"netns_router": {"name": "nvtns", "interfaces": [{"name": "gw", "addresses": ["10.97.0.1/24"]}]}},
    {"nat_masquerade": {"namespace": "nvtns", "sources": ["10.97.0.0/24"], "out_interface": "gw"}},
    {
        "dnsmasq_netns": {
            "name": NAME,
            "namespace": "nvtns",
            "interface": "gw",
            "ranges": [{"start": "10.97.0.100", "end": "10.97.0.150"}],
        }
    },
]


def absent() -> list[Spec]:
    """Return what removes the network."""
    identities = ("name", "bridge", "namespace")
    found = []
    for entry in NETWORK:
        for kind, options in entry.items():
            names = {key: options[key] for key in identities if key in options}
            if kind == "dnsmasq_netns":
                names = {"name": NAME}
            found.append({kind: {**names, "state": "absent"}})
    return found


@pytest.fixture(autouse=True)
def ours(clean_node: None) -> Iterator[None]:
    """Leave nothing, and all daemons running."""
    yield
    output("systemctl", "start", "openvswitch-switch")
    apply(absent(), timeout=60)


def fails(
    error: type[NetvirtError], text: str, resources: list[Spec] | None = None, check: bool = False
) -> NetvirtError:
    """Return the error of a run, which must come in time beside what a run takes, as one line with the text."""
    begun = time.monotonic()
    with pytest.raises(error) as caught:
        apply(NETWORK if resources is None else resources, check)
    assert time.monotonic() - begun < SECONDS
    line = str(caught.value)
    assert text in line
    assert "\n" not in line
    return caught.value


def refused(error: type[NetvirtError], text: str, resources: list[Spec] | None = None) -> None:
    """Check mode and run fail alike before anything was done."""
    for check in (True, False):
        assert not isinstance(fails(error, text, resources, check), Failed)


def cut_off(text: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return what a run that fails on its way says to be done and not done; the line must say it, too."""
    error = fails(Failed, text)
    assert isinstance(error, Failed)
    told = [[(item["kind"], item["name"]) for item in part] for part in (error.done, error.not_done)]
    assert f"; of {len(told[0] + told[1])} operations: " in str(error)
    assert str(error).endswith("; run again to finish")
    return told[0], told[1]


def finished() -> None:
    """The next run does the rest, and the one after it has nothing to do."""
    assert apply(NETWORK).operations
    assert apply(NETWORK, check=True).operations == []


@contextmanager
def stopped(daemon: str) -> Iterator[None]:
    """Have a daemon of Open vSwitch not answer."""
    process = int(Path(f"/run/openvswitch/{daemon}.pid").read_text(encoding="ascii"))
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@contextmanager
def stopping(daemon: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a daemon stop to answer when a run is about to commit to the database."""
    commit, context = Ovsdb.commit, stopped(daemon)
    entered: list[bool] = []

    def late(self: Ovsdb) -> None:
        if self._changes and not entered:
            context.__enter__()
            entered.append(True)
        commit(self)

    with monkeypatch.context() as patch:
        patch.setattr(Ovsdb, "commit", late)
        try:
            yield
        finally:
            if entered:
                context.__exit__(None, None, None)


@contextmanager
def moved_away(path: str) -> Iterator[None]:
    os.rename(path, path + ".away")
    try:
        yield
    finally:
        os.rename(path + ".away", path)


@contextmanager
def full_disk(directory: str, room: str = "size=4k") -> Iterator[None]:
    """Have a file system at a directory in which nothing can be written, or with nr_inodes=1 nothing be made."""
    new = not os.path.isdir(directory)
    os.makedirs(directory, exist_ok=True)
    output("mount", "-t", "tmpfs", "-o", room, "tmpfs", directory)
    try:
        yield
        assert [path for path in Path(directory).rglob("*") if path.is_file()] == []
    finally:
        output("umount", directory)
        if new:
            os.rmdir(directory)


def test_database_stopped() -> None:
    before = settled()
    output("systemctl", "stop", "openvswitch-switch", "ovs-vswitchd", "ovsdb-server")
    refused(Unavailable, "start it with: systemctl start openvswitch-switch")
    output("systemctl", "start", "openvswitch-switch")
    assert changes(before) == {}


@pytest.mark.parametrize("converged", [False, True], ids=["new", "nothing to do"])
def test_switch_stopped(converged: bool) -> None:
    if converged:
        apply(NETWORK)
    before = namespaces(), ip("link", "show", "nvtleg", check=False), output("ovs-vsctl", "show")
    output("ovs-appctl", "-t", "ovs-vswitchd", "exit")
    refused(Unavailable, "ovs-vswitchd does not run, without which nothing in its database has an effect; start it")
    after = namespaces(), ip("link", "show", "nvtleg", check=False), output("ovs-vsctl", "show")
    assert (after[0], after[2]) == (before[0], before[2])
    assert bool(after[1]) == bool(before[1])


def test_switch_stopped_is_no_matter_to_what_has_nothing_to_do_with_it() -> None:
    output("ovs-appctl", "-t", "ovs-vswitchd", "exit")
    apply([entry for entry in NETWORK if not {"ovs_bridge", "ovs_port_vlan"} & entry.keys()])
    assert addresses("gw", "nvtns") == ["10.97.0.1/24"]


@pytest.mark.parametrize("daemon", ["ovsdb-server", "ovs-vswitchd"])
def test_daemon_does_not_answer(daemon: str) -> None:
    before = settled()
    with stopped(daemon):
        fails(Unavailable, f"did not answer within 8 s; see: systemctl status {daemon}")
    assert changes(before) == {}


@pytest.mark.parametrize(
    ("daemon", "text"),
    [
        ("ovsdb-server", "did not answer within 8 s; see: systemctl status ovsdb-server"),
        ("ovs-vswitchd", "did not take the change over within 8 s; the database may hold it already"),
    ],
)
def test_daemon_stops_to_answer_during_the_run(daemon: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with stopping(daemon, monkeypatch):
        done, not_done = cut_off(text)
    assert done == MADE_FIRST
    assert not_done[:2] == SWITCHED
    assert "nvtns" in namespaces()
    assert addresses("gw", "nvtns") == []
    finished()


@pytest.mark.parametrize("converged", [False, True], ids=["new", "nothing to do"])
def test_nft_missing(converged: bool) -> None:
    if converged:
        apply(NETWORK)
    before = settled()
    with moved_away("/usr/sbin/nft"):
        refused(Missing, "the program nft is missing on the node; install nftables")
    assert changes(before) == {}


def test_dnsmasq_cannot_bind() -> None:
    apply([entry for entry in NETWORK if "dnsmasq_netns" not in entry])
    command = ["ip", "netns", "exec", "nvtns", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null"]
    with subprocess.Popen([*command, "--pid-file=", "--listen-address=10.97.0.1", "--bind-interfaces"]) as other:
        try:
            time.sleep(0.5)
            apply(absent()[4:5])
            done, not_done = cut_off("did not start: failed to create listening socket")
        finally:
            other.terminate()
    assert (done, not_done) == ([("nat_masquerade", "nat")], [("dnsmasq_netns", NAME)])
    assert "netvirt" in output("ip", "netns", "exec", "nvtns", "nft", "list", "tables")
    finished()


@pytest.mark.parametrize("directory", ["/etc/netvirt/dnsmasq", f"/etc/netvirt/dnsmasq/{NAME}"])
def test_disk_full(directory: str) -> None:
    with full_disk(directory):
        done, not_done = cut_off(f"cannot write {directory}")
        assert done[:5] == [*MADE_FIRST, *SWITCHED]
        assert not_done == [("dnsmasq_netns", NAME)]
    assert not Path(f"/etc/systemd/system/netvirt-dnsmasq-{NAME}.service").exists()
    finished()


def test_disk_full_for_the_lock_and_for_namespaces() -> None:
    before = settled()
    with full_disk("/run/netvirt", "nr_inodes=1"):
        fails(Unavailable, "the lock /run/netvirt/lock cannot be opened: No space left on device")
    with full_disk("/run/netns", "nr_inodes=1"):
        done, not_done = cut_off("/run/netns/nvtns cannot be made: No space left on device")
    assert done == []
    assert not_done[0] == ("netns_router", "nvtns")
    assert changes(before) == {}


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir], ids=["file", "directory"])
def test_something_stale_has_the_name_of_a_namespace(make: Callable[[Path], Any]) -> None:
    place = Path("/run/netns/nvtns")
    place.parent.mkdir(exist_ok=True)
    make(place)
    before = settled()
    try:
        refused(Conflict, "/run/netns/nvtns is no network namespace but a stale file; remove it")
        assert changes(before) == {}
    finally:
        place.rmdir() if place.is_dir() else place.unlink()


@pytest.mark.parametrize("name", ["/run/netns/nvtns", "../nvtns", "nvt/ns", ".", "..", ""])
def test_a_path_is_no_name_of_a_namespace(name: str) -> None:
    before = settled()
    for resource in (
        {"netns_router": {"name": name}},
        {"ip_interface": {"name": "lo", "namespace": name}},
        {"nat_masquerade": {"namespace": name, "sources": ["10.97.0.0/24"]}},
        {"veth_pair": {"name": "nvtleg", "peer": {"name": "gw", "namespace": name}}},
        {"dnsmasq_netns": {"name": NAME, "namespace": name, "interface": "gw"}},
    ):
        refused(InvalidValue, "name", [resource])
    assert changes(before) == {}
