# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every package of the virtual environment has the version that the checkout pins."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from netvirt_testing.paths import ROOT

OF_PYTHON_ITSELF = {"pip", "setuptools"}


def canonical(name: str) -> str:
    """Return a name as PyPA's specification of names wants them compared."""
    return re.sub("[-_.]+", "-", name).lower()


def pinned() -> set[tuple[str, str]]:
    found = set()
    for name in ("requirements.txt", "tests/requirements.txt", "tools/constraints.txt"):
        for line in Path(ROOT, name).read_text(encoding="utf-8").splitlines():
            match = re.match("([A-Za-z0-9._-]+)==([^; ]+)", line)
            if match:
                found.add((canonical(match[1]), match[2]))
    return found


def test_every_installed_package_is_pinned() -> None:
    installed = {(canonical(item.metadata["Name"]), item.version) for item in metadata.distributions()}
    assert {item for item in installed if item[0] not in OF_PYTHON_ITSELF} - pinned() == set()
