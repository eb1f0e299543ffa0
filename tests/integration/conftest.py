# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that run against a lab: network1, compute1 and compute2, unless a file says NODES."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from netvirt_testing.lab import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Return the lab that ./test has brought up and names in NETVIRT_LAB."""
    running = Lab.attach(os.environ.get("NETVIRT_LAB", "testfleet"))
    yield running
    running.close()
