# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""kvm_guest with a real QEMU: what restarts a guest, what does not, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import DATAPATH, Object, output
from guest_node import (
    DISKS,
    IMAGE,
    OWN,
    PLACE,
    USERS,
    actions,
    guests_place,
    options,
    owner,
    pending,
    pid,
    run,
    wait_for,
)

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, Failed, InvalidValue
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests.kvm_guest import KvmGuest
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings

UNIT = Path(f"/etc/systemd/system/netvirt-guest-{OWN}.service")
DISK = DISKS / OWN / "disk.qcow2"
TWO = [
    {"tap": "nvttap0", "mac": "52:54:00:aa:bb:00", "mtu": 1400},
    {"tap": "nvttap2", "mac": "52:54:00:aa:bb:02", "mtu": 1400},
]


@pytest.fixture(autouse=True)
def place() -> Iterator[None]:
    with guests_place():
        yield


def links() -> dict[str, Any]:
    shown = json.loads(output("ip", "-j", "-d", "link"))
    return {link["ifname"]: link for link in shown if link["ifname"].startswith("nvttap")}


def test_made_and_removed() -> None:
    guest = Object("kvm_guest", name=OWN)
    given = {key: value for key, value in options(image=str(IMAGE)).items() if key != "name"}
    after = guest.present(**given)
    assert after["image"] == str(IMAGE)
    assert pid()
    link = links()["nvttap0"]
    assert (link["mtu"], link["ifalias"], link["operstate"]) == (1400, f"netvirt-guest:{OWN}", "UP")
    assert link["linkinfo"]["info_data"]["user"] == USERS[0]
    guest.absent()
    assert (links(), UNIT.exists(), pid()) == ({}, False, 0)
    assert subprocess.run(["id", USERS[0]], capture_output=True, check=False).returncode
    assert (owner(DISK), DISK.stat().st_mode & 0o777) == ("root", 0o600)


def test_a_restart_takes_permission() -> None:
    run(options())
    before = pid()
    result = run(options(memory=48))
    assert (actions(result), pending(result)) == ([], ["memory is 32 and should be 48"])
    assert pid() == before
    assert actions(run(options(memory=48, allow_restart=True), check=True)) == ["stop", "restart"]
    result = run(options(memory=48, allow_restart=True))
    assert (actions(result), pending(result)) == (["stop", "restart"], [])
    assert pid() != before
    assert "-m 48" in output("systemctl", "show", "--property=ExecStart", UNIT.name)
    assert actions(run(options(memory=48), check=True)) == []


def test_a_pending_guest_gets_it_once_it_is_off() -> None:
    run(options())
    assert pending(run(options(memory=48)))
    before = pid()
    output("systemctl", "kill", "--signal=KILL", UNIT.name)
    for _attempt in wait_for("the guest that crashed is back"):
        if pid() not in (0, before) and b"\0-name\0" in Path(f"/proc/{pid()}/cmdline").read_bytes():
            break
    assert b"\0-m\x0032\0" in Path(f"/proc/{pid()}/cmdline").read_bytes()
    output("systemctl", "stop", UNIT.name)
    assert actions(run(options(memory=48))) == ["start"]
    assert b"\0-m\x0048\0" in Path(f"/proc/{pid()}/cmdline").read_bytes()


def test_what_a_guest_can_have_while_it_runs() -> None:
    """An MTU, the text of another release, an edited file, a device that somebody changed."""
    run(options())
    before = pid()
    smaller = options(interfaces=[{**options()["interfaces"][0], "mtu": 1300}], stop_timeout=2)
    assert actions(run(smaller)) == ["update"]
    assert links()["nvttap0"]["mtu"] == 1300
    assert "host_mtu=1300" in UNIT.read_text(encoding="utf-8")
    UNIT.write_text(UNIT.read_text(encoding="utf-8").replace("PrivateIPC=yes\n", ""), encoding="utf-8")
    output("ip", "link", "set", "nvttap0", "down", "mtu", "1400")
    assert actions(run(smaller)) == ["update"]
    assert "PrivateIPC=yes" in UNIT.read_text(encoding="utf-8")
    assert links()["nvttap0"]["mtu"] == 1300
    assert actions(run(smaller)) == []
    assert pid() == before
    assert output("systemctl", "show", "--property=NeedDaemonReload", "--value", UNIT.name).strip() == "no"


@pytest.fixture
def switch() -> Iterator[str]:
    """Have a bridge with a port for the guest's device, and one that is always there."""
    output("ovs-vsctl", "add-br", "nvtbr", "--", "set", "bridge", "nvtbr", f"datapath_type={DATAPATH}")
    try:
        output("ovs-vsctl", "add-port", "nvtbr", "nvttap0", "--", "add-port", "nvtbr", "nvtport", "--", "set",
               "interface", "nvtport", "type=internal")  # fmt: skip
        output("ip", "link", "set", "nvtport", "up")
        yield "nvtport"
    finally:
        output("ovs-vsctl", "--if-exists", "del-br", "nvtbr")


def test_a_device_that_somebody_removed_is_on_its_bridge_again(switch: str) -> None:
    """Open vSwitch in userspace holds on to the device that was, under the port's number."""

    def reach() -> None:
        """Send to all on the bridge until that gets to the guest's device, which a starting QEMU takes in its time."""
        counter = Path("/sys/class/net/nvttap0/statistics/tx_packets")
        before = int(counter.read_text(encoding="ascii"))
        program = "import socket, sys; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
        program += "s.bind((sys.argv[1], 0)); s.send(bytes.fromhex('ff' * 6 + '525400000001' + '88b5').ljust(60))"
        for _attempt in wait_for("a frame reaches the guest's device"):
            output("python3", "-c", program, switch)
            if int(counter.read_text(encoding="ascii")) > before:
                break

    run(options())
    reach()
    output("systemctl", "stop", UNIT.name)
    output("ip", "link", "delete", "nvttap0")
    planned = actions(run(options(), check=True))
    assert actions(run(options())) == planned == ["devices", "reattach nvttap0", "start"]
    reach()
    assert links()["nvttap0"]["operstate"] == "UP"
    output("systemctl", "stop", UNIT.name)
    assert actions(run(options())) == ["start"]


def test_a_nic_comes_and_goes() -> None:
    run(options())
    assert pending(run(options(interfaces=TWO)))
    assert set(links()) == {"nvttap0"}
    run(options(interfaces=TWO, allow_restart=True))
    assert set(links()) == {"nvttap0", "nvttap2"}
    result = run(options(allow_restart=True))
    assert actions(result) == ["stop", "remove nvttap2", "restart"]
    assert set(links()) == {"nvttap0"}


def test_a_device_that_somebody_deleted() -> None:
    run(options())
    output("ip", "link", "delete", "nvttap0")
    before = pid()
    assert pending(run(options())) == ["its user cannot open nvttap0 any more"]
    assert pid() == before
    assert actions(run(options(allow_restart=True))) == ["stop", "devices", "restart"]
    assert set(links()) == {"nvttap0"}


def test_a_guest_that_was_killed_and_one_that_was_stopped() -> None:
    run(options())
    before = pid()
    output("systemctl", "kill", "--signal=KILL", UNIT.name)
    for _attempt in wait_for("the guest is back"):
        if pid() not in (0, before):
            break
    output("systemctl", "stop", UNIT.name)
    assert actions(run(options())) == ["start"]


def test_a_guest_that_cannot_start() -> None:
    kernel = PLACE / "vmlinuz"
    with pytest.raises(Conflict, match=f"kernel {kernel} does not exist on the node; put it there first"):
        run(options(kernel=str(kernel)))
    assert not UNIT.exists()
    assert links() == {}
    kernel.write_bytes(b"\x1b[31mnone")
    with pytest.raises(Failed) as error:
        run(options(kernel=str(kernel)))
    assert str(error.value).isprintable()
    assert "did not start: qemu" in str(error.value)
    assert "kernel" in str(error.value)
    with pytest.raises(Failed, match="did not start: qemu"):  # systemd starts it again and again meanwhile
        run(options(kernel=str(kernel)))
    run(options(kernel=""))
    assert pid()


def test_a_known_guest_without_its_kernel_does_not_keep_others_from_being_built() -> None:
    """As at boot: what was accepted once is no fault of the plan, only its own start fails, at the end."""
    kernel = PLACE / "vmlinuz"
    kernel.write_bytes(b"none")
    with pytest.raises(Failed):
        run(options(kernel=str(kernel)))
    kernel.unlink()
    with pytest.raises(Failed) as error:
        run(options(kernel=str(kernel)), options("nvtgb"))
    assert "netvirt-guest-nvtga.service did not start" in str(error.value)
    assert pid("nvtgb")


@pytest.mark.parametrize(
    "image",
    ["--help", "json:{}", 'json:{"driver":"nbd"}', "nbd://localhost/x", "image.raw", "/srv/../etc/shadow", "/srv/"],
)
def test_images_that_are_no_paths(image: str) -> None:
    for option in ("image", "kernel", "initrd"):
        with pytest.raises(InvalidValue, match="must be the absolute path of a file") as error:
            run(options(**{option: image}))
        assert str(error.value).isprintable()


def test_images_that_a_guest_must_not_have() -> None:
    """Other guests' disks, what refers to other files, and what is none."""

    def refusal(image: Path) -> str:
        with pytest.raises(Conflict) as error:
            run(options(image=str(image)))
        assert not UNIT.exists()
        return str(error.value)

    run(options("nvtgb", image=str(IMAGE)))
    link = PLACE / "link.qcow2"
    link.symlink_to(DISKS / "nvtgb/disk.qcow2")
    for other in (DISKS / "nvtgb/disk.qcow2", link):
        assert "is the disk of a guest" in refusal(other)
    based, split, foreign = PLACE / "based.qcow2", PLACE / "split.qcow2", PLACE / "x.vmdk"
    create = ["qemu-img", "create", "-q", "-f"]
    output(*create, "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", str(based), "1M")
    output(*create, "qcow2", "-o", f"data_file={PLACE}/data", str(split), "1M")
    output(*create, "vmdk", str(foreign), "1M")
    assert "refers to another file" in refusal(based)
    assert "refers to another file" in refusal(split)
    assert "is vmdk; convert it" in refusal(foreign)
    assert "not a regular file" in refusal(Path("/dev/null"))
    assert "cannot be read: No such file" in refusal(PLACE / "none")


def test_a_disk_keeps_its_image() -> None:
    run(options(image=str(IMAGE)))
    other = PLACE / "other.raw"
    other.write_bytes(IMAGE.read_bytes())
    with pytest.raises(Conflict, match=f"its disk {DISK} was made on {IMAGE}, not on {other}"):
        run(options(image=str(other)))
    output("systemctl", "stop", UNIT.name)
    DISK.unlink()
    with pytest.raises(Failed, match=r"its disk .* is gone; put it back"):
        run(options(image=str(IMAGE)))


def test_devices_and_users_of_others() -> None:
    output("ip", "tuntap", "add", "dev", "nvttap0", "mode", "tap")
    output("ip", "link", "set", "nvttap0", "alias", "somebody")
    with pytest.raises(Conflict, match="the device nvttap0 is there and is not this guest's"):
        run(options())
    output("ip", "link", "delete", "nvttap0")
    output("useradd", "--system", "--comment", "somebody", USERS[0])
    with pytest.raises(Conflict, match=f"the user {USERS[0]} exists and is not ours"):
        run(options())
    assert not UNIT.exists()


def test_purge_is_by_owner() -> None:
    run(options(), owner="one")
    run(options("nvtgb"), owner="two")
    node = Node(Settings(owner="two"))
    try:
        result = _engine.converge(node, [], False, [KvmGuest()])
    finally:
        node.close()
    assert actions(result) == ["stop", "delete"]
    assert pid()
    assert not pid("nvtgb")


def test_modes_hold_under_any_umask() -> None:
    before = os.umask(0o077)
    try:
        run(options(image=str(IMAGE)))
    finally:
        os.umask(before)
    assert pid()
    assert (DISKS / OWN).stat().st_mode & 0o777 == 0o711
    assert actions(run(options(image=str(IMAGE)), check=True)) == []
