# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts send all the time while a router is built, changed, lost, broken and removed: nothing passes that may not.

The suite tries the same changes each time. Others, and more of them:
NETVIRT_FUZZ_SEED=2 NETVIRT_FUZZ_COUNT=30 ./test functional -- -k test_router_watched
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import Spec, output
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from netlink_node import inside, ip
from router_lab import DOCUMENT, HOSTS, ROUTER, compiled, document, host, lose, port_mac, run, segments
from watcher import Watch, watching

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Failed
from netvirt_testing import nasty

network = pytest.fixture(scope="module", autouse=True)(segments)


@pytest.fixture(autouse=True)
def nothing_stays(network: None) -> Iterator[None]:
    yield
    run([])
    lose()


@contextlib.contextmanager
def watched(*documents: dict[str, Any], tolerated: int = 0) -> Iterator[Watch]:
    """Have the hosts send meanwhile; at the end nothing has arrived that none of the documents allows.

    Or no more than is ``tolerated``.
    """
    hosts = {
        name: {
            "namespace": host(name),
            "interface": "eth0",
            "addresses": [address.partition("/")[0] for address in addresses],
            "gateway": port_mac(name),
        }
        for name, addresses in HOSTS.items()
    }
    with watching(hosts) as watch:
        yield watch
        time.sleep(0.3)
    wrong = watch.wrong(
        lambda sender, where, source: sender == where or any(allows(one, sender, where, source) for one in documents)
    )
    assert sum(wrong.values()) <= tolerated, wrong


def allows(declared: dict[str, Any], sender: str, where: str, source: str) -> bool:
    """Tell whether a packet of a host may arrive at another with that source address."""
    modes = {network["name"]: network["mode"] for network in declared["fabric_networks"]}
    router = declared["fabric_routers"][0]
    own = [address.partition("/")[0] for address in HOSTS[sender]]
    if where == "out":
        external = [router["external"][key].partition("/")[0] for key in ("address", "address6")]
        return sender in modes and source in (external if modes[sender] == "nat" else own)
    if sender == "out":
        return modes.get(where) == "routed" and source in own
    groups = router.get("routes_between", [list(modes)])
    joined = any(sender in group and where in group for group in groups)
    return sender in modes and where in modes and joined and source in own


def test_build_loss_and_removal() -> None:
    resources = compiled(DOCUMENT)
    with watched(DOCUMENT) as watch:
        run(resources)
        time.sleep(0.5)
    assert watch.arrived("blue", "out")
    assert watch.arrived("red", "out")
    assert watch.arrived("out", "red")
    assert watch.arrived("blue", "red")
    with watched(DOCUMENT) as watch:
        lose()
        run(resources)
        time.sleep(0.5)
    assert watch.arrived("blue", "out")
    with watched(DOCUMENT):
        run([])
    assert not Path(f"/run/netns/{ROUTER}").exists()


def test_rules_deleted_by_hand() -> None:
    resources = compiled(DOCUMENT)
    run(resources)
    for command in ("flush ruleset", "delete table inet netvirt_nat", "delete table inet netvirtfilter_router"):
        with watched(DOCUMENT, tolerated=3):  # what has passed some of the chains when they go
            inside(ROUTER, "nft", *command.split())
        with watched(DOCUMENT):
            time.sleep(0.5)
        with watched(DOCUMENT) as watch:
            run(resources)
            time.sleep(0.3)
        assert watch.arrived("blue", "out"), command
        assert run(resources).operations == []


def test_the_guard_is_repaired_and_goes() -> None:
    resources = compiled(DOCUMENT)
    run(resources)
    rules = [[item["priority"] for item in ip(family, "rule", namespace=ROUTER)] for family in ("-4", "-6")]
    assert all({77, 78} < set(priorities) for priorities in rules)
    inside(ROUTER, "ip", "-6", "rule", "del", "priority", "78")
    operations = run(resources).operations
    assert [(item["kind"], item["action"]) for item in operations] == [("packet_filter", "forward marked only")]
    assert [item["priority"] for item in ip("-6", "rule", namespace=ROUTER)] == rules[1]
    without = [resource for resource in resources if "packet_filter" not in resource]
    run(without)
    assert not {77, 78} & {item["priority"] for item in ip("-6", "rule", namespace=ROUTER)}
    assert inside(ROUTER, "sysctl", "-n", "net.ipv4.conf.all.src_valid_mark") == "0"


@pytest.fixture
def failing_nft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An nft that lists tables and loads none."""
    program = tmp_path / "nft"
    real = output("sh", "-c", "command -v nft").strip()
    program.write_text(f'#!/bin/sh\ncase "$*" in *list*) exec {real} "$@";; esac\necho failed >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setattr(_programs, "_DIRECTORIES", f"{tmp_path}:{_programs._DIRECTORIES}")


def test_rules_that_cannot_be_loaded(failing_nft: None, monkeypatch: pytest.MonkeyPatch) -> None:
    resources = compiled(DOCUMENT)
    with watched() as watch:  # nothing at all
        for _attempt in range(2):
            with pytest.raises(Failed, match="nft failed"):
                run(resources)
            time.sleep(0.3)
    assert watch.counts == {}
    monkeypatch.undo()
    run(resources)


def test_a_change_whose_rules_cannot_be_loaded(request: pytest.FixtureRequest) -> None:
    run(compiled(DOCUMENT))
    request.getfixturevalue("failing_nft")
    changed = document(address="203.0.113.20/24")
    changed["fabric_networks"][0]["mode"] = "routed"
    changed["fabric_routers"][0]["routes_between"] = [["blue", "green"]]
    with watched(DOCUMENT), pytest.raises(Failed, match="nft failed"):
        run(compiled(changed))


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Return the document with other modes, networks, groups and external addresses."""
    found = copy.deepcopy(DOCUMENT)
    names = draw(st.lists(st.sampled_from(["blue", "red", "green"]), min_size=1, max_size=3, unique=True))
    found["fabric_networks"] = [item for item in found["fabric_networks"] if item["name"] in names]
    for item in found["fabric_networks"]:
        item["mode"] = draw(st.sampled_from(["nat", "routed"]))
    router = found["fabric_routers"][0]
    router["external"]["address"] = draw(st.sampled_from(["203.0.113.10/24", "203.0.113.20/24"]))
    groups = draw(
        st.sampled_from([None, [], [["blue", "red"]], [["red", "green"]], [["blue", "red"], ["blue", "green"]]])
    )
    if groups is None:
        del router["routes_between"]
    else:
        router["routes_between"] = [group for group in groups if set(group) <= set(names)]
    return found


@seed(nasty.SEED)
@settings(
    max_examples=1,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(documents(), min_size=nasty.count(6), max_size=nasty.count(6)))
def test_generated_changes(changes: list[dict[str, Any]]) -> None:
    """Each document follows upon the one before; what passes is allowed by one of the two."""
    before, changed = DOCUMENT, 0
    run(compiled(before))
    for after in changes:
        resources: list[Spec] = compiled(after)
        planned = run(resources, check=True).operations
        with watched(before, after):
            done = run(resources).operations
        assert done == planned
        assert run(resources).operations == []
        with watched(after):
            time.sleep(0.2)
        before, changed = after, changed + bool(done)
    assert changed
