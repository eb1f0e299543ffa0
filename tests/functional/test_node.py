# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node that functional tests run in is what they take it for."""

from __future__ import annotations

import os
import subprocess


def test_node_has_open_vswitch_and_is_no_shared_machine() -> None:
    assert os.geteuid() == 0
    assert subprocess.run(["ovs-vsctl", "--timeout=5", "show"], capture_output=True, check=False).returncode == 0
    assert subprocess.run(["systemd-detect-virt"], capture_output=True, check=False).returncode == 0
