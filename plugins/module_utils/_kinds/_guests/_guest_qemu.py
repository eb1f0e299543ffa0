# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The command line of QEMU for a guest, and how systemd wants it written."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._guests import _disks, _qemu
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

RUN_DIRECTORY = "/run/netvirt/guests"

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


def arguments(spec: Spec) -> list[str]:
    """Return QEMU's command line for a guest with these options, all of them given, the accelerator kvm or tcg."""
    return [
        _qemu.PROGRAM,
        *_machine(spec),
        *_channels(spec["name"]),
        *_interfaces(spec),
        *_storage(spec),
        *_kernel(spec),
    ]


def _machine(guest: Spec) -> list[str]:
    accelerator = guest["accelerator"]
    cache = min(max(guest["memory"] // 8, 16), 256)  # MiB; QEMU's default takes more memory than a small guest has
    return [
        *("-name", f"guest={guest['name']}"),
        *("-uuid", guest["uuid"]),
        *("-machine", "q35,usb=off,vmport=off,dump-guest-core=off"),
        *("-accel", f"tcg,thread=multi,tb-size={cache}" if accelerator == "tcg" else "kvm"),
        *("-cpu", "max" if accelerator == "tcg" else "host"),
        *("-smp", str(guest["vcpus"])),
        *("-m", str(guest["memory"])),
        *("-no-user-config", "-nodefaults"),
        *("-display", "none"),
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
    ]


def _channels(name: str) -> list[str]:
    """Return the console, which goes to the journal, and the sockets of the monitor and of the guest agent."""
    sockets = f"{RUN_DIRECTORY}/{name}"
    return [
        *("-chardev", "stdio,id=console,signal=off"),
        *("-serial", "chardev:console"),
        *("-chardev", f"socket,id=monitor,path={sockets}/qmp.sock,server=on,wait=off"),
        *("-mon", "chardev=monitor,mode=control"),
        *("-device", "virtio-serial-pci"),
        *("-chardev", f"socket,id=agent,path={sockets}/agent.sock,server=on,wait=off"),
        *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
        *("-object", "rng-random,id=rng,filename=/dev/urandom"),
        *("-device", "virtio-rng-pci,rng=rng"),
    ]


def _interfaces(guest: Spec) -> list[str]:
    netboot = not guest["image"] and not guest["kernel"]
    words = []
    for index, interface in enumerate(guest["interfaces"]):
        # Only a datapath in the kernel completes the checksums and segments that the guest leaves to others.
        offload = "on" if interface["offload"] else "off"
        device = f"virtio-net-pci,netdev=net{index},mac={interface['mac']},host_mtu={interface['mtu']}"
        device += f",bootindex={index + 1}" if netboot else ",romfile="
        words += [
            *("-netdev", f"tap,id=net{index},ifname={interface['tap']},script=no,downscript=no,vnet_hdr={offload}"),
            *("-device", device),
        ]
    return words


def _storage(guest: Spec) -> list[str]:
    if not guest["image"]:
        return []
    disk = _disks.path(guest["name"])
    return [
        *("-drive", f"file={disk},id=disk,if=none,format=qcow2,discard=unmap"),
        *("-device", "virtio-blk-pci,drive=disk,bootindex=1"),
    ]


def _kernel(guest: Spec) -> list[str]:
    if not guest["kernel"]:
        return []
    words = ["-kernel", guest["kernel"]]
    if guest["initrd"]:
        words += ["-initrd", guest["initrd"]]
    return [*words, "-append", guest["cmdline"] or f"console=ttyS0 quiet hostname={guest['name']}"]


def systemd_words(arguments: Iterable[str]) -> str:
    """Return a command line of a unit file, one option per line (systemd.service(5), "Command lines").

    Raises ValueError for what a unit file cannot hold on one line.
    """
    program, *rest = arguments
    return _word(program) + "".join((" \\\n    " if word.startswith("-") else " ") + _word(word) for word in rest)


def _word(argument: str) -> str:
    if not argument.isprintable():
        raise ValueError(f"{_values.shown(argument)} must be printable text on one line")
    escaped = argument.replace("%", "%%")  # systemd.unit(5), "Specifiers"
    if _PLAIN.fullmatch(argument):
        return escaped
    for character in ("\\", '"', "$"):
        escaped = escaped.replace(character, "$$" if character == "$" else "\\" + character)
    return f'"{escaped}"'
