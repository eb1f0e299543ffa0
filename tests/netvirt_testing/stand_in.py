# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on a node in place of its guests: namespaces on the guests' ports. The standard library must do.

Reads a list as JSON and prints the results. With the argument ``up`` it makes a namespace for each guest in the list
and waits for its addresses, with ``run`` it runs commands in them, with ``down`` it removes them.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PREFIX = "guest-"
LEASE_SECONDS = 40
# udhcpc hands what it was offered to a program. A default route by which nothing is reached is no harm.
TAKE_LEASE = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip address replace "$ip/$mask" dev "$interface"
[ -z "$mtu" ] || ip link set "$interface" mtu "$mtu"
[ -z "$router" ] || ip route replace default via "$router" dev "$interface"
"""
SCRIPT = "/run/netvirt-stand-in.sh"
# A client of DHCPv6 (RFC 8415), which gets the name of an interface and its MAC address: solicit, request, take.
TAKE_LEASE6 = r"""
import ipaddress, os, socket, struct, subprocess, sys, time

name, mac = sys.argv[1:]
link = socket.if_nametoindex(name)


def option(code, data):
    return struct.pack("!HH", code, len(data)) + data


def options(data):
    found = {}
    while data:
        code, length = struct.unpack("!HH", data[:4])
        found[code], data = data[4 : 4 + length], data[4 + length :]
    return found


duid = struct.pack("!HH", 3, 1) + bytes.fromhex(mac.replace(":", ""))
message, server = 1, b""
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
    client.bind(("::", 546, 0, link))
    client.settimeout(2)
    for _attempt in range(30):
        number = os.urandom(3)
        asked = option(1, duid) + server + option(3, struct.pack("!III", 1, 0, 0)) + option(8, bytes(2))
        try:
            client.sendto(bytes([message]) + number + asked, ("ff02::1:2", 547, 0, link))
            answer = client.recv(2048)
        except OSError:  # no answer, or no address to ask from yet
            time.sleep(0.3)
            continue
        found = options(answer[4:])
        if answer[0] == 2:
            message, server = 3, option(2, found[2])
        elif answer[0] == 7 and answer[1:4] == number:
            address = ipaddress.IPv6Address(options(found[3][12:])[5][:16])
            subprocess.run(["ip", "address", "replace", f"{address}/128", "dev", name, "nodad"], check=True)
            break
"""


def call(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command; one that should have worked says what it printed."""
    result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, check=False)
    if check and result.returncode:
        sys.exit(f"{' '.join(argv)}: {result.returncode}: {result.stdout}{result.stderr}")
    return result


def inside(guest: str, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command in a guest's namespace."""
    return call("ip", "netns", "exec", PREFIX + guest, *argv, check=check)


def make(guest: dict[str, Any]) -> None:
    """Make the namespace of a guest with a veth on each of its ports."""
    namespace = PREFIX + guest["name"]
    call("ip", "netns", "add", namespace)
    call("ip", "-n", namespace, "link", "set", "lo", "up")
    for index, nic in enumerate(guest["interfaces"]):
        name, tap = f"eth{index}", nic["tap"]
        mtu = str(nic.get("mtu") or 1500)
        peer = ["peer", "name", name, "netns", namespace, "address", nic["mac"], "mtu", mtu]
        call("ip", "link", "add", tap, "mtu", mtu, "type", "veth", *peer)
        # Open vSwitch in userspace delivers frames as they are, also those without checksums.
        inside(guest["name"], "ethtool", "-K", name, "tx", "off")
        # A port of Open vSwitch has no IPv6 on the host, as the tap of a guest has none.
        Path(f"/proc/sys/net/ipv6/conf/{tap}/disable_ipv6").write_text("1", encoding="ascii")
        call("ip", "link", "set", tap, "up")
        call("ip", "-n", namespace, "link", "set", name, "up")


def addresses(guest: str, name: str) -> list[str]:
    """Return the addresses of an interface that are valid beyond the link."""
    shown = json.loads(inside(guest, "ip", "-j", "address", "show", "dev", name).stdout)
    found = [item for item in shown[0]["addr_info"] if item.get("scope") == "global" and not item.get("tentative")]
    return [f"{item['local']}/{item['prefixlen']}" for item in found]


def configure(guest: dict[str, Any]) -> dict[str, Any]:
    """Give a guest its addresses: those that are said, or what DHCP and router advertisements offer.

    Returns what the guest agent would: the guest and its interfaces.
    """
    result = []
    for index, nic in enumerate(guest["interfaces"]):
        name = f"eth{index}"
        for address in nic.get("static", []):
            inside(guest["name"], "ip", "address", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
        deadline = time.monotonic() + LEASE_SECONDS
        wanted = set(nic.get("expect", []))  # 4, 6
        if 4 in wanted:
            hostname = ["-x", f"hostname:{guest['name']}"]
            command = ["busybox", "udhcpc", "-n", "-q", "-f", "-t", str(LEASE_SECONDS), "-T", "1", "-O", "mtu"]
            command += hostname
            inside(guest["name"], *command, "-i", name, "-s", SCRIPT, check=False)
        if nic.get("dhcp6"):
            inside(guest["name"], "python3", "-c", TAKE_LEASE6, name, nic["mac"], check=False)
        while time.monotonic() < deadline:
            found = addresses(guest["name"], name)
            if wanted <= {6 if ":" in address else 4 for address in found}:
                break
            time.sleep(0.2)
        result.append({"name": name, "mac": nic["mac"], "addresses": addresses(guest["name"], name)})
    return {"guest": guest["name"], "interfaces": result}


def run(command: dict[str, Any]) -> dict[str, Any]:
    """Run one command in a guest; the answer has the form of the guest agent's."""
    try:
        done = inside(command["guest"], *command["command"], check=False)
    except subprocess.TimeoutExpired:
        return {"guest": command["guest"], "error": "timed out"}
    return {"guest": command["guest"], "rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


def main() -> Any:
    """Do what the argument says."""
    data = json.load(sys.stdin)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        if sys.argv[1] == "up":
            with open(SCRIPT, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o755)) as file:
                file.write(TAKE_LEASE)
            for guest in data:
                make(guest)
            return list(pool.map(configure, data))
        if sys.argv[1] == "run":
            return list(pool.map(run, data))
    for guest in data:
        for nic in guest["interfaces"]:
            call("ip", "link", "delete", nic["tap"], check=False)
        call("ip", "netns", "delete", PREFIX + guest["name"], check=False)
    return []


if __name__ == "__main__":
    json.dump(main(), sys.stdout)
