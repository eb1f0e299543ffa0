# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The Open vSwitch database: read in one piece (``_ovsdb_read``), written by ovsdbapp.

Reads cover the columns in TABLES and those that a kind asks for with ``watch``. Writes are collected and committed as
one transaction or two, and the commit waits until ovs-vswitchd has taken them over (ovs-vswitchd.conf.db(5): cur_cfg).
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Callable, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _ovsdb_read
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _ovsdb_schema as schema

TABLES = {
    "Open_vSwitch": ("bridges", "next_cfg", "cur_cfg", "datapath_types", "ovs_version", "external_ids"),
    "Bridge": (
        *("name", "ports", "datapath_type", "fail_mode", "protocols", "controller", "stp_enable", "rstp_enable"),
        *("mcast_snooping_enable", "external_ids", "other_config"),
    ),
    "Port": (
        *("name", "interfaces", "vlan_mode", "tag", "trunks", "cvlans", "bond_mode", "lacp", "bond_updelay"),
        *("bond_downdelay", "protected", "fake_bridge", "external_ids", "other_config"),
    ),
    "Interface": (
        *("name", "type", "options", "mtu_request", "mac", "ofport", "ofport_request", "error", "bfd"),
        *("ingress_policing_rate", "ingress_policing_burst"),
    ),
    "Controller": ("target",),
}

REMOVAL = -1
"""The order of changes that remove ports and do nothing else."""
_MARKED = ("Bridge", "Port")  # tables whose external_ids hold marks of ours
_WAITED = {"next_cfg", "cur_cfg"}  # by ovsdbapp, for ovs-vswitchd to take a transaction over
_CLOSE_SECONDS = 0.5  # an idle connection closes at once, and one that hangs has been waited for

Row = Any  # one attribute per column: a row of _ovsdb_read in a look at the node, one of ovs.db.idl in a transaction


class Batch:
    """What a change may use inside a transaction: lookups that see the rows made earlier in it, and insertion."""

    def __init__(self, tables: Any, transaction: Any) -> None:
        self._tables = tables
        self._transaction = transaction
        self._made: dict[tuple[str, str], Row] = {}
        self._index: dict[str, dict[str, Row]] = {}
        self._gone: set[str] = set()
        self._bridges = {port.name: bridge for bridge in self.all_rows("Bridge") for port in bridge.ports}

    def insert(self, table: str, **columns: Any) -> Row:
        """Add a row. It vanishes again unless another row refers to it by the end of the transaction."""
        row = self._transaction.insert(self._tables[table])
        for column, value in columns.items():
            setattr(row, column, value)
        if "name" in columns:
            self._made[table, columns["name"]] = row
        return row

    def find(self, table: str, name: str) -> Row:
        """Return the row of that name, also when this transaction made it, or None, also when it removes the port."""
        if table not in self._index:
            self._index[table] = {row.name: row for row in self.all_rows(table)}
        if (table, name) in self._made or (table != "Bridge" and name in self._gone):
            return self._made.get((table, name))
        return self._index[table].get(name)

    def remove_port(self, name: str) -> None:
        """Remove a port with its interface; a port of that name that is made after it is a new one."""
        self._bridges.pop(name).delvalue("ports", self.find("Port", name))
        self._gone.add(name)

    def record(self, table: str, record: str) -> Row:
        """Return the row that ``Ovsdb.record`` finds, or the one of that name that this transaction made, or None."""
        return self._made.get((table, record)) or _record(self.all_rows(table), table, record)

    def bridge_of(self, port: str) -> Row:
        """Return the bridge that held the port of that name before this transaction; None, too, where it removes it."""
        return self._bridges.get(port)

    @property
    def root(self) -> Row:
        """The only row of the table Open_vSwitch."""
        return self.all_rows("Open_vSwitch")[0]

    def all_rows(self, table: str) -> list[Row]:
        """Return the rows of a table that were there before this transaction."""
        return list(self._tables[table].rows.values())


Change = Callable[[Batch], None]
"""A part of a transaction."""


class Ovsdb:
    """What a run has to do with one ovsdb-server."""

    def __init__(self, endpoint: str, timeout: int, marks: Optional[Mapping[str, Mapping[str, str]]] = None) -> None:
        self.endpoint = endpoint
        self.remembered = marks or {}  # what external_ids held of ours when the last run ended, by row
        self.timeout = timeout
        self._server = _ovsdb_read.Server(endpoint, timeout)
        self._changes: list[tuple[int, Change]] = []
        self._columns = {table: set(columns) for table, columns in TABLES.items()}
        self._seen: Optional[_ovsdb_read.Snapshot] = None
        self._lost: set[str] = set()
        self._concerned = False  # whether what was read matters to the run
        self._index: dict[str, dict[str, Row]] = {}
        self._bridge_by_port: Optional[dict[str, Row]] = None
        self._silent: Optional[_errors.Unavailable] = None  # why the server is not asked again during this look

    def _ask(self, ask: Callable[[], Any]) -> Any:
        """Return what a question gives; raises Missing or Unavailable. One that hung is not repeated at once."""
        if self._silent is not None:
            raise self._silent
        try:
            return ask()
        except TimeoutError as error:
            self._silent = _errors.Unavailable(
                f"the Open vSwitch database at {self.endpoint} did not answer within {self.timeout} s; "
                "see: systemctl status ovsdb-server"
            )
            raise self._silent from error

    @cached_property
    def _schema(self) -> Any:
        """The server's schema in JSON."""
        if importlib.util.find_spec("ovsdbapp") is None:  # before anything is planned that only it can write
            raise _ovsdb_read.missing("ovsdbapp")
        return self._ask(lambda: self._server.ask("get_schema", [_ovsdb_read.DATABASE]))

    @cached_property
    def tables(self) -> schema.Tables:
        """The columns that the server's schema declares, by table and name; raises Missing or Unavailable."""
        return schema.parse(self._schema)

    def watch(self, table: str, columns: Iterable[str]) -> None:
        """Read these columns, too, and the tables they refer to. What was read without them is forgotten.

        Kinds that need it are planned first (Turn.COLUMNS), so that their columns are known before the others look.
        """
        wanted = {table: {*columns, *({"name"} & self.tables[table].keys())}}
        for column in wanted[table].copy():
            for other in self.tables[table][column].tables - self._columns.keys():
                wanted.setdefault(other, {min(self.tables[other])})  # the rows matter, not what they hold
        for name, more in wanted.items():
            known = self._columns.setdefault(name, set())
            if not more <= known:
                known |= more
                self.close()

    @property
    def _snapshot(self) -> _ovsdb_read.Snapshot:
        if self._seen is None:
            tables = self.tables
            self._seen = self._ask(lambda: _ovsdb_read.Snapshot(self._server, tables, self._columns))
            for row in self._unmarked(self._seen):
                row.external_ids = {**self.remembered[row.uuid], **row.external_ids}
                self._lost.add(row.name)
        self._concerned = True
        return self._seen

    def _unmarked(self, snapshot: _ovsdb_read.Snapshot) -> list[Row]:
        """Return the rows that had marks, and lost them to somebody who cleared their external_ids."""
        rows = [row for table in _MARKED for row in snapshot.rows(table) if row.uuid in self.remembered]
        return [row for row in rows if not self.remembered[row.uuid].keys() & row.external_ids.keys()]

    def lost_marks(self) -> list[str]:
        """Return the names of bridges and ports that lost their marks. Those are seen as if they still had them."""
        return sorted(self._lost) if self.remembered and self._snapshot else []

    def restore_marks(self) -> None:
        """Write lost marks again with the coming transaction, after all else."""

        def change(batch: Batch) -> None:
            for table in _MARKED:
                for row in batch.all_rows(table):
                    marks = self.remembered.get(str(row.uuid), {})
                    if marks and not marks.keys() & row.external_ids.keys():
                        row.external_ids = {**marks, **row.external_ids}

        self.change(change, 3)

    def marks(self, prefix: str, key: str, owner: str) -> Optional[dict[str, dict[str, str]]]:
        """Return the entries of external_ids that begin with the prefix, by row, of rows whose key names the owner.

        None stands for a database that this run did not look at.
        """
        if self._seen is None:
            return None
        rows = [row for table in _MARKED for row in self._seen.rows(table) if row.external_ids.get(key) == owner]
        return {row.uuid: {k: v for k, v in row.external_ids.items() if k.startswith(prefix)} for row in rows}

    @cached_property
    def _api(self) -> Any:
        """The ovsdbapp API object, connected, with a replica of the columns; raises Missing or Unavailable."""
        self._ask(lambda: self._server.ask("echo", []))  # ovsdbapp tries and waits for ever
        # To find ovsdbapp's version, pbr takes this name for importlib.metadata, or else pkg_resources, which costs as
        # much time as all the rest of a small run.
        sys.modules.setdefault("importlib_metadata", importlib.import_module("importlib.metadata"))
        try:
            from ovs.db.idl import Idl, SchemaHelper
            from ovsdbapp.backend.ovs_idl import connection
            from ovsdbapp.schema.open_vswitch.impl_idl import OvsdbIdl
        except ImportError as error:
            raise _ovsdb_read.missing(error.name) from error
        _programs.require_version("ovsdbapp", (2, 1), _ovsdb_read.PACKAGES)
        _ovsdb_read.quiet("ovsdbapp")
        helper = SchemaHelper(None, self._schema)
        for table, columns in self._columns.items():
            written = {name for name in columns if name in _WAITED or not self.tables[table][name].status}
            helper.register_columns(table, sorted(written))
        try:
            link = connection.Connection(Idl(self.endpoint, helper), self.timeout)
            # ovsdbapp keeps the connection on the class; a class of our own lets one process talk to several servers.
            return type("Api", (OvsdbIdl,), {"_ovsdb_connection": None})(link, auto_index=False)
        except Exception as error:  # ovsdbapp raises bare Exceptions for lost connections and time-outs
            raise self._server.unreadable(error) from error

    @property
    def installed(self) -> bool:
        """Whether the node has Open vSwitch, be it stopped."""
        return _programs.installed("ovs-vswitchd")

    def is_port(self, name: str) -> bool:
        """Tell whether a bridge has a port of that name; False where no database answers."""
        return self._bridge_that_has(name) is not None

    def on_userspace_datapath(self, port: str) -> bool:
        """Tell whether such a port is on a bridge of the userspace datapath; False where no database answers."""
        bridge = self._bridge_that_has(port)
        return bridge is not None and bridge.datapath_type == "netdev"

    def _bridge_that_has(self, port: str) -> Optional[Row]:
        """Return the bridge of a port, which then matters to the run; None, too, where no database answers."""
        concerned = self._concerned
        try:
            bridge = self.bridge_of(port)
        except (_errors.Missing, _errors.Unavailable):
            return None
        self._concerned = concerned or bridge is not None
        return bridge

    def reattach(self, port: str) -> None:
        """Make ovs-vswitchd open the device of a port again.

        The userspace datapath holds on to a device that was deleted and does not notice the new one of that name. When
        the datapath loses the port, ovs-vswitchd adds it again; one that is lost already comes back by itself.
        """
        command = ["ovs-appctl", f"--timeout={self.timeout}", "dpctl/del-if", "netdev@ovs-netdev", port]
        _programs.run_program(command, self.timeout + 1, "install openvswitch-switch")

    def require_switch(self) -> None:
        """Raise Unavailable where a database on this host matters, but no ovs-vswitchd takes over what it holds."""
        if not self.endpoint.startswith("unix:") or not self._concerned:
            return
        try:
            self._tell_switch("version")
        except TimeoutError as error:
            raise _errors.Unavailable(
                f"ovs-vswitchd did not answer within {self.timeout} s; see: systemctl status ovs-vswitchd"
            ) from error
        except (OSError, ValueError, _errors.Unavailable) as error:
            raise _errors.Unavailable(
                "ovs-vswitchd does not run, without which nothing in its database has an effect; "
                "start it with: systemctl start openvswitch-switch"
            ) from error

    def _tell_switch(self, command: str) -> None:
        """Give ovs-vswitchd a command and wait for its answer, by JSON-RPC, too (ovs-appctl(8))."""
        directory = os.path.dirname(self.endpoint.partition(":")[2])
        with open(os.path.join(directory, "ovs-vswitchd.pid"), encoding="ascii") as handle:
            process = int(handle.read())
        _ovsdb_read.Server(f"unix:{directory}/ovs-vswitchd.{process}.ctl", self.timeout).ask(command, [])

    @property
    def root(self) -> Row:
        """The only row of the table Open_vSwitch; raises Unavailable where there is none yet."""
        for row in self.rows("Open_vSwitch"):
            return row
        raise self._server.unreadable("it is empty; fill it with: systemctl restart openvswitch-switch")

    def find(self, table: str, name: str) -> Optional[Row]:
        """Return the row of that name in Bridge, Port or Interface, or None."""
        if table not in self._index:
            self._index[table] = {row.name: row for row in self.rows(table)}
        return self._index[table].get(name)

    def rows(self, table: str) -> list[Row]:
        """Return all rows of a table."""
        return self._snapshot.rows(table)

    def record(self, table: str, record: str) -> Optional[Row]:
        """Return the row of that name or UUID in a watched table, or its only row for ".", or None.

        Raises Conflict when there are several.
        """
        return _record(self.rows(table), table, record)

    def bridge_of(self, port: str) -> Row:
        """Return the bridge that holds the port of that name, or None."""
        if self._bridge_by_port is None:
            self._bridge_by_port = {row.name: bridge for bridge in self.rows("Bridge") for row in bridge.ports}
        return self._bridge_by_port.get(port)

    def change(self, change: Change, order: int = 2) -> None:
        """Add a change to the coming transaction. It is called again when the server asks to try again.

        Changes of a lower order come first: REMOVAL removes ports, 0 makes real bridges, 1 makes fake ones, 3 restores
        marks, 2 is all else.
        """
        self._changes.append((order, change))

    def commit(self) -> None:
        """Make the collected changes; raises Unavailable when they are refused or not taken over.

        They are one transaction, unless ports go and others come: a new port would get the number of one that went
        while the datapath still has flows that send packets there. So the former go first.

        What was read is forgotten in any case: what other backends have done shows in the database, too.
        """
        self.forget()
        changes, self._changes = self._changes, []
        changes.sort(key=lambda item: item[0])
        removals = [change for order, change in changes if order == REMOVAL]
        others = [change for order, change in changes if order != REMOVAL]
        if removals:
            self._transact(removals)
        if removals and others and self.endpoint.startswith("unix:"):
            try:
                self._tell_switch("revalidator/wait")
            except (OSError, ValueError, _errors.Unavailable) as error:
                raise self._not_taken_over() from error
        if others:
            self._transact(others)

    def _transact(self, changes: Sequence[Change]) -> None:
        api = self._api
        from ovsdbapp.backend.ovs_idl.command import BaseCommand

        class Changes(BaseCommand):  # type: ignore[misc]  # ovsdbapp has no type information
            number = 0  # of the configuration that the transaction made; others may have made later ones since

            def post_commit(self, txn: Any) -> None:
                self.number = txn.get_increment_new_value()

            def run_idl(self, txn: Any) -> None:
                batch = Batch(api.tables, txn)
                for change in changes:
                    change(batch)

        try:
            with api.transaction(check_error=True, log_errors=False) as transaction:
                made = transaction.add(Changes(api))
        except Exception as error:  # RuntimeError for a refusal, ovsdbapp's own exceptions for time-outs
            if "Timeout" in type(error).__name__:
                raise self._not_taken_over() from error
            raise _errors.Unavailable(f"the Open vSwitch database refused the change: {error}") from error
        switch = next(iter(api.tables["Open_vSwitch"].rows.values()))
        if switch.cur_cfg < made.number:
            raise self._not_taken_over()

    def _not_taken_over(self) -> _errors.Unavailable:
        return _errors.Unavailable(
            f"ovs-vswitchd did not take the change over within {self.timeout} s; the database may hold it already; "
            "raise timeout for a large change, or see: systemctl status ovs-vswitchd"
        )

    def forget(self) -> None:
        """Drop what was read."""
        self._silent = None
        self._seen = None
        self._lost.clear()
        self._index.clear()
        self._bridge_by_port = None

    def close(self) -> None:
        """Drop what was read, and the connection to write by. Both come again when they are needed."""
        self.forget()
        if "_api" in self.__dict__:
            self.__dict__.pop("_api").ovsdb_connection.stop(_CLOSE_SECONDS)


def _record(rows: list[Row], table: str, record: str) -> Optional[Row]:
    """See ``Ovsdb.record``."""
    if record != ".":
        rows = [row for row in rows if record in (str(row.uuid), getattr(row, "name", None))]
    if len(rows) > 1:
        raise _errors.Conflict(
            f"the table {table} has {len(rows)} rows that fit {values.shown(record)}; give the UUID of one"
        )
    return rows[0] if rows else None
