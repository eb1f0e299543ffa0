# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces that send broadcasts all the time, with and without VLAN tags, and write down what arrives on each.

As a program: ``python3 wire_watcher.py < SENDERS.json``. It sends until its input ends, and prints what it saw:
``[[sender, its VLAN, where, the VLAN there, count], ...]``. The VLAN 0 is none.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import wire_frames

MARK = b"netvirt-wire "
SECONDS = 0.03  # between two frames of the same sort
PACKET_AUXDATA = 8
VLAN_VALID = 0x10
_AUXDATA = struct.Struct("=IIIHHHH")  # status, len, snaplen, mac, net, vlan_tci, vlan_tpid (packet(7))
_CONTROL_SPACE = socket.CMSG_SPACE(_AUXDATA.size)

Place = tuple[str, int]
"""An interface and a VLAN on it."""


class Watch:
    """How often frames of one place arrived at another; it is there when the watch has ended."""

    def __init__(self) -> None:
        self.counts: dict[tuple[Place, Place], int] = {}


@contextlib.contextmanager
def watching(senders: Mapping[str, Mapping[int, str]]) -> Iterator[Watch]:
    """Have interfaces send meanwhile. For each there are VLANs, and for each VLAN a key of the tunnel or nothing."""
    watch = Watch()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv, pipe = [sys.executable, __file__], subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(senders) + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n"
            yield watch
            time.sleep(0.1)
            for sender, vlan, where, there, count in json.loads(process.communicate(timeout=60)[0]):
                watch.counts[(sender, vlan), (where, there)] = count
        finally:
            process.kill()


def _frames(senders: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, bytes]]:
    for number, (name, vlans) in enumerate(senders.items()):
        for vlan, tunnel in vlans.items():
            tags = [int(vlan)] if vlan != "0" else []
            # An address for each: bridges learn where it is.
            source = f"02:77:{number:02x}:00:{int(vlan) >> 8:02x}:{int(vlan) & 255:02x}"
            text = MARK + f"{name} {vlan} ".encode()
            frame = wire_frames.ethernet(source, wire_frames.BROADCAST, wire_frames.MARKED, text.ljust(46), *tags)
            if tunnel:
                local, remote, mac = tunnel.split()
                packet = wire_frames.tunnelled("vxlan", 1, remote, local, frame)
                frame = wire_frames.ethernet("02:77:00:00:00:01", mac, 0x0800, packet)
            yield name, frame


def _place(frame: bytes, control: list[tuple[int, int, bytes]]) -> tuple[Place, int] | None:
    """Return who sent a frame, and the VLAN that it has here: in the frame, or where the kernel has put it."""
    position = frame.find(MARK)
    if position < 0:
        return None
    name, vlan = frame[position + len(MARK) :].split(b" ")[:2]
    here = 0
    if frame[position - 6 : position - 4] == b"\x81\x00":
        here = struct.unpack_from("!H", frame, position - 4)[0] & 0xFFF
    for _level, kind, data in control:
        if kind == PACKET_AUXDATA:
            status, *_lengths, tci, _tpid = _AUXDATA.unpack_from(data)
            here = tci & 0xFFF if status & VLAN_VALID else here
    return (name.decode(), int(vlan)), here


def main() -> None:
    """Be all of them."""
    senders = json.loads(sys.stdin.readline())
    counts: collections.Counter[tuple[str, int, str, int]] = collections.Counter()
    with wire_frames.opened((None, name) for name in senders) as sockets:
        for one in sockets.values():
            one.setsockopt(263, PACKET_AUXDATA, 1)  # SOL_PACKET
        frames = [(sockets[None, name], frame) for name, frame in _frames(senders)]
        names = {one: name for (_namespace, name), one in sockets.items()}
        print("ready", flush=True)
        due = time.monotonic()
        while True:
            if time.monotonic() >= due:
                due = time.monotonic() + SECONDS
                for one, frame in frames:
                    with contextlib.suppress(OSError):
                        one.send(frame)
            ready = select.select([*names, sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]
            for one in ready:
                if one is sys.stdin:
                    print(json.dumps([[*key, count] for key, count in counts.items()]))
                    return
                with contextlib.suppress(OSError):
                    while True:
                        frame, control, _flags, address = one.recvmsg(4096, _CONTROL_SPACE)
                        found = _place(frame, control) if address[2] != socket.PACKET_OUTGOING else None
                        if found:
                            counts[(*found[0], names[one], found[1])] += 1


if __name__ == "__main__":
    main()
