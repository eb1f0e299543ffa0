# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine with a kind whose objects live in a dictionary: order, check mode, failure and verification."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _node
from ansible_collections.netvirt.fabric.plugins.module_utils._engine import (
    Kind,
    Operation,
    Result,
    Stage,
    Turn,
    differences,
)
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import (
    Conflict,
    Failed,
    InvalidValue,
    LockTimeout,
    Missing,
    Unavailable,
)
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings
from ansible_collections.netvirt.fabric.plugins.module_utils._options import STATE, Option, Role, Spec


class Box(Kind):
    """An object with a content, in a world that logs what is done to it. Some contents misbehave."""

    name = "box"
    turn = Turn.LINK
    options = {
        "name": Option(required=True, role=Role.IDENTITY),
        "state": STATE,
        "content": Option(),
        "colour": Option(),
        "force": Option(type="bool", default=False, role=Role.POLICY),
    }
    stages = (Stage.LINK, Stage.DROP_LINK)

    def __init__(self, world: dict[str, Spec], log: list[str]) -> None:
        self.world, self.log = world, log

    def check(self, want: Spec) -> None:
        if want["content"] == "bad":
            raise InvalidValue("content bad is never good")

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        found = self.world.get(want["name"])
        return dict(found) if found is not None else None

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        if want["content"] == "taken":
            raise Conflict("it is taken; use another")
        return {"colour": "white", **super().desired(node, have, want)}

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[Operation]:
        make, drop = self.stages
        changes = differences(have, desired)
        if desired is None:
            assert have is not None
            yield Operation(drop, "delete", lambda: self._delete(have["name"]))
        else:
            yield Operation(make, "update" if have else "create", lambda: self._write(desired), changes)

    def problems(self, node: Node, want: Spec) -> Iterable[str]:
        if want["content"] == "sick":
            yield "it is sick"

    def _write(self, spec: Spec) -> None:
        if spec.get("content") == "explosive":
            raise Unavailable("it blew up")
        self.log.append(f"write {spec['name']}")
        if spec.get("content") != "slippery":
            self.world[spec["name"]] = dict(spec)
        else:
            self.world[spec["name"]] = {**spec, "content": "gone"}

    def _delete(self, name: str) -> None:
        self.log.append(f"delete {name}")
        del self.world[name]


class Lid(Box):
    """A kind that comes after boxes, on the way up and, turned round, on the way down."""

    name = "lid"
    turn = Turn.SERVICE
    stages = (Stage.SERVICE, Stage.STOP_SERVICE)


class World:
    """Boxes and lids, what was done to them, and runs of the engine over them."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.boxes: dict[str, Spec] = {}
        self.lids: dict[str, Spec] = {}
        self.kinds = {"box": Box(self.boxes, self.log), "lid": Lid(self.lids, self.log)}

    def run(self, *declared: tuple[str, Spec], check: bool = False, **settings: Any) -> Result:
        resources = [_engine.resource(self.kinds[kind], options) for kind, options in declared]
        return _engine.converge(Node(Settings(**settings)), resources, check)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    monkeypatch.setattr(_node, "RUN_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr(_engine, "VERIFY_SECONDS", 0.1)
    monkeypatch.setattr(Node, "require_root", lambda self: None)
    return World()


def test_check_mode_plans_what_the_run_does_and_changes_nothing(world: World) -> None:
    declared = [("lid", {"name": "l"}), ("box", {"name": "b", "content": "x"})]
    planned = world.run(*declared, check=True)
    assert (world.boxes, world.lids, world.log) == ({}, {}, [])
    done = world.run(*declared)
    assert done.operations == planned.operations
    assert [item.after for item in done.changed] == [item.after for item in planned.changed]
    assert world.run(*declared).operations == []


def test_making_goes_up_and_removing_goes_down(world: World) -> None:
    names = [("lid", {"name": "l"}), ("box", {"name": "b"})]
    world.run(*names)
    world.run(*((kind, {**options, "state": "absent"}) for kind, options in reversed(names)))
    assert world.log == ["write b", "write l", "delete l", "delete b"]


def test_an_update_names_the_options_that_differ(world: World) -> None:
    world.run(("box", {"name": "b", "content": "x"}))
    result = world.run(("box", {"name": "b", "content": "y"}))
    changes = {"content": {"before": "x", "after": "y"}}
    assert result.operations == [{"kind": "box", "name": "b", "action": "update", "changes": changes}]


def test_before_is_how_it_was_also_where_another_object_of_the_run_takes_it_away(world: World) -> None:
    """A lid falls off as its box is written: the plan puts it on again, and its former state is that it was on."""
    fallen: list[str] = []

    class Falling(Lid):
        def observe(self, node: Node, want: Spec) -> Optional[Spec]:
            return None if want["name"] in fallen else super().observe(node, want)

    class Shaken(Box):
        def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[Operation]:
            for operation in super().operations(node, have, desired):
                yield replace(operation, apply=partial(self._shake, operation), predict=lambda: fallen.append("l"))

        def _shake(self, operation: Operation) -> None:
            operation.apply()
            world.lids.clear()
            fallen.clear()

    world.kinds = {"box": Shaken(world.boxes, world.log), "lid": Falling(world.lids, world.log)}
    lid = {"name": "l", "content": "x", "colour": "white"}
    world.lids["l"] = lid
    for check in (True, False):
        fallen.clear()
        result = world.run(("lid", {"name": "l", "content": "x"}), ("box", {"name": "b"}), check=check)
        assert [operation["action"] for operation in result.operations] == ["create", "create"]
        assert [item.have for item in result.changed] == [lid, None]
    assert world.lids["l"] == lid


def test_left_out_is_left_alone(world: World) -> None:
    world.run(("box", {"name": "b", "content": "x", "colour": "red"}))
    assert world.run(("box", {"name": "b", "force": True})).operations == []
    assert world.boxes["b"] == {"name": "b", "content": "x", "colour": "red"}


def test_what_is_shown_can_be_fed_back_in(world: World) -> None:
    (created,) = world.run(("box", {"name": "b", "content": "x"})).resources
    assert created.shown(created.have) == {"name": "b", "state": "absent"}
    world.run(("box", {"name": "b", "content": "y", "colour": "red"}))
    world.run(("box", created.shown(created.after)))
    assert world.boxes["b"] == {"name": "b", "content": "x", "colour": "white"}
    world.run(("box", created.shown(created.have)))
    assert world.boxes == {}


@pytest.mark.parametrize(("content", "error"), [("bad", InvalidValue), ("taken", Conflict)])
def test_a_refused_resource_keeps_the_others_from_being_made(
    world: World, content: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match="box c: "):
        world.run(("box", {"name": "b"}), ("box", {"name": "c", "content": content}))
    assert world.log == []


def test_a_failure_tells_what_was_done_and_what_was_not(world: World) -> None:
    with pytest.raises(Failed) as error:
        world.run(("box", {"name": "a"}), ("box", {"name": "b", "content": "explosive"}), ("lid", {"name": "l"}))
    assert [report["name"] for report in error.value.done] == ["a"]
    assert [report["name"] for report in error.value.not_done] == ["b", "l"]
    assert str(error.value) == (
        "box b: could not create: it blew up; of 3 operations: create box a done, "
        "not done or not wholly: create box b, create lid l; run again to finish"
    )


def test_a_failure_names_a_few_operations_and_counts_the_others(world: World) -> None:
    boxes = [("box", {"name": f"b{number}"}) for number in range(7)]
    with pytest.raises(Failed, match=r"; of 8 operations: nothing done, not done or not wholly: .* b2 and 4 more; run"):
        world.run(("box", {"name": "a", "content": "explosive"}), *boxes)
    with pytest.raises(Failed, match=r"; of 8 operations: create box b0, .*, create box b3 and 3 more done, not done"):
        world.run(*boxes, ("box", {"name": "c", "content": "explosive"}))


def test_what_did_not_stick_is_a_failure(world: World) -> None:
    with pytest.raises(Failed, match=r"content is 'gone' after it was set to 'slippery'; all was done: create box b$"):
        world.run(("box", {"name": "b", "content": "slippery"}))


def test_what_the_system_reports_is_a_failure_changed_or_not(world: World) -> None:
    for progress in ("all was done: create box b", "nothing was changed"):
        with pytest.raises(Failed, match=f"box b: it is sick; {progress}"):
            world.run(("box", {"name": "b", "content": "sick"}))
    assert world.run(("box", {"name": "b", "content": "sick"}), check=True).operations == []


def test_two_declarations_of_one_object_are_refused(world: World) -> None:
    with pytest.raises(InvalidValue, match="box b is declared twice"):
        world.run(("box", {"name": "b"}), ("box", {"name": "b", "content": "x"}))


def test_a_second_run_waits_for_the_lock_and_gives_up_in_time(world: World) -> None:
    node = Node(Settings())
    with node.lock():
        with pytest.raises(LockTimeout, match="another run holds"):
            world.run(("box", {"name": "b"}), lock_timeout=0)
        assert world.run(("box", {"name": "b"}), check=True, lock_timeout=0).operations
    world.run(("box", {"name": "b"}), lock_timeout=0)


def test_root_is_asked_for_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Missing, match="root is needed on the node, not uid 1000; run the task with become: true"):
        world.run(("box", {"name": "b"}), check=True)
