# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of OVSDB columns by their schema."""

from __future__ import annotations

import math
import uuid
from typing import Any

import pytest

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _ovsdb_schema as schema

ROW = "a8a1c5b2-7a7c-4c0e-9d63-0e5a5d7f4f11"
TYPES: dict[str, Any] = {
    "integer": "integer",
    "ranged": {"key": {"type": "integer", "minInteger": 1, "maxInteger": 4095}, "min": 0},
    "several": {"key": {"type": "integer", "minInteger": 0}, "min": 0, "max": 3},
    "real": {"key": {"type": "real", "minReal": 0.5}, "min": 0},
    "boolean": "boolean",
    "string": {"key": {"type": "string", "maxLength": 3}},
    "choice": {"key": {"type": "string", "enum": ["set", ["a", "b"]]}, "min": 0},
    "only": {"key": {"type": "string", "enum": "a"}},
    "row": {"key": {"type": "uuid", "refTable": "T"}, "min": 0},
    "rows": {"key": {"type": "uuid", "refTable": "T"}, "min": 1, "max": "unlimited"},
    "map": {"key": "string", "value": "string", "min": 0, "max": "unlimited"},
    "queues": {
        "key": {"type": "integer", "minInteger": 0},
        "value": {"type": "uuid", "refTable": "T"},
        "min": 0,
        "max": "unlimited",
    },
}
COLUMNS = schema.parse({"tables": {"T": {"columns": {name: {"type": kind} for name, kind in TYPES.items()}}}})["T"]


@pytest.mark.parametrize(
    ("column", "given", "canonical"),
    [
        ("integer", "-5", -5),
        ("integer", [7], 7),
        ("ranged", 4095, 4095),
        ("ranged", [], []),
        ("ranged", {}, []),
        ("several", [3, "1", 3], [1, 3]),
        ("several", 2, [2]),
        ("real", "1.5", 1.5),
        ("real", 2, 2.0),
        ("boolean", "True", True),
        ("string", 12, "12"),
        ("string", True, None),
        ("choice", "b", "b"),
        ("row", ROW.upper(), ROW),
        ("rows", [ROW, ROW], [ROW]),
        ("map", {"a": 1, 2: False}, {"a": "1", "2": "false"}),
        ("map", [], {}),
        ("queues", {"07": ROW}, {"7": ROW}),
    ],
)
def test_a_value_has_one_form_and_comes_back_from_the_database_as_it_went(
    column: str, given: Any, canonical: Any
) -> None:
    kind = COLUMNS[column]
    if canonical is None:
        with pytest.raises(ValueError, match="must have at most 3 characters, not 4"):
            kind.canonical(given)
        return
    assert kind.canonical(given) == canonical
    assert kind.canonical(canonical) == canonical
    assert kind.read(kind.write(canonical)) == canonical


def test_references_and_numbers_are_written_in_their_types() -> None:
    assert COLUMNS["queues"].write({"7": ROW}) == {7: uuid.UUID(ROW)}
    assert COLUMNS["rows"].write([ROW]) == [uuid.UUID(ROW)]
    assert COLUMNS["queues"].tables == {"T"}


@pytest.mark.parametrize(
    ("column", "empty"),
    [("integer", 0), ("boolean", False), ("string", ""), ("ranged", []), ("several", []), ("map", {}), ("rows", None)],
)
def test_what_a_column_holds_when_nothing_was_set(column: str, empty: Any) -> None:
    assert COLUMNS[column].empty == empty


@pytest.mark.parametrize(
    ("column", "given", "message"),
    [
        ("integer", 2**63, "must be a whole number from"),
        ("integer", 1.5, "must be a whole number"),
        ("integer", [1, 2], "must have at most 1 value, not 2"),
        ("integer", [], "must have a value; it cannot be empty"),
        ("integer", None, "must have a value; an empty list or dictionary clears it"),
        ("ranged", 0, "must be a whole number from 1 to 4095, not 0"),
        ("several", [1, 2, 3, 4], "must have at most 3 values, not 4"),
        ("real", 0.4, "must be a number from 0.5 to inf, not 0.4"),
        ("real", "nan", "must be a number"),
        ("real", True, "must be a number"),
        ("real", math.inf, "must be a number"),
        ("boolean", 1, "must be true or false, not 1"),
        ("string", "a\x00", "must be printable text"),
        ("string", {"a": 1}, "must be a string"),
        ("choice", "c", "must be one of a, b, not 'c'"),
        ("only", "b", "must be one of a, not 'b'"),
        ("row", "br0", "must be the UUID of a row of T"),
        ("row", 5, "must be the UUID"),
        ("rows", [], "must have a value; it cannot be empty"),
        ("map", "a=b", "must be a dictionary, not 'a=b'"),
        ("map", {"a": None}, "must be a string"),
        ("queues", {"-1": ROW}, "must be a whole number from 0"),
    ],
)
def test_what_the_server_would_refuse_is_refused(column: str, given: Any, message: str) -> None:
    with pytest.raises(ValueError, match="must ") as error:
        COLUMNS[column].canonical(given)
    assert message in str(error.value)


def test_columns_that_open_vswitch_writes_are_known() -> None:
    columns = {"error": {"type": "string"}, "x": {"type": "string", "ephemeral": True}, "y": {"type": "string"}}
    parsed = schema.parse(
        {"tables": {"Interface": {"columns": {**columns, "z": {"type": "string", "mutable": False}}}}}
    )
    shown = {name: (column.status, column.fixed) for name, column in parsed["Interface"].items()}
    assert shown == {"error": (True, False), "x": (True, False), "y": (False, False), "z": (False, True)}
