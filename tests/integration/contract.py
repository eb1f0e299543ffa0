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

    def run(self, *steps: tuple[Mapping[str, Any], bool]) -> list[Result]:
        """Run the module with options, in check mode or not; it must succeed and return what every module returns."""
        results = self.lab.modules(self.node, self.module, steps)
        for result in results:
            assert not result["failed"], result.get("msg")
            assert result.keys() >= KEYS, f"missing in the result: {sorted(KEYS - result.keys())}"
            assert result["changed"] == bool(result["operations"]), result
        return results

    def converges(self, options: Mapping[str, Any], expected: Any) -> Result:
        """Check mode tells what the run then does, and does nothing, or the run would have less to do.

        The run reaches what is expected, and neither check mode nor another run finds anything to do then.
        """
        planned, done, *again = self.run(*[(options, check) for check in (True, False, True, False)])
        assert planned["changed"], "check mode saw nothing to do"
        assert done["operations"] == planned["operations"]
        assert done["before"] == planned["before"]
        assert done["diff"]["before"] != done["diff"]["after"]
        predicted, found = planned["after"], done["after"]
        assert part_of(predicted, found), f"check mode predicted otherwise (predicted, found): {predicted}, {found}"
        for result in again:
            assert not result["changed"], result["operations"]
            assert result["diff"]["before"] == result["diff"]["after"]
        assert self.probe() == expected
        return done

    def verify(self) -> None:
        """Walk through: check, run, check, run; the same with one option changed; the same as absent."""
        present = {**self.options, "state": "present"}
        changed = {**present, **self.change}
        absent = {**self.options, "state": "absent", **self.absent}
        empty = self.probe()
        created = self.converges(present, self.expect)
        assert self.exists or created["before"].get("state") == "absent", created["before"]
        updated = self.converges(changed, self.expect_changed)
        assert updated["before"] == created["after"]
        removed = self.converges(absent, empty)
        assert removed["after"].get("state") == "absent", removed["after"]


def contract(lab: Lab, node: str, module: str, options: Mapping[str, Any], **rest: Any) -> None:
    """Verify the contract; ``rest`` is change, probe, expect, expect_changed and, if need be, absent."""
    Contract(lab, node, module, options, **rest).verify()
