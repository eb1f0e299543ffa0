# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's command line, and how it is written into a unit."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from ansible_collections.netvirt.fabric.plugins.filter.guest_resources import guest_resources
from ansible_collections.netvirt.fabric.plugins.module_utils._engine import resource
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import InvalidValue
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests._guest_qemu import arguments, systemd_words
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests._guest_values import account
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests.kvm_guest import KvmGuest


def guest(**changes: Any) -> dict[str, Any]:
    interface = {"tap": "tap-vm1", "bridge": "br-int", "network": "blue", "vlan": 10, "mtu": 1446, "offload": False}
    return {
        "name": "vm1",
        "uuid": "eb1c10b4-da40-5d22-852d-4dab5212c6a9",
        "memory": 96,
        "vcpus": 2,
        "kernel": "/k/vmlinuz",
        "initrd": "/k/initrd.img",
        "interfaces": [{**interface, "mac": "52:54:00:aa:bb:01", "address": "10.0.10.11"}],
        **changes,
    }


def qemu_arguments(definition: dict[str, Any], accelerator: str = "tcg") -> list[str]:
    """Return QEMU's words for a guest as the compiler defines it."""
    (entry,) = guest_resources([definition], accelerator)
    return arguments(resource(KvmGuest(), entry["kvm_guest"]).want)


def values(arguments: list[str], option: str) -> list[str]:
    """Return what follows each occurrence of an option."""
    return [value for name, value in zip(arguments, arguments[1:]) if name == option]


def test_a_guest_that_is_emulated() -> None:
    arguments = qemu_arguments(guest())
    assert values(arguments, "-accel") == ["tcg,thread=multi,tb-size=16"]
    assert values(arguments, "-smp") == ["2"]
    assert values(arguments, "-netdev") == ["tap,id=net0,ifname=tap-vm1,script=no,downscript=no,vnet_hdr=off"]
    assert "virtio-net-pci,netdev=net0,mac=52:54:00:aa:bb:01,host_mtu=1446,romfile=" in arguments
    assert values(arguments, "-append") == ["console=ttyS0 quiet hostname=vm1"]
    assert values(arguments, "-drive") == []


def test_a_guest_that_the_kernels_datapath_serves() -> None:
    interfaces = [{**guest()["interfaces"][0], "offload": True}]
    arguments = qemu_arguments(guest(interfaces=interfaces), "kvm")
    assert values(arguments, "-accel") == ["kvm"]
    assert values(arguments, "-cpu") == ["host"]
    assert "vnet_hdr=on" in values(arguments, "-netdev")[0]


def test_a_guest_with_a_disk() -> None:
    definition = guest()
    del definition["kernel"], definition["initrd"]
    arguments = qemu_arguments({**definition, "image": "/srv/a,b.qcow2"})
    assert values(arguments, "-drive") == [
        "file=/var/lib/netvirt/guests/vm1/disk.qcow2,id=disk,if=none,format=qcow2,discard=unmap"
    ]
    assert values(arguments, "-kernel") == []
    assert "bootindex" not in next(word for word in arguments if word.startswith("virtio-net"))


def test_a_guest_without_kernel_and_disk_boots_from_its_network() -> None:
    arguments = qemu_arguments(guest(kernel=""))
    assert next(word for word in arguments if word.startswith("virtio-net")).endswith(",bootindex=1")


def test_a_command_line_of_ones_own() -> None:
    assert values(qemu_arguments(guest(cmdline="root=/dev/vda1")), "-append") == ["root=/dev/vda1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "vm1\nExecStart=/bin/sh"}, "name must be"),
        ({"uuid": "x,y"}, "uuid must be a UUID"),
        ({"memory": "96\n"}, None),
        ({"memory": "lots"}, "memory must be a whole number"),
        ({"interfaces": [{"tap": "tap-vm1 up", "mac": "52:54:00:aa:bb:01"}]}, "tap must consist of"),
        ({"interfaces": [{"tap": "tap-vm1", "mac": "52:54:00"}]}, "mac must be a MAC address"),
        ({"kernel": "/k\nExecStart=/bin/sh"}, "must be printable text on one line"),
        ({"image": "--help"}, "image must be the absolute path of a file"),
        ({"initrd": "nbd://x/y"}, "initrd must be the absolute path of a file"),
        ({"cmdline": "a\x00b"}, "must be printable text on one line"),
        ({"interfaces": [{"mac": "52:54:00:aa:bb:01"}]}, r"interfaces\[0\].tap is required"),
    ],
)
def test_values_that_no_unit_can_hold(changes: dict[str, Any], message: str | None) -> None:
    if message is None:
        assert values(qemu_arguments(guest(**changes)), "-m") == ["96"]
        return
    with pytest.raises(InvalidValue, match=message) as error:
        qemu_arguments(guest(**changes))
    assert str(error.value).isprintable()


def test_unknown_accelerator() -> None:
    with pytest.raises(InvalidValue, match="must be one of auto, kvm, tcg, not 'hvf'"):
        qemu_arguments(guest(), "hvf")


def test_users_have_names_that_fit() -> None:
    names = ["vm1", "a" * 27, "a" * 28, "a" * 63, "a" * 62 + "b"]
    assert account("vm1") == "nvg-vm1"
    assert max(map(len, map(account, names))) == 31
    assert len(set(map(account, names))) == len(names)


def test_words_of_a_unit() -> None:
    words = ["/bin/x", "-a", "plain", "-b", 'q"$u o\\te', "", "50%", "it's", "a;b", "#c"]
    written = systemd_words(words)
    assert written.splitlines()[0] == "/bin/x \\"
    # Undone as systemd does it: double quotes and backslashes as a POSIX shell has them, then variables and specifiers.
    undone = [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(written.replace(" \\\n", " "))]
    assert undone == words


def test_nothing_is_left_for_systemd_to_expand() -> None:
    written = systemd_words(["/bin/x", "$HOME ${HOME} %h %%"])
    assert written == '/bin/x "$$HOME $${HOME} %%h %%%%"'
