# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces for the tests of dnsmasq_netns: a server with two networks, a client in both, and a host outside."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine import SLOWNESS, Object, apply, output
from netlink_node import link_local

NAME = "nvtdhcp"
UNIT = f"netvirt-dnsmasq-{NAME}.service"
SERVER, CLIENT, OUTSIDE = "nvtds", "nvtdc", "nvtdo"
CLIENT_MAC = "52:54:00:99:00:07"
RESERVED = {"mac": CLIENT_MAC, "address": "10.98.0.7", "hostname": "vm7"}

DYNAMIC: dict[str, Any] = {
    "namespace": SERVER,
    "interface": "d0",
    "ranges": [{"start": "10.98.0.100", "end": "10.98.0.150", "lease": "1h"}],
}
"""An address of the range takes three seconds, for which dnsmasq asks whether somebody has it."""

OPTIONS: dict[str, Any] = {**DYNAMIC, "hosts": [RESERVED]}

_SCRIPT = """#!/bin/sh
[ "$1" = bound ] && env
exit 0
"""
_DNS = """
import socket, struct, sys
server, name, tcp = sys.argv[1:4]
labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\\0"
query = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!2H", 1, 1)
with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp == "True" else socket.SOCK_DGRAM) as s:
    s.settimeout(1)
    try:
        s.connect((server, 53))
        s.send(struct.pack("!H", len(query)) + query if tcp == "True" else query)
        answer = s.recv(4096)[2 if tcp == "True" else 0:]
    except OSError:
        answer = b""
if len(answer) < 12:
    print("nothing")
elif answer[3] & 15 == 5:
    print("refused")
elif struct.unpack("!H", answer[6:8])[0]:
    print(socket.inet_ntoa(answer[-4:]))
else:
    print("no name")
"""

# Asks for an address and prints the one that is offered, with the DNS servers (RFC 8415, 21.4, 21.6; RFC 3646).
_SOLICIT = """
import socket, struct, sys
mac, index = bytes.fromhex(sys.argv[1].replace(":", "")), socket.if_nametoindex("c0")
option = lambda code, data: struct.pack("!2H", code, len(data)) + data
def options(data):
    while data:
        code, length = struct.unpack("!2H", data[:4])
        yield code, data[4:4 + length]
        data = data[4 + length:]
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
    s.settimeout(3)
    s.bind(("::", 546, 0, index))
    ia = option(3, struct.pack("!3I", 1, 0, 0))
    client, wanted = option(1, struct.pack("!2H", 3, 1) + mac), option(6, bytes([0, 23]))
    query = b"\\x01abc" + client + ia + option(8, bytes(2)) + wanted
    s.sendto(query, ("ff02::1:2", 547, 0, index))
    answer = dict(options(s.recv(4096)[4:]))
    offered = dict(options(answer[3][12:]))[5][:16]
    print(socket.inet_ntop(socket.AF_INET6, offered), socket.inet_ntop(socket.AF_INET6, answer[23][:16]))
"""


def inside(namespace: str, *argv: str) -> str:
    """Run a command in a namespace and return what it prints."""
    return output("ip", "netns", "exec", namespace, *argv)


def converge(check: bool = False, **options: Any) -> Any:
    """Converge the instance of the tests."""
    return apply([{"dnsmasq_netns": {"name": NAME, **options}}], check)


def instance() -> Iterator[Object]:
    """Fixture: the instance, which is gone before and after."""
    _forget()
    yield Object("dnsmasq_netns", name=NAME)
    _forget()
    client_restart()


def running() -> Object:
    """Fixture: the instance as OPTIONS say. What a test has left of it is made right, sooner than another is made."""
    # Where it restarts more often than any daemon should, systemd would give up.
    subprocess.run(["systemctl", "reset-failed", UNIT], capture_output=True, check=False)
    converge(**OPTIONS)
    return Object("dnsmasq_netns", name=NAME)


def _forget() -> None:
    unit = f"/etc/systemd/system/{UNIT}"
    directories = [f"/etc/netvirt/dnsmasq/{NAME}", f"/var/lib/netvirt/dnsmasq/{NAME}"]
    if not any(map(os.path.lexists, [unit, *directories])):
        return
    subprocess.run(["systemctl", "disable", "-q", "--now", UNIT], capture_output=True, check=False)
    subprocess.run(["rm", "-rf", unit, *directories], check=True)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "reset-failed", UNIT], capture_output=True, check=False)


def network() -> Iterator[None]:
    """Fixture: the namespaces."""
    try:
        build()
        yield
    finally:
        _forget()
        _delete()


def build() -> None:
    """Make the namespaces, anew if they are there."""
    _delete()
    for namespace in (SERVER, CLIENT, OUTSIDE):
        output("ip", "netns", "add", namespace)
        inside(namespace, "ip", "link", "set", "lo", "up")
    _link("d0", ["10.98.0.1/24", "fd98::1/64"], "c0", CLIENT)
    inside(CLIENT, "ip", "link", "set", "c0", "address", CLIENT_MAC)
    _link("d1", ["10.97.0.1/24"], "c1", CLIENT)
    _link("d2", ["192.0.2.1/24"], "o0", OUTSIDE)
    # A router of IPv6 does not listen to its own advertisements.
    inside(SERVER, "sysctl", "-q", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    inside(OUTSIDE, "ip", "address", "add", "192.0.2.9/24", "dev", "o0")
    inside(OUTSIDE, "ip", "route", "add", "10.98.0.0/24", "via", "192.0.2.1")


def _link(name: str, addresses: list[str], peer: str, namespace: str) -> None:
    output("ip", "link", "add", name, "netns", SERVER, "type", "veth", "peer", peer, "netns", namespace)
    for address in addresses:
        inside(SERVER, "ip", "address", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
    inside(SERVER, "ip", "link", "set", name, "up")
    inside(namespace, "ip", "link", "set", peer, "up")


def _delete() -> None:
    for namespace in (SERVER, CLIENT, OUTSIDE):
        subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)


def client_restart(anew: bool = False) -> None:
    """Have the client forget its addresses; ``anew`` deletes the link and makes another one of the same names."""
    if anew:
        inside(CLIENT, "ip", "link", "delete", "c0")
        _link("d0", ["10.98.0.1/24", "fd98::1/64"], "c0", CLIENT)
        inside(CLIENT, "ip", "link", "set", "c0", "address", CLIENT_MAC)
        return
    inside(CLIENT, "ip", "link", "set", "c0", "down")
    inside(CLIENT, "ip", "address", "flush", "dev", "c0")
    inside(CLIENT, "ip", "link", "set", "c0", "up")


def lease(*arguments: str, interface: str = "c0", tries: int = 6) -> dict[str, str]:
    """Return what a DHCP client gets, in the words of busybox; nothing when nobody answers."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as script:
        script.write(_SCRIPT)
    Path(script.name).chmod(0o755)
    command = ["ip", "netns", "exec", CLIENT, "busybox", "udhcpc", "-i", interface, "-n", "-q", "-f"]
    command += ["-t", str(tries), "-T", "1", "-s", script.name, "-O", "mtu", *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 * SLOWNESS)
    finally:
        Path(script.name).unlink()
    pairs = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
    return pairs if "ip" in pairs else {}


def offer6() -> tuple[str, str]:
    """Return the address that the DHCPv6 server offers, and the DNS server."""
    link_local("c0", CLIENT)
    address, server = inside(CLIENT, "python3", "-c", _SOLICIT, CLIENT_MAC).split()
    return address, server


def wait_for_ra() -> tuple[str, str, str]:
    """Return the client's address, default route and MTU of IPv6, once there was a router advertisement."""
    for _attempt in range(100):
        addresses = inside(CLIENT, "ip", "-6", "-o", "address", "show", "dev", "c0", "scope", "global").split()
        if addresses:
            route = inside(CLIENT, "ip", "-6", "route", "show", "default")
            return addresses[3], route, inside(CLIENT, "cat", "/proc/sys/net/ipv6/conf/c0/mtu").strip()
        time.sleep(0.1)
    raise AssertionError("no router advertisement within 10 s")


def dns(namespace: str, server: str, name: str, tcp: bool = False) -> str:
    """Return the address that a DNS server tells for a name, or "refused", "no name" or "nothing"."""
    if namespace == CLIENT:
        subprocess.run(
            ["ip", "netns", "exec", CLIENT, "ip", "address", "add", "10.98.0.9/24", "dev", "c0"],
            capture_output=True,
            check=False,
        )
    return inside(namespace, "python3", "-c", _DNS, server, name, str(tcp)).strip()


def show(name: str) -> str:
    """Return a property of the unit."""
    return output("systemctl", "show", "--value", f"--property={name}", UNIT).strip()


def main_pid() -> int:
    """Return the pid of dnsmasq."""
    return int(show("MainPID"))


def leases() -> str:
    """Return what the file of leases holds."""
    return Path(f"/var/lib/netvirt/dnsmasq/{NAME}/leases").read_text(encoding="utf-8")
