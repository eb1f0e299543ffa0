# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of QEMU for a guest, and how systemd wants it written."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils import _convert

PROGRAM = "/usr/bin/qemu-system-x86_64"
RUN_DIRECTORY = "/run/netvirt/guests"
ACCELERATORS = ("kvm", "tcg")

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


def qemu_arguments(guest: Mapping[str, Any], accelerator: str, disk: str) -> list[str]:
    """Return QEMU's command line for a guest as the compiler defines it.

    ``accelerator`` is kvm or tcg. ``disk`` is the path of the guest's own qcow2 image, empty without one. Raises
    ValueError for values that QEMU or the guest's unit could not hold.
    """
    if accelerator not in ACCELERATORS:
        raise ValueError(f"the accelerator must be one of {', '.join(ACCELERATORS)}, not {_values.shown(accelerator)}")
    guest = _checked(guest)
    disk = _values.text(disk)
    return [
        PROGRAM,
        *_machine(guest, accelerator),
        *_channels(guest["name"]),
        *_interfaces(guest, netboot=not disk and not guest.get("kernel")),
        *_storage(disk),
        *_kernel(guest),
    ]


def _checked(guest: Any) -> dict[str, Any]:
    if not isinstance(guest, dict):
        raise ValueError(f"must be a dictionary, not {_values.shown(guest)}")
    interfaces = guest["interfaces"]
    if not isinstance(interfaces, list) or not all(isinstance(interface, dict) for interface in interfaces):
        raise ValueError(f"interfaces must be a list of dictionaries, not {_values.shown(interfaces)}")
    faults: list[str] = []

    def checked(values: Mapping[str, Any], key: str, check: Any) -> Any:
        try:
            return check(values[key])
        except ValueError as error:
            faults.append(f"{key} {error}")
            return values[key]

    result = {
        **guest,
        "name": checked(guest, "name", _convert.label),
        "uuid": checked(guest, "uuid", _uuid),
        "memory": checked(guest, "memory", _values.integer(16, 2**24)),
        "vcpus": checked(guest, "vcpus", _values.integer(1, 1024)),
        "interfaces": [
            {
                "tap": checked(interface, "tap", _values.interface_name),
                "mac": checked(interface, "mac", _values.mac),
                "mtu": checked(interface, "mtu", _values.mtu) if interface.get("mtu") else 0,
                "offload": bool(interface.get("offload")),
            }
            for interface in interfaces
        ],
        **{key: checked(guest, key, _values.text) for key in ("kernel", "initrd", "cmdline") if guest.get(key)},
    }
    if faults:
        raise ValueError("; ".join(faults))
    return result


def _uuid(value: Any) -> str:
    try:
        return str(uuid.UUID(value if isinstance(value, str) else ""))
    except ValueError:
        raise ValueError(f"must be a UUID, not {_values.shown(value)}") from None


def _machine(guest: Mapping[str, Any], accelerator: str) -> list[str]:
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


def _interfaces(guest: Mapping[str, Any], netboot: bool) -> list[str]:
    arguments = []
    for index, interface in enumerate(guest["interfaces"]):
        # Only a datapath in the kernel completes the checksums and segments that the guest leaves to others.
        offload = "on" if interface["offload"] else "off"
        device = f"virtio-net-pci,netdev=net{index},mac={interface['mac']}"
        if interface["mtu"]:
            device += f",host_mtu={interface['mtu']}"
        device += f",bootindex={index + 1}" if netboot else ",romfile="
        arguments += [
            *("-netdev", f"tap,id=net{index},ifname={interface['tap']},script=no,downscript=no,vnet_hdr={offload}"),
            *("-device", device),
        ]
    return arguments


def _storage(disk: str) -> list[str]:
    if not disk:
        return []
    return [
        *("-drive", f"file={_value(disk)},id=disk,if=none,format=qcow2,discard=unmap"),
        *("-device", "virtio-blk-pci,drive=disk,bootindex=1"),
    ]


def _kernel(guest: Mapping[str, Any]) -> list[str]:
    if not guest.get("kernel"):
        return []
    arguments = ["-kernel", guest["kernel"]]
    if guest.get("initrd"):
        arguments += ["-initrd", guest["initrd"]]
    return [*arguments, "-append", guest.get("cmdline") or f"console=ttyS0 quiet hostname={guest['name']}"]


def _value(text: str) -> str:
    """Return a value inside one of QEMU's comma separated arguments."""
    return text.replace(",", ",,")


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
