# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Questions to an ovsdb-server, and what it holds at one moment (RFC 7047, sections 4.1 and 5.2.2).

One transaction selects all that a run looks at, so that a plan never sees half of somebody else's change. It costs a
fraction of what a replica of the database costs, which only those need who write (``_ovsdb``).
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _ovsdb_schema as schema

DATABASE = "Open_vSwitch"
PACKAGES = "python3-ovsdbapp (2.1 or newer) and python3-openvswitch"


class Server:
    """One ovsdb-server, by the library ovs."""

    def __init__(self, endpoint: str, timeout: int) -> None:
        self.endpoint = endpoint
        self.timeout = timeout

    def ask(self, method: str, params: list[Any]) -> Any:
        """Return the result of a request. Raises Missing, TimeoutError, or Unavailable, also when it is refused."""
        try:
            from ovs import jsonrpc, stream
        except ImportError as error:
            raise missing(error.name or "ovs") from error
        quiet("ovs")
        deadline = time.monotonic() + self.timeout
        code, opened = stream.Stream.open_block(stream.Stream.open(self.endpoint), self.timeout * 1000)
        if code:
            raise self._silent(code)
        connection = jsonrpc.Connection(opened)
        try:
            request = jsonrpc.Message.create_request(method, params)
            code = connection.send(request)
            while not code:
                code, reply = self._receive(connection, deadline)
                if not code and reply.id == request.id and reply.type in (reply.T_REPLY, reply.T_ERROR):
                    if reply.type == reply.T_ERROR:
                        raise self.unreadable(reply.error)
                    return reply.result
            raise self._silent(code)
        finally:
            connection.close()

    def _receive(self, connection: Any, deadline: float) -> tuple[int, Any]:
        """Return the next message, or an error number; raises TimeoutError."""
        from ovs import poller

        while True:
            code, message = connection.recv()
            if code != errno.EAGAIN:
                return code, message
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.run()
            waiting = poller.Poller()
            connection.wait(waiting)
            connection.recv_wait(waiting)
            waiting.timer_wait(left * 1000)
            waiting.block()

    def _silent(self, code: int) -> Exception:
        if code == errno.ETIMEDOUT:
            return TimeoutError()
        reason = os.strerror(code) if code > 0 else "it closed the connection"  # ovs.util.EOF is -1
        return _errors.Unavailable(
            f"the Open vSwitch database does not answer at {self.endpoint} ({reason}); "
            "start it with: systemctl start openvswitch-switch"
        )

    def unreadable(self, error: object) -> _errors.Unavailable:
        """Return what says that the server answers, but not with what was asked for."""
        return _errors.Unavailable(f"the Open vSwitch database at {self.endpoint} cannot be read: {error}")


class Row:
    """A row of a snapshot. Its columns are attributes, in the form in which ovs.db.idl has them.

    That is a single value for a column that always holds one, a list for one that may hold none or several, a
    dictionary for a map, and a row in place of the UUID of a row that was read as well.
    """

    def __init__(self, snapshot: Snapshot, table: str, held: Mapping[str, Any]) -> None:
        self._snapshot = snapshot
        self._table = table
        self._held = held
        self.uuid: str = held["_uuid"][1]

    def __getattr__(self, column: str) -> Any:
        try:
            held = self._held[column]
        except KeyError:
            raise AttributeError(f"the column {column} of {self._table} was not read") from None
        value = self._snapshot.tables[self._table][column].decode(held, self._snapshot.row)
        setattr(self, column, value)  # which the next look finds before it comes here
        return value


class Snapshot:
    """What the server holds of some columns."""

    def __init__(self, server: Server, tables: schema.Tables, columns: Mapping[str, Iterable[str]]) -> None:
        self.tables = tables
        selects = [
            {"op": "select", "table": table, "where": [], "columns": ["_uuid", *sorted(names)]}
            for table, names in columns.items()
        ]
        answers = server.ask("transact", [DATABASE, *selects])
        for answer in answers:
            if answer is not None and "error" in answer:
                raise server.unreadable(f"{answer['error']}: {answer.get('details', '')}")
        self._rows = {
            table: {row.uuid: row for row in (Row(self, table, held) for held in answer["rows"])}
            for table, answer in zip(columns, answers)
        }

    def rows(self, table: str) -> list[Row]:
        """Return all rows of a table."""
        return list(self._rows[table].values())

    def row(self, table: str, uuid: str) -> Any:
        """Return the row, or its UUID where the table was not read."""
        return self._rows.get(table, {}).get(uuid, uuid)


def missing(library: Optional[str]) -> _errors.Missing:
    """Return what says that a library is missing on the node."""
    return _programs.missing_library(library, PACKAGES)


def quiet(library: str) -> None:
    """Keep a library from writing its log to standard error."""
    logging.getLogger(library).handlers = [logging.NullHandler()]
    logging.getLogger(library).propagate = False
