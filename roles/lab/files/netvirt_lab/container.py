# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes as containers: systemd-nspawn with systemd as init, on an overlay of a shared root file system."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from . import cgroups, fabric, identity
from .model import Lab, Machine
from .system import LabError, run, succeeds, write

BOOT_AGAIN = 133  # systemd-nspawn's exit status when its init asked for a reboot
# systemd(1), "Signals".
ASK = {"off": signal.SIGRTMIN + 4, "reboot": signal.SIGRTMIN + 5}
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEVICES = ("/dev/net/tun", "/dev/kvm")
NSPAWN_STATE = "/run/systemd/nspawn"


def create(machine: Machine, lab: Lab) -> None:
    """Lay out the directory of a new node: what it differs in from the shared root file system."""
    for name in ("upper", "work", "root"):
        (Path(machine.directory) / name).mkdir(parents=True, exist_ok=True)
    identity.lay_out(machine, lab)
    write(identity.files(machine) / "etc/tmpfiles.d/lab-devices.conf", _device_file())


def _device_file() -> str:
    """Return the devices that a node makes for itself, since this machine's own may be root's alone."""
    found = [(path, os.stat(path).st_rdev) for path in DEVICES if os.path.exists(path)]
    return "".join(f"c {path} 0666 root root - {os.major(device)}:{os.minor(device)}\n" for path, device in found)


def surroundings(machine: Machine) -> list[str]:
    """Return the words that :func:`boot` is started with: links and mounts end with their own namespaces."""
    return ["unshare", "--net", "--mount", "--propagation", "slave"]


def boot(machine: Machine) -> None:
    """Become the node: mount its root, make its links, and hand over to systemd-nspawn.

    The network namespace becomes the node's own: systemd-nspawn is told to keep it, and to leave its settings writable.
    """
    directory = Path(machine.directory)
    cgroups.join(machine.namespace, machine.name)
    layers = f"lowerdir={machine.root},upperdir={directory}/upper,workdir={directory}/work"
    run(f"mount the root of {machine.name}", ["mount", "-t", "overlay", "overlay", "-o", layers, directory / "root"])
    # What systemd-nspawn leaves there when it is killed ends with the node as well.
    Path(NSPAWN_STATE).mkdir(parents=True, exist_ok=True)
    run("hide systemd-nspawn's state", ["mount", "-t", "tmpfs", "tmpfs", NSPAWN_STATE])
    _make_links(machine)
    argv = ["systemd-nspawn", "--quiet", "--boot", f"--directory={directory}/root",
            f"--machine={machine.namespace}-{machine.name}", "--keep-unit", "--register=no", "--link-journal=no",
            "--resolv-conf=off", "--timezone=off", "--capability=all", "--console=pipe"]  # fmt: skip
    argv += [f"--bind-ro={source}:{identity.IMAGES}/{name}" for name, source in machine.images.items()]
    os.environ["SYSTEMD_NSPAWN_API_VFS_WRITABLE"] = "network"
    os.execvp(argv[0], argv)


def _make_links(machine: Machine) -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0", encoding="ascii")  # May be inherited from this machine.
    stale = fabric.links(machine.namespace)
    for link in machine.links:
        if link.host_end in stale:  # The kernel has not yet finished with the namespace of the boot before, or has now.
            with contextlib.suppress(LabError):
                fabric.ip("link", "delete", link.host_end, netns=machine.namespace)
        fabric.ip("link", "add", link.name, "address", link.mac, "mtu", str(link.mtu), "type", "veth",
                  "peer", "name", link.host_end, "netns", machine.namespace)  # fmt: skip
        fabric.with_checksums(link.name)
        fabric.attach(machine.namespace, link.host_end, link.bridge, link.mtu)


def pid(machine: Machine) -> int | None:
    """Return the pid of the node's init as this machine sees it, or None if the node is off."""
    for found in cgroups.processes(machine.namespace, machine.name):
        try:
            status = Path(f"/proc/{found}/status").read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            continue
        numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
        if len(numbers) == 2 and numbers[1] == "1":
            return found
    return None


def boot_id(machine: Machine) -> str | None:
    """Return what tells this boot from others, or None if the node is off."""
    init = pid(machine)
    return str(init) if init else None


def ready(machine: Machine) -> bool:
    """Tell whether the node has booted, with every service started."""
    return pid(machine) is not None and succeeds([*_inside(machine), "systemctl", "is-active", "multi-user.target"])


def ask(machine: Machine, what: str) -> None:
    """Ask the node to reboot or to go off (off)."""
    init = pid(machine)
    if init is not None:
        os.kill(init, ASK[what])


def execute(machine: Machine, argv: list[str]) -> int:
    """Run a command inside the node with this process's input and output; return its exit status."""
    environment = {**os.environ, "PATH": SEARCH_PATH, "HOME": "/root"}
    return subprocess.run([*_inside(machine), *argv], check=False, env=environment).returncode


def _inside(machine: Machine) -> list[str]:
    init = pid(machine)
    if init is None:
        raise LabError(f"node {machine.name} is off")
    return ["nsenter", "--target", str(init), "--all", "--root", "--wd", "--"]
