# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""10,000 wrong inputs for each kind and for ``apply``: what is refused, is so in one line; what passes, is canonical.

What passes is also put into every file that is made of it, and read from there by rules of its own.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, Callable, Optional

import pytest

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files
from ansible_collections.netvirt.fabric.plugins.module_utils._engine import Resource, resource
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import InvalidValue, NetvirtError
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._boot import _rebuild, _rebuild_files
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp import _dnsmasq_checks as dnsmasq_checks
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp import _dnsmasq_files as dnsmasq_files
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp.dnsmasq_netns import _NEW as DNSMASQ_NEW
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _nat_table as nat_table
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters.nat_masquerade import _NEW as NAT_NEW
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests import _guest_files as guest_files
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests import _guest_qemu as guest_qemu
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests import _guest_values as guest_values
from ansible_collections.netvirt.fabric.plugins.module_utils._node import SETTINGS, Settings
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec, validate
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import KINDS, kind, parse
from ansible_collections.netvirt.fabric.plugins.module_utils._values import SHOWN, shown
from netvirt_testing import nasty, samples

COUNT = nasty.count(10_000)
_LONGEST = 60 * SHOWN
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@+-]{0,63}")
_OPTIONS = {  # of dnsmasq's configuration: what may follow, all that a value could begin with another option left out
    "user": "dnsmasq",
    "interface": r"\S+",
    **dict.fromkeys(("bind-dynamic", "no-hosts", "no-resolv", "no-poll", "domain-needed", "dhcp-authoritative"), ""),
    **dict.fromkeys(("enable-ra", "enable-tftp", "expand-hosts", "bogus-priv", "stop-dns-rebind", "no-ident"), ""),
    **dict.fromkeys(("dhcp-ignore-names", "dhcp-ignore-clid", "dhcp-broadcast", "no-ping"), ""),
    "except-interface": "lo",
    "domain": r"[a-z0-9.-]+",
    "local": r"/[a-z0-9.-]+/",
    "server": r"[0-9a-f:.]+",
    "dhcp-hostsfile": r"/\S+/hosts",
    "dhcp-optsfile": r"/\S+/opts",
    "addn-hosts": r"/\S+/names",
    "dhcp-leasefile": r"/\S+/leases",
    "dhcp-lease-max": r"[0-9]+",
    "dhcp-range": r"[0-9a-f:.]+(,[0-9a-f:.]+|,constructor:\S+|,static|,ra-only|,slaac|,ra-stateless){0,4},[0-9a-z]+",
    "ra-param": r"[^,]+(,mtu:[0-9]+)?,0(,0)?",
    "tftp-root": r"/[^,]*",
    "dhcp-boot": r"[^,]+(,,[0-9.]+)?",
}
_HOST = r"[0-9a-f:]{17}(,[0-9.]+|,\[[0-9a-f:.]+\])?(,[a-z0-9-]+)?(,[0-9]+|,infinite)?"
_OPT = r"(option6?:[A-Za-z0-9+-]+|[0-9]+)(,[^,]+)*"


# mypy infers no type for a lambda with default values, which keep the loop's own: hence type: ignore[misc] below.
def refusal(call: Callable[[], Any], given: Any) -> tuple[Any, Optional[str]]:
    """Return the result and None, or None and the message of the refusal, which is one clear line."""
    try:
        return call(), None
    except NetvirtError as error:
        message = str(error)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error} for {shown(given)}: {_written(given)}") from error
    assert message
    assert message.isprintable(), (message, shown(given))
    assert len(message) < _LONGEST, message[:1000]
    return None, message


def _written(given: Any) -> str:
    try:
        return repr(given)[:3000]
    except (RecursionError, ValueError):
        return "not to be written"


def canonical(item: Resource) -> None:
    """What passes is in a form that passes unchanged, and that a file in JSON gives back."""
    name, want = item.kind.name, {key: value for key, value in item.want.items() if value is not None}
    assert resource(kind(name), json.loads(json.dumps(want))).want == item.want
    assert item.title.isprintable()
    for key in ("name", "bridge", "namespace", "interface", "parent", "parent_namespace", "out_interface"):
        if want.get(key) and name != "ovs_flow":
            assert _NAME.fullmatch(want[key])
            assert ".." not in want[key]


def rendered(item: Resource) -> None:
    """Values are values wherever they are written."""
    if item.absent:
        return
    if item.kind.name == "dnsmasq_netns":
        dnsmasq(item.want)
    elif item.kind.name == "nat_masquerade":
        nat(item.want)
    elif item.kind.name == "ovs_flow":
        assert all(flow.isprintable() and "#" not in flow for flow in item.want["flows"])
    elif item.kind.name == "kvm_guest":
        guest(item.want)
    elif item.kind.name == "netns_router":
        for key in item.want["sysctls"] or ():
            path = "/proc/sys/" + key.translate(str.maketrans("./", "/."))
            assert path.startswith("/proc/sys/net/")
            assert not {".", "..", ""} & set(path.split("/")[1:])


def dnsmasq(want: Spec) -> None:
    """Each line is one option we know, with as many of each as there are values."""
    spec = {**DNSMASQ_NEW, **{key: value for key, value in want.items() if value is not None}}
    if not spec.get("namespace") or not spec.get("interface"):
        return
    try:
        spec["ranges"] = dnsmasq_checks.with_prefixes(spec["ranges"], (), ())
        dnsmasq_checks.check(spec)
    except (InvalidValue, ValueError):
        return
    texts = dnsmasq_files.render({key: value for key, value in spec.items() if key != "state"}, "own", "dnsmasq")
    lines = {short: text.split("\n")[1:-1] for short, text in texts.items()}
    for line in lines["dnsmasq.conf"]:
        key, _equals, value = line.partition("=")
        assert re.fullmatch(_OPTIONS[key], value), line
    keys = [line.partition("=")[0] for line in lines["dnsmasq.conf"]]
    assert keys.count("dhcp-range") == len(spec["ranges"])
    assert keys.count("server") == len(spec["dns_forwarders"])
    assert len(lines["hosts"]) == len(spec["hosts"])
    assert all(re.fullmatch(_HOST, line) for line in lines["hosts"]), lines["hosts"]
    assert len(lines["names"]) == len([host for host in spec["hosts"] if "address" in host and "hostname" in host])
    assert all(re.fullmatch(r"[0-9a-f:.]+ [a-z0-9-]+", line) for line in lines["names"]), lines["names"]
    families = {":" in address for address in spec["dns_servers"]}
    assert len(lines["opts"]) == 1 + len(families) + bool(spec["mtu"]) + len(spec["options"])
    assert all(re.fullmatch(_OPT, line) for line in lines["opts"]), lines["opts"]
    assert [line.count(",") for line in lines["opts"]][1 + len(families) + bool(spec["mtu"]) :] == [
        len(item["value"]) for item in spec["options"]
    ]
    assert not any(
        re.search(r'["\\#]|[^ -~]', line)
        for short in lines
        if short not in ("unit", "program", "options.json")
        for line in lines[short]
    )
    others = dnsmasq_files.render({**spec, "name": "N", "namespace": "NS"}, "own", "dnsmasq")
    assert texts.get("program") == others.get("program"), "no option has a part in the program"
    plain = others["unit"]
    assert texts["unit"].replace(f"/netns/{spec['namespace']}", "/netns/NS").count("\n") == plain.count("\n")
    unit_lines(texts["unit"])


def guest(want: Spec) -> None:
    """A guest's unit gives back the words of QEMU's command line, and each other line of it is as for a plain guest."""
    if any(want[option] is None for option in guest_values.REQUIRED):
        return
    given = {key: value for key, value in want.items() if value is not None and key not in ("state", "allow_restart")}
    spec = {**guest_values.NEW, **given}
    spec["accelerator"] = "kvm" if spec["accelerator"] == "kvm" else "tcg"
    words = guest_qemu.arguments(spec)
    before, command, after = re.split(
        r"^ExecStart=((?:.*\\\n)*.*\n)", guest_files.render(spec, "own")["unit"], maxsplit=1, flags=re.MULTILINE
    )
    undone = shlex.split(command.replace(" \\\n", " "))
    assert [word.replace("$$", "$").replace("%%", "%") for word in undone] == words
    assert not re.search(r"(?<!\$)\$(\$\$)*(?!\$)|(?<!%)%(%%)*(?!%)", command)
    for option in ("image", "kernel", "initrd"):
        assert not spec[option] or spec[option].startswith("/")
    assert len(guest_values.account(spec["name"])) < 32
    unit_lines((before + after).replace("$MAINPID", ""))


def unit_lines(text: str) -> None:
    """A unit's values have no word that systemd would expand, and no line goes on in the next."""
    for line in text.split("\n"):
        assert re.fullmatch(r"|#.*|\[[A-Z][a-z]+\]|[A-Z]\w+=[ -~]*", line), line
        assert line.startswith("#") or not re.search(r"[%\\$]", line), line


def nat(want: Spec) -> None:
    """Only whole strings of the table come from values: where strings of JSON are alike, the structure is, too."""
    spec = {**NAT_NEW, **{key: value for key, value in want.items() if value is not None}}
    if not spec.get("sources") or (spec["inbound"] == "drop" and not spec["out_interface"]):
        return
    spec.setdefault("exclude_destinations", spec["sources"])
    items = nat_table.build(spec["name"], spec, "own")
    assert json.loads(json.dumps(items)) == items
    for text in _strings(items):
        assert re.fullmatch(r"[A-Za-z0-9_.:@+-]+|owner [A-Za-z0-9]+|[!=]=", text), text


def _strings(value: Any) -> list[str]:
    if isinstance(value, (list, dict)):
        items = value if isinstance(value, list) else [*value, *value.values()]
        return [text for item in items for text in _strings(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("name", KINDS)
def test_options_of_a_kind(name: str) -> None:
    accepted = 0
    for given in nasty.Nasty(name).mutants(samples.KINDS[name], COUNT):
        item, message = refusal(lambda given=given: resource(kind(name), given), given)  # type: ignore[misc]
        if message is None:
            accepted += 1
            canonical(item)
            rendered(item)
    print(f"{name}: {COUNT} inputs, {COUNT - accepted} refused, {accepted} accepted; seed {nasty.SEED}")
    assert 0 < accepted < COUNT


def test_lists_for_apply() -> None:
    accepted = 0
    for given in nasty.Nasty("apply").mutants(samples.resources(), COUNT):
        items, message = refusal(lambda given=given: parse(given), given)  # type: ignore[misc]
        if message is None:
            accepted += 1
            for item in items:
                canonical(item)
            refusal(lambda items=items: _rebuild.told("own", items, True), given)  # type: ignore[misc]
    print(f"apply: {COUNT} inputs, {COUNT - accepted} refused, {accepted} accepted; seed {nasty.SEED}")
    assert 0 < accepted < COUNT


def test_settings_of_a_run() -> None:
    good = [{"owner": "own-1", "ovsdb": "unix:/var/run/openvswitch/db.sock", "timeout": 10, "lock_timeout": 60}]
    accepted = 0
    for given in nasty.Nasty("settings").mutants(good, COUNT):
        found, message = refusal(lambda given=given: validate(SETTINGS, given, "settings"), given)  # type: ignore[misc]
        if message is None:
            accepted += 1
            assert _files.header(found["owner"]).count("\n") == 1
            assert Settings(**found).owner == found["owner"]
    assert 0 < accepted < COUNT


def test_a_rebuild_is_kept_as_data() -> None:
    for given in nasty.Nasty("rebuild").mutants([{"name": "fabric", "resources": [{"a": "b"}]}], 200):
        item, message = refusal(lambda given=given: resource(_rebuild.Rebuild(), given), given)  # type: ignore[misc]
        if message is None and item.want["resources"]:
            unit_lines(_rebuild_files.render(item.want["name"], [], Settings())["unit"].text)
