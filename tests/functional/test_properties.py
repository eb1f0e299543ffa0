# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every list and every state of the node, on a real Open vSwitch and in real namespaces.

The plan of check mode is what is executed; a second run has nothing to do; what a run returns as ``before`` brings the
former state back; and when all that was made is absent again, the node is as it was.

The suite tries the same lists each time. Others, and more of them:
NETVIRT_FUZZ_SEED=2 NETVIRT_FUZZ_COUNT=100 ./test functional -- -k test_properties
"""

from __future__ import annotations

import contextlib
import pprint
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from engine import Spec, apply
from hypothesis import HealthCheck, Phase, given, seed, settings
from node_lists import SCENE_NIC, absent, key, two_lists
from scene import scene
from snapshot import changes, difference, settled, snapshot, uncounted

from ansible_collections.netvirt.fabric.plugins.module_utils._engine import Result
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, InvalidValue
from netvirt_testing import nasty

_tried: Counter[str] = Counter()
"""How many lists were done and refused, and how many operations were executed, by kind."""

_KINDS = "ovs_bridge ovs_port_vlan ovs_tunnel ovs_flow veth_pair linux_bridge netns_router ip_interface nat_masquerade"


@pytest.fixture(scope="module", autouse=True)
def node() -> Iterator[None]:
    """Have things of others on the node, which stay as they are, but no directories that other tests left empty."""
    for directory in ("/etc/netvirt/dnsmasq", "/var/lib/netvirt/dnsmasq"):
        with contextlib.suppress(OSError):  # not there, or not empty
            Path(directory).rmdir()
    with scene():
        yield


def nothing(found: dict[str, Any]) -> None:
    """Fail with what differs."""
    if found:
        pytest.fail(pprint.pformat(found, width=160))


def plan(resources: list[Spec]) -> Optional[Result]:
    """Return what check mode says, or None when the list is refused, there and outside; nothing changes by it."""
    state = settled()
    try:
        result = apply(resources, True)
    except (Conflict, InvalidValue) as error:
        with pytest.raises(type(error), match=re.escape(str(error))):
            apply(resources)
        result = None
    nothing(changes(state))
    return result


def converged(resources: list[Spec]) -> Optional[Result]:
    """Check, run, check, run: the plan of the first is executed by the second, and the others have nothing to do.

    None when the list is refused.
    """
    planned = plan(resources)
    if planned is None:
        return None
    done = apply(resources)
    assert done.operations == planned.operations
    assert shown(done, "have") == shown(planned, "have")
    for was, will in zip(shown(done, "after"), shown(planned, "after")):
        assert partial(will, was), (will, was)
    _tried.update(operation["kind"] for operation in done.operations)
    state = settled()
    for again, check in ((resources, True), (resources, False), (shown(done, "after"), True)):
        assert apply(again, check).operations == []
    nothing(changes(state))
    return done


def shown(result: Result, when: str) -> list[Spec]:
    """Return what the module apply returns as ``before`` and ``after``: the resources that differ."""
    return [{item.kind.name: item.shown(getattr(item, when))} for item in result.changed]


def partial(predicted: object, found: object) -> bool:
    """Tell whether all that was predicted is so; what the kernel chooses itself, as a MAC address, is not predicted."""
    if isinstance(predicted, dict) and isinstance(found, dict):
        return all(name in found and partial(value, found[name]) for name, value in predicted.items())
    if isinstance(predicted, list) and isinstance(found, list):
        return len(predicted) == len(found) and all(map(partial, predicted, found))
    return predicted == found


# To shrink an example would take very long.
@seed(nasty.SEED)
@settings(
    max_examples=nasty.count(8),
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(two_lists())
def test_plan_run_before_and_absent(lists: tuple[list[Spec], list[Spec]]) -> None:
    untouched = settled()
    made: dict[object, Spec] = {}
    try:
        for resources in lists:
            there = snapshot(anew=True)
            made.update({key(resource): absent(resource) for resource in resources})
            _tried["lists"] += 1
            result = converged(resources)
            if result is None:
                _tried["refused"] += 1
            elif resources is lists[1]:
                before = shown(result, "have")
                for options in (item["ovs_port_vlan"] for item in before if "ovs_port_vlan" in item):
                    options["move"] = True  # says how to get there, and is no state
                assert converged(before) is not None
                nothing(difference(there, snapshot(anew=True)))
                assert converged(resources) is not None
    finally:
        nic = [made.pop(name) for name in list(made) if name[0] == "ip_interface"]
        apply(list(made.values()))
        if nic:  # Its settings are parts of an object of others, which stays.
            apply([{"ip_interface": {"name": SCENE_NIC, "addresses": [], "routes": [], "mtu": 1500, "up": True}}])
    nothing(difference(uncounted(untouched), uncounted(settled())))


def test_of_all_kinds_something_was_done() -> None:
    """The lists are worth what they hold."""
    print(f"{_tried['lists']} lists, {_tried['refused']} refused; operations: {dict(_tried)}")
    assert not [kind for kind in (*_KINDS.split(), "packet_filter", "dnsmasq_netns") if not _tried[kind]]
    assert _tried["refused"] * 10 <= _tried["lists"]
