# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What the unit of a guest needs beside QEMU. It runs as the guest's user, without the collection.

usage: guest-NAME.py wait DIRECTORY PID       wait until QEMU's monitor answers; fail when QEMU has ended
       guest-NAME.py stop DIRECTORY SECONDS   ask a guest to shut down and wait until it is off
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Sequence

PAUSE = 0.05


def wait(directory: str, pid: int) -> int:
    """Return 0 once the monitor greets, 1 when the process is gone; systemd has the limit."""
    while os.path.isdir(f"/proc/{pid}"):
        with contextlib.suppress(OSError), contextlib.closing(_connect(directory, "qmp.sock", 1)) as monitor:
            if monitor.recv(1):
                return 0
        time.sleep(PAUSE)
    return 1


def stop(directory: str, seconds: float) -> int:
    """Ask by ACPI and by the guest agent, since some guests heed only one, and wait for QEMU to end."""
    deadline = time.monotonic() + seconds
    try:
        monitor = _connect(directory, "qmp.sock", seconds)
    except OSError:
        return 0  # QEMU has ended by itself.
    for command in ("qmp_capabilities", "system_powerdown"):
        monitor.sendall(json.dumps({"execute": command}).encode() + b"\n")
    with contextlib.suppress(OSError):
        agent = _connect(directory, "agent.sock", seconds)
        agent.sendall(b'\xff{"execute": "guest-shutdown", "arguments": {"mode": "powerdown"}}\n')
    with contextlib.suppress(OSError):
        while time.monotonic() < deadline and monitor.recv(65536):
            monitor.settimeout(max(deadline - time.monotonic(), 0.01))
    return 0


def _connect(directory: str, channel: str, seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(seconds)
    connection.connect(os.path.join(directory, channel))
    return connection


def main(arguments: Sequence[str]) -> int:
    """Run one command."""
    if len(arguments) == 3 and arguments[0] == "wait":
        return wait(arguments[1], int(arguments[2]))
    if len(arguments) == 3 and arguments[0] == "stop":
        return stop(arguments[1], float(arguments[2]))
    sys.stderr.write(__doc__ or "")
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
