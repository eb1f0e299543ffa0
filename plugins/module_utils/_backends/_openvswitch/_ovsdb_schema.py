# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The columns of an OVSDB database as its schema declares them (RFC 7047, section 3.2), and values that fit them.

The canonical value of a column is a scalar where it holds at most one, ``[]`` for none, a sorted list without
repetition for a set, and a dictionary with text as keys for a map. A reference to a row is the text of its UUID.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values

# What Open vSwitch writes itself, beside what the schema calls ephemeral (vswitchd/bridge.c, bridge_init__()).
_STATUS = {
    "Open_vSwitch": {"next_cfg", "cur_cfg", "datapath_types", "iface_types", "dpdk_initialized", "dpdk_version"},
    "Bridge": {"datapath_id", "datapath_version"},
    "Port": {"bond_active_slave"},
    "Interface": {"ofport", "error", "bfd_status", "cfm_flap_count"},
    "Datapath": {"datapath_version", "capabilities"},
}
_EMPTY_ATOMS = {"integer": 0, "real": 0.0, "boolean": False, "string": ""}  # RFC 7047, section 5.2.1: insert


@dataclass(frozen=True)
class Atom:
    """The type of single values: base-type of the RFC, without references' strength."""

    type: str
    choices: tuple[Any, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    longest: float = math.inf
    table: str = ""  # to which a uuid refers

    def canonical(self, value: Any) -> Any:
        """Return the value in its type, text standing in for numbers; raises ValueError("must be ...")."""
        result = _CANONICAL[self.type](self, value)
        if self.choices and result not in self.choices:
            raise ValueError(f"must be one of {', '.join(map(str, self.choices))}, not {values.shown(value)}")
        if self.type == "string" and len(result) > self.longest:
            raise ValueError(f"must have at most {self.longest} characters, not {len(result)}")
        return result

    def decode(self, held: Any, refer: Callable[[str, str], Any]) -> Any:
        """Return an <atom>, and for a reference what ``refer`` has for its table and UUID."""
        if self.type != "uuid":
            return held
        return refer(self.table, held[1]) if self.table else held[1]

    def read(self, value: Any) -> Any:
        """Return the canonical form of what the database holds."""
        if self.type == "uuid":
            return str(getattr(value, "uuid", value))  # ovs.db.idl shows a reference as a row
        return float(value) if self.type == "real" else value

    def write(self, value: Any) -> Any:
        """Return a canonical value as the database takes it."""
        return uuid.UUID(value) if self.type == "uuid" else value


@dataclass(frozen=True)
class Column:
    """One column; a map has a type of its values."""

    key: Atom
    value: Optional[Atom]
    least: int
    most: float
    status: bool  # Open vSwitch writes it
    fixed: bool  # set when the row is made, and never again

    @property
    def empty(self) -> Any:
        """What the column holds when nothing was ever set; None when it must hold something."""
        if self.least == 0:
            return [] if self.value is None else {}
        return _EMPTY_ATOMS.get(self.key.type) if self.most == 1 and self.value is None else None

    @property
    def tables(self) -> set[str]:
        """The tables to which the column refers."""
        return {atom.table for atom in (self.key, self.value) if atom is not None and atom.table}

    def canonical(self, given: Any) -> Any:
        """Return a value that a user gave; raises ValueError("must be ...") for what the server would refuse."""
        if given is None:
            raise ValueError("must have a value; an empty list or dictionary clears it")
        if given in ([], {}):
            if self.least:
                raise ValueError("must have a value; it cannot be empty")
            return self.empty
        if self.value is not None:
            if not isinstance(given, dict):
                raise ValueError(f"must be a dictionary, not {values.shown(given)}")
            return {self.map_key(name): self.value.canonical(item) for name, item in given.items()}
        atoms = sorted({self.key.canonical(item) for item in (given if isinstance(given, list) else [given])})
        if len(atoms) > self.most:
            raise ValueError(f"must have at most {self.most} value{'s' * (self.most > 1)}, not {len(atoms)}")
        return atoms[0] if self.most == 1 else atoms

    def map_key(self, name: Any) -> str:
        """Return the text of a key of a map."""
        return str(self.key.canonical(name))

    def decode(self, held: Any, refer: Callable[[str, str], Any]) -> Any:
        """Return a <value> of the RFC's section 5.1 as ovs.db.idl shows it; see ``Atom.decode``."""
        if self.value is not None:
            return {self.key.decode(name, refer): self.value.decode(item, refer) for name, item in held[1]}
        if self.least == self.most == 1:
            return self.key.decode(held, refer)
        atoms = held[1] if isinstance(held, list) and held[0] == "set" else [held]
        return [self.key.decode(item, refer) for item in atoms]

    def read(self, held: Any) -> Any:
        """Return the canonical form of what a row shows, be it one of ovs.db.idl."""
        if self.value is not None:
            return {str(self.key.read(name)): self.value.read(item) for name, item in held.items()}
        atoms = sorted(self.key.read(item) for item in (held if isinstance(held, list) else [held]))
        return (atoms[0] if atoms else []) if self.most == 1 else atoms

    def write(self, value: Any) -> Any:
        """Return a canonical value as ovs.db.idl takes it."""
        if self.value is not None:
            write = self.value.write
            return {self.key.write(self.key.canonical(name)): write(item) for name, item in value.items()}
        return [self.key.write(item) for item in value] if isinstance(value, list) else self.key.write(value)


Tables = Mapping[str, Mapping[str, Column]]


def parse(schema: Mapping[str, Any]) -> Tables:
    """Return the columns by table and name, from a database schema in JSON."""
    return {
        table: {name: _column(table, name, column) for name, column in content["columns"].items()}
        for table, content in schema["tables"].items()
    }


def _column(table: str, name: str, json: Mapping[str, Any]) -> Column:
    declared = json["type"] if isinstance(json["type"], dict) else {"key": json["type"]}
    most = declared.get("max", 1)
    return Column(
        key=_atom(declared["key"]),
        value=_atom(declared["value"]) if "value" in declared else None,
        least=declared.get("min", 1),
        most=math.inf if most == "unlimited" else most,
        status=json.get("ephemeral", False) or name in _STATUS.get(table, ()),
        fixed=not json.get("mutable", True),
    )


def _atom(json: Any) -> Atom:
    if isinstance(json, str):
        return Atom(json)
    choices = json.get("enum", ())
    if isinstance(choices, list) and choices[:1] == ["set"]:
        choices = choices[1]
    return Atom(
        type=json["type"],
        choices=tuple(choices) if isinstance(choices, (list, tuple)) else (choices,),
        low=json.get("minInteger", json.get("minReal", -math.inf)),
        high=json.get("maxInteger", json.get("maxReal", math.inf)),
        longest=json.get("maxLength", math.inf),
        table=json.get("refTable", ""),
    )


def _integer(atom: Atom, value: Any) -> int:
    return values.integer(int(max(atom.low, -(2**63))), int(min(atom.high, 2**63 - 1)))(value)


def _real(atom: Atom, value: Any) -> float:
    try:
        result = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        result = math.nan
    if math.isinf(result) or not atom.low <= result <= atom.high:
        bounds = "" if math.isinf(atom.low) else f" from {atom.low} to {atom.high}"
        raise ValueError(f"must be a number{bounds}, not {values.shown(value)}")
    return result


def _boolean(_atom: Atom, value: Any) -> bool:
    word = str(value).lower() if isinstance(value, (bool, str)) else ""
    if word not in ("true", "false"):
        raise ValueError(f"must be true or false, not {values.shown(value)}")
    return word == "true"


def _string(_atom: Atom, value: Any) -> str:
    if isinstance(value, bool):
        value = str(value).lower()
    return values.text(values.written(value))


def _uuid(atom: Atom, value: Any) -> str:
    try:
        return str(uuid.UUID(value))
    except (AttributeError, TypeError, ValueError):
        row = f" of a row of {atom.table}" if atom.table else ""
        raise ValueError(f"must be the UUID{row} (names are not looked up), not {values.shown(value)}") from None


_CANONICAL: Mapping[str, Callable[[Atom, Any], Any]] = {
    "integer": _integer,
    "real": _real,
    "boolean": _boolean,
    "string": _string,
    "uuid": _uuid,
}
