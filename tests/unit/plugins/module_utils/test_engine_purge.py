# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine removes what its owner made and does not declare any more, and nothing else.

Shelves and jars live in dictionaries. A jar may stand on a shelf, and a shelf that goes takes what is on it along.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _node
from ansible_collections.netvirt.fabric.plugins.module_utils._engine import Kind, Operation, Result, Stage, Turn
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, InvalidValue
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings
from ansible_collections.netvirt.fabric.plugins.module_utils._options import STATE, Option, Role, Spec


def _name(value: str) -> str:
    if not value.isidentifier():
        raise ValueError(f"must be a plain name, not {value!r}")
    return value


class Shelf(Kind):
    """An object that bears its owner's mark from its making on."""

    name = "shelf"
    turn = Turn.LINK
    make = Stage.LINK
    drop = Stage.DROP_LINK
    options = {"name": Option(required=True, canonical=_name, role=Role.IDENTITY), "state": STATE, "colour": Option()}

    def __init__(self, room: Room) -> None:
        self.room = room

    @property
    def things(self) -> dict[str, Spec]:
        return self.room.shelves

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        found = self.things.get(want["name"])
        return {key: value for key, value in found.items() if key != "owner"} if found is not None else None

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[Operation]:
        if desired is None:
            assert have is not None
            yield Operation(self.drop, "delete", lambda: self._remove(have["name"]))
        else:
            owner = self.things.get(desired["name"], {"owner": node.settings.owner})["owner"]
            yield Operation(self.make, "make", lambda: self._put({**desired, "owner": owner}))

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        for name, found in self.things.items():
            if found["owner"] == owner:
                yield {"name": name, "state": "absent"}

    def foreign_parts(self, node: Node, want: Spec) -> Iterable[str]:
        for name, jar in self.room.jars.items():
            if jar["shelf"] == want["name"] and jar["owner"] != node.settings.owner:
                yield f"jar {name}"

    def _remove(self, name: str) -> None:
        self.room.log.append(f"remove {self.name} {name}")
        del self.things[name]

    def _put(self, spec: Spec) -> None:
        self.room.log.append(f"put {self.name} {spec['name']}")
        self.things[spec["name"]] = spec


class Jar(Shelf):
    """A thing that stands on a shelf and must be taken off before the shelf goes."""

    name = "jar"
    turn = Turn.SERVICE
    make = Stage.SERVICE
    drop = Stage.STOP_SERVICE
    options = {**Shelf.options, "shelf": Option(required=True, role=Role.IDENTITY)}

    @property
    def things(self) -> dict[str, Spec]:
        return self.room.jars

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        if node.removed("shelf", want["shelf"]):
            raise Conflict(f"the shelf {want['shelf']} goes")
        return super().desired(node, have, want)

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        for spec in super().owned(node, owner):
            yield {**spec, "shelf": self.room.jars[spec["name"]]["shelf"]}

    def foreign_parts(self, node: Node, want: Spec) -> Iterable[str]:
        return ()


class Label(Shelf):
    """A kind without marks: its objects are parts of others."""

    name = "label"

    @property
    def things(self) -> dict[str, Spec]:
        return self.room.labels

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        return ()


class Room:
    """What is there, what was done to it, and runs of the engine over it."""

    def __init__(self) -> None:
        self.shelves: dict[str, Spec] = {}
        self.jars: dict[str, Spec] = {}
        self.labels: dict[str, Spec] = {}
        self.log: list[str] = []
        self.kinds = {kind.name: kind(self) for kind in (Shelf, Jar, Label)}

    def run(self, *declared: tuple[str, Spec], check: bool = False, owner: str = "ann", purge: bool = True) -> Result:
        resources = [_engine.resource(self.kinds[kind], options) for kind, options in declared]
        kinds = list(self.kinds.values()) if purge else []
        return _engine.converge(Node(Settings(owner=owner)), resources, check, kinds)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Room:
    monkeypatch.setattr(_node, "RUN_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr(_engine, "VERIFY_SECONDS", 0.1)
    monkeypatch.setattr(Node, "require_root", lambda self: None)
    return Room()


def shelf(name: str, **options: Any) -> tuple[str, Spec]:
    return "shelf", {"name": name, **options}


def jar(name: str, on: str, **options: Any) -> tuple[str, Spec]:
    return "jar", {"name": name, "shelf": on, **options}


def test_what_is_not_declared_any_more_goes_from_the_top_down(room: Room) -> None:
    room.run(shelf("s"), jar("j", "s"), shelf("t"))
    room.log.clear()
    done = room.run(shelf("t"))
    assert room.log == ["remove jar j", "remove shelf s"]
    assert list(room.shelves) == ["t"]
    assert done.operations == [
        {"kind": "jar", "name": "j", "action": "delete"},
        {"kind": "shelf", "name": "s", "action": "delete"},
    ]
    assert room.run(shelf("t")).operations == []


def test_check_mode_shows_the_removals_and_makes_none(room: Room) -> None:
    room.run(shelf("s", colour="red"), jar("j", "s"))
    before = (dict(room.shelves), dict(room.jars))
    planned = room.run(shelf("t"), check=True)
    assert (room.shelves, room.jars) == before
    done = room.run(shelf("t"))
    assert done.operations == planned.operations
    shown = {item.title: (item.shown(item.have), item.shown(item.after)) for item in planned.changed}
    assert shown == {item.title: (item.shown(item.have), item.shown(item.after)) for item in done.changed}
    assert shown["shelf s"] == ({"name": "s", "colour": "red"}, {"name": "s", "state": "absent"})


def test_without_purge_all_stays(room: Room) -> None:
    room.run(shelf("s"))
    assert room.run(shelf("t"), purge=False).operations == [{"kind": "shelf", "name": "t", "action": "make"}]
    assert set(room.shelves) == {"s", "t"}


def test_an_empty_list_removes_all_that_the_owner_made(room: Room) -> None:
    room.run(shelf("s"), jar("j", "s"))
    room.run()
    assert (room.shelves, room.jars) == ({}, {})


@pytest.mark.parametrize("other", ["an", "anna", "Ann", "ann ", "hann", ""])
def test_other_owners_and_unmarked_things_stay_whatever_their_names(room: Room, other: str) -> None:
    room.run(shelf("ann"), shelf("annex"))
    room.shelves["an"] = {"name": "an", "owner": other}
    room.run(shelf("annex"))
    assert set(room.shelves) == {"an", "annex"}


def test_what_was_there_before_stays_when_it_is_declared_and_then_not(room: Room) -> None:
    room.shelves["old"] = {"name": "old", "owner": None}
    room.run(shelf("old", colour="red"))
    room.run()
    assert room.shelves == {"old": {"name": "old", "owner": None, "colour": "red"}}


def test_what_is_declared_absent_is_not_removed_twice(room: Room) -> None:
    room.run(shelf("s"))
    assert len(room.run(shelf("s", state="absent")).operations) == 1


def test_things_of_others_in_something_that_should_go_stop_the_run(room: Room) -> None:
    room.run(shelf("s"), shelf("t"))
    room.jars.update({name: {"name": name, "shelf": "s", "owner": None} for name in ("b", "a")})
    room.log.clear()
    for check in (True, False):
        with pytest.raises(Conflict, match=r"shelf s: .* ann did not make: jar a, jar b; take that out"):
            room.run(check=check)
    assert room.log == []
    assert room.run(shelf("s")).operations == [{"kind": "shelf", "name": "t", "action": "delete"}]


def test_what_is_declared_sees_what_is_purged(room: Room) -> None:
    room.run(shelf("s"))
    with pytest.raises(Conflict, match="jar j: the shelf s goes"):
        room.run(jar("j", "s"))


def test_kinds_of_parts_are_left_alone(room: Room) -> None:
    room.run(("label", {"name": "l"}))
    assert room.run().operations == []


def test_a_marked_thing_with_an_impossible_name_stops_the_run(room: Room) -> None:
    room.shelves["a b"] = {"name": "a b", "owner": "ann"}
    with pytest.raises(InvalidValue, match="shelf a b: name must be a plain name, not 'a b'"):
        room.run()
    assert list(room.shelves) == ["a b"]
