# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the netlink kinds share: the engine on this node, and iproute2 as the judge of what it did."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from engine import Spec, apply

from ansible_collections.netvirt.fabric.plugins.module_utils._engine import Result
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import NetvirtError

PREFIX = "nvt"
"""Every interface and namespace that a test makes starts with it, and goes when the test ends."""


def ip(*arguments: str, namespace: Optional[str] = None, check: bool = True) -> Any:
    """Run ip(8) and return what it says in JSON, or None when it says nothing."""
    command = ["ip", "-j", "-d", *(["-n", namespace] if namespace else []), *arguments]
    output = subprocess.run(command, check=check, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output) if output.strip() else None


def inside(namespace: str, *command: str) -> str:
    """Run a command in a namespace and return its output."""
    arguments = ["ip", "netns", "exec", namespace, *command]
    return subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def link_local(name: str, namespace: str) -> str:
    """Return the link-local address of an interface, once it can be used; it comes with the carrier."""
    for _attempt in range(100):
        found = ip("-6", "address", "show", "dev", name, "scope", "link", namespace=namespace)
        for item in found[0].get("addr_info", ()) if found else ():
            if "local" in item and not item.get("tentative"):
                return str(item["local"])
        time.sleep(0.1)
    raise AssertionError(f"{name} in {namespace} has no link-local address yet")


def link(name: str, namespace: Optional[str] = None) -> Optional[dict[str, Any]]:
    """Return the link as ip(8) shows it, or None."""
    found = ip("link", "show", namespace=namespace) if namespace is None or namespace in namespaces() else []
    return next((item for item in found if item["ifname"] == name), None)


def addresses(name: str, namespace: Optional[str] = None) -> list[str]:
    """Return the addresses of an interface but the link-local ones, sorted."""
    found = ip("address", "show", "dev", name, namespace=namespace)[0]["addr_info"]
    return sorted(f"{item['local']}/{item['prefixlen']}" for item in found if item["scope"] != "link")


def routes(namespace: Optional[str] = None, *selector: str) -> list[dict[str, Any]]:
    """Return the routes of both families that are not the kernel's own."""
    found = [
        route
        for family in ("-4", "-6")
        for route in ip(family, "route", "show", *selector, namespace=namespace) or []
        if route["protocol"] not in {"kernel", "ra"}
    ]
    return sorted(found, key=lambda route: (route["dst"], route.get("metric", 0)))


def sysctl(namespace: Optional[str], key: str) -> str:
    """Return a kernel parameter."""
    path = "/proc/sys/" + key.replace(".", "/")
    return inside(namespace, "cat", path) if namespace else Path(path).read_text().strip()


def namespaces() -> list[str]:
    """Return the names of the network namespaces, by what is mounted: see proc(5), mountinfo."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted({mount[4].rpartition("/")[2] for mount in mounts if mount[3].startswith("net:[")})


def clean() -> None:
    """Remove what tests made or left."""
    for path in Path("/run/netns").glob(PREFIX + "*"):
        subprocess.run(["ip", "netns", "delete", path.name], check=False, stderr=subprocess.DEVNULL)
        path.unlink(missing_ok=True)
    for item in ip("link", "show"):
        if item["ifname"].startswith(PREFIX):
            ip("link", "delete", item["ifname"], check=False)


@pytest.fixture
def clean_node() -> Iterator[None]:
    """Have a node without anything of the tests, before and after."""
    clean()
    yield
    clean()


def needs(capability: str, *arguments: str) -> pytest.MarkDecorator:
    """Return the mark of tests that need a kind of link, which is tried: ip link add ... ARGUMENTS."""
    name = PREFIX + "probe"
    veth = ("veth", "peer", "name", name + "1")
    ip("link", "add", name, "type", *veth, check=False)
    on = ["link", name] if arguments[0] == "vlan" else []
    command = ["ip", "link", "add", *on, "name", name + "0", "type", *arguments]
    missing = subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode != 0
    for made in (name + "0", name):
        ip("link", "delete", made, check=False)
    return pytest.mark.skipif(missing, reason=f"needs a kernel with {capability}")


_RESTLESS = {
    *("state", "message_age", "topology_change", "config_pending", "topology_change_ack", "mii_status", "ad_info"),
    *("ad_aggregator_id", "ad_actor_oper_port_state", "ad_actor_oper_port_state_str"),
    *("ad_partner_oper_port_state", "ad_partner_oper_port_state_str"),
    *("topology_change_detected", "fdb_n_learned"),
}


def drop_restless(item: dict[str, Any]) -> None:
    """Take out of a link what changes by itself: timers run, and ports of bridges and members of bonds wake up."""
    for part in ("info_data", "info_slave_data"):
        found = item.get("linkinfo", {}).get(part, {})
        for key in [key for key in found if key.endswith("_timer") or key in _RESTLESS]:
            del found[key]


def state() -> Any:
    """Return what ip(8) shows in the root namespace and those of the tests, less what the kernel does by itself."""
    shown = {}
    for namespace in (None, *(name for name in namespaces() if name.startswith(PREFIX))):
        links = ip("link", "show", namespace=namespace)
        for item in links:
            item.pop("operstate")  # follows with a delay, as do the flags that come from it
            item["flags"] = "UP" in item["flags"]
            drop_restless(item)
        shown[namespace] = (links, [addresses(item["ifname"], namespace) for item in links], routes(namespace))
    return shown


def converges(*resources: Spec) -> Result:
    """Check, run, check, run: the plan of the first is executed by the second, and the others have nothing to do."""
    before = state()
    planned = apply(resources, check=True)
    assert state() == before
    done = apply(resources)
    assert done.operations == planned.operations
    assert done.operations
    settled(*resources)
    return done


def settled(*resources: Spec) -> None:
    """There is nothing to do, in check mode and outside."""
    before = state()
    assert apply(resources, check=True).operations == []
    assert apply(resources).operations == []
    assert state() == before


def refused(error: type[NetvirtError], text: str, *resources: Spec) -> None:
    """Every run fails with one line that holds the text, and changes nothing."""
    before = state()
    for check in (True, False):
        with pytest.raises(error) as caught:
            apply(resources, check)
        assert text in str(caught.value)
        assert "\n" not in str(caught.value)
    assert state() == before


def shown_before(result: Result) -> list[Spec]:
    """Return what was there, as resources that can be fed back in."""
    return [{item.kind.name: item.shown(item.have)} for item in result.resources]


def actions(result: Result) -> list[str]:
    """Return the actions of a result in their order."""
    return [operation["action"] for operation in result.operations]
