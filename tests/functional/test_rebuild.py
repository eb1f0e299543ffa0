# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node does at boot, by the unit that does it: lost things return, flows before traffic, failures are seen."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import DATAPATH, SLOWNESS, Result, output

from ansible_collections.netvirt.fabric.plugins.module_utils import _mended
from ansible_collections.netvirt.fabric.plugins.module_utils._engine import converge
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._boot import _rebuild, _rebuild_files
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import KINDS, kind, parse

OWNER = "nvtkeep"
UNIT = "netvirt-rebuild-nvtkeep.service"
PATHS = {short: Path(path) for short, path in _rebuild_files.paths(OWNER).items()}
HOSTS = {"nvtk1": 1, "nvtk2": 2, "nvtk3": 1}  # by VLAN; the last is on the other bridge
ADDRESSES = {host: f"10.96.0.{number}" for number, host in enumerate(HOSTS, 1)}
BRIDGES = ("nvtkint", "nvtkphy")


def leg(host: str, vlan: int, bridge: str) -> list[dict[str, Any]]:
    """Return a namespace with an address, and its port: access, or trunk for VLAN 0."""
    inside = {"name": "eth0", "namespace": host, "tx_checksum": False}
    return [
        {"netns_router": {"name": host, "interfaces": [{"name": "eth0", "addresses": [f"{ADDRESSES[host]}/24"]}]}},
        {"veth_pair": {"name": host, "peer": inside}},
        {"ovs_port_vlan": {"name": host, "bridge": bridge, "tag": vlan}},
    ]


def patch(bridge: str, name: str, peer: str) -> dict[str, Any]:
    options = {"type": "patch", "mode": "trunk", "trunks": "all"}
    return {"ovs_port_vlan": {"name": name, "bridge": bridge, "peer": peer, **options}}


def flows(bridge: str, port: str, old: int, new: int, *more: str) -> dict[str, Any]:
    """Let one VLAN through the patch, under another number."""
    listed = [
        f"priority=20,in_port={port},dl_vlan={old} actions=mod_vlan_vid:{new},NORMAL",
        f"priority=10,in_port={port} actions=drop",
        *more,
    ]
    return {"ovs_flow": {"bridge": bridge, "cookie": "0x77", "flows": listed}}


# As the compiler lays it out: the physical bridge is closed until its flows are in. VLAN 1 of the integration bridge is
# VLAN 2 there: nvtk1 must reach nvtk2, but never nvtk3.
RESOURCES = [
    {"ovs_bridge": {"name": BRIDGES[0], "datapath_type": DATAPATH, "fail_mode": "standalone"}},
    {"ovs_bridge": {"name": BRIDGES[1], "datapath_type": DATAPATH, "fail_mode": "secure"}},
    *leg("nvtk1", 1, BRIDGES[0]),
    *leg("nvtk2", 2, BRIDGES[1]),
    *leg("nvtk3", 1, BRIDGES[1]),
    patch(BRIDGES[0], "nvtkout", "nvtkin"),
    patch(BRIDGES[1], "nvtkin", "nvtkout"),
    flows(BRIDGES[0], "nvtkout", 2, 1),
    flows(BRIDGES[1], "nvtkin", 1, 2, "priority=0 actions=NORMAL"),
]


def keep(resources: list[dict[str, Any]], kept: bool = True, check: bool = False, purge: bool = False) -> Result:
    """Converge like the module apply with keep."""
    node, parsed = Node(Settings(owner=OWNER, timeout=8 * SLOWNESS)), parse(resources)
    try:
        return converge(node, [*parsed, _rebuild.told(OWNER, parsed, kept)], check, map(kind, KINDS) if purge else ())
    finally:
        node.close()


def show(name: str, unit: str = UNIT) -> str:
    return output("systemctl", "show", "--value", f"--property={name}", unit).strip()


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the engine from its archive."""
    argv = ["/usr/bin/python3", "-I", str(PATHS["program"]), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60 * SLOWNESS, cwd="/")


def pings(source: str, target: str) -> bool:
    output("ip", "-n", source, "neighbour", "flush", "all")
    argv = ["ip", "netns", "exec", source, "ping", "-q", "-n", "-c", "3", "-i", "0.3", "-W", "1", ADDRESSES[target]]
    return subprocess.run(argv, capture_output=True, check=False, timeout=30 * SLOWNESS).returncode == 0


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds * SLOWNESS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def forget() -> None:
    """Leave nothing, whatever the state is."""
    units = [UNIT, *_rebuild_files.triggers(OWNER)]
    subprocess.run(["systemctl", "stop", "-q", *units], check=False, capture_output=True)
    subprocess.run(["systemctl", "disable", "-q", *units], check=False, capture_output=True)
    for path in (*PATHS.values(), Path(_mended.count_path(OWNER)), Path(_mended.seen_path(OWNER))):
        path.unlink(missing_ok=True)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "reset-failed", UNIT], check=False, capture_output=True)
    for bridge in BRIDGES:
        output("ovs-vsctl", "--if-exists", "del-br", bridge)
    lose()


def lose() -> None:
    """Lose what a boot loses: namespaces and links, and Open vSwitch's flows."""
    for host in HOSTS:
        subprocess.run(["ip", "netns", "delete", host], check=False, capture_output=True)
        subprocess.run(["ip", "link", "delete", host], check=False, capture_output=True)
    output("systemctl", "restart", "ovs-vswitchd.service")


def left_behind() -> str:
    """Return the paths of what a removal should have taken."""
    places, expression = (
        ("/etc/systemd", "/run/netvirt", "/var/lib/netvirt"),
        f".*/\\(rebuild\\|mended\\)[^/]*{OWNER}.*",
    )
    return output("find", *places, "-regex", expression)


@pytest.fixture
def kept() -> Iterator[None]:
    forget()
    try:
        keep(RESOURCES)
        yield
    finally:
        forget()


def test_what_is_kept_and_that_nothing_is_left_of_it(kept: None) -> None:
    assert [item["kind"] for item in keep(RESOURCES).operations] == []
    assert {short: oct(path.stat().st_mode & 0o777) for short, path in PATHS.items()} == {
        "list": "0o600",
        "program": "0o644",
        "unit": "0o644",
        "path": "0o644",
        "socket": "0o644",
    }
    told = json.loads(PATHS["list"].read_text(encoding="utf-8").partition("\n")[2])
    assert [list(item) for item in told["resources"]] == [list(item) for item in RESOURCES]
    assert show("UnitFileState") == "enabled"
    assert keep(RESOURCES[:1]).operations == [
        {"kind": "rebuild", "name": OWNER, "action": "update", "changes": {"stale": {"before": ["list"], "after": []}}}
    ]
    gone = keep(RESOURCES, kept=False)
    assert gone.operations == [{"kind": "rebuild", "name": OWNER, "action": "delete"}]
    assert left_behind() == ""
    assert not any(path.exists() for path in PATHS.values())
    assert show("LoadState") == "not-found"
    assert keep(RESOURCES, kept=False).operations == []


@pytest.mark.parametrize("lost", [["socket"], ["unit", "path"]])
def test_nothing_is_left_where_unit_files_are_gone(kept: None, lost: list[str]) -> None:
    for short in lost:
        PATHS[short].unlink()
    output("systemctl", "daemon-reload")
    keep(RESOURCES, kept=False)
    assert left_behind() == ""
    assert show("LoadState") == "not-found"


def test_the_archive_shows_what_is_missing_without_ansible(kept: None) -> None:
    found = program("--check", str(PATHS["list"]))
    assert (found.stdout.strip(), found.stderr) == ("[]", "")
    output("ip", "-n", "nvtk1", "address", "del", "10.96.0.1/24", "dev", "eth0")
    found = program("--check", str(PATHS["list"]))
    assert [item["kind"] for item in json.loads(found.stdout)] == ["netns_router"]
    assert program().returncode == 2


def test_no_vlan_leaks_until_the_unit_has_brought_the_flows(kept: None) -> None:
    assert pings("nvtk1", "nvtk2")
    assert not pings("nvtk1", "nvtk3")
    Path(f"/etc/systemd/system/ovs-vswitchd.service.wants/{UNIT}").unlink()
    output("systemctl", "daemon-reload")
    output("systemctl", "stop", UNIT, *_rebuild_files.triggers(OWNER))
    output("systemctl", "restart", "ovs-vswitchd.service")
    assert "actions" not in output("ovs-ofctl", "-O", "OpenFlow14", "dump-flows", BRIDGES[1])
    assert not pings("nvtk1", "nvtk3")
    assert not pings("nvtk1", "nvtk2")
    lose()
    output("systemctl", "start", UNIT)
    assert show("ActiveState") == "active"
    assert wait_for(lambda: pings("nvtk1", "nvtk2"))
    assert not pings("nvtk1", "nvtk3")
    assert [item["kind"] for item in keep(RESOURCES, check=True).operations] == ["rebuild"]  # nothing starts it now


def test_what_others_undo_while_the_node_boots_is_done_again(kept: None) -> None:
    output("systemctl", "start", UNIT)
    assert show("ActiveState") == "active"
    output("ip", "-n", "nvtk1", "address", "add", "10.96.9.9/24", "dev", "eth0")
    assert wait_for(lambda: "10.96.9.9" not in output("ip", "-n", "nvtk1", "address"))


def test_a_restart_of_the_hosts_network_manager_starts_it(kept: None) -> None:
    assert wait_for(lambda: show("ActiveState") == "inactive")
    output("ip", "-n", "nvtk1", "address", "add", "10.96.9.9/24", "dev", "eth0")
    output("systemctl", "restart", "systemd-networkd")
    assert wait_for(lambda: "10.96.9.9" not in output("ip", "-n", "nvtk1", "address"))


def test_an_address_that_is_late_is_waited_for(kept: None) -> None:
    """A route by a gateway that no address leads to is an InvalidValue, as long as the address is not there."""
    late = {"ip_interface": {"name": BRIDGES[0], "routes": [{"destination": "10.98.0.0/24", "via": "10.97.0.2"}]}}
    output("ip", "address", "add", "10.97.0.1/24", "dev", BRIDGES[0])
    output("ip", "link", "set", BRIDGES[0], "up")
    keep([*RESOURCES, late])
    output("ip", "address", "del", "10.97.0.1/24", "dev", BRIDGES[0])
    subprocess.run(["systemctl", "start", "--no-block", UNIT], check=True)
    assert wait_for(lambda: "trying again: " in output("journalctl", "-u", UNIT, "-o", "cat", "--since=-20s"))
    assert show("ActiveState") == "activating"
    output("ip", "address", "add", "10.97.0.1/24", "dev", BRIDGES[0])
    assert wait_for(lambda: show("ActiveState") == "active")
    assert "10.98.0.0/24" in output("ip", "route", "show", "dev", BRIDGES[0])


def test_a_rebuild_waits_for_a_run_and_does_not_undo_it(kept: None) -> None:
    node = Node(Settings(owner=OWNER))
    with node.lock():
        subprocess.run(["systemctl", "start", "--no-block", UNIT], check=True)
        time.sleep(2)
        assert show("ActiveState") == "activating"
        keep_inside = parse(RESOURCES[:2])
        converge(node, [*keep_inside, _rebuild.told(OWNER, keep_inside, True)], False)
        output("ip", "netns", "delete", "nvtk3")
    node.close()
    assert wait_for(lambda: show("ActiveState") == "active")
    assert not os.path.exists("/run/netns/nvtk3")


def test_a_rebuild_that_fails_is_seen_and_the_next_run_says_so(kept: None) -> None:
    text = PATHS["list"].read_text(encoding="utf-8")
    PATHS["list"].write_text(text[: len(text) // 2], encoding="utf-8")
    started = subprocess.run(["systemctl", "start", UNIT], capture_output=True, check=False, timeout=60)
    assert started.returncode == 1
    status = subprocess.run(["systemctl", "status", "--lines=5", UNIT], capture_output=True, text=True, check=False)
    line = f"the virtual networks are not as this node was told: {PATHS['list']} cannot be used"
    assert wait_for(lambda: line in output("journalctl", "-u", UNIT, "--lines=10", "-o", "cat"))
    assert "failed" in status.stdout
    planned = keep(RESOURCES, check=True)
    done = keep(RESOURCES)
    assert done.operations == planned.operations
    for result in (planned, done):
        (warning,) = _rebuild.warnings(result)
        assert warning.startswith(f"{UNIT} failed: ")
        assert line in warning
    assert show("ActiveState") == "inactive"
    again = keep(RESOURCES)
    assert (again.operations, _rebuild.warnings(again)) == ([], [])


@pytest.mark.parametrize("owner", ["nvt:keep@host+1", "nvt" + "k" * 61])
def test_any_owner_may_keep_a_list_or_none(owner: str) -> None:
    listed = parse(RESOURCES[:1])
    node = Node(Settings(owner=owner))
    try:
        assert converge(node, [_rebuild.told(owner, listed, False)], False).operations == []
        paths = [Path(path) for path in _rebuild_files.paths(owner).values()]
        for kept, action in ((True, "create"), (False, "delete")):
            done = converge(node, [_rebuild.told(owner, listed, kept)], False).operations
            assert done == [{"kind": "rebuild", "name": owner, "action": action}]
            assert [path.exists() for path in paths] == [kept] * len(paths)
            assert (
                output("systemctl", "show", "--value", "-p", "LoadState", _rebuild_files.unit(owner)) == "loaded\n"
            ) == kept
            node.forget()
    finally:
        converge(node, [_rebuild.told(owner, listed, False)], False)
        node.close()


@pytest.mark.parametrize("umask", [0o027, 0o077, 0o000])
def test_modes_do_not_depend_on_the_umask(umask: int) -> None:
    forget()
    before = os.umask(umask)
    try:
        keep(RESOURCES)
        modes = {short: oct(path.stat().st_mode & 0o777) for short, path in PATHS.items()}
        above = {str(parent) for path in PATHS.values() for parent in path.parents if "netvirt" in str(parent)}
        directories = {path: oct(os.stat(path).st_mode & 0o777) for path in (*above, "/run/netvirt", "/run/netns")}
    finally:
        os.umask(before)
        forget()
    assert modes == {short: "0o600" if short == "list" else "0o644" for short in PATHS}
    assert directories == dict.fromkeys(directories, "0o755")


def test_a_local_user_cannot_hold_the_lock(kept: None) -> None:
    hold = ["setpriv", "--reuid=nobody", "--clear-groups", "flock", "--nonblock", "/run/netvirt/lock", "true"]
    assert subprocess.run(hold, capture_output=True, check=False, timeout=30).returncode == 66  # cannot be opened
    assert oct(os.stat("/run/netvirt/lock").st_mode & 0o777) == "0o600"


def clear_marks() -> None:
    for table in ("Bridge", "Port"):
        for name in json.loads(output("ovs-vsctl", "--format=json", "--columns=name", "list", table))["data"]:
            output("ovs-vsctl", "clear", table, name[0], "external_ids")


def marked() -> int:
    command = ["ovs-vsctl", "--format=json", "--columns=name", "find"]
    rows = [output(*command, table, f"external_ids:netvirt-owner={OWNER}") for table in ("Bridge", "Port")]
    return sum(len(json.loads(text)["data"]) for text in rows)


def test_marks_that_another_tool_has_cleared_come_back(kept: None) -> None:
    marks = marked()
    assert marks == 9  # two bridges and their own ports, three legs, two ends of a patch
    clear_marks()
    assert marked() == 0
    planned, done = keep(RESOURCES, check=True), keep(RESOURCES)
    assert planned.operations == done.operations
    assert [(item["kind"], item["action"]) for item in done.operations] == [("rebuild", "update"), ("rebuild", "mark")]
    assert marked() == marks
    assert keep(RESOURCES).operations == []


def test_a_teardown_takes_what_has_lost_its_marks_but_nothing_that_was_made_anew(kept: None) -> None:
    clear_marks()
    output("ovs-vsctl", "del-br", BRIDGES[1], "--", "add-br", BRIDGES[1])
    keep([], kept=False, purge=True)
    assert output("ovs-vsctl", "list-br").split() == [BRIDGES[1]]


@pytest.mark.parametrize("deed", ["removed", "emptied"])
def test_a_lost_database_is_made_again_at_boot(kept: None, deed: str) -> None:
    database = Path("/etc/openvswitch/conf.db").resolve()
    switch = "openvswitch-switch.service"
    try:
        output("systemctl", "stop", UNIT, *_rebuild_files.triggers(OWNER))
        output("systemctl", "stop", switch, "ovs-vswitchd", "ovsdb-server")
        Path(_mended.seen_path(OWNER)).unlink()  # as a boot does
        if deed == "removed":
            database.unlink()
        else:
            os.truncate(database, 0)
        started = subprocess.run(["systemctl", "start", switch], capture_output=True, check=False, timeout=60)
        assert (started.returncode == 0) == (deed == "removed")
        output("systemctl", "start", UNIT)
        assert wait_for(lambda: pings("nvtk1", "nvtk2"), 60)
        assert not pings("nvtk1", "nvtk3")
        asides = list(database.parent.glob("conf.db.unreadable-*"))
        assert len(asides) == (deed == "emptied")
        warnings = _rebuild.warnings(keep(RESOURCES, check=True))
        assert [str(aside) in warnings[0] for aside in asides] == [True] * len(warnings)
    finally:
        for aside in database.parent.glob("conf.db.unreadable-*"):
            aside.unlink()
        if subprocess.run(["ovs-vsctl", "--timeout=5", "show"], capture_output=True, check=False).returncode:
            database.unlink(missing_ok=True)
            output("systemctl", "restart", switch)
