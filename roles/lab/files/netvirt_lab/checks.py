# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab needs of this machine. Each check is one function: it returns None, or one line with the remedy."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from . import cgroups
from .model import Lab
from .system import LabError, run, succeeds

PACKAGES = {  # program: its package
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ethtool": "ethtool",
    "ip": "iproute2",
    "ping": "iputils-ping",
    "ssh": "openssh-client",
    "sysctl": "procps",
}
PACKAGES_FOR_VMS = {"qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "mke2fs": "e2fsprogs"}
ROOM_TO_BUILD = 3 * 1024**3
ROOM_TO_RUN = 256 * 1024**2


def missing_packages(lab: Lab) -> list[str]:
    """Return the packages that this machine lacks."""
    needed = PACKAGES | (PACKAGES_FOR_VMS if any(node.kind == "vm" for node in lab.nodes) else {})
    missing = [package for program, package in needed.items() if not shutil.which(program)]
    if not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        missing.append("debian-archive-keyring")
    return missing


def require(lab: Lab, *, build: bool) -> None:
    """Raise :class:`LabError` with every fault of this machine, after making the lab's directories."""
    if os.geteuid() != 0:
        raise LabError("check this machine: a lab needs root; run the playbook as root")
    for directory in (lab.directory, lab.cache):
        directory.mkdir(parents=True, exist_ok=True)
    room = ROOM_TO_BUILD if build else ROOM_TO_RUN
    found = [_tun(), _cgroups(), _links(), _overlay(lab), _room(lab.cache if build else lab.directory, room)]
    faults = [fault for fault in found if fault]
    if faults:
        raise LabError("check this machine: " + "; ".join(faults))


def _tun() -> str | None:
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        return f"/dev/net/tun cannot be opened ({error.strerror}); run 'modprobe tun'"
    return None


def _cgroups() -> str | None:
    if not cgroups.hierarchies():
        return "no control groups are mounted; run 'mount -t cgroup2 none /sys/fs/cgroup'"
    return None


def _links() -> str | None:
    """Make a bridge and a veth pair in a namespace of their own, which ends with the command."""
    for kind, words in (("bridge", ["type", "bridge"]), ("veth", ["type", "veth"])):
        if not succeeds(["unshare", "--net", "ip", "link", "add", "nvlabcheck", *words]):
            return f"links of type {kind} cannot be made; run 'modprobe {kind}', and see that namespaces are allowed"
    return None


def _overlay(lab: Lab) -> str | None:
    with tempfile.TemporaryDirectory(prefix=".check-", dir=lab.directory) as temporary:
        for name in ("lower", "upper", "work", "root"):
            (Path(temporary) / name).mkdir()
        layers = f"lowerdir={temporary}/lower,upperdir={temporary}/upper,workdir={temporary}/work"
        mount = ["mount", "-t", "overlay", "overlay", "-o", layers, f"{temporary}/root"]
        try:
            # The mount ends with its own mount namespace.
            run("mount", ["unshare", "--mount", *mount])
        except LabError as error:
            why = str(error).rpartition("failed: ")[2]
            return (f"an overlay cannot be mounted in {lab.directory} ({why}); run 'modprobe overlay', or set lab_dir "
                    "to a file system that allows it, such as ext4 or xfs (another overlay does not)")  # fmt: skip
    return None


def _room(directory: Path, need: int) -> str | None:
    free = shutil.disk_usage(directory).free
    if free < need:
        return f"{directory} has {free // 1024**2} MiB free, and {need // 1024**2} are needed"
    return None
