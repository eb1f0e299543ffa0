# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Questions that are put from within a network namespace: what answers there, and who."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors, _values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _announce, _namespaces

Probe = Mapping[str, Any]

KINDS = ("command", "connect", "arp", "dhcp")
SECONDS = 2.0
"""How long an answer may take."""
DHCP_SECONDS = 5.0
"""The same of a DHCP server, which first asks for up to three seconds whether somebody has the address."""
TRIES = 3
_FORMS: dict[str, Callable[[Any], Any]] = {
    "protocol": str,
    "address": _values.address,
    "port": _values.integer(1, 65535),
    "interface": _values.interface_name,
    "source": _values.address4,
    "mac": _values.mac,
}
_SILENT = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EAGAIN)
_ETH_P_ARP, _ETH_P_IP = 0x0806, 0x0800  # linux/if_ether.h
_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_PROMISC = 263, 1, 1  # linux/socket.h, linux/if_packet.h
_ARP = struct.Struct("!HHBBH6s4s6s4s")  # RFC 826
_ALL, _NOBODY = b"\xff" * 6, b"\0" * 6


def answer(probe: Probe) -> dict[str, Any]:
    """Return ``rc``, ``stdout`` and ``stderr`` of one question, or ``error`` where it could not be put."""
    try:
        if not _namespaces.exists(probe["namespace"]):
            return {"error": f"there is no namespace {probe['namespace']}"}
        with _namespaces.entered(probe["namespace"]):
            return _asked(probe)
    except _errors.NetvirtError as error:
        return {"error": str(error)}
    except OSError as error:
        return {"error": f"{os.strerror(error.errno or 0)}"}


def _asked(probe: Probe) -> dict[str, Any]:
    if probe.get("command"):
        done = _programs.run_program(probe["command"], int(probe["timeout"]), "install it")
        return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
    if probe.get("arp"):
        return _said(who_has(**probe["arp"]))
    if probe.get("dhcp"):
        return _said(dhcp_servers(**probe["dhcp"]))
    return {"rc": int(not connects(**probe["connect"])), "stdout": "", "stderr": ""}


def _said(found: list[str]) -> dict[str, Any]:
    return {"rc": 0, "stdout": json.dumps(found), "stderr": ""}


def connects(protocol: str, address: str, port: int) -> bool:
    """Tell whether a port answers, be it by a refusal, which shows that the packet arrived and the answer came back.

    A closed port of UDP is refused by ICMP (RFC 1122, 4.1.3.1).
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as client:
        client.settimeout(SECONDS if protocol == "tcp" else SECONDS / TRIES)
        try:
            client.connect((address, port))
            for _try in range(TRIES if protocol == "udp" else 0):
                client.send(b"netvirt")
                with contextlib.suppress(TimeoutError, socket.timeout):
                    client.recv(1)
                    return True
        except (ConnectionRefusedError, ConnectionResetError):
            return True
        except (TimeoutError, socket.timeout):
            return False
        except OSError as error:
            if error.errno in _SILENT:
                return False
            raise
    return protocol == "tcp"


def who_has(interface: str, address: str, source: str, mac: str) -> list[str]:
    """Return the MAC addresses of all who say that an IPv4 address is theirs, sorted.

    They are asked by ``source`` with the MAC address ``mac``, which need not be those of the interface.
    """
    asker, wanted, claimed = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(address), socket.inet_aton(source)
    request = _ARP.pack(1, _ETH_P_IP, 6, 4, 1, asker, claimed, _NOBODY, wanted)
    frame = _ALL + asker + struct.pack("!H", _ETH_P_ARP) + request
    found = set()
    for received in _heard(interface, _ETH_P_ARP, frame):
        if len(received) >= 14 + _ARP.size:
            operation, sender, its, *meant = _ARP.unpack_from(received, 14)[4:]
            if operation == 2 and its == wanted and meant == [asker, claimed]:
                found.add(sender.hex(":"))
    return sorted(found)


def dhcp_servers(interface: str, mac: str) -> list[str]:
    """Return the IPv4 addresses of all DHCP servers that offer a lease, sorted. None is taken (RFC 2131)."""
    own, number = bytes.fromhex(mac.replace(":", "")), os.urandom(4)
    message = struct.pack("!BBBB4sHH16x16s192x4s", 1, 1, 6, 0, number, 0, 0x8000, own, b"\x63\x82\x53\x63")
    message += bytes([53, 1, 1, 55, 2, 1, 3, 255]) + bytes(52)  # a discovery, of at least 300 bytes
    datagram = struct.pack("!HHHH", 68, 67, 8 + len(message), 0) + message
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    header = header[:10] + struct.pack("!H", _announce.checksum(header)) + header[12:]
    found: set[str] = set()
    frame = _ALL + own + struct.pack("!H", _ETH_P_IP) + header + datagram
    for received in _heard(interface, _ETH_P_IP, frame, DHCP_SECONDS):
        found.update(_offer(received, number))
    return sorted(found)


def _offer(frame: bytes, number: bytes) -> Iterator[str]:
    """Yield the server that sent an offer for our question."""
    packet = frame[14:]
    length = (packet[0] & 15) * 4 if packet else 0
    message = packet[length + 8 :]
    if len(message) < 240 or packet[9] != 17 or packet[length : length + 2] != b"\0\x43" or message[4:8] != number:
        return
    options = message[240:]
    while len(options) > 2 and options[0] != 255:
        if options[0] == 54 and len(options) >= 6:
            yield socket.inet_ntoa(options[2:6])
        options = options[1:] if options[0] == 0 else options[2 + options[1] :]


def _heard(interface: str, protocol: int, frame: bytes, seconds: float = SECONDS) -> Iterator[bytes]:
    """Send a frame several times, and yield what comes in meanwhile, to whomever it is."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol)) as wire:
        wire.bind((interface, protocol))
        everything = struct.pack("IHH8s", socket.if_nametoindex(interface), _PACKET_MR_PROMISC, 0, b"")
        wire.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, everything)
        for _try in range(TRIES):
            wire.send(frame)
            until = time.monotonic() + seconds / TRIES
            while time.monotonic() < until:
                if select.select([wire], [], [], max(0.0, until - time.monotonic()))[0]:
                    received, place = wire.recvfrom(65535)
                    if place[2] != 4:  # PACKET_OUTGOING
                        yield received


def canonical(probe: Probe) -> Probe:
    """Return a question with its values in their canonical forms; raises ValueError where one is wrong."""
    given = [key for key in KINDS if probe.get(key)]
    if len(given) != 1:
        raise ValueError(f"needs one of {', '.join(KINDS)}, not {' and '.join(given) or 'none of them'}")
    result = {"namespace": _values.object_name(probe["namespace"]), "timeout": probe["timeout"]}
    asked = probe[given[0]]
    if given[0] != "command":
        asked = {name: _FORMS[name](value) for name, value in asked.items()}
    return {**result, given[0]: asked}
