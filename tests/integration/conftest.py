# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that run against a lab of three nodes: network1, compute1 and compute2."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from netvirt_testing.lab import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Return the lab that ./test integration has brought up, or the one NETVIRT_LAB names."""
    running = Lab.attach(os.environ.get("NETVIRT_LAB", "integration"))
    yield running
    running.close()
