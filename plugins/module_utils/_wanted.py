# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What a host is to have before it becomes a node, and what it lacks of that. Read-only."""

from __future__ import annotations

import os
import stat
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors, _options, _values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs, _systemd
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Option


def _mode(value: Any) -> int:
    try:
        return int(value, 8)
    except ValueError:
        raise ValueError(f"must be octal digits, not {_values.shown(value)}") from None


OPTIONS = {
    "packages": Option(type="list", elements="str", default=[]),
    "kernel_modules": Option(type="list", elements="str", default=[]),
    "files": Option(
        type="list",
        elements="dict",
        default=[],
        options={
            "path": Option(canonical=_values.text, required=True),
            "mode": Option(canonical=_mode, required=True),
            "content": Option(),
        },
    ),
    "services": Option(type="list", elements="str", default=[]),
}

_AT_BOOT = ("enabled", "static", "indirect", "generated", "alias")


def lacking(wanted: _options.Spec, timeout: int) -> dict[str, list[str]]:
    """Return what the host has not, or has otherwise, by the options' names. Raises NetvirtError."""
    return {
        "packages": _packages(wanted["packages"], timeout),
        "kernel_modules": _kernel_modules(wanted["kernel_modules"], timeout),
        "files": [item["path"] for item in wanted["files"] if not _is_there(item)],
        "services": [name for name in wanted["services"] if not _runs(name, timeout)],
    }


def _packages(names: list[str], timeout: int) -> list[str]:
    """Return those that are not installed, as dpkg-query(1) tells in a format of our own."""
    if not names:
        return []
    argv = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n", *names]
    result = _programs.run_program(argv, timeout, "hosts are Debian or Ubuntu")
    if result.returncode not in (0, 1):  # 1: some are unknown
        raise _errors.Unavailable(f"dpkg-query failed: {_programs.complaint(result)}")
    there = {line.partition(" ")[2] for line in result.stdout.splitlines() if line.startswith("installed ")}
    return [name for name in names if name not in there]


def _kernel_modules(names: list[str], timeout: int) -> list[str]:
    """Return those that modprobe(8) would load: they exist and are not in the kernel."""
    if not names or not _programs.installed("modprobe"):
        return []
    argv = ["modprobe", "--all", "--quiet", "--dry-run", "--verbose", *names]
    lines = [line.split() for line in _programs.run_program(argv, timeout, "install kmod").stdout.splitlines()]
    files = [os.path.basename(words[1]) for words in lines if len(words) > 1 and words[0] == "insmod"]
    loaded = {file.partition(".")[0].replace("-", "_") for file in files}
    return [name for name in names if name.replace("-", "_") in loaded]


def _is_there(item: dict[str, Any]) -> bool:
    """Tell whether a file of root's has this content and mode; without content it is a directory."""
    try:
        found = os.stat(item["path"]) if item["content"] is None else os.lstat(item["path"])
    except OSError:
        return False
    right = (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 0, item["mode"])
    if item["content"] is None:
        return right and stat.S_ISDIR(found.st_mode)
    if not right or not stat.S_ISREG(found.st_mode):
        return False
    with open(item["path"], "rb") as file:
        return file.read() == str(item["content"]).encode()


def _runs(name: str, timeout: int) -> bool:
    """Tell whether a service is active and will be after a boot."""
    found = _systemd.Systemd(timeout).show(name)
    return found.get("ActiveState") == "active" and found.get("UnitFileState") in _AT_BOOT
