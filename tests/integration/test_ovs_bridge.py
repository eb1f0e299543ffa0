# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ovs_bridge as a module, on a node."""

from __future__ import annotations

from contract import contract

from netvirt_testing.lab import Lab


def test_contract(lab: Lab) -> None:
    def fail_mode() -> list[str]:
        columns = ["--bare", "--columns=fail_mode", "find", "bridge", "name=br-test"]
        return lab.run("compute1", ["ovs-vsctl", *columns]).stdout.split()

    contract(
        lab,
        "compute1",
        "ovs_bridge",
        {"name": "br-test", "datapath_type": "netdev", "fail_mode": "secure"},
        change={"fail_mode": "standalone"},
        probe=fail_mode,
        expect=["secure"],
        expect_changed=["standalone"],
    )
