# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What guests can run on: KVM where it boots one, emulation elsewhere."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import subprocess

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files

PROGRAM = "/usr/bin/qemu-system-x86_64"
KVM, TCG = "kvm", "tcg"

_CACHE = "/run/netvirt/accelerator.json"
_DEVICE = "/dev/kvm"
_NOBODY = 65534
# A processor takes a fraction of a second for the firmware, emulated virtualization may take minutes for a guest.
_PROBE_SECONDS = 3
_PROBE = ("-accel", "kvm", "-cpu", "host", "-machine", "q35,usb=off", "-m", "32", "-no-user-config", "-nodefaults",
          "-display", "none", "-no-reboot", "-boot", "reboot-timeout=0")  # fmt: skip


def require() -> None:
    """Raise Missing where QEMU is not installed."""
    if not os.path.exists(PROGRAM):
        raise _errors.Missing(
            f"the program {PROGRAM} is missing on the node; install qemu-system-x86, or run the role "
            "netvirt.fabric.hypervisor"
        )


def accelerator(choice: str) -> str:
    """Return kvm or tcg; for auto, kvm where it boots, which is found out once per boot and version of QEMU."""
    if choice != "auto":
        return choice
    key = [os.uname().release, os.stat(PROGRAM).st_mtime_ns]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        with open(_CACHE, encoding="utf-8") as cache:
            known = json.load(cache)
        if known["key"] == key and known["accelerator"] in (KVM, TCG):
            return str(known["accelerator"])
    found = KVM if _boots_with_kvm() else TCG
    with contextlib.suppress(OSError):
        _files.make_directories(os.path.dirname(_CACHE))
        with open(_CACHE + ".new", "w", encoding="utf-8") as cache:
            json.dump({"key": key, "accelerator": found}, cache)
        os.replace(_CACHE + ".new", _CACHE)
    return found


def device_group() -> str:
    """Return the group that may use KVM, nothing where none but root or everybody may."""
    with contextlib.suppress(OSError, KeyError):
        gid = os.stat(_DEVICE).st_gid
        return grp.getgrgid(gid).gr_name if gid else ""
    return ""


def _boots_with_kvm() -> bool:
    """Tell whether the firmware runs through for a user: it finds nothing to boot, resets, and QEMU ends."""
    try:
        group = os.stat(_DEVICE).st_gid
        return (
            subprocess.run(
                [PROGRAM, *_PROBE],
                user=_NOBODY,
                group=_NOBODY,
                extra_groups=[group or _NOBODY],
                timeout=_PROBE_SECONDS,
                check=False,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ).returncode
            == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
