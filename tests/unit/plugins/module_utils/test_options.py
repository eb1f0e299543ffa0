# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared options: validation and Ansible's argument spec."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import InvalidValue
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Option, argument_spec, validate
from ansible_collections.netvirt.fabric.plugins.module_utils._values import vlan_id

OPTIONS = {
    "name": Option(required=True),
    "tag": Option(type="int", canonical=vlan_id),
    "up": Option(type="bool", default=True),
    "mode": Option(choices=("a", "b")),
    "parts": Option(type="list", elements="dict", options={"name": Option(required=True), "size": Option(type="int")}),
    "extra": Option(type="dict"),
    "words": Option(type="list", elements="str"),
}


def checked(**given: Any) -> dict[str, Any]:
    return validate(OPTIONS, given, "thing x")


def test_what_is_left_out_is_none_or_its_default() -> None:
    expected = {"name": "x", "tag": None, "up": True, "mode": None, "parts": None, "extra": None, "words": None}
    assert checked(name="x") == expected
    assert checked(**expected) == expected


def test_text_stands_in_for_numbers_and_booleans() -> None:
    result = checked(name=7, tag="10", up="no", parts=[{"name": "p", "size": "3"}])
    assert (result["name"], result["tag"], result["up"], result["parts"]) == (
        "7",
        10,
        False,
        [{"name": "p", "size": 3}],
    )


def test_empty_is_not_left_out() -> None:
    result = checked(name="x", parts=[], extra={})
    assert (result["parts"], result["extra"]) == ([], {})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "thing x: name is required"),
        ({"name": "x", "colour": 1}, "thing x: unknown option colour (known: name, tag"),
        ({"name": "x", "tag": "ten"}, "thing x: tag must be a whole number, not 'ten'"),
        ({"name": "x", "tag": True}, "tag must be a whole number, not True"),
        ({"name": "x", "up": "maybe"}, "up must be true or false, not 'maybe'"),
        ({"name": "x", "mode": "c"}, "mode must be one of a, b, not 'c'"),
        ({"name": "x", "parts": "p"}, "parts must be a list, not 'p'"),
        ({"name": "x", "parts": [{"name": "p"}, {}]}, "parts[1].name is required"),
        ({"name": "x", "parts": [3]}, "parts[0] must be a dictionary, not 3"),
        ({"name": "x", "extra": []}, "extra must be a dictionary, not []"),
        ({"name": ["x"]}, "name must be a string, not ['x']"),
        ({"name": "x", "words": ["a", {}]}, "words must be a string, not {}"),
    ],
)
def test_faults_name_object_option_and_value(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue) as error:
        checked(**given)
    assert message in str(error.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidValue) as error:
        checked(tag=0, up="maybe")
    assert str(error.value).count("thing x: ") == 3


def test_a_fault_hides_none_in_what_follows() -> None:
    sized = {"first": Option(required=True), "parts": Option(**{**vars(OPTIONS["parts"]), "canonical": _refuse})}
    with pytest.raises(InvalidValue) as error:
        validate(sized, {"parts": [{"name": "p"}]}, "it")
    assert str(error.value) == "it: first is required; it: parts must be another list"


def _refuse(value: Any) -> Any:
    raise ValueError("must be another list")


def test_the_argument_spec_says_the_same() -> None:
    assert argument_spec(OPTIONS) == {
        "name": {"type": "str", "required": True},
        "tag": {"type": "int"},
        "up": {"type": "bool", "default": True},
        "mode": {"type": "str", "choices": ["a", "b"]},
        "parts": {
            "type": "list",
            "elements": "dict",
            "options": {"name": {"type": "str", "required": True}, "size": {"type": "int"}},
        },
        "extra": {"type": "dict"},
        "words": {"type": "list", "elements": "str"},
    }
