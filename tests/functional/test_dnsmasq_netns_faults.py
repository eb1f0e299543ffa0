# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnsmasq_netns: what it refuses, what it reports, and what it leaves alone."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from dhcp_lab import CLIENT_MAC, DYNAMIC, NAME, OPTIONS, SERVER, UNIT, converge, inside, lease, main_pid, network, show
from dhcp_lab import instance as dhcp_instance
from engine import Object, output

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import (
    Conflict,
    Failed,
    InvalidValue,
    Missing,
    NetvirtError,
    Unavailable,
)

instance = pytest.fixture(dhcp_instance)
lab = pytest.fixture(scope="module", autouse=True)(network)

UNIT_FILE = Path(f"/etc/systemd/system/{UNIT}")
CONFIGURATION = Path(f"/etc/netvirt/dnsmasq/{NAME}")


def nothing_was_made() -> bool:
    return not UNIT_FILE.exists() and not CONFIGURATION.exists() and show("LoadState") == "not-found"


def ranges(**item: Any) -> dict[str, Any]:
    return {"ranges": [{"start": "10.98.0.100", "end": "10.98.0.150", **item}]}


def hosts(**item: Any) -> dict[str, Any]:
    return {"hosts": [{"mac": CLIENT_MAC, **item}]}


def option(name: Any, value: Any, **item: Any) -> dict[str, Any]:
    return {"options": [{"option": name, "value": value, **item}]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"namespace": None}, "namespace is required"),
        ({"interface": None}, "interface is required"),
        ({"interface": "sixteen-letters0"}, "at most 15"),
        ({"name": "a/b"}, "must consist of"),
        ({"name": "a@b"}, "must consist of"),
        (ranges(start="10.99.0.100", end="10.99.0.150"), r"outside the interface's subnets \(10.98.0.0/24"),
        (ranges(end="10.98.0.99"), "not before the start"),
        (ranges(end="fd98::1"), "same family"),
        (ranges(end=None), "must have an end"),
        (ranges(end=None, mode="static", lease="1s"), "at least 120 seconds"),
        (ranges(mode="static"), "must have no end"),
        (ranges(end="10.98.1.5"), "must lie in one subnet"),
        (ranges(prefix=25), r"must lie in one subnet"),
        (ranges(prefix=16), r"has prefix 16, the interface 10.98.0.0/24"),
        (ranges(prefix=33), "from 8 to 30"),
        (ranges(start="10.98.0.100,x"), "must be an IPv4 or IPv6 address"),
        (ranges(mode="slaac"), "must have an IPv6 start"),
        (ranges(start="fd98::10", end="fd98::20", prefix=63), "prefix from 64"),
        (ranges(start="fd97::", end=None, mode="ra-only"), "outside the interface's subnets"),
        ({"ranges": [*OPTIONS["ranges"], {"start": "10.98.0.150", "end": "10.98.0.160"}]}, "must not overlap"),
        ({"router": "10.98.0.120"}, "the router 10.98.0.120 is inside the range"),
        ({"router": "10.99.0.1"}, "the router 10.99.0.1 is outside"),
        ({"router": "fd98::1"}, "must be an IPv4 address"),
        (hosts(address="10.99.0.7"), "outside the ranges' subnets"),
        (hosts(address="10.98.0.254"), "has the router's address"),
        (hosts(hostname="vm7\nenable-dbus"), "must be a host"),
        (hosts(hostname="vm7,10.0.0.1"), "must be a host"),
        (hosts(hostname="24h"), "no number or time"),
        (hosts(mac="52:54:00:00:00"), "must be a MAC"),
        (hosts(mac="01:54:00:00:00:01"), "unicast"),
        ({"hosts": [{"mac": CLIENT_MAC}, {"mac": CLIENT_MAC.replace(":", "-")}]}, "twice"),
        (option(3, "10.98.0.1"), "use the option router"),
        (option("mtu", "1400"), "use the option mtu"),
        (option("no-such", "1"), "dnsmasq does not accept this.*option:no-such,1"),
        (option(42, "10.0.0"), r"dnsmasq does not accept this"),
        (option(300, "1"), "must have a number"),
        (option(42, []), "must be a value or a list"),
        (option(224, 'a"b'), "plain ASCII"),
        (option(224, "a\ndhcp-script=/bin/sh"), "plain ASCII"),
        (option(224, "x" * 256), "plain ASCII"),
        (option("224\n", "x"), "must have a number"),
        ({"domain": "a b"}, "host or domain name"),
        ({"mtu": 67}, "from 68"),
        ({**ranges(), "mtu": 1279, "ranges": [{"start": "fd98::", "mode": "ra-only"}]}, "too small for IPv6"),
        ({"tftp_root": "srv"}, "absolute path"),
        ({"tftp_root": "/srv/../etc"}, "absolute path"),
        ({"boot_file": "a,b"}, "plain ASCII"),
        ({"boot_server": "10.98.0.1"}, "needs boot_file"),
        ({"dns_forwarders": ["192.0.2.53#54"]}, "must be an IPv4 or IPv6 address"),
        ({"typo": 1}, "unknown option typo"),
    ],
)
def test_wrong_values_change_nothing(options: dict[str, Any], message: str) -> None:
    given = {**DYNAMIC, "router": "10.98.0.254", **options}
    for check in (True, False):
        with pytest.raises(InvalidValue, match=message) as caught:
            converge(check, **given)
        assert "\n" not in str(caught.value)
    assert nothing_was_made()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"namespace": "nvtnone"}, "declare it with netns_router"),
        ({"interface": "nvtnone"}, "interface nvtnone does not exist in namespace nvtds; declare it with veth_pair, "),
        ({"tftp_root": "/srv/nvtnone"}, "/srv/nvtnone does not exist"),
    ],
)
def test_what_is_missing_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(Conflict, match=message):
        converge(**{**OPTIONS, **options})
    assert nothing_was_made()


def test_prefix_is_needed_only_while_the_interface_has_no_address(instance: Object) -> None:
    inside(SERVER, "ip", "address", "flush", "dev", "d1")
    options = {**DYNAMIC, "interface": "d1", "ranges": [{"start": "10.97.0.5", "end": "10.97.0.9"}]}
    try:
        with pytest.raises(InvalidValue, match="needs a prefix"):
            instance.present(**options)
        instance.present(**{**options, "ranges": [{**options["ranges"][0], "prefix": 24}]})
        instance.present(**options)  # it is known from now on
    finally:
        inside(SERVER, "ip", "address", "add", "10.97.0.1/24", "dev", "d1")


@pytest.mark.parametrize("path", [UNIT_FILE, CONFIGURATION / "hosts"])
@pytest.mark.parametrize("sort", ["file", "directory", "link"])
def test_foreign_file_is_a_conflict_and_stays(instance: Object, path: Path, sort: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if sort == "file":
        path.write_text("[Unit]\n", encoding="utf-8")
    elif sort == "directory":
        path.mkdir()
    else:
        path.symlink_to("/dev/null")
    before = path.lstat()
    try:
        for options in (OPTIONS, {"state": "absent"}):
            with pytest.raises(Conflict, match=rf"{path} exists and is not ours"):
                converge(**options)
        assert path.lstat() == before
    finally:
        path.rmdir() if sort == "directory" else path.unlink()


def test_foreign_instances_and_files_stay(instance: Object) -> None:
    foreign = [
        CONFIGURATION.with_name(NAME + "x") / "hosts",
        Path(f"/etc/systemd/system/netvirt-dnsmasq-{NAME}x.service"),
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# somebody's\n", encoding="utf-8")
    command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--pid-file="]
    with subprocess.Popen(command) as other:
        try:
            instance.present(**OPTIONS)
            instance.absent()
            assert other.poll() is None
            assert [path.read_text(encoding="utf-8") for path in foreign] == ["# somebody's\n"] * 2
        finally:
            other.terminate()
            for path in foreign:
                path.unlink()
            foreign[0].parent.rmdir()


def test_port_in_use_is_reported_and_converges_when_it_is_free(instance: Object) -> None:
    command = ["ip", "netns", "exec", SERVER, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file="]
    with subprocess.Popen([*command, "--listen-address=10.98.0.1", "--bind-interfaces"]) as other:
        time.sleep(0.3)
        try:
            with pytest.raises(Failed, match=r"did not start: .*Address already in use") as caught:
                converge(**OPTIONS)
            assert [item["action"] for item in caught.value.not_done] == ["create"]
        finally:
            other.terminate()
    converge(**OPTIONS)
    assert lease()


def test_disk_full_leaves_everything_as_it_was(instance: Object) -> None:
    instance.present(**OPTIONS)
    texts = {path: path.read_text(encoding="utf-8") for path in CONFIGURATION.iterdir()}
    pid = main_pid()
    output("mount", "-t", "tmpfs", "-o", "size=20k", "tmpfs", str(CONFIGURATION))
    try:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
        macs = [f"52:54:00:00:{index // 256:02x}:{index % 256:02x}" for index in range(2000)]
        with pytest.raises(Failed, match=f"cannot write {CONFIGURATION}/.*: No space left on device"):
            converge(**DYNAMIC, hosts=[{"mac": mac} for mac in macs])
        assert {path: path.read_text(encoding="utf-8") for path in CONFIGURATION.iterdir()} == texts
        assert main_pid() == pid
    finally:
        output("umount", str(CONFIGURATION))
    assert converge(**OPTIONS).operations == []


def test_file_system_read_only(instance: Object) -> None:
    instance.present(**OPTIONS)
    output("mount", "--bind", "-o", "ro", str(CONFIGURATION), str(CONFIGURATION))
    try:
        output("mount", "-o", "remount,bind,ro", str(CONFIGURATION))
        with pytest.raises(Failed, match="Read-only file system"):
            converge(router="10.98.0.254")
    finally:
        output("umount", str(CONFIGURATION))


def test_program_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for program in ("systemctl",):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")
    monkeypatch.setattr(_programs, "_DIRECTORIES", str(tmp_path))
    with pytest.raises(Missing, match="dnsmasq is missing on the node; install dnsmasq-base"):
        converge(**OPTIONS)
    assert nothing_was_made()


def test_systemd_not_running(monkeypatch: pytest.MonkeyPatch, instance: Object) -> None:
    instance.present(**OPTIONS)
    isdir = os.path.isdir
    monkeypatch.setattr(os.path, "isdir", lambda path: path != "/run/systemd/system" and isdir(path))
    with pytest.raises(Unavailable, match="systemd does not run"):
        converge(**OPTIONS)


def test_dead_service_is_a_problem_also_without_a_change(instance: Object) -> None:
    instance.present(**OPTIONS)
    path = CONFIGURATION / "dnsmasq.conf"
    path.write_text(path.read_text(encoding="utf-8") + "nonsense\n", encoding="utf-8")
    subprocess.run(["systemctl", "restart", UNIT], capture_output=True, check=False)
    (operation,) = instance.plan(**OPTIONS)
    assert set(operation["changes"]) == {"edited", "service"}
    converge(**OPTIONS)
    assert lease()


def test_values_never_become_configuration(instance: Object) -> None:
    """Whatever is accepted is one line of one directive, as many lines as values were given."""
    texts = [
        "a b",
        "$(id)",
        "%h %n",
        "`id`",
        "tag:x",
        "option:router",
        "a;b|c&d",
        "<>*?!~^",
        "'",
        "{}",
        "[x]",
        "-",
        "/",
    ]
    instance.present(
        **OPTIONS,
        options=[{"option": 224 + index, "value": text} for index, text in enumerate(texts)],
        boot_file="%h$HOME;`id`",
    )
    assert len((CONFIGURATION / "opts").read_text(encoding="utf-8").splitlines()) == 2 + len(texts)
    got = lease(*(word for index in range(len(texts)) for word in ("-O", str(224 + index))))
    assert [bytes.fromhex(got[f"opt{224 + index}"]).decode() for index in range(len(texts))] == texts


@pytest.mark.parametrize("option", ["ranges", "hosts", "options", "dns_servers"])
@pytest.mark.parametrize("value", ["x", 5, {"a": 1}, [[]], [5], [{}], [None]])
def test_wrong_types_are_typed_errors(option: str, value: Any) -> None:
    with pytest.raises(NetvirtError):
        converge(**{**OPTIONS, option: value})
    assert nothing_was_made()
