# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``ovs_db``: columns of a row of the Open vSwitch database, typed by the server's schema (RFC 7047)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _ovsdb, _ovsdb_schema
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _ovs
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_MARKED = "external_ids"  # the column that holds the collection's own keys beside those of others
_LAST = 3  # after the changes that make rows
_SORTS = {
    "Bridge": _references.Sort.BRIDGE,
    "Port": _references.Sort.PORT,
    "Interface": _references.Sort.PORT_INTERFACE,
}


def _columns(value: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what the schema of any database allows; its types are the server's to tell."""
    return {values.text(name): _column(item) for name, item in value.items()}


def _column(value: Any) -> Any:
    if isinstance(value, dict):
        return {values.text(values.written(key)): _single(item) for key, item in value.items()}
    return [_single(item) for item in value] if isinstance(value, list) else _single(value)


def _single(value: Any) -> Any:
    if not isinstance(value, (str, int, float, type(None))) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"must hold single values, or lists or dictionaries of them, not {values.shown(value)}")
    values.written(value)  # refuses what no text can hold
    return value


def _keys(value: Mapping[Any, Any]) -> dict[str, Any]:
    for name, keys in value.items():
        if not isinstance(keys, dict):
            given = f"{values.shown(keys)} for {values.called(name)}"
            raise ValueError(f"must hold a dictionary for each column, not {given}")
    return _columns(value)


class OvsDb(_engine.Kind):
    """See plugins/modules/ovs_db.py for the meaning of the options."""

    name = "ovs_db"
    turn = _engine.Turn.COLUMNS
    options = {
        "table": _options.Option(required=True, canonical=values.text, role=_options.Role.IDENTITY),
        "record": _options.Option(default=".", canonical=values.text, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        "columns": _options.Option(type="dict", canonical=_columns),
        "keys": _options.Option(type="dict", canonical=_keys, public=True),
    }

    def label(self, want: Spec) -> str:
        """Rows are called by table and name."""
        return f"{want['table']} {want['record']}"

    def check(self, want: Spec) -> None:
        """Something is asked for, and of each column either the whole or single keys."""
        if not want["columns"] and not want["keys"]:
            raise _errors.InvalidValue("columns or keys is required")
        both = sorted((want["columns"] or {}).keys() & (want["keys"] or {}).keys())
        if both:
            raise _errors.InvalidValue(f"{', '.join(both)} is in columns and in keys; use one of them")

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the columns and keys that ``want`` lists. Where all are empty, ``state`` is absent."""
        wanted = _typed(node, want)
        _watch(node, want)
        row = node.ovsdb.record(want["table"], want["record"])
        if row is None and not _made(node, want):
            return None
        types = node.ovsdb.tables[want["table"]]
        held = {name: types[name].empty for name in _listed(want)}
        if row is not None:
            held = {name: types[name].read(getattr(row, name)) for name in held}
        have: Spec = {"table": want["table"], "record": want["record"]}
        if want["columns"] is not None:
            columns = {name: held[name] for name in want["columns"]}
            have["columns"] = {name: _without_marks(name, value) for name, value in columns.items()}
        if want["keys"] is not None:
            have["keys"] = {name: {key: held[name].get(key) for key in wanted["keys"][name]} for name in want["keys"]}
        if not _is_empty(types, have):
            return have
        return None if want["state"] == "absent" else {**have, "state": "absent"}

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Return the listed columns and keys in their types; raises Conflict when there is no such row."""
        if have is None:
            raise _errors.Conflict(f"the table {want['table']} has no such row; it is not made by this module")
        return _typed(node, want)

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """One operation, which joins the OVSDB transaction."""
        spec = desired or have or {}
        types = node.ovsdb.tables[spec["table"]]
        change = _write(types, spec if desired is not None else _emptied(types, spec))
        action = "update" if desired is not None else "delete"
        yield _engine.Operation(
            _engine.Stage.OVSDB, action, lambda: node.ovsdb.change(change, _LAST), _engine.differences(have, desired)
        )


def _listed(want: Spec) -> list[str]:
    return [*(want["columns"] or ()), *(want["keys"] or ())]


def _typed(node: Node, want: Spec) -> Spec:
    """Return what is wanted in the types of the schema; raises InvalidValue with all that does not fit in them."""
    tables = node.ovsdb.tables
    if want["table"] not in tables:
        raise _errors.InvalidValue(f"there is no table {want['table']} (known: {', '.join(sorted(tables))})")
    types = tables[want["table"]]
    result: Spec = {"table": want["table"], "record": want["record"]}
    faults: list[str] = []
    for option, typed in (("columns", _typed_column), ("keys", _typed_keys)):
        if want[option] is None:
            continue
        result[option] = {}
        for name, value in want[option].items():
            try:
                result[option][name] = typed(_writable(types, name), name, value, want["state"] == "absent")
            except ValueError as error:
                faults.append(f"{option}.{name} {error}")
    if faults:
        raise _errors.InvalidValue("; ".join(faults))
    return result


def _writable(types: Mapping[str, _ovsdb_schema.Column], name: str) -> _ovsdb_schema.Column:
    if name not in types:
        raise ValueError(f"is no column of that table (known: {', '.join(sorted(types))})")
    if types[name].status:
        raise ValueError("is written by Open vSwitch itself and cannot be set")
    if types[name].fixed:
        raise ValueError("is fixed when the row is made and cannot be changed")
    return types[name]


def _typed_column(column: _ovsdb_schema.Column, name: str, value: Any, absent: bool) -> Any:
    if absent:
        if column.empty is None:
            raise ValueError("must have a value; it cannot be emptied")
        return column.empty
    result = column.canonical(value)
    return _ovs.external_ids(result) if name == _MARKED else result


def _typed_keys(column: _ovsdb_schema.Column, name: str, keys: Mapping[Any, Any], absent: bool) -> dict[str, Any]:
    if column.value is None:
        raise ValueError("is no map; use columns")
    result: dict[str, Any] = {}
    for key, value in keys.items():
        text = column.map_key(key)
        if name == _MARKED and text.startswith(_ovs.RESERVED):
            raise ValueError(f"must not hold {text}: keys that start with {_ovs.RESERVED} are the collection's own")
        try:
            result[text] = None if absent or value is None else column.value.canonical(value)
        except ValueError as error:
            raise ValueError(f"of {text} {error}") from None
    return result


def _watch(node: Node, want: Spec) -> None:
    """Let the database be read with what this resource lists, and with what the run's others list."""
    for spec in (want, *node.declarations(OvsDb.name)):
        types = node.ovsdb.tables.get(spec["table"], {})
        listed = [name for name in _listed(spec) if name in types]
        if listed:
            node.ovsdb.watch(spec["table"], listed)


def _made(node: Node, want: Spec) -> bool:
    """Tell whether this run makes the row."""
    sort = _SORTS.get(want["table"])
    return sort is not None and bool(node.coming(_references.Reference(sort, want["record"])))


def _without_marks(name: str, value: Any) -> Any:
    return _ovs.without_marks(value) if name == _MARKED else value


def _is_empty(types: Mapping[str, _ovsdb_schema.Column], have: Spec) -> bool:
    columns = have.get("columns", {}).items()
    keys = have.get("keys", {}).values()
    return all(value == types[name].empty for name, value in columns) and not any(
        value is not None for values_by_key in keys for value in values_by_key.values()
    )


def _emptied(types: Mapping[str, _ovsdb_schema.Column], have: Spec) -> Spec:
    return {
        **have,
        "columns": {name: types[name].empty for name in have.get("columns", ())},
        "keys": {name: dict.fromkeys(keys) for name, keys in have.get("keys", {}).items()},
    }


def _write(types: Mapping[str, _ovsdb_schema.Column], spec: Spec) -> _ovsdb.Change:
    """Return a change that writes the columns and keys that differ. Keys that others write meanwhile are kept."""

    def change(batch: _ovsdb.Batch) -> None:
        row = batch.record(spec["table"], spec["record"])
        if row is None:
            raise _errors.Conflict(f"the table {spec['table']} has no row {spec['record']} any more")
        for name, value in spec.get("columns", {}).items():
            if name == _MARKED:
                row.verify(name)
                value = _ovs.with_marks(value, row)
            _set(row, types[name], name, value)
        for name, keys in spec.get("keys", {}).items():
            row.verify(name)  # the transaction is tried again when another client has written since
            changed = {**types[name].read(getattr(row, name, {})), **keys}
            _set(row, types[name], name, {key: value for key, value in changed.items() if value is not None})

    return change


def _set(row: Any, column: _ovsdb_schema.Column, name: str, value: Any) -> None:
    if not hasattr(row, name) or column.read(getattr(row, name)) != value:
        setattr(row, name, column.write(value))
