# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract that every module keeps, walked through on a node by real Ansible runs.

A test gives the options, one change of them and a probe that reads the system's own state (``ovs-vsctl``, ``ip -j``,
``nft -j``) into a plain value. What the module returns is compared with what the probe shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netvirt_testing.lab import Lab

KEYS = {"changed", "before", "after", "operations", "diff"}
Result = dict[str, Any]


def part_of(predicted: Any, found: Any) -> bool:
    """Tell whether all that was predicted was found; a random MAC address cannot be predicted, and is left out."""
    if isinstance(predicted, dict) and isinstance(found, dict):
        return all(part_of(value, found.get(key)) for key, value in predicted.items())
    return bool(predicted == found)


@dataclass
class Contract:
    """One object of one module on one node."""

    lab: Lab
    node: str
    module: str
    options: Mapping[str, Any]  # as present
    change: Mapping[str, Any]  # laid over the options by the fifth step
    probe: Callable[[], Any]
    expect: Any  # what the probe shows with the options
    expect_changed: Any  # what it shows after the change
    absent: Mapping[str, Any] = field(default_factory=dict)  # laid over the options by the last steps
    exists: bool = False  # whether the object is there all the time, like an interface whose addresses are managed

    def run(self, options: Mapping[str, Any], check: bool = False) -> Result:
        """Run the module; it must succeed and return what every module returns."""
        result = self.lab.module(self.node, self.module, options, check=check)
        assert not result.get("failed"), result.get("msg")
        assert result.keys() >= KEYS, f"missing in the result: {sorted(KEYS - result.keys())}"
        assert result["changed"] == bool(result["operations"]), result
        return result

    def converges(self, options: Mapping[str, Any], expected: Any) -> Result:
        """Check mode tells what the run then does, and does nothing; the run reaches what is expected."""
        state = self.probe()
        planned = self.run(options, check=True)
        assert planned["changed"], "check mode saw nothing to do"
        assert self.probe() == state, "check mode changed the node"
        done = self.run(options)
        assert done["operations"] == planned["operations"]
        assert done["before"] == planned["before"]
        assert done["diff"]["before"] != done["diff"]["after"]
        predicted, found = planned["after"], done["after"]
        assert part_of(predicted, found), f"check mode predicted otherwise (predicted, found): {predicted}, {found}"
        assert self.probe() == expected
        return done

    def rests(self, options: Mapping[str, Any]) -> None:
        """Neither check mode nor a run finds anything to do, and the node stays as it is."""
        state = self.probe()
        for check in (True, False):
            result = self.run(options, check=check)
            assert not result["changed"], result["operations"]
            assert result["diff"]["before"] == result["diff"]["after"]
            assert self.probe() == state

    def verify(self) -> None:
        """Walk through: check, run, check, run, change one option, absent, absent."""
        present = {**self.options, "state": "present"}
        changed = {**present, **self.change}
        absent = {**self.options, "state": "absent", **self.absent}
        empty = self.probe()
        created = self.converges(present, self.expect)
        assert self.exists or created["before"].get("state") == "absent", created["before"]
        self.rests(present)
        updated = self.converges(changed, self.expect_changed)
        assert updated["before"] == created["after"]
        self.rests(changed)
        removed = self.converges(absent, empty)
        assert removed["after"].get("state") == "absent", removed["after"]
        self.rests(absent)


def contract(lab: Lab, node: str, module: str, options: Mapping[str, Any], **rest: Any) -> None:
    """Verify the contract; ``rest`` is change, probe, expect, expect_changed and, if need be, absent."""
    Contract(lab, node, module, options, **rest).verify()
