# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that send marked packets to one another, whatever is done meanwhile, and write down which arrive where.

As a program it is one host: ``python3 watcher.py NAME RATE < HOST.json``. It sends until its input ends, and prints
what it saw: ``[[sender, sort, source address, count], ...]``.
"""

from __future__ import annotations

import collections
import contextlib
import ipaddress
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import frames

MARK = b"netvirt-watcher "
ETH_P_ALL = 3
OUTGOING = 4  # PACKET_OUTGOING

Seen = tuple[str, str, str, str]
"""Where a packet arrived, who sent it, of what sort it was, and the source address that it had then."""


@dataclass
class Watch:
    """What arrived while hosts were watching; it is there when the watch has ended."""

    counts: dict[Seen, int] = field(default_factory=dict)

    def wrong(self, allowed: Callable[[str, str, str], bool]) -> dict[Seen, int]:
        """Return what arrived and may not, by ``allowed(sender, where, source address)``."""
        return {seen: count for seen, count in self.counts.items() if not allowed(seen[1], seen[0], seen[3])}

    def arrived(self, sender: str, where: str) -> int:
        """Return how many packets arrived."""
        return sum(
            count for (there, name, _sort, _source), count in self.counts.items() if (there, name) == (where, sender)
        )


@contextlib.contextmanager
def watching(hosts: Mapping[str, Mapping[str, Any]], rate: int = 100) -> Iterator[Watch]:
    """Have the hosts send to each other, ``rate`` packets of each sort a second; the watch is filled at the end.

    A host has a ``namespace``, an ``interface`` in it, ``addresses``, and a ``gateway``, which is a MAC address.
    """
    processes = {}
    watch = Watch()
    try:
        for name, own in hosts.items():
            targets = {other: host["addresses"] for other, host in hosts.items() if other != name}
            argv = ["ip", "netns", "exec", own["namespace"], "python3", __file__, name, str(rate)]
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            processes[name] = process
            assert process.stdin is not None
            process.stdin.write(json.dumps({**own, "targets": targets}) + "\n")
            process.stdin.flush()
        for process in processes.values():
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        yield watch
        time.sleep(0.1)
        for name, process in processes.items():
            for sender, sort, source, count in json.loads(process.communicate(timeout=30)[0]):
                watch.counts[name, sender, sort, source] = count
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


def _sorts(source: str, target: str) -> dict[str, Callable[[bytes], bytes]]:
    """Return packets to a target: one that is translated, and those that connection tracking takes for invalid."""
    return {
        "udp": lambda text: frames.ip(source, target, socket.IPPROTO_UDP, frames.udp(source, target, text)),
        "reset": lambda text: frames.ip(
            source, target, socket.IPPROTO_TCP, frames.tcp(source, target, frames.RST, text)
        ),
        "reply": lambda text: frames.echo_reply(source, target, text),
    }


def _send(name: str, host: dict[str, Any], rate: int, end: threading.Event) -> None:
    packets = []
    for addresses in host["targets"].values():
        for target in addresses:
            sources = [own for own in host["addresses"] if (":" in own) == (":" in target)]
            packets += [
                frames.ethernet(host["gateway"], host["mac"], build(MARK + f"{name} {sort} ".encode()), target)
                for source in sources
                for sort, build in _sorts(source, target).items()
            ]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as channel:
        channel.bind((host["interface"], 0))
        due = time.monotonic()
        while not end.is_set():
            for packet in packets:
                with contextlib.suppress(OSError):
                    channel.send(packet)
            due = max(due + 1 / rate, time.monotonic() - 0.1)
            time.sleep(max(0.0, due - time.monotonic()))


def _listen(channel: socket.socket, counts: collections.Counter[tuple[str, str, str]], end: threading.Event) -> None:
    channel.settimeout(0.2)
    while not end.is_set():
        try:
            data, place = channel.recvfrom(4096)
        except TimeoutError:
            continue
        position = data.find(MARK)
        if position < 0 or place[2] == OUTGOING:
            continue
        sender, sort, *_rest = data[position + len(MARK) :].split(b" ")
        inner = data[18:] if data[12:14] == b"\x81\x00" else data[14:]
        source = inner[12:16] if inner[0] >> 4 == 4 else inner[8:24]
        counts[sender.decode(), sort.decode(), str(ipaddress.ip_address(source))] += 1


def main() -> None:
    """Be one host."""
    name, rate, host = sys.argv[1], int(sys.argv[2]), json.loads(sys.stdin.readline())
    with open(f"/sys/class/net/{host['interface']}/address", encoding="ascii") as file:
        host["mac"] = file.read().strip()
    end = threading.Event()
    counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as channel:
        channel.bind((host["interface"], ETH_P_ALL))
        threads = [
            threading.Thread(target=_send, args=(name, host, rate, end)),
            threading.Thread(target=_listen, args=(channel, counts, end)),
        ]
        for thread in threads:
            thread.start()
        print("ready", flush=True)
        sys.stdin.read()
        end.set()
        for thread in threads:
            thread.join()
    print(json.dumps([[*key, count] for key, count in counts.items()]))


if __name__ == "__main__":
    main()
