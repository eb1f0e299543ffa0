# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests on this node: emulated, without a system, and what is left of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine import apply, output

OWN, OTHER = "nvtga", "nvtgb"
NAMES = (OWN, OTHER)
USERS = [f"nvg-{name}" for name in NAMES]
DISKS = Path("/var/lib/netvirt/guests")
PLACE = Path("/srv/nvt-guests")
IMAGE = PLACE / "image.raw"
SAID = b"<0>\x1b[31mconsole of the guest"
# Real mode: each byte of the text behind goes to the first serial port, then the processor halts.
_BOOT_SECTOR = bytes.fromhex("31c08ed8be167cac84c07406baf803eeebf5f4ebfd") + b"\0" + SAID + b"\r\n\0"


def options(name: str = OWN, **given: Any) -> dict[str, Any]:
    """Return the options of a small guest with one interface."""
    number = NAMES.index(name)
    return {
        "name": name,
        "uuid": f"8f7c3c1e-6a7f-4d51-9d0b-1f8e2f8f1a5{number}",
        "memory": 32,
        "vcpus": 1,
        "accelerator": "tcg",
        "stop_timeout": 1,
        "interfaces": [{"tap": f"nvttap{number}", "mac": f"52:54:00:aa:bb:0{number}", "mtu": 1400}],
        **given,
    }


def run(*guests: dict[str, Any], check: bool = False, **settings: Any) -> Any:
    """Converge guests."""
    return apply([{"kvm_guest": item} for item in guests], check, **settings)


def pending(result: Any) -> list[str]:
    return [reason for item in result.resources for reason in item.pending]


def actions(result: Any) -> list[str]:
    return [item["action"] for item in result.operations]


def pid(name: str = OWN) -> int:
    """Return the process of a guest, 0 for none."""
    return int(output("systemctl", "show", "--property=MainPID", "--value", f"netvirt-guest-{name}").strip())


def owner(path: Path) -> str:
    return (path.lstat().st_uid and path.owner()) or "root"


def messages(name: str = OWN) -> list[dict[str, Any]]:
    """Return what the guest's unit wrote to the journal."""
    lines = output("journalctl", f"_SYSTEMD_UNIT=netvirt-guest-{name}.service", "--output=json", "--no-pager")
    return [json.loads(line) for line in lines.splitlines()]


def wait_for(what: str, seconds: float = 30) -> Iterator[int]:
    """Give numbers until the time is over, which is a failure."""
    deadline = time.monotonic() + seconds
    number = 0
    while time.monotonic() < deadline:
        yield number
        number += 1
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds} s")


@contextmanager
def guests_place() -> Iterator[None]:
    """Have an image to boot, and no guests before and after."""
    _clear()
    try:
        PLACE.mkdir(mode=0o755)
        IMAGE.write_bytes((_BOOT_SECTOR.ljust(510, b"\0") + b"\x55\xaa").ljust(2**20, b"\0"))
        yield
    finally:
        _clear()


def _clear() -> None:
    for name in NAMES:
        unit = Path(f"/etc/systemd/system/netvirt-guest-{name}.service")
        subprocess.run(["systemctl", "kill", "--signal=KILL", unit.name], check=False, capture_output=True)
        subprocess.run(["systemctl", "disable", "--now", unit.name], check=False, capture_output=True)
        for path in (unit, Path(f"/etc/netvirt/guests/{name}.json"), Path(f"/usr/local/lib/netvirt/guest-{name}.py")):
            path.unlink(missing_ok=True)
        if (DISKS / name).is_symlink():
            (DISKS / name).unlink()
        shutil.rmtree(DISKS / name, ignore_errors=True)
        subprocess.run(["userdel", f"nvg-{name}"], check=False, capture_output=True)
    subprocess.run(["userdel", "netvirt-guest"], check=False, capture_output=True)
    for number in range(3):
        subprocess.run(["ip", "link", "delete", f"nvttap{number}"], check=False, capture_output=True)
    shutil.rmtree(PLACE, ignore_errors=True)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "reset-failed"], check=False)
    for directory in (DISKS, Path("/etc/netvirt/guests")):
        if directory.is_dir() and not os.listdir(directory):
            directory.rmdir()
