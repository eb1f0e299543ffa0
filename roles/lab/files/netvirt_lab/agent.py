# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The QEMU guest agent of a node: commands inside it without its network (qemu-ga-ref(7))."""

from __future__ import annotations

import base64
import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .system import LabError

ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
ANSWER_TIMEOUT = 10  # seconds


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    output: bytes
    errors: bytes


class Agent:
    """The agent behind a socket. Each request has a connection of its own, since QEMU serves one at a time."""

    def __init__(self, path: Path, node: str) -> None:
        self.path = path
        self.node = node

    def run(self, argv: list[str], *, stdin: bytes = b"", timeout: float | None = None) -> Done:
        """Run a command and wait for its end; raise :class:`LabError` if the agent does not answer or time is up."""
        deadline = None if timeout is None else time.monotonic() + timeout
        options = {"path": argv[0], "arg": argv[1:], "env": ENVIRONMENT, "capture-output": True}
        if stdin:
            options["input-data"] = base64.b64encode(stdin).decode()
        pid = self.request("guest-exec", options)["pid"]
        pause = 0.01
        while not (found := self.request("guest-exec-status", {"pid": pid}))["exited"]:
            if deadline is not None and time.monotonic() > deadline:
                raise LabError(f"node {self.node}: '{' '.join(argv)}' did not end within {timeout:g} s")
            time.sleep(pause)
            pause = min(pause * 2, 0.5)
        status = 128 + found["signal"] if "signal" in found else found["exitcode"]
        return Done(status, *(base64.b64decode(found.get(key, "")) for key in ("out-data", "err-data")))

    def request(self, command: str, options: dict[str, Any]) -> Any:
        """Return the answer to one request."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(ANSWER_TIMEOUT)
                connection.connect(str(self.path))
                return self._ask(connection, command, options)
        except OSError as error:
            raise LabError(f"node {self.node} is off, or its agent does not answer ({error or 'timeout'})") from None

    def _ask(self, connection: socket.socket, command: str, options: dict[str, Any]) -> Any:
        """Ask for a mark first: what comes before it was meant for somebody else."""
        mark = time.monotonic_ns() % 2**53
        synchronize = {"execute": "guest-sync-delimited", "arguments": {"id": mark}}
        connection.sendall(b"\xff" + json.dumps(synchronize).encode() + b"\n")
        with connection.makefile("rb") as answers:
            while self._answer(answers).get("return") != mark:
                pass
            connection.sendall(json.dumps({"execute": command, "arguments": options}).encode() + b"\n")
            answer = self._answer(answers)
        if "error" in answer:
            raise LabError(f"node {self.node}: {command}: {answer['error']['desc']}")
        return answer["return"]

    def _answer(self, answers: BinaryIO) -> dict[str, Any]:
        line = answers.readline()
        if not line:
            raise LabError(f"node {self.node} went off")
        found: dict[str, Any] = json.loads(line.rpartition(b"\xff")[2])
        return found
