# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers and clients in namespaces of the node that tests run on: who reaches whom, over TCP and UDP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from engine import SLOWNESS

# Tells each peer its address and the port that it reached; over TCP as long as the connection lasts.
_SERVER = """
import selectors, socket, sys
selector = selectors.DefaultSelector()
kinds = [(f, k) for f in (socket.AF_INET, socket.AF_INET6) for k in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
for port in map(int, sys.argv[1:]):
    for family, kind in kinds:
        s = socket.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind(("", port))
        if kind == socket.SOCK_STREAM:
            s.listen()
        selector.register(s, selectors.EVENT_READ, port)
def answer(s, port):
    if s.type == socket.SOCK_DGRAM:
        _data, peer = s.recvfrom(100)
        s.sendto(f"{peer[0]} {port}".encode(), peer)
    elif s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        connection, peer = s.accept()
        selector.register(connection, selectors.EVENT_READ, (peer[0], port))
    elif s.recv(100):
        s.send("{} {}".format(*port).encode())
    else:
        raise ConnectionError
print("ready", flush=True)
while True:
    for key, _events in selector.select():
        try:
            answer(key.fileobj, key.data)
        except ConnectionError:  # it has ended, or was reset
            selector.unregister(key.fileobj)
            key.fileobj.close()
"""
_CLIENT = """
import socket, sys
kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[sys.argv[1]]
with socket.socket(socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET, kind) as s:
    s.settimeout(float(sys.argv[4]))
    try:
        s.connect((sys.argv[2], int(sys.argv[3])))
        for line in sys.stdin if sys.argv[5:] else ["once"]:
            s.send(b"?")
            print(s.recv(100).decode() or "closed", flush=True)
    except OSError as error:
        print("nothing" if isinstance(error, TimeoutError) else "refused", flush=True)
"""


@contextmanager
def servers(namespaces: Iterable[str], *ports: int) -> Iterator[None]:
    """Have servers in namespaces, over TCP and UDP on each of the ports."""
    processes = []
    try:
        for namespace in namespaces:
            argv = ["ip", "netns", "exec", namespace, "python3", "-c", _SERVER, *map(str, ports)]
            processes.append(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def asks(namespace: str, address: str, port: int, protocol: str = "tcp", wait: float = 2) -> str:
    """Return what the one that is reached there knows: the peer's address and the port; "nothing" or "refused"."""
    argv = ["ip", "netns", "exec", namespace, "python3", "-c", _CLIENT, protocol, address, str(port), str(wait)]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30 * SLOWNESS).stdout.strip()


class Connection:
    """A TCP connection that stays open."""

    def __init__(self, namespace: str, address: str, port: int) -> None:
        argv = ["ip", "netns", "exec", namespace, "python3", "-c", _CLIENT, "tcp", address, str(port), "4", "on"]
        self._client = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def lives(self) -> bool:
        """Say something, and return whether an answer comes back."""
        assert self._client.stdin is not None
        assert self._client.stdout is not None
        try:
            self._client.stdin.write("?\n")
            self._client.stdin.flush()
        except BrokenPipeError:  # it has ended
            return False
        return self._client.stdout.readline().strip() not in ("", "nothing", "refused", "closed")

    def close(self) -> None:
        """End it."""
        self._client.kill()
        self._client.communicate()


@contextmanager
def connections(ends: Iterable[tuple[str, str, int]]) -> Iterator[dict[tuple[str, str, int], Connection]]:
    """Have connections, each from a namespace to an address and a port; all of them live."""
    found = {end: Connection(*end) for end in ends}
    try:
        assert [end for end, connection in found.items() if not connection.lives()] == []
        yield found
    finally:
        for connection in found.values():
            connection.close()
