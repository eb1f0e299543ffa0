# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnsmasq_netns: what clients in other namespaces get from it, and what systemd and the disk show."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from dhcp_lab import (
    CLIENT,
    CLIENT_MAC,
    DYNAMIC,
    NAME,
    OPTIONS,
    OUTSIDE,
    RESERVED,
    SERVER,
    UNIT,
    build,
    client_restart,
    converge,
    dns,
    inside,
    lease,
    leases,
    main_pid,
    network,
    offer6,
    show,
    wait_for_ra,
)
from dhcp_lab import instance as dhcp_instance
from dhcp_lab import running as dhcp_running
from engine import Object, output

from ansible_collections.netvirt.fabric.plugins.module_utils import _node_facts
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings
from ansible_collections.netvirt.fabric.plugins.module_utils._reservations import digest

instance = pytest.fixture(dhcp_instance)
running = pytest.fixture(dhcp_running)
lab = pytest.fixture(scope="module", autouse=True)(network)


def test_lease_with_router_mtu_dns_and_domain(instance: Object) -> None:
    after = instance.present(**DYNAMIC, router="10.98.0.254", mtu=1446, domain="Blue.Example.")
    assert after["ranges"] == [
        {"start": "10.98.0.100", "end": "10.98.0.150", "prefix": 24, "mode": "dynamic", "lease": "3600"}
    ]
    got = lease()
    assert got["router"] == "10.98.0.254"
    assert got["mtu"] == "1446"
    assert got["dns"] == "10.98.0.1"
    assert got["domain"] == "blue.example"
    assert got["lease"] == "3600"
    assert 100 <= int(got["ip"].split(".")[3]) <= 150


def test_no_router_unless_there_is_one(instance: Object) -> None:
    instance.present(**OPTIONS)
    assert "router" not in lease()
    instance.present(router="10.98.0.254")
    assert lease()["router"] == "10.98.0.254"
    instance.present(router="")
    assert "router" not in lease()


def test_reservation_and_its_name(instance: Object) -> None:
    instance.present(**{**OPTIONS, "hosts": [{**RESERVED, "lease": "10m"}]}, domain="blue.example")
    got = lease()
    assert (got["ip"], got["lease"], got["hostname"]) == ("10.98.0.7", "600", "vm7")
    assert dns(CLIENT, "10.98.0.1", "vm7.blue.example") == "10.98.0.7"
    assert dns(CLIENT, "10.98.0.1", "vm7") == "10.98.0.7"


def test_static_mode_serves_reserved_hosts_only(instance: Object) -> None:
    instance.present(**{**DYNAMIC, "ranges": [{"start": "10.98.0.0", "mode": "static"}]})
    assert lease(tries=2) == {}
    instance.present(hosts=[RESERVED])
    assert lease()["ip"] == "10.98.0.7"


def test_other_options_by_number_and_by_name(instance: Object) -> None:
    options = [
        {"option": "ntp-server", "value": ["10.98.0.3", "10.98.0.4"]},
        {"option": 224, "value": "site 5"},
        {"option": 121, "value": ["10.0.0.0/8", "10.98.0.9"]},
    ]
    instance.present(**OPTIONS, options=options, dns_servers=["10.98.0.2", "192.0.2.53"])
    got = lease("-O", "ntpsrv", "-O", "staticroutes", "-O", "224")
    assert got["ntpsrv"] == "10.98.0.3 10.98.0.4"
    assert got["staticroutes"] == "10.0.0.0/8 10.98.0.9"
    assert got["opt224"] == b"site 5".hex()
    assert got["dns"] == "10.98.0.2 192.0.2.53"


def test_network_boot(instance: Object, tmp_path: Path) -> None:
    root = Path("/srv/nvttftp")
    root.mkdir(exist_ok=True)
    try:
        (root / "pxe.0").write_text("boot me")
        instance.present(**OPTIONS, tftp_root=f"{root}/", boot_file="pxe.0")
        got = lease("-O", "bootfile")
        assert got.get("bootfile", got.get("boot_file")) == "pxe.0"
        assert got["siaddr"] == "10.98.0.1"
        inside(CLIENT, "ip", "address", "add", "10.98.0.9/24", "dev", "c0")
        fetched = tmp_path / "fetched"
        inside(CLIENT, "busybox", "tftp", "-g", "-r", "pxe.0", "-l", str(fetched), "10.98.0.1")
        assert fetched.read_text() == "boot me"
        instance.present(boot_server="10.98.0.77")
        assert lease()["siaddr"] == "10.98.0.77"
        instance.present(tftp_root="", boot_file="", boot_server="")
        assert lease()["siaddr"] == "10.98.0.1"
    finally:
        (root / "pxe.0").unlink()
        root.rmdir()


@pytest.mark.parametrize("start", ["fd98::", "::"])
def test_router_advertisement_with_mtu(instance: Object, start: str) -> None:
    ranges = [*OPTIONS["ranges"], {"start": start, "mode": "ra-stateless"}]
    instance.present(**{**OPTIONS, "ranges": ranges}, mtu=1400)
    client_restart()
    address, route, mtu = wait_for_ra()
    assert address.startswith("fd98::")
    assert "default via fe80::" in route
    assert mtu == "1400"
    instance.present(ra_router=False)
    client_restart()
    address, route, _mtu = wait_for_ra()
    assert address.startswith("fd98::")
    assert "default" not in route


def test_dhcpv6_reserved_and_dynamic(instance: Object) -> None:
    both = {**OPTIONS, "ranges": [*OPTIONS["ranges"], {"start": "fd98::100", "end": "fd98::1ff"}]}
    instance.present(**both, dns_servers=["2001:db8::53", "192.0.2.53"])
    client_restart()
    address, server = offer6()
    assert 0x100 <= int(address.rpartition(":")[2], 16) <= 0x1FF
    assert server == "2001:db8::53"
    instance.present(hosts=[RESERVED, {"mac": CLIENT_MAC, "address": "fd98::7", "hostname": "vm7"}], dns_servers=[])
    assert offer6() == ("fd98::7", "fd98::1")
    assert lease()["ip"] == "10.98.0.7"


@pytest.mark.parametrize("mode", ["dynamic", "static", "ra-only", "slaac", "ra-stateless"])
@pytest.mark.parametrize("start", ["fd98::100", "::100"])
def test_dnsmasq_takes_every_mode(instance: Object, mode: str, start: str) -> None:
    end = {"end": start[:-1] + "f"} if mode == "dynamic" else {}
    instance.present(**{**OPTIONS, "ranges": [{"start": start, "mode": mode, **end}], "hosts": []})


def test_dns_answers_local_names_only_and_nobody_outside(instance: Object) -> None:
    instance.present(**OPTIONS, domain="blue.example")
    lease()
    assert dns(CLIENT, "10.98.0.1", "example.org") == "refused"
    assert dns(CLIENT, "10.98.0.1", "vm7") == "10.98.0.7"
    for server in ("192.0.2.1", "10.98.0.1"):  # a neighbour on the outer segment, also with a route to the inner one
        assert dns(OUTSIDE, server, "vm7") == "nothing"
        assert dns(OUTSIDE, server, "vm7", tcp=True) == "nothing"


def test_forwarder_is_asked_only_when_there_is_one(instance: Object) -> None:
    instance.present(**OPTIONS, dns_forwarders=["192.0.2.9"])
    assert dns(CLIENT, "10.98.0.1", "example.org") != "refused"
    instance.present(dns_forwarders=[])
    assert dns(CLIENT, "10.98.0.1", "example.org") == "refused"


def test_system_configuration_is_not_read(instance: Object) -> None:
    path = Path("/etc/dnsmasq.conf")
    before = path.read_bytes() if path.exists() else None
    try:
        path.write_text("address=/example.org/192.0.2.66\nthis is nonsense\n")
        instance.present(**OPTIONS)
        assert dns(CLIENT, "10.98.0.1", "example.org") == "refused"
    finally:
        path.unlink() if before is None else path.write_bytes(before)


@pytest.mark.parametrize(
    ("options", "action"),
    [
        ({"hosts": []}, "reload"),
        ({"router": "10.98.0.254"}, "reload"),
        ({"dns_servers": ["10.98.0.2"]}, "reload"),
        ({"options": [{"option": 42, "value": "10.98.0.3"}]}, "reload"),
        ({"mtu": 1400}, "reload"),
        ({"domain": "red.example"}, "restart"),
        ({"dns_forwarders": ["192.0.2.9"]}, "restart"),
        ({"boot_file": "other"}, "restart"),
        ({"ranges": [{"start": "10.98.0.100", "end": "10.98.0.160"}]}, "restart"),
    ],
)
def test_leases_outlast_reload_and_restart(running: Object, options: dict[str, object], action: str) -> None:
    before = running.present(**OPTIONS)
    lease()
    held, pid = leases(), main_pid()
    assert CLIENT_MAC in held
    assert [item["action"] for item in running.plan(**options)] == [action]
    running.present(**options)
    assert (main_pid() == pid) == (action == "reload")
    assert leases() == held
    running.present(**before)
    assert leases() == held


def test_second_run_leaves_process_and_files_alone(instance: Object) -> None:
    instance.present(**OPTIONS)
    files = {path: path.stat() for path in written()}
    pid = main_pid()
    instance.present(**OPTIONS)
    assert main_pid() == pid
    assert {path: path.stat() for path in written()} == files


def written() -> list[Path]:
    return [Path(f"/etc/systemd/system/{UNIT}"), *sorted(Path(f"/etc/netvirt/dnsmasq/{NAME}").iterdir())]


def test_what_it_keeps_is_among_the_facts_of_the_node(instance: Object) -> None:
    host = {"mac": "52:54:00:00:00:01", "address": "10.98.0.11"}
    instance.present(**{**OPTIONS, "hosts": [host]})
    node = Node(Settings())
    try:
        assert _node_facts.reservations(node)[NAME] == digest([host])
    finally:
        node.close()


def test_check_mode_changes_nothing(instance: Object) -> None:
    assert [item["action"] for item in instance.plan(**OPTIONS)] == ["create"]
    assert not Path(f"/etc/systemd/system/{UNIT}").exists()
    assert not Path(f"/etc/netvirt/dnsmasq/{NAME}").exists()
    assert show("LoadState") == "not-found"


def test_absent_leaves_nothing(instance: Object) -> None:
    instance.present(**OPTIONS)
    lease()
    instance.absent()
    assert show("LoadState") == "not-found"
    for path in (f"/etc/netvirt/dnsmasq/{NAME}", f"/var/lib/netvirt/dnsmasq/{NAME}", f"/etc/systemd/system/{UNIT}"):
        assert not os.path.lexists(path)
    assert not list(Path("/etc/systemd/system").glob(f"*/{UNIT}"))
    assert lease(tries=1) == {}


def test_starts_at_boot_and_is_never_root(instance: Object) -> None:
    instance.present(**OPTIONS)
    assert show("UnitFileState") == "enabled"
    status = Path(f"/proc/{main_pid()}/status").read_text(encoding="utf-8")
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert "0" not in fields["Uid"].split()
    assert "0" not in fields["Gid"].split()
    assert fields["NoNewPrivs"] == "1"
    assert int(fields["CapEff"], 16) == int(fields["CapEff"], 16) & (1 << 10 | 1 << 12 | 1 << 13)
    assert int(fields["CapBnd"], 16) == int(fields["CapEff"], 16)
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in written())


def test_back_after_a_crash(instance: Object) -> None:
    instance.present(**OPTIONS)
    lease()
    pid = main_pid()
    os.kill(pid, signal.SIGKILL)
    for _attempt in range(300):
        if show("ActiveState") == "active" and main_pid() not in (0, pid):
            break
        time.sleep(0.1)
    assert main_pid() not in (0, pid)
    assert CLIENT_MAC in leases()
    assert instance.plan(**OPTIONS) == []


def test_stopped_service_is_started(instance: Object) -> None:
    instance.present(**OPTIONS)
    output("systemctl", "stop", UNIT)
    (operation,) = instance.plan(**OPTIONS)
    assert (operation["action"], operation["changes"]["service"]["before"]) == ("start", "inactive")
    assert converge(**OPTIONS).operations == [operation]
    assert lease()


def test_disabled_service_is_enabled_without_a_restart(instance: Object) -> None:
    instance.present(**OPTIONS)
    output("systemctl", "disable", "-q", UNIT)
    pid = main_pid()
    (operation,) = converge(**OPTIONS).operations
    assert (operation["action"], set(operation["changes"])) == ("update", {"enabled"})
    assert (show("UnitFileState"), main_pid()) == ("enabled", pid)


@pytest.mark.parametrize(
    ("short", "action"), [("hosts", "reload"), ("opts", "reload"), ("dnsmasq.conf", "restart"), ("unit", "restart")]
)
@pytest.mark.parametrize("by_hand", ["append", "delete", "mode"])
def test_file_changed_by_hand_is_written_again(running: Object, short: str, action: str, by_hand: str) -> None:
    path = Path(f"/etc/netvirt/dnsmasq/{NAME}/{short}") if short != "unit" else written()[0]
    text = path.read_text(encoding="utf-8")
    if by_hand == "append":
        path.write_text(text + "# mine\n", encoding="utf-8")
    elif by_hand == "delete":
        path.unlink()
    else:
        path.chmod(0o600)
    (operation,) = running.plan(**OPTIONS)
    assert operation["action"] == action
    assert operation["changes"] == {"edited": {"before": [short], "after": []}}
    assert converge(**OPTIONS).operations == [operation]
    assert path.read_text(encoding="utf-8") == text
    assert path.stat().st_mode & 0o777 == 0o644
    assert converge(**OPTIONS).operations == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ranges": 5}', '{"name": "other"}', "\udcff"])
def test_options_file_made_unusable_is_written_again(running: Object, content: str) -> None:
    path = Path(f"/etc/netvirt/dnsmasq/{NAME}/options.json")
    header = path.read_text(encoding="utf-8").splitlines()[0]
    path.write_text(f"{header}\n{content}\n", encoding="utf-8", errors="surrogateescape")
    assert converge(**OPTIONS).operations
    assert converge(**OPTIONS).operations == []
    assert lease()["ip"] == "10.98.0.7"


def test_interface_made_anew_takes_a_restart(instance: Object) -> None:
    instance.present(**OPTIONS)
    client_restart(anew=True)
    (operation,) = converge(**OPTIONS).operations
    assert operation["changes"] == {"service": {"before": "running on a former interface", "after": "running"}}
    assert operation["action"] == "restart"
    assert lease()["ip"] == "10.98.0.7"


def test_namespace_made_anew_restarts_it(instance: Object) -> None:
    instance.present(**OPTIONS)
    build()
    (operation,) = converge(**OPTIONS).operations
    assert operation["changes"]["service"]["before"] == "running in a former namespace"
    assert lease()


def test_without_its_namespace_it_does_not_start_and_does_not_fail(instance: Object) -> None:
    instance.present(**OPTIONS)
    output("systemctl", "stop", UNIT)
    inside(SERVER, "ip", "link", "delete", "d0")
    output("ip", "netns", "delete", SERVER)
    try:
        output("systemctl", "start", UNIT)
        assert (show("ActiveState"), show("ConditionResult")) == ("inactive", "no")
    finally:
        build()
    assert converge(**OPTIONS).operations[0]["action"] == "start"
    assert lease()


def test_before_fed_back_restores(instance: Object) -> None:
    instance.present(**OPTIONS, router="10.98.0.254", options=[{"option": 42, "value": "10.98.0.3"}])
    texts = {path: path.read_text(encoding="utf-8") for path in written()}
    (item,) = converge(**{**OPTIONS, "ranges": [], "hosts": []}, router="", options=[]).resources
    converge(**item.shown(item.have))
    assert {path: path.read_text(encoding="utf-8") for path in written()} == texts


def test_two_networks_in_one_namespace(instance: Object) -> None:
    instance.present(**OPTIONS, router="10.98.0.254")
    other = Object("dnsmasq_netns", name=f"{NAME}-2")
    try:
        other.present(namespace=SERVER, interface="d1", ranges=[{"start": "10.97.0.5", "end": "10.97.0.9"}])
        assert lease()["ip"] == "10.98.0.7"
        assert lease(interface="c1")["ip"].startswith("10.97.0.")
    finally:
        other.absent()
    assert lease()["ip"].startswith("10.98.0.")
