# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what features say of their keys into the reference of the document and the role's argument specification.

usage: .venv/bin/python tools/document_reference.py

The tables of docs/fabric_document.md and the options of roles/fabric/meta/argument_specs.yml from fabric_underlay on
come from ``KEYS`` of plugins/plugin_utils/_features. The options of the roles that stand for one network come from
plugins/plugin_utils/_document/_one_network_keys.py. All else in these files is written by hand.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / ".cache" / "collections"))

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _one_network_keys
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._registry import sections

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "fabric_document.md"
SPECIFICATION = ROOT / "roles" / "fabric" / "meta" / "argument_specs.yml"
WIDTH = 120


def tables(keys: Iterable[Key], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, table) of each mapping whose keys have rows."""
    for key in keys:
        path = f"{prefix}{key.name}"
        rows = list(_rows(key.keys))
        if rows:
            yield path, "\n".join(["| key | |", "|---|---|", *rows]) + "\n"
        inner = f"{path}[]." if key.type == "list" else f"{path}."
        yield from tables([item for item in key.keys if item.row], inner)


def _rows(keys: Sequence[Key], prefix: str = "") -> Iterator[str]:
    """Yield the rows of a table. A mapping without a row of its own stands in that of the object that it is in."""
    groups: list[list[Key]] = []
    for key in keys:
        if key.row or not groups or key.keys:
            groups.append([])
        groups[-1].append(key)
    for group in groups:
        first = group[0]
        if first.keys and not first.row:
            yield from _rows(first.keys, f"{first.name}.")
        elif first.row:
            names = [f"{prefix}{first.name}", *(f"{'.' if prefix else ''}{key.name}" for key in group[1:])]
            yield f"| {', '.join(f'`{name}`' for name in names)} | {first.row} |"


def reference(text: str) -> str:
    """Return the reference with its tables as the features have them."""
    for path, table in tables(sections()):
        heading = re.search(rf"^###.*`{re.escape(path)}`.*$", text, re.MULTILINE)
        if heading is None:
            raise SystemExit(f"{REFERENCE.name} has no section for {path}: add a heading ### `{path}` and a table")
        start = text.index("| key | |\n", heading.end())
        end = text.index("\n\n", start) + 1
        text = f"{text[:start]}{table}{text[end:]}"
    return text


def options(keys: Iterable[Key], depth: int) -> Iterator[str]:
    """Yield the lines of options in an argument specification."""
    indent = "  " * depth
    for key in keys:
        yield f"{indent}{key.name}:"
        yield from _description(key.about, f"{indent}  ")
        yield f"{indent}  type: {key.type}"
        if key.elements:
            yield f"{indent}  elements: {key.elements}"
        if key.choices:
            yield f"{indent}  choices: [{', '.join(map(_word, key.choices))}]"
        if key.required:
            yield f"{indent}  required: true"
        if key.default is not None:
            yield f"{indent}  default: {_word(key.default)}"
        if key.keys and not key.by_name:
            yield f"{indent}  options:"
            yield from options(key.keys, depth + 2)


def _description(about: str | Sequence[str], indent: str) -> Iterator[str]:
    if isinstance(about, str) and len(f"{indent}description: {about}") <= WIDTH:
        yield f"{indent}description: {_word(about)}"
        return
    yield f"{indent}description:"
    for paragraph in [about] if isinstance(about, str) else about:
        yield from textwrap.wrap(
            _word(paragraph),
            WIDTH,
            initial_indent=f"{indent}  - ",
            subsequent_indent=f"{indent}    ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _word(value: Any) -> str:
    """Return a value as a scalar of YAML, quoted only where it must be."""
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    try:
        plain = yaml.safe_load(f"- {value}") == [value]
    except yaml.YAMLError:
        plain = False
    return value if plain else f'"{value}"'


def specification(text: str) -> str:
    """Return the argument specification with the options that the features have."""
    return _with_options(text, sections())


def _with_options(text: str, keys: Sequence[Key]) -> str:
    """Return an argument specification with these options in place of those from the first of them on."""
    start = text.index(f"      {keys[0].name}:\n")
    return text[:start] + "\n".join(options(keys, 3)) + "\n"


FILES: dict[Path, Callable[[str], str]] = {
    REFERENCE: reference,
    SPECIFICATION: specification,
    **{
        ROOT / "roles" / mode / "meta" / "argument_specs.yml": partial(
            _with_options, keys=_one_network_keys.keys(mode, sections())
        )
        for mode in _one_network_keys.MODES
    },
}
"""What makes each file of its text."""


def main() -> None:
    """Write all files."""
    for path, made in FILES.items():
        path.write_text(made(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
