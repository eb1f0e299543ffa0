# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that run against a lab of three nodes: network1, compute1 and compute2."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netvirt_testing.lab import INTEGRATION_LAB, Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Return the lab that ./test integration has brought up; NETVIRT_LAB names another one."""
    running = Lab.attach(INTEGRATION_LAB)
    yield running
    running.close()
