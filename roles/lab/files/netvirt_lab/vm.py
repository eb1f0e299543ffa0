# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes as virtual machines: QEMU with a distribution kernel, on an overlay of a shared disk."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

from . import cgroups, fabric, identity, vmimage
from .agent import Agent
from .model import Lab, Machine
from .system import LabError, run, write

BOOT_AGAIN = 256  # No status at all: QEMU itself boots a node again.
QEMU = "qemu-system-x86_64"
MEMORY = 640  # MiB
CODE_CACHE = 128  # MiB; what QEMU takes by itself is more than the node's memory
PROBE_SECONDS = 3  # A processor takes a fraction of a second, and emulated virtualization may take minutes.
ASK = {"off": "poweroff", "reboot": "reboot"}
STDIN_MAX = 1024**2  # bytes
# systemd's 90 s are short where processors are scarce.
TIMEOUTS = "DefaultTimeoutStartSec=10min\nDefaultTimeoutStopSec=5min"
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000  # linux/if_tun.h


def create(machine: Machine, lab: Lab) -> None:
    """Lay out the directory of a new node: its files for the first boot, and an empty overlay of the disk."""
    directory = Path(machine.directory)
    directory.mkdir(parents=True, exist_ok=True)
    identity.lay_out(machine, lab)
    write(identity.files(machine) / "etc/systemd/system.conf.d/10-lab.conf", f"[Manager]\n{TIMEOUTS}\n")
    for name, source in machine.images.items():
        shutil.copytree(source, identity.files(machine) / identity.IMAGES.lstrip("/") / name)
    # The kernel unpacks both archives, one after the other.
    first = vmimage.first_files(identity.files(machine))
    (directory / "initrd.img").write_bytes(first + (Path(machine.root) / "initrd.img").read_bytes())
    (directory / "initrd.img").chmod(0o600)  # It holds the node's private key.
    run(f"make the disk of {machine.name}", ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw",
        "-b", f"{machine.root}/disk.img", directory / "disk.qcow2"])  # fmt: skip
    write(directory / "accelerator", _accelerator(lab))


def _accelerator(lab: Lab) -> str:
    """Return kvm where it works, else tcg; found out once per kernel and version of QEMU."""
    known = lab.cache / "accelerator.json"
    key = [os.uname().release, run("ask QEMU for its version", [QEMU, "--version"])]
    if known.exists():
        found = json.loads(known.read_text(encoding="utf-8"))
        if found["key"] == key:
            return str(found["accelerator"])
    accelerator = "kvm" if _kvm_works() else "tcg"
    write(known, json.dumps({"key": key, "accelerator": accelerator}))
    return accelerator


def _kvm_works() -> bool:
    """Tell whether the firmware runs through: it finds nothing to boot, resets, and QEMU ends."""
    argv = [QEMU, "-accel", "kvm", "-cpu", "host", "-machine", "q35,usb=off", "-m", "32", "-no-user-config",
            "-nodefaults", "-display", "none", "-no-reboot", "-boot", "reboot-timeout=0"]  # fmt: skip
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def surroundings(machine: Machine) -> list[str]:
    """Return the words that :func:`boot` is started with: its tap devices are in the lab's namespace."""
    return fabric.in_namespace(machine.namespace)


def boot(machine: Machine) -> None:
    """Become the node: make its links, and hand over to QEMU, with which the tap devices end."""
    cgroups.join(machine.namespace, machine.name)
    argv = [QEMU, *_hardware(machine), *_kernel(machine), *_channels(machine)]
    for number, link in enumerate(machine.links):
        handle = _tap(link.host_end)
        fabric.attach(machine.namespace, link.host_end, link.bridge, link.mtu)
        # Without offloading, as on a wire: every frame has its checksum, and is no longer than the MTU.
        argv += ["-netdev", f"tap,id=net{number},fd={handle}",
                 "-device", f"virtio-net-pci,netdev=net{number},mac={link.mac},romfile="]  # fmt: skip
    os.execvp(QEMU, argv)


def _hardware(machine: Machine) -> list[str]:
    directory = Path(machine.directory)
    if (directory / "accelerator").read_text(encoding="ascii") == "kvm":
        processor = ["-accel", "kvm", "-cpu", "host"]
    else:
        # QEMU 7.2's emulation of cx16 now and then crashes the kernel.
        processor = ["-accel", f"tcg,thread=multi,tb-size={CODE_CACHE}", "-cpu", "qemu64,-cx16"]
    return [
        *("-name", machine.name), *("-machine", "pc,usb=off,vmport=off,hpet=off"), *processor,
        *("-smp", "2"), *("-m", str(MEMORY)), *("-no-user-config", "-nodefaults"), *("-display", "none"),
        *("-drive", f"file={_value(directory / 'disk.qcow2')},if=virtio,format=qcow2,cache=unsafe"),
        *("-object", "rng-random,id=rng,filename=/dev/urandom"), *("-device", "virtio-rng-pci,rng=rng"),
    ]  # fmt: skip


def _kernel(machine: Machine) -> list[str]:
    # The kernel would read the time from an emulated device, which takes half of the time that a boot takes.
    words = "console=ttyS0 quiet net.ifnames=0 mitigations=off tsc=reliable"
    initramfs = f"{machine.directory}/initrd.img"
    return ["-kernel", f"{machine.root}/vmlinuz", "-initrd", initramfs, "-append", words]


def _channels(machine: Machine) -> list[str]:
    """Return the console, which goes to this process's output, and the guest agent."""
    return [
        *("-chardev", "stdio,id=console,signal=off"), *("-serial", "chardev:console"),
        *("-device", "virtio-serial-pci"),
        *("-chardev", f"socket,id=agent,path={_value(_socket(machine))},server=on,wait=off"),
        *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
    ]  # fmt: skip


def _value(path: Path) -> str:
    """Return a path inside one of QEMU's comma separated arguments."""
    return str(path).replace(",", ",,")


def _socket(machine: Machine) -> Path:
    return Path(machine.directory) / "agent.sock"


def _tap(name: str) -> int:
    """Make a tap device and return its handle, which the program that this process becomes inherits."""
    handle = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    os.set_inheritable(handle, True)
    return handle


def _agent(machine: Machine) -> Agent:
    return Agent(_socket(machine), machine.name)


def pid(machine: Machine) -> int | None:
    """Return QEMU's pid, or None if the node is off."""
    for found in cgroups.processes(machine.namespace, machine.name):
        try:
            name = Path(f"/proc/{found}/exe").resolve(strict=True).name
        except OSError:
            continue
        if name == QEMU:
            return found
    return None


def boot_id(machine: Machine) -> str | None:
    """Return the kernel's name for this boot, or None if the node does not answer."""
    try:
        done = _agent(machine).run(["cat", "/proc/sys/kernel/random/boot_id"], timeout=30)
    except LabError:
        return None
    return done.output.decode().strip() or None


def ready(machine: Machine) -> bool:
    """Tell whether the node has booted, with every service started."""
    try:
        return _agent(machine).run(["systemctl", "is-active", "multi-user.target"], timeout=30).status == 0
    except LabError:
        return False


def ask(machine: Machine, what: str) -> None:
    """Ask the node to reboot or to go off."""
    _agent(machine).run(["systemctl", "--no-block", ASK[what]], timeout=30)


def execute(machine: Machine, argv: list[str]) -> int:
    """Run a command inside the node; it gets this process's input, and its output comes when it has ended."""
    stdin = b"" if sys.stdin.isatty() else sys.stdin.buffer.read(STDIN_MAX)
    done = _agent(machine).run(argv, stdin=stdin)
    sys.stdout.buffer.write(done.output)
    sys.stderr.buffer.write(done.errors)
    return done.status
