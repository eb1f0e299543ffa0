# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at a database, against a server that answers as RFC 7047 has it, or does not."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _ovsdb_schema as schema
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch._ovsdb_read import Server, Snapshot
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Unavailable

BRIDGE, PORT, OTHER = (f"0000000{number}-0000-4000-8000-000000000000" for number in (1, 2, 3))
SCHEMA = {
    "tables": {
        "Bridge": {
            "columns": {
                "name": {"type": "string"},
                "stp": {"type": "boolean"},
                "mode": {"type": {"key": "string", "min": 0, "max": 1}},
                "ports": {"type": {"key": {"type": "uuid", "refTable": "Port"}, "min": 0, "max": "unlimited"}},
                "mirror": {"type": {"key": {"type": "uuid", "refTable": "Mirror"}, "min": 0, "max": 1}},
                "config": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}},
            }
        },
        "Port": {
            "columns": {
                "name": {"type": "string"},
                "vlans": {"type": {"key": "integer", "min": 0, "max": 4096}},
                "bridge": {"type": {"key": {"type": "uuid", "refTable": "Bridge"}}},
            }
        },
    }
}
TABLES = schema.parse(SCHEMA)
COLUMNS = {"Bridge": ["name", "stp", "mode", "ports", "mirror", "config"], "Port": ["name", "vlans", "bridge"]}
ROWS = (
    {
        "rows": [
            {
                "_uuid": ["uuid", BRIDGE],
                "name": "br-ü",
                "stp": False,
                "mode": ["set", []],
                "ports": ["uuid", PORT],
                "mirror": ["uuid", OTHER],
                "config": ["map", [["a", 1], ["b", 2]]],
            }
        ]
    },
    {
        "rows": [
            {"_uuid": ["uuid", PORT], "name": "p", "vlans": ["set", [3, 5]], "bridge": ["uuid", BRIDGE]},
            {"_uuid": ["uuid", OTHER], "name": "q", "vlans": 7, "bridge": ["uuid", BRIDGE]},
        ]
    },
)


@contextmanager
def server(path: Path, *parts: Any) -> Iterator[Server]:
    """Serve one request with these messages, or pieces of bytes; ``id`` in them is that of the request."""

    def serve() -> None:
        connection, _address = listener.accept()
        with connection:
            request = json.loads(connection.recv(65536))
            for part in parts:
                if not isinstance(part, bytes):
                    message = {key: request["id"] if item == "id" else item for key, item in part.items()}
                    part = json.dumps(message, ensure_ascii=False)
                connection.sendall(part if isinstance(part, bytes) else part.encode())
                time.sleep(0.02)
            if not parts:
                connection.recv(1)  # until the client has had enough

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path / "db.sock"))
        listener.listen(1)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Server(f"unix:{path / 'db.sock'}", 1)
        finally:
            thread.join()


def snapshot(path: Path, answers: Sequence[Any] = ROWS) -> Snapshot:
    with server(path, {"id": "id", "result": answers, "error": None}) as database:
        return Snapshot(database, TABLES, COLUMNS)


def test_columns_have_the_form_of_their_type(tmp_path: Path) -> None:
    seen = snapshot(tmp_path)
    (bridge,) = seen.rows("Bridge")
    port, other = seen.rows("Port")
    assert (bridge.name, bridge.stp, bridge.mode, bridge.config) == ("br-ü", False, [], {"a": 1, "b": 2})
    assert bridge.uuid == BRIDGE
    assert (port.vlans, other.vlans) == ([3, 5], [7])
    assert bridge.ports == [port]
    assert port.bridge is bridge
    assert bridge.mirror == [OTHER]  # a table that was not read


def test_column_that_was_not_read(tmp_path: Path) -> None:
    (bridge,) = snapshot(tmp_path).rows("Bridge")
    assert not hasattr(bridge, "fail_mode")
    with pytest.raises(AttributeError, match="the column fail_mode of Bridge was not read"):
        assert bridge.fail_mode


def test_select_that_the_server_refuses(tmp_path: Path) -> None:
    refusal = {"error": "unknown column", "details": "no column stp"}
    with pytest.raises(Unavailable, match="cannot be read: unknown column: no column stp"):
        snapshot(tmp_path, [refusal, None])


def test_answer_in_pieces_after_other_messages(tmp_path: Path) -> None:
    text = "ü" * 30_000  # more than the library takes at once
    probe = {"id": "echo", "method": "echo", "params": []}
    notice = {"id": None, "method": "locked", "params": ["x"]}
    stale = {"id": 10**9, "result": [], "error": None}
    with server(tmp_path, probe, notice, stale, {"id": "id", "result": [text], "error": None}) as database:
        assert database.ask("echo", []) == [text]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([{"id": "id", "result": None, "error": "unknown database"}], "cannot be read: unknown database"),
        ([b""], r"does not answer at unix:\S+ \(it closed the connection\); start it with: systemctl start"),
        ([b'{"id": 0, "resu'], r"does not answer at unix:\S+ \(it closed the connection\)"),
        ([b"what?"], "does not answer at"),
    ],
)
def test_server_that_does_not_answer_the_question(tmp_path: Path, parts: list[Any], reason: str) -> None:
    with server(tmp_path, *parts) as database, pytest.raises(Unavailable, match=reason):
        database.ask("get_schema", ["Open_vSwitch"])


def test_server_that_hangs(tmp_path: Path) -> None:
    begun = time.monotonic()
    with server(tmp_path) as database, pytest.raises(TimeoutError):
        database.ask("echo", [])
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [("unix:/nonexistent/db.sock", "No such file"), ("tcp:127.0.0.1:1", "refused"), ("what", "not supported")],
)
def test_no_server(endpoint: str, reason: str) -> None:
    with pytest.raises(Unavailable, match=rf"does not answer at {endpoint} \([^)]*{reason}"):
        Server(endpoint, 1).ask("echo", [])
