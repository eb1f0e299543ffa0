# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing leaves a translated network untranslated, nobody forges a source, and nothing inside answers outside."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import json
import socket
import subprocess
import time
from collections.abc import Iterator

import frames
import pytest
from engine import SLOWNESS, output
from netlink_node import inside
from router_lab import (
    DOCUMENT,
    EXTERNAL,
    EXTERNAL6,
    GATEWAYS,
    HOSTS,
    ROUTER,
    TRANSLATED,
    answers,
    compiled,
    document,
    host,
    port_mac,
    run,
    segments,
)

network = pytest.fixture(scope="module", autouse=True)(segments)
OUTSIDE = [address.partition("/")[0] for address in HOSTS["out"]]

# Prints source and protocol of what arrives from elsewhere until its input ends, but for neighbour discovery on-link.
LISTENER = """
import collections, ipaddress, json, socket, sys, threading
OWN = [ipaddress.ip_address(text).packed for text in sys.argv[1:]]
end, seen = threading.Event(), collections.Counter()
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as channel:
    channel.bind(("eth0", 3))
    channel.settimeout(0.1)
    def listen():
        while not end.is_set():
            try:
                data, place = channel.recvfrom(4096)
            except TimeoutError:
                continue
            if place[2] != 4 and data[12:14] in (b"\\x08\\0", b"\\x86\\xdd"):
                six = data[14] >> 4 == 6
                source = data[22:38] if six else data[26:30]
                if six and data[20] == 58 and data[54] in (135, 136) and source in OWN:
                    continue
                seen[str(ipaddress.ip_address(source)), data[20] if six else data[23]] += 1
    thread = threading.Thread(target=listen)
    thread.start()
    print("ready", flush=True)
    sys.stdin.read()
    end.set()
    thread.join()
print(json.dumps([key for key in seen]))
"""
SENDER = """
import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as channel:
    channel.bind(("eth0", 0))
    for line in sys.stdin:
        channel.send(bytes.fromhex(line))
"""


@pytest.fixture(scope="module", autouse=True)
def router(network: None) -> None:
    run(compiled(DOCUMENT))
    assert run(compiled(DOCUMENT)).operations == []


@contextlib.contextmanager
def heard(*where: str) -> Iterator[dict[str, list[tuple[str, int]]]]:
    """Listen on hosts meanwhile; at the end the sources and protocols of what arrived there are filled in."""
    found: dict[str, list[tuple[str, int]]] = {}
    processes = {}
    try:
        for name in where:
            argv = ["ip", "netns", "exec", host(name), "python3", "-c", LISTENER, *GATEWAYS[name]]
            processes[name] = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for process in processes.values():
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield found
        time.sleep(0.5)
        for name, process in processes.items():
            found[name] = list(map(tuple, json.loads(process.communicate(timeout=30 * SLOWNESS)[0])))
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


def send(segment: str, packets: list[bytes]) -> None:
    """Send packets from a host to the router's port, as they are."""
    own = json.loads(inside(host(segment), "ip", "-j", "link", "show", "eth0"))[0]["address"]
    lines = [
        frames.ethernet(port_mac(segment), own, packet, "::" if packet[0] >> 4 == 6 else "0.0.0.0").hex()
        for packet in packets
    ]
    argv = ["ip", "netns", "exec", host(segment), "python3", "-c", SENDER]
    subprocess.run(argv, input="\n".join(lines), check=True, text=True, timeout=60 * SLOWNESS)


def own_address(segment: str, version: int) -> str:
    return next(text.partition("/")[0] for text in HOSTS[segment] if ipaddress.ip_interface(text).version == version)


@pytest.mark.parametrize("segment", TRANSLATED)
@pytest.mark.parametrize("target", OUTSIDE)
def test_nothing_leaves_untranslated(segment: str, target: str) -> None:
    """Of each sort, from a guest to the outside."""
    version = ipaddress.ip_address(target).version
    packets = frames.unusual(own_address(segment, version), target)
    assert len(packets) >= 60
    with heard("out") as found:
        send(segment, list(packets.values()))
    translated = {EXTERNAL, EXTERNAL6}
    link_local = [item for item in found["out"] if item[0] == "::" or ipaddress.ip_address(item[0]).is_link_local]
    strange = [item for item in found["out"] if item[0] not in translated and item not in link_local]
    assert strange == []
    protocols = {protocol for source, protocol in found["out"] if source in translated}
    assert {socket.IPPROTO_UDP, socket.IPPROTO_TCP} <= protocols, "ordinary traffic does not pass any more"


def test_a_routed_network_keeps_its_addresses() -> None:
    with heard("out") as found:
        for target in OUTSIDE:
            source = own_address("red", ipaddress.ip_address(target).version)
            send("red", [frames.ip(source, target, 17, frames.udp(source, target, b"text"))])
    assert {source for source, _protocol in found["out"]} >= {own_address("red", 4), own_address("red", 6)}


def forged(segment: str) -> dict[str, list[str]]:
    """Return the sources that a host may not use, by their version."""
    others = [address for name in HOSTS if name != segment for address in (own_address(name, 4), own_address(name, 6))]
    gateways = [address for addresses in GATEWAYS.values() for address in addresses]
    strange = [
        "192.0.2.7",
        "198.18.0.1",
        "127.0.0.1",
        "2001:db8:1::7",
        "fd00:99::1",
        "fc00::1",
        "::1",
        "ff02::1",
        "fd00:10::",
    ]
    found: dict[str, list[str]] = {"4": [], "6": []}
    for source in {*others, *gateways, *strange}:
        found["6" if ":" in source else "4"].append(source)
    return found


@pytest.mark.parametrize("segment", ["blue", "red", "green"])
def test_forged_sources_pass_nowhere_and_are_not_answered(segment: str) -> None:
    packets = []
    for key, sources in forged(segment).items():
        targets = [own_address(name, int(key)) for name in HOSTS if name != segment]
        targets.append(next(address for address in GATEWAYS[segment] if (":" in address) == (key == "6")))
        echo = 8 if key == "4" else 128
        for source in sources:
            for target in targets:
                packets.append(frames.ip(source, target, 17, frames.udp(source, target, b"forged")))
                packets.append(frames.icmp(source, target, echo, rest=b"\0\1\0\1forged"))
    others = [name for name in HOSTS if name != segment]
    with heard(*others) as found:
        send(segment, packets)
    for name in others:
        arrived = [item for item in found[name] if not ipaddress.ip_address(item[0]).is_link_local]
        assert arrived == [], f"from {segment} to {name}"


def test_outside_does_not_use_inside_sources() -> None:
    packets = []
    for name in ("blue", "red", "green"):
        for version in (4, 6):
            source, target = own_address(name, version), own_address("red", version)
            packets.append(frames.ip(source, target, 17, frames.udp(source, target, b"forged")))
    with heard("blue", "red", "green") as found:
        send("out", packets)
    assert {name: [item for item in found[name] if not item[0].startswith("fe80")] for name in found} == {
        "blue": [],
        "red": [],
        "green": [],
    }


def test_nothing_inside_answers_outside() -> None:
    """The host outside has a route to everything by the router."""
    hidden = [
        address for name in TRANSLATED for address in (*GATEWAYS[name], own_address(name, 4), own_address(name, 6))
    ]
    anycast = ["fd00:10::", "fd00:30::"]
    assert answers("out", *hidden, *anycast, *GATEWAYS["red"]) == []
    assert answers("out", EXTERNAL, EXTERNAL6) == sorted([EXTERNAL, EXTERNAL6])
    assert answers("out", own_address("red", 4), own_address("red", 6)) == sorted(
        [own_address("red", 4), own_address("red", 6)]
    )
    listen = "s = socket.create_server(('::', 53), family=socket.AF_INET6, dualstack_ipv6=True)"
    server = f"import socket; {listen}; print('up', flush=True); input()"
    argv = ["ip", "netns", "exec", ROUTER, "python3", "-c", server]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        try:
            assert connects("blue", GATEWAYS["blue"][0])
            assert connects("blue", GATEWAYS["red"][1])
            for address in (*GATEWAYS["blue"], *GATEWAYS["red"], EXTERNAL, EXTERNAL6):
                assert not connects("out", address), address
        finally:
            process.kill()


def connects(segment: str, address: str, port: int = 53) -> bool:
    code = f"import socket; socket.create_connection(({address!r}, {port}), 1)"
    argv = ["ip", "netns", "exec", host(segment), "python3", "-c", code]
    return subprocess.run(argv, check=False, capture_output=True, timeout=30 * SLOWNESS).returncode == 0


def test_guests_reach_what_the_document_says() -> None:
    def of(name: str) -> list[str]:
        return [*GATEWAYS[name], own_address(name, 4), own_address(name, 6)]

    everything = [address for name in ("blue", "red", "green") for address in of(name)]
    for name, allowed in (("blue", ["blue", "red"]), ("red", ["blue", "red"]), ("green", ["green"])):
        expected = {address for other in allowed for address in of(other)}
        assert answers(name, *everything, *OUTSIDE, EXTERNAL) == sorted({*expected, *OUTSIDE, EXTERNAL})


SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], int(sys.argv[2])), family=family) as s:
    print("ready", flush=True)
    connection, peer = s.accept()
    print(peer[0], flush=True)
    while True:
        try:
            data = connection.recv(100)
            connection.sendall(data)
            print(data.decode() or "end", flush=True)
            if not data:
                break
        except OSError as error:
            print(error.__class__.__name__, flush=True)
            break
"""
CLIENT = """
import socket, struct, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
for line in sys.stdin:
    if line == "reset\\n":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        break
    try:
        s.sendall(line.strip().encode())
        print(s.recv(100).decode(), flush=True)
    except OSError as error:
        print(error.__class__.__name__, flush=True)
"""


class Talk:
    """A TCP connection from a host inside to one outside."""

    ports = itertools.count(7000)

    def __init__(self, segment: str, server: str = OUTSIDE[0]) -> None:
        self.port = next(self.ports)
        argv = ["ip", "netns", "exec", host("out"), "python3", "-c", SERVER, server, str(self.port)]
        self.server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self.heard() == "ready"
        argv = ["ip", "netns", "exec", host(segment), "python3", "-c", CLIENT, server, str(self.port)]
        self.client = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.seen_as = self.heard()

    def heard(self) -> str:
        assert self.server.stdout is not None
        return self.server.stdout.readline().strip()

    def say(self, word: str) -> str:
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        self.client.stdin.write(word + "\n")
        self.client.stdin.flush()
        return "" if word == "reset" else self.client.stdout.readline().strip()

    def end(self) -> None:
        for process in (self.client, self.server):
            process.kill()
            process.communicate()


@pytest.mark.parametrize("server", OUTSIDE)
def test_a_translated_connection_and_its_reset(server: str) -> None:
    talk = Talk("blue", server)
    try:
        assert talk.seen_as in (EXTERNAL, EXTERNAL6)
        assert talk.say("hello") == "hello"
        assert talk.heard() == "hello"
        talk.say("reset")
        assert talk.heard() == "ConnectionResetError"
    finally:
        talk.end()


def test_errors_about_translated_packets_arrive() -> None:
    """Nobody listens on the port outside: its host says so, and the guest hears it."""
    code = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2);"
        f"s.connect(({OUTSIDE[0]!r}, 9)); s.send(b'x')\ntry: s.recv(9)\nexcept ConnectionRefusedError: print('refused')"
    )
    assert inside(host("blue"), "python3", "-c", code) == "refused"


def tracked(talk: Talk, segment: str) -> list[str]:
    """Return the entries of a connection, without the time that they have left."""
    words = ["-p", "tcp", "--orig-src", own_address(segment, 4), "--dport", str(talk.port)]
    listed = output("ip", "netns", "exec", ROUTER, "conntrack", "-L", *words).splitlines()
    return [" ".join(line.split()[3:]) for line in listed]


def test_only_connections_that_a_change_concerns_are_forgotten() -> None:
    """The address of the router's external port changes: what had the old one ends, the routed network goes on."""
    translated, routed = Talk("blue"), Talk("red")
    try:
        assert translated.seen_as == EXTERNAL
        assert routed.say("before") == "before"
        assert len(tracked(translated, "blue")) == 1
        kept = tracked(routed, "red")
        assert len(kept) == 1
        run(compiled(document(address="203.0.113.20/24")))
        assert tracked(translated, "blue") == []
        assert tracked(routed, "red") == kept
        assert routed.say("after") == "after"
        assert translated.say("after") == "ConnectionResetError"
    finally:
        translated.end()
        routed.end()
        run(compiled(DOCUMENT))


def test_a_network_that_is_not_translated_any_more() -> None:
    changed = document()
    changed["fabric_networks"][0]["mode"] = "routed"
    talk = Talk("blue")
    try:
        assert talk.seen_as == EXTERNAL
        run(compiled(changed))
        assert tracked(talk, "blue") == []
        new = Talk("blue", OUTSIDE[1])
        assert new.seen_as == own_address("blue", 6)
        new.end()
    finally:
        talk.end()
        run(compiled(DOCUMENT))
