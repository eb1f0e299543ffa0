# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnsmasq's files, and the values that get into them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netvirt.fabric.plugins.module_utils import _program
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import InvalidValue
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp import _dnsmasq_checks as checks
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp import _dnsmasq_files as files
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp import _dnsmasq_values as dnsmasq

Spec = dict[str, Any]
PYTHON = _program.python()

RANGE: Spec = {"start": "10.0.0.100", "end": "10.0.0.200", "prefix": 24, "mode": "dynamic", "lease": "86400"}
SIX: Spec = {"start": "fd00::", "prefix": 64, "mode": "ra-only", "lease": "600"}
SPEC: Spec = {
    "name": "blue",
    "namespace": "r1",
    "interface": "leg",
    "ranges": [RANGE],
    "hosts": [],
    "router": "",
    "ra_router": True,
    "dns_servers": [],
    "dns_forwarders": [],
    "domain": "",
    "mtu": 0,
    "options": [],
    "tftp_root": "",
    "boot_file": "",
    "boot_server": "",
}


def lines(short: str, **options: Any) -> list[str]:
    return files.render({**SPEC, **options}, "me", "dnsmasq")[short].splitlines()[1:]


def test_every_file_names_its_owner() -> None:
    texts = files.render({**SPEC, "ranges": [RANGE, SIX]}, "me", "dnsmasq")
    assert {text.splitlines()[0] for text in texts.values()} == {"# Managed by netvirt.fabric, owner me"}
    assert files.paths("blue").keys() == texts.keys()
    assert files.render(SPEC, "me", "dnsmasq").keys() == texts.keys() - {"program"}


def test_options_are_kept_as_they_are() -> None:
    assert files.parse_options(files.render(SPEC, "me", "dnsmasq")["options.json"]) == SPEC


def test_minimal_configuration() -> None:
    assert lines("dnsmasq.conf") == [
        *("user=dnsmasq", "interface=leg", "except-interface=lo", "bind-dynamic"),
        *("no-hosts", "no-resolv", "no-poll", "domain-needed", "bogus-priv", "stop-dns-rebind"),
        *("no-ident", "local=/bind/", "local=/server/", "addn-hosts=/etc/netvirt/dnsmasq/blue/names"),
        *("dhcp-authoritative", "dhcp-ignore-names", "dhcp-ignore-clid", "dhcp-broadcast", "no-ping"),
        "dhcp-leasefile=/var/lib/netvirt/dnsmasq/blue/leases",
        *("dhcp-hostsfile=/etc/netvirt/dnsmasq/blue/hosts", "dhcp-optsfile=/etc/netvirt/dnsmasq/blue/opts"),
        *("dhcp-lease-max=256", "dhcp-range=10.0.0.100,10.0.0.200,255.255.255.0,86400"),
    ]
    assert lines("hosts") == lines("names") == []
    assert lines("opts") == ["option:router"]


@pytest.mark.parametrize(
    ("start", "end", "prefix", "mode", "line"),
    [
        ("10.0.0.0", None, 25, "static", "10.0.0.0,static,255.255.255.128,600"),
        ("fd00::", None, 64, "ra-only", "fd00::,ra-only,64,600"),
        ("fd00::9", "fd00::f", 80, "dynamic", "fd00::9,fd00::f,80,600"),
        ("fd00::9", "fd00::f", 64, "slaac", "fd00::9,fd00::f,slaac,64,600"),
        ("::", None, 64, "ra-stateless", "::,constructor:leg,ra-stateless,64,600"),
        ("::9", "::f", 64, "dynamic", "::9,::f,constructor:leg,64,600"),
    ],
)
def test_ranges(start: str, end: str | None, prefix: int, mode: str, line: str) -> None:
    item = dnsmasq.given({"start": start, "end": end, "prefix": prefix, "mode": mode, "lease": "600"})
    assert dnsmasq.ranges([item]) == [item]
    conf = lines("dnsmasq.conf", ranges=[item])
    assert f"dhcp-range={line}" in conf
    assert ("enable-ra" in conf) == (":" in start)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, None),
        ({"mtu": 1446}, "ra-param=leg,mtu:1446,0"),
        ({"ra_router": False}, "ra-param=leg,0,0"),
        ({"mtu": 1446, "ra_router": False}, "ra-param=leg,mtu:1446,0,0"),
    ],
)
def test_router_advertisements(options: Spec, line: str | None) -> None:
    item = {"start": "fd00::", "prefix": 64, "mode": "ra-only", "lease": "600"}
    conf = lines("dnsmasq.conf", ranges=[item], **options)
    assert [text for text in conf if text.startswith("ra-param")] == ([line] if line else [])


def test_everything_else() -> None:
    conf = lines("dnsmasq.conf", domain="b.example", dns_forwarders=["192.0.2.1", "2001:db8::1"], tftp_root="/srv/t",
                 boot_file="pxe.0", boot_server="10.0.0.9")  # fmt: skip
    wanted = {"domain=b.example", "local=/b.example/", "server=192.0.2.1", "server=2001:db8::1", "enable-tftp"}
    assert wanted | {"tftp-root=/srv/t", "dhcp-boot=pxe.0,,10.0.0.9"} <= set(conf)
    options = [
        {"option": "42", "value": ["10.0.0.3", "10.0.0.4"], "family": 4},
        {"option": "root-path", "value": ["/a b"], "family": 4},
        {"option": "31", "value": ["fd00::3"], "family": 6},
        {"option": "domain-search", "value": ["a.b"], "family": 6},
    ]
    assert lines("opts", router="10.0.0.1", mtu=1446, options=options, dns_servers=["10.0.0.2", "fd00::2"]) == [
        *("option:router,10.0.0.1", "option:dns-server,10.0.0.2", "option6:dns-server,[fd00::2]", "option:mtu,1446"),
        *("42,10.0.0.3,10.0.0.4", "option:root-path,/a b", "option6:31,[fd00::3]", "option6:domain-search,a.b"),
    ]
    mac = "52:54:00:00:00:01"
    hosts = [
        {"mac": mac},
        {"mac": mac, "address": "10.0.0.7", "hostname": "vm", "lease": "600"},
        {"mac": mac, "address": "fd00::7"},
    ]
    assert lines("hosts", hosts=hosts) == [mac, f"{mac},10.0.0.7,vm,600", f"{mac},[fd00::7]"]
    assert lines("names", hosts=hosts) == ["10.0.0.7 vm"]


def test_ipv6_is_given_its_raw_socket_and_no_rights() -> None:
    """It is bound to the interface where a port for DHCP tells when that is another one."""
    command = "ExecStart=dnsmasq --conf-file=/etc/netvirt/dnsmasq/blue/dnsmasq.conf"
    assert any(line.startswith(command) for line in lines("unit"))
    for ranges, interface in (([RANGE, SIX], " leg"), ([{**SIX, "mode": "ra-stateless"}], " leg"), ([SIX], "")):
        unit = lines("unit", ranges=ranges)
        assert "PrivateUsers=yes" in unit
        assert f"ExecStartPre=+{PYTHON} -I /usr/local/lib/netvirt/dnsmasq-blue.py open{interface}" in unit
        assert any(line.startswith(f"ExecStart={PYTHON} -I ") for line in unit)


def test_leases_are_bounded() -> None:
    wide = {"start": "10.0.0.1", "end": "10.0.0.9", "prefix": 8, "mode": "dynamic", "lease": "600"}
    six = {"start": "fd00::9", "end": "fd00::f", "prefix": 64, "mode": "dynamic", "lease": "600"}
    assert "dhcp-lease-max=65536" in lines("dnsmasq.conf", ranges=[wide, six])
    assert "dhcp-lease-max=1" in lines("dnsmasq.conf", ranges=[])


@pytest.mark.parametrize(("path", "escaped"), [("", ""), ("/", "/"), ("/srv/", "/srv"), ("/a b", "/a b")])
def test_paths(path: str, escaped: str) -> None:
    assert dnsmasq.path(path) == escaped


@given(st.text(max_size=300))
def test_plain_text_is_one_value(text: str) -> None:
    """What passes as plain text has nothing that ends a value, a line or a quotation in dnsmasq's files."""
    try:
        plain = dnsmasq.plain(text)
    except ValueError:
        return
    assert plain == text
    assert plain.isascii()
    assert plain.isprintable()
    assert plain.strip() == plain != ""
    assert not set(plain) & set(',"\\#')


@given(
    st.lists(st.one_of(st.text(max_size=20), st.integers(), st.none(), st.booleans(), st.lists(st.text())), max_size=4)
)
def test_values_of_options_are_canonical_or_refused(items: list[Any]) -> None:
    option = dnsmasq.DHCP_OPTION["value"].canonical
    assert option is not None
    try:
        once = option(items)
    except ValueError:
        return
    assert option(once) == once
    (line,) = lines("opts", options=[{"option": "224", "value": once, "family": 4}])[1:]
    assert line.split(",")[1:] == once


def test_prefixes_come_from_the_interface_or_from_before() -> None:
    bare = {key: value for key, value in RANGE.items() if key != "prefix"}
    assert checks.with_prefixes([bare], [], ["10.0.0.1/16", "fe80::1/64"])[0]["prefix"] == 16
    assert checks.with_prefixes([bare], [RANGE], [])[0]["prefix"] == 24
    with pytest.raises(InvalidValue, match="needs a prefix"):
        checks.with_prefixes([bare], [], ["fd00::1/64"])
    with pytest.raises(InvalidValue, match="outside"):
        checks.with_prefixes([RANGE], [], ["10.1.0.1/16"])
    assert checks.with_prefixes([{**bare, "start": "fd00::", "end": "fd00::9"}], [], [])[0]["prefix"] == 64


def test_prefix_of_the_interface_wins_over_another_one() -> None:
    with pytest.raises(InvalidValue, match=r"has prefix 24, the interface 10.0.0.0/16"):
        checks.with_prefixes([RANGE], [], ["10.0.0.1/16"])


def test_constructed_range_takes_any_subnet() -> None:
    item = {"start": "::", "mode": "ra-only", "lease": "600"}
    assert checks.with_prefixes([item], [], ["fd00::1/64"])[0]["prefix"] == 64


def test_hosts_may_be_outside_a_range_but_not_outside_its_subnet() -> None:
    checks.check({**SPEC, "hosts": [{"mac": "52:54:00:00:00:01", "address": "10.0.0.7"}], "router": "10.0.0.1"})
    with pytest.raises(InvalidValue, match="outside"):
        checks.check({**SPEC, "hosts": [{"mac": "52:54:00:00:00:01", "address": "10.0.1.7"}]})
