# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables that the roles know, from their own files, and the faults of those that no role knows."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"

BESIDE = {
    "fabric": ("fabric_clean", "fabric_compiled", "fabric_hosts", "fabric_mode"),
    "lab": ("lab_underlay_address",),
}
"""Variables of a role that are not among its arguments: for playbooks and other roles."""


@functools.cache
def defaults(role: str) -> dict[str, Any]:
    """Return the defaults of a role, templates in them as they are."""
    return dict(_loaded(role, "defaults"))


@functools.cache
def known(role: str) -> frozenset[str]:
    """Return the names of a role's variables."""
    options = _loaded(role, "meta", "argument_specs")["argument_specs"]["main"]["options"]
    own = [name for name in options if name.startswith(f"{role}_")]
    return frozenset([*own, *defaults(role), *BESIDE.get(role, ())])


def _loaded(role: str, directory: str, name: str = "main") -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROLES / role / directory / f"{name}.yml").read_text(encoding="utf-8"))
    return content


def unknown(names: Iterable[str], roles: Iterable[str]) -> Iterator[str]:
    """Yield one line for each name that begins like a role's variables and is none of them."""
    for role in roles:
        options = known(role)
        for name in sorted(names):
            if name.startswith(f"{role}_") and name not in options:
                near = difflib.get_close_matches(name, sorted(options), 1, 0.7)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(options))}"
                yield f"{name}: is no variable of the role {role}; {hint}"
