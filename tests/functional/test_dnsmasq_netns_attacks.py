# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnsmasq_netns: what its process, or a client, does to the router, to other clients and to their names."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dhcp_lab import (
    CLIENT,
    CLIENT_MAC,
    DYNAMIC,
    NAME,
    OPTIONS,
    RESERVED,
    SERVER,
    UNIT,
    client_restart,
    converge,
    dns,
    inside,
    lease,
    leases,
    main_pid,
    network,
    wait_for_ra,
)
from dhcp_lab import instance as dhcp_instance
from engine import Object, output

instance = pytest.fixture(dhcp_instance)
lab = pytest.fixture(scope="module", autouse=True)(network)

STATE = Path(f"/var/lib/netvirt/dnsmasq/{NAME}")
SIX = {"start": "fd98::", "mode": "ra-stateless"}
# Opens the socket as dnsmasq does, tries to bind it to another interface and to none, and to open a second one.
RAW_SOCKETS = """
import errno, socket
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
def tried(deed, *words):
    try:
        deed(*words)
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
print(raw.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\\0").decode())
print(tried(raw.setsockopt, socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"d1\\0"))
print(tried(raw.setsockopt, socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"\\0"))
"""
OTHER_MAC = "52:54:00:99:00:08"
FORWARDER = """
import socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("192.0.2.9", 53))
    while True:
        query, peer = s.recvfrom(512)
        end = query.index(b"\\0", 12) + 5
        private = b"private" in query[12:end]
        name, kind = query[12:end - 4], query[end - 4:end]
        data = bytes([10, 1, 2, 3]) if private else bytes([9, 9, 9, 9])
        data, kind = (b"\\x04leak", kind) if kind == b"\\0\\x10\\0\\x03" else (data, kind)
        answer = query[:2] + b"\\x81\\x80\\0\\x01\\0\\x01\\0\\0\\0\\0" + query[12:end] + b"\\xc0\\x0c" + kind
        s.sendto(answer + struct.pack("!IH", 60, len(data)) + data, peer)
"""
# Asks for a TXT record of class CHAOS (RFC 4892) and prints the code of the answer and how many records it has.
CHAOS = """
import socket, struct, sys
labels = b"".join(bytes([len(l)]) + l.encode() for l in sys.argv[1].split(".")) + b"\\0"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(2)
    s.sendto(struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!2H", 16, 3), ("10.98.0.1", 53))
    try:
        answer = s.recv(4096)
        print(answer[3] & 15, struct.unpack("!H", answer[6:8])[0])
    except TimeoutError:
        print("nothing 0")
"""


def as_dnsmasq(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the process of dnsmasq is run: its namespaces, its user, its capabilities."""
    become = ["setpriv", "--reuid=dnsmasq", "--keep-groups", "--inh-caps=+all", "--ambient-caps=+all", "--"]
    command = ["nsenter", f"--target={main_pid()}", "--net", "--user", "--preserve-credentials", *become, *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("ranges", [[], [SIX]], ids=["ipv4", "ipv6"])
def test_its_process_changes_nothing_of_the_router(instance: Object, ranges: list[dict[str, str]]) -> None:
    instance.present(**{**OPTIONS, "ranges": [*OPTIONS["ranges"], *ranges]})
    inside(SERVER, "nft", "add", "table", "inet", "guard")
    commands = [
        ["nft", "flush", "ruleset"],
        ["nft", "add", "table", "inet", "mine"],
        ["ip", "link", "set", "d0", "down"],
        ["ip", "link", "set", "d0", "address", "52:54:00:99:00:66"],
        ["ip", "link", "add", "mine", "type", "dummy"],
        ["ip", "address", "add", "10.98.0.66/24", "dev", "d0"],
        ["ip", "address", "delete", "10.98.0.1/24", "dev", "d0"],
        ["ip", "route", "add", "10.66.0.0/16", "via", "10.98.0.9"],
        ["ip", "neighbour", "replace", "10.98.0.9", "lladdr", "52:54:00:99:00:66", "dev", "d0"],
        ["ip", "rule", "add", "from", "10.66.0.0/16", "blackhole"],
        ["sysctl", "-w", "net.ipv4.ip_forward=0"],
        ["tcpdump", "-c", "1", "-i", "d0"],
        [sys.executable, "-c", "import socket; socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)"],
    ]
    deadline = time.monotonic() + 10
    while " tentative" in inside(SERVER, "ip", "address") and time.monotonic() < deadline:
        time.sleep(0.1)
    before = [inside(SERVER, *argv) for argv in (["nft", "list", "ruleset"], ["ip", "address"], ["ip", "route"])]
    try:
        assert as_dnsmasq("id", "-un").stdout == "dnsmasq\n"
        done = [" ".join(argv) for argv in commands if as_dnsmasq(*argv).returncode == 0]
        assert done == []
        after = [inside(SERVER, *argv) for argv in (["nft", "list", "ruleset"], ["ip", "address"], ["ip", "route"])]
        assert after == before
    finally:
        inside(SERVER, "nft", "flush", "ruleset")


@pytest.fixture
def in_place_of_dnsmasq() -> Iterator[Path]:
    """Have the unit start a program instead of dnsmasq, with all that it does for dnsmasq; its output is in a file."""
    drop_in = Path(f"/run/systemd/system/{UNIT}.d/nvt.conf")
    program, said = Path("/run/nvt-taken-over.py"), Path("/run/nvt-taken-over.txt")
    starter = f"/usr/bin/python3 -I /usr/local/lib/netvirt/dnsmasq-{NAME}.py run"
    program.write_text(RAW_SOCKETS, encoding="utf-8")
    drop_in.parent.mkdir(parents=True)
    command = f"ExecStart=\nExecStart={starter} /usr/bin/python3 -I {program}\n"
    drop_in.write_text(f"[Service]\nType=oneshot\nPIDFile=\nRestart=no\n{command}StandardOutput=truncate:{said}\n")
    output("systemctl", "daemon-reload")
    yield said
    for path in (drop_in, program, said):
        path.unlink(missing_ok=True)
    drop_in.parent.rmdir()
    output("systemctl", "daemon-reload")


def test_its_raw_socket_is_of_its_network_alone(instance: Object, request: pytest.FixtureRequest) -> None:
    """It can be bound to no other interface, nor to none."""
    instance.present(**{**OPTIONS, "ranges": [*OPTIONS["ranges"], SIX]})
    said = request.getfixturevalue("in_place_of_dnsmasq")
    output("systemctl", "restart", UNIT)
    assert said.read_text(encoding="utf-8").split() == ["d0", "EPERM", "EPERM"]


def test_a_killed_one_advertises_again(instance: Object) -> None:
    instance.present(**{**OPTIONS, "ranges": [*OPTIONS["ranges"], SIX]})
    killed = main_pid()
    os.kill(killed, signal.SIGKILL)
    for _attempt in range(100):
        if main_pid() not in (0, killed):
            break
        time.sleep(0.1)
    client_restart()
    assert wait_for_ra()[0].startswith("fd98::")
    output("systemctl", "stop", UNIT)  # a dnsmasq that does not get as far ends as well
    Path(f"/etc/netvirt/dnsmasq/{NAME}/dnsmasq.conf").write_text("port=53\ninterface=d0\nuser=nobody-at-all\n")
    started = time.monotonic()
    assert subprocess.run(["systemctl", "start", UNIT], capture_output=True, check=False).returncode
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("target", ["/etc/shadow", "fifo", "/dev/zero"])
def test_root_follows_no_link_out_of_the_directory_of_leases(instance: Object, tmp_path: Path, target: str) -> None:
    instance.present(**DYNAMIC)
    file = STATE / "leases"
    file.unlink()
    victim = tmp_path / "victim"
    victim.write_text(f"1 {OTHER_MAC} 10.98.0.7 * *\n")
    if target == "fifo":
        os.mkfifo(file)
    else:
        file.symlink_to(victim if target == "/etc/shadow" else target)
    try:
        converge(**OPTIONS)
        assert victim.read_text() == f"1 {OTHER_MAC} 10.98.0.7 * *\n"
        assert victim.stat().st_uid == 0
    finally:
        file.unlink(missing_ok=True)


@pytest.fixture
def others() -> Iterator[None]:
    """Have the client's MAC address back afterwards."""
    yield
    inside(CLIENT, "ip", "link", "set", "c0", "address", CLIENT_MAC)


def test_reserved_address_is_had_at_once_by_another_mac(instance: Object, others: None) -> None:
    """A guest is replaced: dnsmasq would keep the address for the MAC address that has the lease."""
    instance.present(**OPTIONS)
    assert lease()["ip"] == "10.98.0.7"
    hosts = [{**RESERVED, "mac": OTHER_MAC}]
    (operation,) = instance.plan(hosts=hosts)
    assert operation["action"] == "restart"
    assert operation["changes"]["taken"] == {"before": ["10.98.0.7"], "after": []}
    instance.present(hosts=hosts)
    assert "10.98.0.7" not in leases()
    inside(CLIENT, "ip", "link", "set", "c0", "address", OTHER_MAC)
    assert lease(tries=3)["ip"] == "10.98.0.7"
    assert OTHER_MAC in leases()
    assert converge(hosts=hosts).operations == []


def test_other_leases_stay_when_one_is_taken_back(instance: Object, others: None) -> None:
    instance.present(**OPTIONS)
    lease()
    inside(CLIENT, "ip", "link", "set", "c0", "address", OTHER_MAC)
    other = lease()["ip"]
    assert other != "10.98.0.7"
    third = "52:54:00:99:00:09"
    instance.present(hosts=[{**RESERVED, "mac": third}])
    assert [line.split()[1:3] for line in leases().splitlines()] == [[OTHER_MAC, other]]
    owner = (STATE / "leases").stat()
    assert (owner.st_uid, owner.st_mode & 0o777) == (STATE.stat().st_uid, 0o644)
    instance.present(hosts=[{**RESERVED, "mac": third}, {"mac": CLIENT_MAC, "address": other}])
    inside(CLIENT, "ip", "link", "set", "c0", "address", CLIENT_MAC)
    assert lease()["ip"] == other


def test_one_mac_address_has_one_address_whatever_it_calls_itself(instance: Object) -> None:
    instance.present(**DYNAMIC)
    found = {lease("-C", "-x", f"0x3d:ff0000{number:02x}")["ip"] for number in range(4)} | {lease("-C")["ip"]}
    assert len(found) == 1
    assert len(leases().splitlines()) == 1
    instance.present(**OPTIONS)
    for number in range(3):
        assert lease("-C", "-x", f"0x3d:ff0000{number:02x}")["ip"] == "10.98.0.7"


def test_names_belong_to_those_that_were_given_them(instance: Object, others: None) -> None:
    """Who releases another's lease and claims its name, or a name that resolvers look for, does not get it."""
    instance.present(**OPTIONS, domain="blue.example")
    assert dns(CLIENT, "10.98.0.1", "vm7") == "10.98.0.7"  # without a lease
    lease()
    release(CLIENT_MAC, "10.98.0.7")
    client_restart()
    inside(CLIENT, "ip", "link", "set", "c0", "address", OTHER_MAC)
    for name in ("vm7", "wpad", "isatap", "localhost", "gateway"):
        assert lease("-x", f"hostname:{name}", "-F", name)["ip"] != "10.98.0.7"
        expected = "10.98.0.7" if name == "vm7" else "no name"
        assert dns(CLIENT, "10.98.0.1", name) == expected
        assert dns(CLIENT, "10.98.0.1", f"{name}.blue.example") == expected


def release(mac: str, address: str) -> None:
    """Send a DHCPRELEASE in another's name (RFC 2131)."""
    words = struct.pack("!4BIHH", 1, 1, 6, 0, 7, 0, 0) + socket.inet_aton(address) + bytes(12)
    options = b"\x63\x82\x53\x63" + bytes([53, 1, 7, 54, 4]) + socket.inet_aton("10.98.0.1") + b"\xff"
    message = words + bytes.fromhex(mac.replace(":", "")) + bytes(10 + 192) + options
    program = "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    program += f"s.sendto(bytes.fromhex({message.hex()!r}), ('10.98.0.1', 67))"
    dns(CLIENT, "10.98.0.1", "vm7")  # which gives the client an address
    inside(CLIENT, "python3", "-c", program)


@pytest.fixture
def forwarder() -> Iterator[None]:
    """Have a DNS server outside that answers whatever it is asked."""
    output(
        "systemd-run", "-q", "--unit=nvtdns", "-p", "NetworkNamespacePath=/run/netns/nvtdo", "python3", "-c", FORWARDER
    )
    yield
    output("systemctl", "stop", "nvtdns")


def test_answers_of_forwarders_are_not_private_addresses(instance: Object, forwarder: None) -> None:
    instance.present(**OPTIONS, dns_forwarders=["192.0.2.9"], domain="blue.example")
    assert dns(CLIENT, "10.98.0.1", "public.example") == "9.9.9.9"
    assert dns(CLIENT, "10.98.0.1", "private.example") == "no name"
    for name in ("plain", "vm9.blue.example"):  # which only this server can know
        assert dns(CLIENT, "10.98.0.1", name) == "no name"


@pytest.mark.parametrize("forwarders", [[], ["192.0.2.9"]])
def test_nothing_is_told_about_servers(instance: Object, forwarder: None, forwarders: list[str]) -> None:
    instance.present(**OPTIONS, dns_forwarders=forwarders)
    dns(CLIENT, "10.98.0.1", "vm7")
    for name in ("version.bind", "cachesize.bind", "servers.bind", "auth.bind", "hostname.bind", "id.server",
                 "version.server", "authors.bind", "copyright.bind"):  # fmt: skip
        assert inside(CLIENT, "python3", "-c", CHAOS, name).split()[1] == "0", name


@pytest.mark.parametrize("umask", [0o027, 0o077])
def test_starts_whatever_the_umask_of_root(instance: Object, umask: int) -> None:
    subprocess.run(["rmdir", "-p", "--ignore-fail-on-non-empty", "/etc/netvirt/dnsmasq", STATE.parent],
                   capture_output=True, check=False)  # fmt: skip
    before = os.umask(umask)
    try:
        converge(**OPTIONS)
        assert lease()["ip"] == "10.98.0.7"
        Path(f"/etc/netvirt/dnsmasq/{NAME}").chmod(0o700)
        output("systemctl", "stop", UNIT)
        converge(**OPTIONS)
        assert lease()["ip"] == "10.98.0.7"
    finally:
        os.umask(before)
