# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table at the end of ./demo."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import demo_table

GUEST = {
    "node": "compute1",
    "network": "blue",
    "guest": "vm1",
    "address": "10.0.10.11",
    "lease": True,
    "canary": False,
    "checks": [{"target": "10.0.10.254", "what": "gateway", "ok": True}],
}


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guests: list[dict[str, Any]]) -> int:
    report = tmp_path / "verify.json"
    report.write_text(json.dumps({"guests": guests}))
    monkeypatch.setattr(sys, "argv", ["demo_table.py", str(report)])
    return demo_table.main()


def test_a_row_shows_the_guest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, monkeypatch, [GUEST]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["node", "network", "guest", "address", "by", "DHCP", "reached"]
    assert row.split() == ["compute1", "blue", "vm1", "10.0.10.11", "yes", "gateway"]


@pytest.mark.parametrize(
    "fault",
    [
        {"lease": False, "address": None},
        {"checks": [{"target": "10.0.10.254", "what": "gateway", "ok": False}]},
    ],
)
def test_a_fault_is_told_and_fails(fault: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tmp_path, monkeypatch, [GUEST, {**GUEST, **fault}]) == 1


def test_no_guest_at_all_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tmp_path, monkeypatch, []) == 1
