# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canonical forms and range checks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values

FUNCTIONS: list[Callable[[Any], Any]] = [
    values.vlan_id,
    values.port_number,
    values.mtu,
    values.vlan_set,
    values.text,
    values.interface_name,
    values.object_name,
    values.mac,
    values.address,
    values.cidr,
    values.network,
    values.destination,
    values.unique(values.cidr),
    values.string_map,
    values.hostname,
    values.duration,
]

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.ip_addresses().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: getattr(function, "__name__", "?"))
@given(value=ANYTHING)
def test_anything_is_refused_in_one_line_or_has_a_stable_canonical_form(
    function: Callable[[Any], Any], value: Any
) -> None:
    try:
        once = function(value)
    except ValueError as error:
        message = str(error)
    else:
        message = ""
        assert function(once) == once
    assert "\n" not in message


@pytest.mark.parametrize(
    ("function", "value", "canonical"),
    [
        (values.vlan_id, "10", 10),
        (values.vlan_set, [20, "10", 20], [10, 20]),
        (values.vlan_set, ["30-32", 31, "5 - 5"], [5, 30, 31, 32]),
        (values.mac, "52-54-00-AB-cd-01", "52:54:00:ab:cd:01"),
        (values.mac, "5254.00ab.cd01", "52:54:00:ab:cd:01"),
        (values.address, "2001:DB8:0:0::1", "2001:db8::1"),
        (values.cidr, "10.0.0.1", "10.0.0.1/32"),
        (values.cidr, "10.0.0.1/255.255.255.0", "10.0.0.1/24"),
        (values.network, "10.0.0.0/24", "10.0.0.0/24"),
        (values.destination, "default", "0.0.0.0/0"),
        (values.destination, "default6", "::/0"),
        (
            values.unique(values.cidr),
            ["10.0.0.10/24", "10.0.0.9/24", "::1/64"],
            ["10.0.0.9/24", "10.0.0.10/24", "::1/64"],
        ),
        (values.string_map, {"a": True, "b": 1}, {"a": "true", "b": "1"}),
        (values.hostname, "VM1.Example.", "vm1.example"),
        (values.duration, "24h", "86400"),
        (values.duration, "infinite", "infinite"),
        (values.interface_name, "a" * 15, "a" * 15),
    ],
)
def test_canonical_forms(function: Callable[[Any], Any], value: Any, canonical: Any) -> None:
    assert function(value) == canonical


@pytest.mark.parametrize(
    ("function", "value", "message"),
    [
        (values.vlan_id, 0, "from 1 to 4094, not 0"),
        (values.vlan_id, 4095, "not 4095"),
        (values.vlan_id, True, "not True"),
        (values.vlan_id, 10.5, "not 10.5"),
        (values.vlan_id, "1e1", "not '1e1'"),
        (values.interface_name, "a" * 16, "at most 15 characters, not 16"),
        (values.interface_name, "a/b", "letters, digits"),
        (values.object_name, "../etc", "letters, digits"),
        (values.object_name, "a..b", "letters, digits"),
        (values.mac, "01:00:5e:00:00:01", "unicast"),
        (values.mac, "00:00:00:00:00:00", "unicast"),
        (values.mac, "52:54:00:00:00", "not '52:54:00:00:00'"),
        (values.address, "10.0.0.1/24", "not '10.0.0.1/24'"),
        (values.address, 1, "not 1"),
        (values.address, "fe80::1%eth0", "not 'fe80::1%eth0'"),
        (values.cidr, "10.0.0.1/33", "not '10.0.0.1/33'"),
        (values.network, "10.0.0.1/24", "has host bits set"),
        (values.text, "a\nb", "on one line"),
        (values.hostname, "a_b", "host or domain name"),
        (values.duration, "1m", "at least 120 seconds"),
        (values.duration, "soon", "such as 24h"),
        (values.string_map, {"a": ["b"]}, "must be a string"),
    ],
)
def test_refusals_show_the_value(function: Callable[[Any], Any], value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        function(value)


def _nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _level in range(levels):
        value = [value]
    return value


class _Mute:
    def __repr__(self) -> str:
        raise OSError("no")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "'plain'"),
        ("two\nlines\x1b[31m\u2028\ud800", r"'two\nlines\x1b[31m\u2028\ud800'"),
        (5, "5"),
        (None, "None"),
        ({"a": [1, "x"]}, "{'a': [1, 'x']}"),
        ([], "[]"),
        (10**5000, "a number of 16610 bits"),
        (_nested(100_000), "[[[[...]]]]"),
        (_Mute(), "a _Mute"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # pytest cannot show all of them either
)
def test_values_are_shown_on_one_line(value: Any, text: str) -> None:
    assert values.shown(value) == text


@pytest.mark.parametrize("value", [["x" * 10_000], list(range(10_000)), {str(n): n for n in range(10_000)}])
def test_no_more_is_shown_than_a_line_can_hold(value: Any) -> None:
    assert len(values.shown(value)) == values.SHOWN
    assert values.shown(value).endswith("...")


def test_names_are_quoted_only_where_they_are_odd() -> None:
    assert values.called("br-int") == "br-int"
    assert values.called("br\nint") == r"'br\nint'"
    assert values.called(7) == "7"
    assert values.called("") == "''"
