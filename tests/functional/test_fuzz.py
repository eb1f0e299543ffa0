# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong input on a real node: what is refused has changed nothing, and what is done is done to the end."""

from __future__ import annotations

import json
import time
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

COUNT = nasty.count(10_000)
SECONDS = 4.0 if COUNT == 10_000 else 1e6
"""How long to go on with the inputs of a kind that options alone do not refuse."""

_NOT_HERE = {"link_bond": "bonding", "link_vlan": "802.1Q"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_engine, "VERIFY_SECONDS", 1.5)
    with scene():
        yield


def _refused(resources: list[Any], check: bool) -> str:
    """Run and return the refusal, or nothing."""
    try:
        apply(resources, check, lock_timeout=5, timeout=5)
    except Failed as error:
        if not check:
            pytest.fail(f"planned and then failed: {error}; done: {error.done}: {resources!r}"[:3000])
        raise
    except NetvirtError as error:
        message = str(error)
        assert message
        assert message.isprintable(), message
        return message
    except Exception as error:
        pytest.fail(f"{type(error).__name__}: {error}: {resources!r}"[:3000])
    return ""


@pytest.mark.parametrize("name", KINDS)
def test_what_is_refused_changes_nothing(name: str) -> None:
    tried, refused, end = 0, 0, time.monotonic() + SECONDS
    before = snapshot()
    for given in nasty.Nasty(f"node {name}").mutants(samples.KINDS[name], COUNT):
        try:
            parse([{name: given}])
        except NetvirtError:
            continue
        tried += 1
        message = _refused([{name: given}], True)
        assert difference(before, snapshot()) == {}, given
        if message:
            refused += 1
            assert _refused([{name: given}], False) == message
            assert difference(before, snapshot()) == {}, given
        if time.monotonic() > end:
            break
    print(f"{name}: {tried} inputs reached the plan, {refused} refused there; seed {nasty.SEED}")
    assert tried


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("dnsmasq_netns", "bridge_uplink")])
def test_what_is_planned_can_be_done(name: str) -> None:
    """And done again, which does nothing."""
    done, end = 0, time.monotonic() + SECONDS
    for given in nasty.Nasty(f"done {name}").mutants(samples.KINDS[name], COUNT):
        try:
            parse([{name: given}])
        except NetvirtError:
            continue
        if not _refused([{name: given}], True):
            resources = json.loads(json.dumps([{name: given}]))
            assert _refused(resources, False) == "", given
            assert apply(resources, True).operations == [], given
            done += 1
        if time.monotonic() > end:
            break
    print(f"{name}: {done} inputs done; seed {nasty.SEED}")
