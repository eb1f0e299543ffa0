# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong input on a real node: what is refused has changed nothing, and what is done is done to the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from engine import apply
from scene import scene
from snapshot import difference, snapshot

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Failed, NetvirtError
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import KINDS, parse
from netvirt_testing import nasty, samples

COUNT = nasty.count(20)
"""How many inputs of each kind to try that options alone do not refuse."""
_SUPPLY = 1000  # times as many are made for that

_LATE = "No such device"  # a port whose device may yet come is made, and reported: device_required


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_engine, "VERIFY_SECONDS", 1.5)
    with scene():
        yield


class Watched:
    """The node, looked at after each run."""

    def __init__(self) -> None:
        self.state = snapshot()

    def refused(self, resources: list[Any], check: bool) -> str:
        """Run and return the refusal, which has changed nothing, or an empty text."""
        message, done = "", False
        try:
            apply(resources, check, lock_timeout=5, timeout=5)
        except NetvirtError as error:
            message = str(error)
            done = isinstance(error, Failed) and bool(error.done) and not error.not_done and _LATE in message
            assert message.strip(), resources
            assert message.isprintable(), message
        except Exception as error:
            pytest.fail(f"{type(error).__name__}: {error}: {resources!r}"[:3000])
        before, self.state = self.state, snapshot()
        if (message and not done) or check:
            assert difference(before, self.state) == {}, (message, resources)
        return message


def _plannable(name: str, source: str) -> Iterator[list[Any]]:
    """Yield lists of one resource that are not refused for their options alone."""
    found = 0
    for given in nasty.Nasty(f"{source} {name}").mutants(samples.KINDS[name], COUNT * _SUPPLY):
        try:
            parse([{name: given}])
        except NetvirtError:
            continue
        yield [{name: given}]
        found += 1
        if found == COUNT:
            return
    pytest.fail(f"{name}: {found} of {COUNT * _SUPPLY} inputs reached the plan")


@pytest.mark.parametrize("name", KINDS)
def test_what_is_refused_changes_nothing(name: str) -> None:
    node = Watched()
    tried = [(resources, node.refused(resources, True)) for resources in _plannable(name, "plan")]
    refused = [message for resources, message in tried if message]
    print(f"{name}: {len(tried)} inputs reached the plan, {len(refused)} were refused there; seed {nasty.SEED}")


@pytest.mark.parametrize(
    "name", [name for name in KINDS if name not in ("dnsmasq_netns", "bridge_uplink", "kvm_guest")]
)
def test_what_is_planned_is_done_or_changes_nothing(name: str) -> None:
    """And done again, which does nothing. The kernel has the last word where it alone knows."""
    node, done, refused = Watched(), 0, 0
    for resources in _plannable(name, "run"):
        if node.refused(resources, False):
            refused += 1
        else:
            assert apply(resources, True).operations == [], resources
            done += 1
    print(f"{name}: {done} inputs done, {refused} refused; seed {nasty.SEED}")
