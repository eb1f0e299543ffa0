# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A QEMU that was taken over reaches nothing of other guests, and root follows nothing that it can write."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import output
from guest_node import (
    DISKS,
    IMAGE,
    OTHER,
    OWN,
    SAID,
    USERS,
    actions,
    guests_place,
    messages,
    options,
    owner,
    pending,
    pid,
    run,
    wait_for,
)

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict
from ansible_collections.netvirt.fabric.plugins.module_utils._guest_agent import run_probes

DATABASE = Path("/run/openvswitch/db.sock")
OLD_USER = "netvirt-guest"
# Each deed on a line of its own; what happened is printed as JSON, an errno's name or "done".
DEEDS = """
import errno, fcntl, json, os, socket, struct, sys

def tried(deed):
    try:
        deed()
        return "done"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))

def tap(name):
    handle = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(handle, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1002))

def connect(path):
    socket.socket(socket.AF_UNIX).connect(path)

def link(words):
    target, path = words.split()
    os.symlink(target, path + ".new")
    os.replace(path + ".new", path)

def replace(path):
    link("/run/openvswitch/db.sock " + path)

def read(path):
    open(path, "rb").read(1)

deeds = {"tap": tap, "connect": connect, "link": link, "replace": replace, "read": read}
print(json.dumps({f"{name} {word}": tried(lambda: deeds[name](word)) for name, word in json.load(sys.stdin)}))
"""
NOT_ITS_SOCKET = "is not a socket of the user whose directory it is in"
REFUSED = {"EACCES", "EPERM", "ENOENT"}


@pytest.fixture(autouse=True)
def place() -> Iterator[None]:
    with guests_place():
        yield


def act(deeds: list[tuple[str, str]], user: str, sandbox: int = 0) -> dict[str, str]:
    """Do deeds as a user, inside the sandbox of that process where one is given, and return what came of them."""
    command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all", "--no-new-privs"]
    inside = ["nsenter", f"--target={sandbox}", "--mount", "--ipc"] if sandbox else []
    command = [*inside, *command, sys.executable, "-I", "-c", DEEDS]
    done = subprocess.run(command, input=json.dumps(deeds), capture_output=True, text=True, check=True, cwd="/")
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_nothing_of_another_guest_can_be_reached() -> None:
    run(*(options(name, image=str(IMAGE)) for name in (OWN, OTHER)))
    other = [
        ("read", f"{DISKS}/{OTHER}/disk.qcow2"),
        ("connect", f"/run/netvirt/guests/{OTHER}/qmp.sock"),
        ("connect", f"/run/netvirt/guests/{OTHER}/agent.sock"),
        ("read", f"/proc/{pid(OTHER)}/mem"),
        ("read", f"/proc/{pid(OTHER)}/maps"),
        ("connect", str(DATABASE)),
        ("read", "/etc/netvirt/guests/" if Path("/etc/netvirt/guests").is_file() else "/etc/shadow"),
    ]
    for sandbox in (0, pid()):
        assert set(act(other, USERS[0], sandbox).values()) <= REFUSED
    disk = f"{DISKS}/{OWN}/disk.qcow2"
    own = act([("read", disk), ("connect", f"/run/netvirt/guests/{OWN}/qmp.sock"), ("tap", "nvttap0")], USERS[0], pid())
    assert list(own.values()) == ["done", "done", "EBUSY"]
    assert set(act([("replace", disk)], USERS[0], pid()).values()) <= {"EACCES", "EROFS"}
    assert set(act([("replace", disk)], USERS[0]).values()) == {"EACCES"}
    seen = output("nsenter", f"--target={pid()}", "--mount", "ls", str(DISKS), "/run", "/run/netvirt/guests").split()
    assert OWN in seen
    assert OTHER not in seen
    assert "openvswitch" not in seen


@pytest.mark.parametrize("target", [f"/run/netvirt/guests/{OTHER}/agent.sock", str(DATABASE)])
def test_root_asks_no_other_socket_that_a_guest_linked_to(target: str) -> None:
    run(options(), options(OTHER))
    path = Path(f"/run/netvirt/guests/{OWN}/agent.sock")
    assert "did not answer" in asked(path)
    words = f"{target} {path}"
    assert act([("link", words)], USERS[0], pid()) == {f"link {words}": "done"}
    assert NOT_ITS_SOCKET in asked(path)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:  # as if a guest could move one here
        other.bind(str(path))
        other.listen()
        assert NOT_ITS_SOCKET in asked(path)


def asked(path: Path) -> str:
    """Return the error of asking the agent at a socket."""
    (result,) = run_probes("guest", str(path), [{"timeout": 1}], 1)
    return str(result["error"])


def test_devices_of_a_guest_that_is_off() -> None:
    run(options(), options(OTHER))
    output("systemctl", "stop", f"netvirt-guest-{OTHER}")
    assert act([("tap", "nvttap1")], USERS[0]) == {"tap nvttap1": "EPERM"}
    assert act([("tap", "nvttap1")], USERS[0], pid()) == {"tap nvttap1": "EPERM"}


def test_the_console_is_text_without_urgency() -> None:
    run(options(image=str(IMAGE)))
    for _attempt in wait_for("the guest has said it"):
        entries = [item for item in messages() if "console of the guest" in _text(item["MESSAGE"])]
        if entries:
            break
    assert _text(entries[0]["MESSAGE"]).startswith(SAID.decode())
    assert entries[0]["PRIORITY"] == "6"
    # What terminals get is escaped by journalctl, unless it is told not to.
    for command in (["journalctl", "--unit"], ["systemctl", "status"]):
        shown = subprocess.run(
            [*command, f"netvirt-guest-{OWN}", "--no-pager"], capture_output=True, check=False
        ).stdout
        assert b"\x1b[31m" not in shown
    properties = output("systemctl", "show", f"netvirt-guest-{OWN}", "--property=LogRateLimitBurst").strip()
    assert properties == "LogRateLimitBurst=2000"


def _text(message: Any) -> str:
    return bytes(message).decode("utf-8", "replace") if isinstance(message, list) else str(message)


def old_guest(directory: Path) -> None:
    """Have a guest as release 0.1.0 left it, with a disk."""
    output("useradd", "--system", "--no-create-home", OLD_USER)
    for made in (directory.parent, directory):  # The role made both alike.
        made.mkdir(exist_ok=True)
        os.chmod(made, 0o700)
        shutil.chown(made, OLD_USER, OLD_USER)
    disk = directory / "disk.qcow2"
    output("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(IMAGE), "-F", "raw", str(disk))
    os.chmod(disk, 0o600)
    shutil.chown(disk, OLD_USER, OLD_USER)
    output("ip", "tuntap", "add", "dev", "nvttap0", "mode", "tap", "user", OLD_USER)
    output("ip", "link", "set", "nvttap0", "alias", f"netvirt-guest:{OWN}", "up")
    words = f"-name {OWN} -m 32 -nodefaults -display none -drive file={disk},if=none,id=d,format=qcow2"
    words += " -netdev tap,id=n,ifname=nvttap0,script=no,downscript=no -device virtio-net-pci,netdev=n"
    unit = f"""# Ansible managed
# netvirt-owner: fabric
[Unit]
Description=Guest {OWN} of netvirt.fabric

[Service]
Type=exec
User={OLD_USER}
RuntimeDirectory=netvirt/guests/{OWN}
ExecStart=/usr/bin/qemu-system-x86_64 {words}
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""
    Path(f"/etc/systemd/system/netvirt-guest-{OWN}.service").write_text(unit, encoding="utf-8")
    output("systemctl", "daemon-reload")
    output("systemctl", "enable", "--quiet", "--now", f"netvirt-guest-{OWN}")


def test_a_guest_of_release_0_1_0_is_taken_over() -> None:
    directory = DISKS / OWN
    old_guest(directory)
    before, wanted = pid(), options(image=str(IMAGE), memory=32)
    result = run(wanted, owner="fabric")
    assert pending(result) == ["an earlier release started it, by a user that all guests shared"]
    assert pid() == before
    assert [owner(path) for path in (DISKS, directory, directory / "disk.qcow2")] == ["root", "root", OLD_USER]
    assert actions(run(wanted, owner="fabric", check=True)) == []
    content = (directory / "disk.qcow2").read_bytes()
    assert actions(run({**wanted, "allow_restart": True}, owner="fabric")) == ["stop", "devices", "restart"]
    assert owner(directory / "disk.qcow2") == USERS[0]
    assert (directory / "disk.qcow2").read_bytes()[:65536] == content[:65536]
    assert output("ps", "-o", "user=", str(pid())).strip() == USERS[0]
    assert actions(run(wanted, owner="fabric", check=True)) == []


@pytest.mark.parametrize("place_of_the_link", ["disk", "directory"])
def test_root_follows_no_link_that_a_guest_made(place_of_the_link: str) -> None:
    """In the directories of release 0.1.0 its user could do so."""
    directory = DISKS / OWN
    old_guest(directory)
    before = DATABASE.stat()
    if place_of_the_link == "disk":
        act([("replace", str(directory / "disk.qcow2"))], OLD_USER)
        assert (directory / "disk.qcow2").is_symlink()
    else:
        shutil.move(directory, DISKS / "elsewhere")
        directory.symlink_to(DATABASE.parent)
    try:
        for allowed in (False, True):
            with pytest.raises(Conflict, match=f"{directory}/disk.qcow2 is not a plain file in plain directories"):
                run(options(image=str(IMAGE), allow_restart=allowed), owner="fabric")
        after = DATABASE.stat()
        for field in (stat.ST_UID, stat.ST_GID, stat.ST_MODE):
            assert before[field] == after[field]
    finally:
        shutil.rmtree(DISKS / "elsewhere", ignore_errors=True)
