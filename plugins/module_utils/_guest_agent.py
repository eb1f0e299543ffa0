# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""A client of the QEMU guest agent: commands in guests, without a network.

The protocol is JSON objects, one per line, over a UNIX socket that QEMU joins to a virtio-serial port of the guest.
QEMU talks to one client at a time. Nothing here waits without a deadline.

The agent is the guest's own, and may answer with anything. An answer is looked at before it is used, its length is
limited, and its words are quoted printable. After the first improper one the guest is not asked any more.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import ipaddress
import json
import os
import random
import re
import socket
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values

RUN_DIRECTORY = "/run/netvirt/guests"
PARALLEL = 8
"""How many commands run in one guest at a time."""
CALL_SECONDS = 10.0
"""How long an agent that has answered once may take for an answer that it does not have to wait for."""
ASK_AGAIN_SECONDS = 2.0
_DELIMITER = b"\xff"
MAX_ANSWER = 2**20
"""The bytes of the longest answer that is taken."""
MAX_INTERFACES = 1024
_MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")


def socket_path(guest: str) -> str:
    """Return where the role netvirt.fabric.guest puts the agent's socket of a guest."""
    return os.path.join(RUN_DIRECTORY, guest, "agent.sock")


class _Late(_errors.Unavailable):
    """There was no answer in time."""


class GuestAgent:
    """One connection to one guest's agent. Errors are Unavailable: no agent, or it refused."""

    def __init__(self, title: str, path: str, timeout: float) -> None:
        """Connect and wait until the agent answers, ``timeout`` seconds at most."""
        self._title = title
        self._buffer = b""
        self._fault = ""
        self._ready = False  # whether all that comes is an answer to this client
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._connect(path, timeout)
            self._synchronise(timeout)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the next client in."""
        self._socket.close()

    def call(self, command: str, **arguments: Any) -> Any:
        """Return what the agent answers to a command; raises Unavailable with its own words when it refuses."""
        if self._fault:
            raise _errors.Unavailable(self._fault)
        deadline = time.monotonic() + CALL_SECONDS
        self._send({"execute": command, "arguments": arguments})
        while True:
            answer = self._receive(deadline)
            if "error" in answer:
                error = answer["error"]
                words = error.get("desc", error) if isinstance(error, dict) else error
                raise _errors.Unavailable(f"{self._title}: {command}: {values.quoted(words)}")
            if not isinstance(answer.get("return"), int):  # a number is an answer to guest-sync
                return answer.get("return")

    def start(self, argv: Sequence[str]) -> int:
        """Start a command in the guest and return its process id there."""
        result = self.call("guest-exec", path=argv[0], arg=list(argv[1:]), **{"capture-output": True})
        if not isinstance(result, dict) or not _is_number(result.get("pid")):
            raise self._improper("guest-exec", result)
        return int(result["pid"])

    def result(self, pid: int) -> Optional[dict[str, Any]]:
        """Return ``rc``, ``stdout`` and ``stderr`` of a command that was started, or None while it runs."""
        status = self.call("guest-exec-status", pid=pid)
        if not isinstance(status, dict) or not isinstance(status.get("exited"), bool):
            raise self._improper("guest-exec-status", status)
        if not status["exited"]:
            return None
        codes = status.get("exitcode", 0), status.get("signal", 0)
        try:
            texts = [_text(status.get(key, "")) for key in ("out-data", "err-data")]
        except (TypeError, ValueError):
            raise self._improper("guest-exec-status", status) from None
        if not all(map(_is_number, codes)):
            raise self._improper("guest-exec-status", status)
        rc = codes[0] if "exitcode" in status else 128 + codes[1]
        return {"rc": rc, "stdout": texts[0], "stderr": texts[1]}

    def interfaces(self) -> list[dict[str, Any]]:
        """Return the guest's interfaces: ``name``, ``mac`` and ``addresses`` with prefix length."""
        found = self.call("guest-network-get-interfaces")
        try:
            return [_interface(item) for item in found[:MAX_INTERFACES]]
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._improper("guest-network-get-interfaces", found) from None

    def _improper(self, command: str, answer: Any) -> _errors.Unavailable:
        """Return the error of an answer that is none; nothing more is asked of this agent."""
        return self._broken(f"its QEMU guest agent does not answer {command} properly, but with {values.shown(answer)}")

    def _broken(self, reason: str) -> _errors.Unavailable:
        self._fault = f"{self._title}: {reason}"
        return _errors.Unavailable(self._fault)

    def _connect(self, path: str, timeout: float) -> None:
        self._socket.settimeout(timeout)
        try:
            with _own_socket(path) as handle:
                self._socket.connect(f"/proc/self/fd/{handle}")
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
                raise _errors.Unavailable(f"{self._title} is not running: nothing listens at {path}") from error
            reason = os.strerror(error.errno) if error.errno else str(error)
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENOTSOCK):
                reason = "it is not a socket of the user whose directory it is in; look at who changed it"
            raise _errors.Unavailable(f"{self._title}: {path} cannot be reached: {reason}") from error

    def _synchronise(self, timeout: float) -> None:
        """Discard what was answered to earlier requests (guest-sync-delimited in the agent's reference manual).

        An agent that still starts is asked again, and will answer all requests in turn. So only the answer to the last
        one counts.
        """
        deadline = time.monotonic() + timeout
        identifier = random.randrange(1, 2**30)
        while True:
            identifier += 1
            self._send({"execute": "guest-sync-delimited", "arguments": {"id": identifier}}, _DELIMITER)
            try:
                while self._receive(min(deadline, time.monotonic() + ASK_AGAIN_SECONDS)).get("return") != identifier:
                    pass
                self._ready = True
                return
            except _Late:
                if time.monotonic() >= deadline:
                    raise _errors.Unavailable(
                        f"{self._title}: its QEMU guest agent did not answer within {timeout:g} s; "
                        "is qemu-guest-agent running in it?"
                    ) from None

    def _send(self, request: Mapping[str, Any], prefix: bytes = b"") -> None:
        try:
            self._socket.settimeout(CALL_SECONDS)
            self._socket.sendall(prefix + json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise self._broken(f"its agent takes no request: {error}") from error

    def _receive(self, deadline: float) -> dict[str, Any]:
        """Return the next answer; lines that are no JSON object are remains of another client's."""
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                answer = _parsed(line)
                if answer is not None:
                    return answer
                if self._ready:
                    raise self._broken(f"its QEMU guest agent does not answer in JSON, but with {_excerpt(line)}")
            else:
                self._read(deadline)

    def _read(self, deadline: float) -> None:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            if self._ready:
                raise self._broken("its QEMU guest agent stopped answering")
            raise _Late("no answer")
        self._socket.settimeout(remaining)
        try:
            data = self._socket.recv(65536)
        except socket.timeout:
            return
        except OSError as error:
            raise self._broken(f"the connection to its agent broke: {error}") from error
        if not data:
            raise self._broken("it stopped while its agent was asked")
        self._buffer += data
        if len(self._buffer) > MAX_ANSWER:
            raise self._broken(f"its QEMU guest agent answers with more than {MAX_ANSWER} bytes")


@contextlib.contextmanager
def _own_socket(path: str) -> Iterator[int]:
    """Hold a socket by a descriptor; raises ENOTSOCK or ELOOP where the directory's user put something else there.

    QEMU can write in that directory. Root connects to no socket that a guest could not open itself: a link is not
    followed, and what is there must be the directory's user's. In a directory of root's, root put it there.
    """
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.ExitStack() as stack:
        directory = os.open(os.path.dirname(path), flags | os.O_DIRECTORY)
        stack.callback(os.close, directory)
        handle = os.open(os.path.basename(path), flags, dir_fd=directory)
        stack.callback(os.close, handle)
        above, status = os.fstat(directory), os.fstat(handle)
        roots = above.st_uid == 0 and not above.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if not stat.S_ISSOCK(status.st_mode) or (status.st_uid != above.st_uid and not roots):
            raise OSError(errno.ENOTSOCK, "")
        yield handle


def _parsed(line: bytes) -> Optional[dict[str, Any]]:
    try:
        answer = json.loads(line.rpartition(_DELIMITER)[2])
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _excerpt(line: bytes) -> str:
    return values.shown(line[: values.SHOWN].decode("ascii", "replace"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**32


def _interface(item: Any) -> dict[str, Any]:
    """Return an interface; raises an error where it is none. Links without a hardware address have no MAC address."""
    name, mac = item["name"], item.get("hardware-address", "")
    addresses = [f"{found['ip-address']}/{found['prefix']}" for found in item.get("ip-addresses", ())]
    if not isinstance(name, str) or not 0 < len(name) < values.IFNAMSIZ or not name.isprintable() or "/" in name:
        raise ValueError("name")
    if not isinstance(mac, str):
        raise ValueError("hardware-address")
    checked = [str(ipaddress.ip_interface(address)) for address in addresses[:MAX_INTERFACES]]
    return {"name": name, "mac": mac if _MAC.fullmatch(mac) else "", "addresses": checked}


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-8", "replace")


def run_probes(
    title: str, path: str, probes: Sequence[Mapping[str, Any]], agent_timeout: float
) -> list[dict[str, Any]]:
    """Return one result per probe of one guest; what went wrong stands in its ``error``.

    A probe has ``command`` (a list of words) and ``timeout`` (seconds); without a command its result has the guest's
    ``interfaces``, once those with the MAC addresses ``macs`` have an address, or after the timeout. Commands run side
    by side, PARALLEL at a time.
    """
    try:
        agent = GuestAgent(title, path, agent_timeout)
    except _errors.Unavailable as error:
        return [{"error": str(error)} for _probe in probes]
    try:
        return _run_all(title, agent, probes)
    except Exception as error:  # of one guest, while others are asked
        return [{"error": f"{title}: its answers could not be read: {values.shown(error)}"} for _probe in probes]
    finally:
        agent.close()


def _run_all(title: str, agent: GuestAgent, probes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    results: dict[int, dict[str, Any]] = {}
    waiting = list(range(len(probes)))
    running: dict[int, tuple[int, float]] = {}  # by probe: process id and deadline
    while waiting or running:
        while waiting and len(running) < PARALLEL:
            index = waiting.pop(0)
            try:
                if probes[index].get("command"):
                    running[index] = (agent.start(probes[index]["command"]), _deadline(probes[index]))
                else:
                    results[index] = {"interfaces": _addressed(agent, probes[index])}
            except _errors.Unavailable as error:
                results[index] = {"error": str(error)}
        for index, (pid, deadline) in list(running.items()):
            try:
                result = agent.result(pid)
            except _errors.Unavailable as error:
                result = {"error": str(error)}
            if result is None and time.monotonic() > deadline:
                words = " ".join(probes[index]["command"])
                result = {"error": f"{title}: {values.shown(words)} still runs after {probes[index]['timeout']} s"}
            if result is not None:
                results[index] = result
                del running[index]
        if running:
            time.sleep(0.05)
    return [results[index] for index in range(len(probes))]


def _addressed(agent: GuestAgent, probe: Mapping[str, Any]) -> list[dict[str, Any]]:
    wanted = {mac.lower() for mac in probe.get("macs") or ()}
    deadline = _deadline(probe)
    while True:
        interfaces = agent.interfaces()
        have = {item["mac"] for item in interfaces if any(map(_is_routable, item["addresses"]))}
        if wanted <= have or time.monotonic() > deadline:
            return interfaces
        time.sleep(0.2)


def _is_routable(address: str) -> bool:
    return not ipaddress.ip_interface(address).ip.is_link_local


def _deadline(probe: Mapping[str, Any]) -> float:
    return time.monotonic() + float(probe["timeout"])
