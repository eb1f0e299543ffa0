# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make ``ansible_collections.netvirt.fabric`` importable, whatever the checkout's directory is called.

What a test measures, it says with ``record_property``; the end of the run lists it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COLLECTION = Path("ansible_collections", "netvirt", "fabric")


def collections_dir() -> Path:
    """Return the directory above ``ansible_collections``: a link in .cache unless the checkout is in place already."""
    if ROOT.parts[-3:] == COLLECTION.parts:
        return ROOT.parents[2]
    link = ROOT / ".cache" / "collections" / COLLECTION
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(ROOT, target_is_directory=True)
    return ROOT / ".cache" / "collections"


sys.path.insert(0, str(collections_dir()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what the tests have measured."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"measured: {name} = {value} ({report.nodeid.rpartition('/')[2]})")
