# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes as containers: systemd-nspawn with systemd as init, on an overlay of a shared root file system."""

from __future__ import annotations

import os
from pathlib import Path

from . import cgroups, fabric
from .model import Lab, Machine, digest
from .system import LabError, run, write

REBOOT = 133  # systemd-nspawn's exit status when its init asked for a reboot
DEVICES = ("/dev/net/tun", "/dev/kvm")
NSPAWN_STATE = "/run/systemd/nspawn"
IMAGES = "/var/lib/netvirt/images"


def create(machine: Machine, lab: Lab) -> None:
    """Lay out the directory of a new node: what it differs in from the shared root file system."""
    directory = Path(machine.directory)
    for name in ("upper", "work", "root"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    upper = directory / "upper"
    write(upper / "etc/hostname", f"{machine.name}\n")
    write(upper / "etc/machine-id", digest(f"{machine.lab}/{machine.name}")[:32] + "\n", 0o444)
    write(upper / "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {machine.name}\n::1 localhost ip6-localhost\n")
    write(upper / "etc/tmpfiles.d/lab-devices.conf", _device_file())
    for link in machine.links:
        write(upper / f"etc/systemd/network/10-{link.name}.network", _network_file(link.name, link.addresses))
    (upper / "root").mkdir(mode=0o700)
    (upper / "root/.ssh").mkdir(mode=0o700)
    write(upper / "root/.ssh/authorized_keys", (lab.directory / "ssh/id_ed25519.pub").read_text(), 0o600)
    key = upper / "etc/ssh/ssh_host_ed25519_key"
    key.parent.mkdir(parents=True)
    run(f"make the host key of {machine.name}",
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", machine.name, "-f", key])  # fmt: skip


def host_key(machine: Machine) -> str:
    """Return the node's public SSH host key: type and key."""
    text = (Path(machine.directory) / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text(encoding="ascii")
    return " ".join(text.split()[:2])


def _network_file(name: str, addresses: list[str]) -> str:
    """Return networkd's settings of one link: static addresses or none, up in any case, and nothing automatic."""
    lines = ["[Match]", f"Name={name}", "", "[Link]", f"RequiredForOnline={'yes' if addresses else 'no'}", "",
             "[Network]", "DHCP=no", "LinkLocalAddressing=no", "IPv6AcceptRA=no", "LLDP=no",
             *(f"Address={address}" for address in addresses), ""]  # fmt: skip
    return "\n".join(lines)


def _device_file() -> str:
    """Return the devices that a node makes for itself, since this machine's own may be root's alone."""
    found = [(path, os.stat(path).st_rdev) for path in DEVICES if os.path.exists(path)]
    return "".join(f"c {path} 0666 root root - {os.major(device)}:{os.minor(device)}\n" for path, device in found)


def boot(machine: Machine) -> None:
    """Become the node: mount its root, make its links, and hand over to systemd-nspawn.

    Runs in fresh network and mount namespaces, so that links and mounts end with the node. The network namespace
    becomes the node's own: systemd-nspawn is told to keep it, and to leave its settings writable.
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
    argv += [f"--bind-ro={source}:{IMAGES}/{name}" for name, source in machine.images.items()]
    os.environ["SYSTEMD_NSPAWN_API_VFS_WRITABLE"] = "network"
    os.execvp(argv[0], argv)


def _make_links(machine: Machine) -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0", encoding="ascii")  # May be inherited from this machine.
    stale = fabric.links(machine.namespace)
    for link in machine.links:
        if link.host_end in stale:  # The kernel has not yet finished with the namespace of the boot before.
            fabric.ip("link", "delete", link.host_end, netns=machine.namespace)
        fabric.ip("link", "add", link.name, "address", link.mac, "mtu", str(link.mtu), "type", "veth",
                  "peer", "name", link.host_end, "netns", machine.namespace)  # fmt: skip
        fabric.attach(machine.namespace, link.host_end, link.bridge, link.mtu)


def init_pid(machine: Machine) -> int | None:
    """Return the pid of the node's init as this machine sees it, or None if the node is off."""
    for pid in cgroups.processes(machine.namespace, machine.name):
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            continue
        numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
        if len(numbers) == 2 and numbers[1] == "1":
            return pid
    return None


def inside(machine: Machine) -> list[str]:
    """Return the words that run a command inside the node."""
    pid = init_pid(machine)
    if pid is None:
        raise LabError(f"node {machine.name} is off")
    return ["nsenter", "--target", str(pid), "--all", "--root", "--wd", "--"]
