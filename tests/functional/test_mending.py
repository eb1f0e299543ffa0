# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node mends by itself what a restart of Open vSwitch or a flush of nft took away, and the next run says so."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import SLOWNESS, output
from test_rebuild import ADDRESSES, OWNER, PATHS, RESOURCES, UNIT, forget, keep, pings, show, wait_for

from ansible_collections.netvirt.fabric.plugins.module_utils import _mended, _triggers
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._boot import _rebuild
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings

SECONDS = 5  # within which all must be back; other work on the machine may take as long again
LISTED = [
    *RESOURCES,
    {"packet_filter": {"name": "nvtkroot", "isolated_interfaces": ["nvtk-none"]}},
    {"packet_filter": {"name": "nvtkin", "namespace": "nvtk1", "isolated_interfaces": ["nvtk-none"]}},
]
ROOT_TABLE, INNER_TABLE = "netvirtfilter_nvtkroot", "netvirtfilter_nvtkin"
OUT_OF_MEMORY = "ovs-vswitchd is out of memory"
BY_HAND = "ovs-ctl restarts it by hand"
SWITCH = {
    "the service is restarted": "systemctl restart openvswitch-switch",
    "ovs-vswitchd is killed": "kill -KILL $(cat /run/openvswitch/ovs-vswitchd.pid)",
    "ovsdb-server is killed, with which systemd restarts both": "kill -KILL $(cat /run/openvswitch/ovsdb-server.pid)",
    # systemd, which sees its daemon end, may stop the one that has just been started: so it is started again.
    BY_HAND: """
ctl="/usr/share/openvswitch/scripts/ovs-ctl --no-monitor --system-id=random"
$ctl restart
for turn in 1 2 3 4; do
  sleep 0.5
  pidof ovsdb-server && pidof ovs-vswitchd || $ctl start
done
pidof ovs-vswitchd
""",
    # The kernel kills it, since it may not have the memory that it holds.
    OUT_OF_MEMORY: """
process=$(cat /run/openvswitch/ovs-vswitchd.pid)
systemctl set-property --runtime ovs-vswitchd MemoryMax=4M
while kill -0 $process; do sleep 0.02; done
systemctl set-property --runtime ovs-vswitchd MemoryMax=infinity
""",
}
FILTER = {
    "flush ruleset": "nft flush ruleset",
    "restart of nftables": "systemctl restart nftables",
    "flush in a namespace": "ip netns exec nvtk1 nft flush ruleset",
    "a rule of ours is removed": f"nft flush table inet {ROOT_TABLE}",
}


def tables() -> list[str]:
    """Return the tables of ours that are as they were made."""
    found = []
    for name, command in ((ROOT_TABLE, []), (INNER_TABLE, ["ip", "netns", "exec", "nvtk1"])):
        listed = json.loads(output(*command, "nft", "-j", "list", "ruleset"))["nftables"]
        rules = [item for item in listed if item.get("rule", {}).get("table") == name and "drop" in str(item)]
        found += [name] * (len(rules) == 4)
    return found


def looks() -> int:
    """Return how often the node was looked at since the fixture was made."""
    return output("journalctl", "-u", UNIT, "-o", "cat", f"--since=@{SINCE[0]}").count(" to do")


SINCE = [0.0]


def settled() -> bool:
    return show("ActiveState") == "inactive"


@pytest.fixture(scope="module", autouse=True)
def kept() -> Iterator[None]:
    forget()
    SINCE[0] = time.time()
    try:
        keep(LISTED)
        yield
    finally:
        if subprocess.run(["pidof", "ovs-vswitchd"], check=False, capture_output=True).returncode:
            output("systemctl", "restart", "ovsdb-server", "ovs-vswitchd", "openvswitch-switch")
        forget()
        for name in (ROOT_TABLE,):
            subprocess.run(["nft", "delete", "table", "inet", name], check=False, capture_output=True)
            subprocess.run(["nft", "delete", "table", "arp", name], check=False, capture_output=True)


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Start with a node that is as told, and has counted nothing."""
    assert wait_for(settled)
    keep(LISTED)
    assert wait_for(lambda: pings("nvtk1", "nvtk2"))


def warned() -> tuple[list[dict[str, Any]], list[str]]:
    """Run twice, in check mode and not, and return what the run planned beyond that, and what it said."""
    assert wait_for(settled)
    planned, done = keep(LISTED, check=True), keep(LISTED)
    assert planned.operations == done.operations
    assert _rebuild.warnings(planned) == _rebuild.warnings(done)
    again = keep(LISTED)
    assert (again.operations, _rebuild.warnings(again)) == ([], [])
    return done.operations, _rebuild.warnings(done)


def by_systemd() -> None:
    """Let systemd start again what was started by hand, which it does not know of."""
    subprocess.run(["/usr/share/openvswitch/scripts/ovs-ctl", "stop"], check=True, capture_output=True)
    output("systemctl", "restart", "openvswitch-switch")
    assert wait_for(lambda: pings("nvtk1", "nvtk2"), 2 * SECONDS)


@pytest.mark.parametrize("deed", SWITCH)
def test_flows_are_back_soon_after_open_vswitch_was_started(deed: str, tmp_path: Path) -> None:
    if deed == OUT_OF_MEMORY and show("MemoryCurrent", "ovs-vswitchd") == "[not set]":
        pytest.skip("needs the memory controller of cgroups, which a container of the lab has not for itself")
    duration = 10 + 2 * SECONDS * SLOWNESS
    # Not ping's own deadline, with which it ends at the first error, such as a neighbour that is not found for long.
    ends = ["timeout", "--signal=INT", "--preserve-status", str(duration)]
    sends = [*ends, "ip", "netns", "exec", "nvtk1", "ping", "-n", "-i", "0.05"]
    told = tmp_path / "ping"  # more than fits into a pipe that nobody reads meanwhile
    with (
        told.open("w", encoding="ascii") as file,
        subprocess.Popen([*sends, ADDRESSES["nvtk2"]], stdout=file) as ping,
        subprocess.Popen([*sends, ADDRESSES["nvtk3"]], stdout=subprocess.DEVNULL) as elsewhere,
    ):
        time.sleep(1)
        subprocess.run(["sh", "-c", SWITCH[deed]], check=True, timeout=30 * SLOWNESS, capture_output=True)
        ping.wait()
        assert elsewhere.wait() == 1, "it reached another VLAN"
    printed = told.read_text(encoding="ascii")
    summary = re.search("([0-9]+) packets transmitted, ([0-9]+) received", printed)
    assert summary is not None, printed
    sent, received = map(int, summary.groups())
    away = duration * (sent - received) / sent
    print(f"{deed}: {sent - received} of {sent} packets lost, {away:.1f} s")
    assert away < 2 * SECONDS * SLOWNESS
    assert any(f"icmp_seq={number} ttl" in printed for number in range(sent - 20, sent + 1)), "it did not come back"
    assert not pings("nvtk1", "nvtk3")
    if deed == OUT_OF_MEMORY:
        assert "oom-kill" in output("journalctl", "-u", "ovs-vswitchd", "-o", "cat", f"--since=@{SINCE[0]}")
    operations, warnings = warned()
    if deed == BY_HAND:
        by_systemd()
        if not operations:  # it keeps the flows, and may have put them back before anybody looked
            return
    (warning,) = warnings
    assert [(item["kind"], list(item["changes"])) for item in operations] == [("rebuild", ["mended"])]
    assert warning.startswith("the node mended itself 1 time since ")
    assert f"({_triggers.SWITCH}: 1); see: journalctl -u {UNIT}" in warning


@pytest.mark.parametrize("deed", FILTER)
def test_our_tables_are_back_soon_after_they_were_removed(deed: str) -> None:
    assert tables() == [ROOT_TABLE, INNER_TABLE]
    began = time.monotonic()
    subprocess.run(["sh", "-c", FILTER[deed]], check=True, timeout=30 * SLOWNESS)
    if deed != "restart of nftables":
        assert len(tables()) == 1
    assert wait_for(lambda: len(tables()) == 2, 2 * SECONDS)
    print(f"{deed}: back after {time.monotonic() - began:.1f} s")
    operations, (warning,) = warned()
    assert [(item["kind"], list(item["changes"])) for item in operations] == [("rebuild", ["mended"])]
    assert _triggers.FILTER in warning
    log = output("journalctl", "-u", UNIT, "-o", "cat", f"--since=@{SINCE[0]}").splitlines()
    assert any("packet_filter nvtk" in line for line in log)


def test_the_status_says_when_and_why_it_looked_and_what_it_did() -> None:
    output("nft", "delete", "table", "inet", ROOT_TABLE)
    assert wait_for(lambda: len(tables()) == 2, 2 * SECONDS)
    assert wait_for(settled)
    status = subprocess.run(["systemctl", "status", "--no-pager", UNIT], capture_output=True, text=True, check=False)
    assert re.search(rf"Status: \"{_triggers.FILTER}: 1 operation to do, looked at 20.*\"", status.stdout)
    assert "update packet_filter nvtkroot" in status.stdout


def test_changes_of_others_do_not_make_it_look() -> None:
    before, started = looks(), show("NRestarts")
    for _number in range(60):
        output("nft", "add table inet other; add chain inet other c; delete table inet other")
        time.sleep(0.1)
    assert wait_for(settled)
    assert looks() == before
    starts = output("journalctl", f"UNIT={UNIT}", "-o", "cat", "--since=-8s").count("Started ")
    assert 1 <= starts <= 4
    assert show("NRestarts") == started
    output("nft", "delete", "table", "inet", ROOT_TABLE)
    assert wait_for(lambda: len(tables()) == 2, 2 * SECONDS)


def test_nothing_to_do_takes_less_than_a_second_of_processor_time_and_changes_nothing() -> None:
    """On an idle machine that is the time it takes, too."""
    argv = ["/usr/bin/python3", "-I", str(PATHS["program"]), "--check", str(PATHS["list"])]
    spent, taken = [], []
    for _number in range(5):
        before, began = os.times(), time.monotonic()
        assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip() == "[]"
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
        taken.append(time.monotonic() - began)
    print(f"nothing to do: median {sorted(spent)[2]:.2f} s of processor time, {sorted(taken)[2]:.2f} s")
    assert sorted(spent)[2] < 1
    assert keep(LISTED).operations == []


def test_our_own_loads_start_nothing() -> None:
    before = looks()
    other = [*LISTED[:-1], {"packet_filter": {**LISTED[-1]["packet_filter"], "isolated_interfaces": ["nvtk-other"]}}]
    keep(other)
    keep(LISTED)
    time.sleep(1)
    assert wait_for(settled)
    assert looks() == before


def test_who_undoes_it_again_and_again_is_followed_ever_more_slowly() -> None:
    before = looks()
    for _number in range(100):
        subprocess.run(["nft", "delete", "table", "inet", ROOT_TABLE], check=False, capture_output=True)
        time.sleep(0.1)
    assert looks() - before <= 6
    assert wait_for(lambda: len(tables()) == 2, 60)
    assert wait_for(lambda: looks() > before)
    assert wait_for(settled, 60)


def niceness(process: str) -> int:
    """Return what the kernel goes by: the value of the session's group, where it makes such groups (sched(7))."""
    group = Path(f"/proc/{process}/autogroup")
    if group.exists() and Path("/proc/sys/kernel/sched_autogroup_enabled").read_text(encoding="ascii").strip() == "1":
        return int(group.read_text(encoding="ascii").split()[-1])
    return os.getpriority(os.PRIO_PROCESS, int(process))


def test_a_killed_one_goes_on() -> None:
    node = Node(Settings(owner=OWNER))
    with node.lock():
        output("nft", "delete", "table", "inet", ROOT_TABLE)
        assert wait_for(lambda: show("ActiveState") == "activating")
        time.sleep(0.5)
        assert wait_for(lambda: niceness(show("MainPID")) == -10), "others would have the processors first"
        os.kill(int(show("MainPID")), signal.SIGKILL)
        assert len(tables()) == 1
    node.close()
    assert wait_for(lambda: len(tables()) == 2, 2 * SECONDS)


def test_a_start_of_open_vswitch_while_the_unit_ends_is_not_missed() -> None:
    """systemd passes it over then. Here nobody hears of it, and the test does what the unit does when it has ended."""
    assert wait_for(settled, 60)
    assert f"--ended {PATHS['list']}" in PATHS["unit"].read_text(encoding="utf-8")
    ended = ["/usr/bin/python3", "-I", str(PATHS["program"]), "--ended", str(PATHS["list"])]
    hearing = UNIT.replace(".service", ".path")
    output("systemctl", "stop", hearing)
    Path(f"/etc/systemd/system/ovs-vswitchd.service.wants/{UNIT}").unlink()
    output("systemctl", "daemon-reload")
    try:
        subprocess.run(ended, check=True, env={**os.environ, "EXIT_CODE": "exited"})
        assert show("ActiveState") == "inactive", "nothing was started"
        output("systemctl", "restart", "openvswitch-switch")
        subprocess.run(ended, check=True, env={**os.environ, "EXIT_CODE": "killed"})
        time.sleep(1)
        assert show("ActiveState") == "inactive", "somebody stopped it"
        subprocess.run(ended, check=True, env={**os.environ, "EXIT_CODE": "exited"})
        assert wait_for(lambda: pings("nvtk1", "nvtk2"), 2 * SECONDS)
    finally:
        output("systemctl", "enable", UNIT)
        output("systemctl", "start", hearing)


def test_a_start_of_open_vswitch_after_the_last_look_back_is_not_missed() -> None:
    """The unit is still ending then, which takes a while on a node with much to do."""
    assert wait_for(settled, 60)
    slow = Path(f"/etc/systemd/system/{UNIT}.d/slow.conf")
    slow.parent.mkdir()
    slow.write_text("[Service]\nExecStopPost=sleep 12\n", encoding="utf-8")
    try:
        output("systemctl", "daemon-reload")
        output("systemctl", "start", UNIT)
        assert wait_for(lambda: show("SubState") == "stop-post" and _sleeps(), 60)
        output("systemctl", "restart", "openvswitch-switch")
        assert show("SubState") == "stop-post", "it came in time"
        assert wait_for(lambda: pings("nvtk1", "nvtk2"), 12 + 2 * SECONDS)
    finally:
        slow.unlink()
        slow.parent.rmdir()
        output("systemctl", "daemon-reload")
    assert wait_for(settled, 60)


def _sleeps() -> bool:
    """Tell whether the unit has looked back already."""
    process = show("ControlPID")
    return process != "0" and Path(f"/proc/{process}/comm").read_text(encoding="ascii").strip() == "sleep"


def test_a_stopped_open_vswitch_is_left_alone() -> None:
    """It is mended when it is started again, also by the package, which stops it while it is upgraded."""
    before = looks()
    output("systemctl", "stop", "openvswitch-switch")
    try:
        time.sleep(3)
        assert output("systemctl", "show", "--value", "-p", "ActiveState", "ovs-vswitchd").strip() == "inactive"
        assert looks() == before
        assert show("ActiveState") != "failed"
    finally:
        output("systemctl", "daemon-reload")
        output("systemctl", "start", "openvswitch-switch")
    assert wait_for(lambda: pings("nvtk1", "nvtk2"), 2 * SECONDS)


def test_a_move_of_an_uplink_that_was_undone_is_not_made_again() -> None:
    undone = Path(_mended.undone_path(OWNER))
    undone.touch()
    output("nft", "delete", "table", "inet", ROOT_TABLE)
    assert wait_for(lambda: show("ActiveState") == "active")
    assert wait_for(settled)
    assert tables() == [INNER_TABLE]
    done = keep(LISTED).operations
    assert {item["kind"] for item in done} == {"packet_filter", "rebuild"}
    assert not undone.exists()
