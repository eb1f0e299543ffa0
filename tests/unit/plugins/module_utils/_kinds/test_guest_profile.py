# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AppArmor profile of a guest's unit, where a node has AppArmor and where it has not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests import _guest_files, _guest_profile

SPEC: dict[str, Any] = {
    "name": "vm1",
    "uuid": "8f7c3c1e-6a7f-4d51-9d0b-1f8e2f8f1a50",
    "memory": 32,
    "vcpus": 1,
    "interfaces": [],
    "image": '/srv/a [b], "c".img',
    "kernel": "",
    "initrd": "",
    "cmdline": "",
    "accelerator": "tcg",
    "stop_timeout": 1,
}


@pytest.fixture
def apparmor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have AppArmor on the node."""
    monkeypatch.setattr(_guest_profile, "_LOADER", str(tmp_path))
    monkeypatch.setattr(_programs, "installed", lambda program: program == "apparmor_parser")


def test_a_guest_writes_its_own_files_alone_and_reads_its_own_images(apparmor: None) -> None:
    profile = _guest_files.render(SPEC, "me")["profile"].splitlines()
    assert profile[0] == "# Managed by netvirt.fabric, owner me"
    assert "profile netvirt-guest-vm1 flags=(attach_disconnected, mediate_deleted) {" in profile
    assert r'  "/srv/a \[b\]\, \"c\".img" rk,' in profile
    written = [line.split()[0] for line in profile if line.endswith((" rw,", " rwk,"))]
    assert written == [
        "/dev/{null,zero,full,random,urandom,kvm,net/tun}",
        "/{,var/}tmp/**",
        "/run/netvirt/guests/vm1/**",
        '"/var/lib/netvirt/guests/vm1/disk.qcow2"',
    ]


def test_the_unit_loads_it_and_starts_under_it(apparmor: None) -> None:
    unit = _guest_files.render(SPEC, "me")["unit"].splitlines()
    assert unit[-3:] == [
        "AppArmorProfile=-netvirt-guest-vm1",
        "ExecStartPre=+apparmor_parser --replace --skip-cache /etc/apparmor.d/netvirt-guest-vm1",
        "ExecStopPost=+-apparmor_parser --remove /etc/apparmor.d/netvirt-guest-vm1",
    ]


@pytest.mark.parametrize("missing", ["kernel", "parser"])
def test_without_apparmor_there_is_none(apparmor: None, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    if missing == "kernel":
        monkeypatch.setattr(_guest_profile, "_LOADER", "/nonexistent")
    else:
        monkeypatch.setattr(_programs, "installed", lambda program: False)
    texts = _guest_files.render(SPEC, "me")
    assert "profile" not in texts
    assert "AppArmor" not in texts["unit"]
