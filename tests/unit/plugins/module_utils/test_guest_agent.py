# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the QEMU guest agent against an agent of our own that can misbehave."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netvirt.fabric.plugins.module_utils import _guest_agent
from ansible_collections.netvirt.fabric.plugins.modules import guest_agent

INTERFACE = {"name": "eth0", "hardware-address": "52:54:00:aa:bb:01"}
ADDRESS = {"ip-address-type": "ipv4", "ip-address": "10.0.10.11", "prefix": 24}


class Agent(threading.Thread):
    """A guest agent. Commands: ``echo TEXT``, ``sleep SECONDS``, ``false``, ``crash``; others do not exist."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path = str(path)
        self.instead: bytes | None = None  # of each answer but that to guest-sync-delimited
        self.greeting = b""  # sent before anything is asked
        self.deaf = 0  # how many requests are lost
        self.addresses: list[dict[str, Any]] = [ADDRESS]
        self.asleep = 0.0  # seconds before the first answer, as in a guest that boots
        self.most = 0  # commands that ran at the same time
        self.running: dict[int, tuple[float, dict[str, Any]]] = {}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()

    def run(self) -> None:
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            with client, client.makefile("rb") as requests:
                client.sendall(self.greeting)
                time.sleep(self.asleep)
                for line in requests:
                    if line.startswith(b"\xff"):
                        client.sendall(b'{"error": {"class": "GenericError", "desc": "JSON parse error"}}\n')
                    if self.deaf:
                        self.deaf -= 1
                        continue
                    request = json.loads(line.lstrip(b"\xff"))
                    if self.instead is not None and request["execute"] != "guest-sync-delimited":
                        with contextlib.suppress(OSError):  # the client may have heard enough
                            client.sendall(self.instead + b"\n")
                        continue
                    prefix = b"\xff" if request["execute"] == "guest-sync-delimited" else b""
                    client.sendall(prefix + json.dumps(self.answer(request)).encode() + b"\n")

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        command, arguments = request["execute"], request.get("arguments", {})
        if command == "guest-sync-delimited":
            return {"return": arguments["id"]}
        if command == "guest-network-get-interfaces":
            return {"return": [{"name": "lo"}, {**INTERFACE, "ip-addresses": self.addresses}]}
        if command == "guest-exec":
            return self.execute(arguments["path"], arguments["arg"])
        end, status = self.running[arguments["pid"]]
        return {"return": {"exited": True, **status} if time.monotonic() >= end else {"exited": False}}

    def execute(self, path: str, words: list[str]) -> dict[str, Any]:
        results = {
            "echo": {"exitcode": 0, "out-data": base64.b64encode(" ".join(words).encode()).decode()},
            "false": {"exitcode": 1, "err-data": base64.b64encode(b"no\xff").decode()},
            "sleep": {"exitcode": 0},
            "crash": {"signal": 11},
        }
        if path not in results:
            return {"error": {"class": "GenericError", "desc": f"Failed to execute child process {path}"}}
        pid = len(self.running) + 1
        self.running[pid] = (time.monotonic() + (float(words[0]) if path == "sleep" else 0), results[path])
        self.most = max(self.most, sum(end > time.monotonic() for end, _status in self.running.values()))
        return {"return": {"pid": pid}}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    thread = Agent(tmp_path / "agent.sock")
    yield thread
    thread.listener.close()


def probe(agent: Agent, *commands: list[str], timeout: float = 5, agent_timeout: float = 5) -> list[dict[str, Any]]:
    probes = [{"command": command, "timeout": timeout} for command in commands]
    return _guest_agent.run_probes("guest vm1", agent.path, probes, agent_timeout)


def test_results_of_commands(agent: Agent) -> None:
    agent.start()
    assert probe(agent, ["echo", "a", "b"], ["false"], ["crash"]) == [
        {"rc": 0, "stdout": "a b", "stderr": ""},
        {"rc": 1, "stdout": "", "stderr": "no\ufffd"},
        {"rc": 139, "stdout": "", "stderr": ""},
    ]


def test_interfaces(agent: Agent) -> None:
    agent.start()
    (result,) = probe(agent, [])
    assert result["interfaces"][1] == {"name": "eth0", "mac": "52:54:00:aa:bb:01", "addresses": ["10.0.10.11/24"]}
    assert result["interfaces"][0]["addresses"] == []


def test_waiting_for_a_lease(agent: Agent) -> None:
    agent.start()
    mac = "52:54:00:AA:BB:01"
    addresses, agent.addresses = agent.addresses, [{"ip-address": "fe80::1", "prefix": 64}]
    threading.Timer(0.5, lambda: setattr(agent, "addresses", addresses)).start()
    (result,) = _guest_agent.run_probes("guest vm1", agent.path, [{"macs": [mac], "timeout": 5}], 1)
    assert result["interfaces"][1]["addresses"] == ["10.0.10.11/24"]


def test_waiting_for_a_lease_that_does_not_come(agent: Agent) -> None:
    agent.start()
    started = time.monotonic()
    probe = {"macs": ["52:54:00:aa:bb:02"], "timeout": 0.3}
    (result,) = _guest_agent.run_probes("guest vm1", agent.path, [probe], 1)
    assert len(result["interfaces"]) == 2
    assert time.monotonic() - started < 5


def test_what_fails_does_not_spoil_the_rest(agent: Agent) -> None:
    agent.start()
    missing, slow, good = probe(agent, ["nope"], ["sleep", "9"], ["echo", "a"], timeout=0.2)
    assert missing["error"] == "guest vm1: guest-exec: Failed to execute child process nope"
    assert slow["error"] == "guest vm1: 'sleep 9' still runs after 0.2 s"
    assert good["rc"] == 0


def test_commands_run_side_by_side_but_not_all_at_once(agent: Agent) -> None:
    agent.start()
    started = time.monotonic()
    results = probe(agent, *[["sleep", "0.3"]] * 12)
    assert [result["rc"] for result in results] == [0] * 12
    assert 0.6 <= time.monotonic() - started < 3
    assert agent.most <= _guest_agent.PARALLEL


def test_remains_of_another_client(agent: Agent) -> None:
    agent.greeting = b'half a line"}\n{"return": {"pid": 7}}\n[1]\n\xff{"return": 1}\n'
    agent.start()
    assert probe(agent, ["echo", "a"])[0]["stdout"] == "a"


def test_agent_that_misses_the_first_request(agent: Agent) -> None:
    agent.deaf = 1
    agent.start()
    assert probe(agent, ["echo", "a"])[0]["stdout"] == "a"


def test_agent_that_is_late_answers_every_request(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guest_agent, "ASK_AGAIN_SECONDS", 0.1)
    agent.asleep = 0.5
    agent.start()
    assert probe(agent, ["echo", "a"], []) == [
        {"rc": 0, "stdout": "a", "stderr": ""},
        {"interfaces": _guest_agent.run_probes("guest vm1", agent.path, [{"timeout": 1}], 1)[0]["interfaces"]},
    ]


def test_agent_that_does_not_answer(agent: Agent) -> None:
    started = time.monotonic()
    (result,) = probe(agent, ["echo"], agent_timeout=0.3)
    assert result["error"].startswith("guest vm1: its QEMU guest agent did not answer within 0.3 s")
    assert time.monotonic() - started < 5


def test_guest_that_is_not_running(tmp_path: Path) -> None:
    path = str(tmp_path / "none.sock")
    (result,) = _guest_agent.run_probes("guest vm1", path, [{"timeout": 1}], 1)
    assert result == {"error": f"guest vm1 is not running: nothing listens at {path}"}
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    (result,) = _guest_agent.run_probes("guest vm1", path, [{"timeout": 1}], 1)
    assert result == {"error": f"guest vm1 is not running: nothing listens at {path}"}


def test_path_that_is_too_long(tmp_path: Path) -> None:
    (result,) = _guest_agent.run_probes("guest vm1", "/" + "x" * 300, [{"timeout": 1}], 1)
    assert "cannot be reached" in result["error"]


def test_a_link_in_the_place_of_the_socket_is_not_followed(agent: Agent, tmp_path: Path) -> None:
    """Neither the socket nor its directory may be a link to another's, nor the socket another user's."""
    agent.start()
    link, directory = tmp_path / "link.sock", tmp_path / "directory"
    link.symlink_to(agent.path)
    directory.symlink_to(tmp_path)
    fifo, file = tmp_path / "fifo", tmp_path / "file"
    os.mkfifo(fifo)
    file.touch()
    for path in (link, directory / "agent.sock", fifo, file):
        (result,) = _guest_agent.run_probes("guest vm1", str(path), [{"timeout": 1}], 1)
        assert "is not a socket of the user whose directory it is in" in result["error"], path


HOSTILE = {
    "brackets": b"[" * 200_000,
    "nested": b'{"return": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "error": b'{"error": "boom"}',
    "error of another type": b'{"error": {"desc": ["\\u001b[2J\\u001b]0;owned\\u0007"]}}',
    "null": b"null",
    "nothing": b'{"return": null}',
    "list": b'{"return": [1, "x", null]}',
    "no pid": b'{"return": {"pid": "one"}}',
    "huge pid": b'{"return": {"pid": 1' + b"0" * 400 + b"}}",
    "exited": b'{"return": {"pid": 1, "exited": "yes"}}',
    "exit code": b'{"return": {"pid": 1, "exited": true, "exitcode": [0]}}',
    "data": b'{"return": {"pid": 1, "exited": true, "exitcode": 0, "out-data": {"a": 1}}}',
    "no base64": b'{"return": {"pid": 1, "exited": true, "exitcode": 0, "out-data": "\xc3\xa9"}}',
    "surrogate": b'{"return": [{"name": "\\udcff", "hardware-address": "52:54:00:aa:bb:01"}]}',
    "path": b'{"return": [{"name": "../../etc", "hardware-address": "52:54:00:aa:bb:01"}]}',
    "address": b'{"return": [{"name": "e", "ip-addresses": [{"ip-address": "' + b"9" * 4000 + b'", "prefix": 24}]}]}',
    "prefix": b'{"return": [{"name": "eth0", "ip-addresses": [{"ip-address": "10.0.0.1", "prefix": "x"}]}]}',
    "garbage": b"\xff\xfe\x00\x1b[2J",
    "20 MB": b'{"return": {"pid": 1, "exited": true, "exitcode": 0, "out-data": "' + b"A" * 20_000_000 + b'"}}',
    "no end": b"x" * 20_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_agent_is_told_of_and_held_up_by_nothing(agent: Agent, name: str) -> None:
    agent.instead = HOSTILE[name]
    agent.start()
    started = time.monotonic()
    results = probe(agent, ["echo", "a"], [], *[["echo", "b"]] * 20)
    assert time.monotonic() - started < 8
    assert all(set(result) == {"error"} for result in results), results
    for result in results:
        assert result["error"].startswith("guest vm1: ")
        assert result["error"].isprintable()
        assert len(result["error"]) < 400


def test_an_agent_that_falls_silent_is_waited_for_once(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guest_agent, "CALL_SECONDS", 0.5)
    agent.instead = b'{"return": 7}'
    agent.start()
    started = time.monotonic()
    results = probe(agent, *[["echo", "a"]] * 30)
    assert {result["error"] for result in results} == {"guest vm1: its QEMU guest agent stopped answering"}
    assert time.monotonic() - started < 3


def test_the_others_are_asked_beside_a_hostile_agent(tmp_path: Path) -> None:
    bad, good = Agent(tmp_path / "bad.sock"), Agent(tmp_path / "good.sock")
    bad.instead = HOSTILE["brackets"]
    bad.start()
    good.start()
    outcome = guest_agent.answers(
        [{"guest": None, "socket": thread.path, "command": ["echo", "a"], "timeout": 5} for thread in (bad, good)], 5
    )
    assert "error" in outcome[0]
    assert outcome[1]["stdout"] == "a"
    for thread in (bad, good):
        thread.listener.close()
