# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be said in a document, for the reference and the argument specifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Union


@dataclass(frozen=True)
class Key:
    """A key of a mapping.

    ``about`` is its description in an argument specification, a sentence or several paragraphs. ``row`` is the cell of
    the reference's table, in Markdown; a key without one shares the row of the key before it. Keys within it are
    ``keys``; those of a mapping by free names (``by_name``) cannot stand in an argument specification. ``sorts`` are
    the sorts of object that it holds, which other features can extend.
    """

    name: str
    about: Union[str, Sequence[str]]
    row: str = ""
    type: str = "str"
    elements: str = ""
    choices: Sequence[Any] = ()
    required: bool = False
    default: Any = None
    keys: tuple[Key, ...] = ()
    by_name: bool = False
    sorts: tuple[str, ...] = ()


def extended(keys: Sequence[Key], extensions: Mapping[str, Sequence[Key]]) -> tuple[Key, ...]:
    """Return the keys with those that other features add, by sort of object."""
    result = []
    for key in keys:
        added = [more for sort in key.sorts for more in extensions.get(sort, ())]
        result.append(replace(key, keys=extended([*key.keys, *added], extensions)))
    return tuple(result)
