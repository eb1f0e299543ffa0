# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""10,000 wrong documents: each is refused with one line per fault, or compiles into what the modules and units take."""

from __future__ import annotations

import re
from typing import Any, Callable, Optional

from ansible.errors import AnsibleFilterError
from fabric_samples import NODES, facts_of, sample

from ansible_collections.netvirt.fabric.plugins.filter.compile import compile_filter
from ansible_collections.netvirt.fabric.plugins.filter.guest_resources import guest_resources
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import NetvirtError
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import parse
from ansible_collections.netvirt.fabric.plugins.module_utils._values import SHOWN, shown
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._one_network import network_document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._filters import filter_errors
from netvirt_testing import nasty

COUNT = nasty.count(10_000)
_LONGEST = 60 * SHOWN
FACTS = facts_of(NODES)
for _facts in FACTS.values():
    _facts["interfaces"] |= {name: {**_facts["interfaces"]["eth2"]} for name in ("eth3", "eth4", "br0")}


def documents() -> list[dict[str, Any]]:
    """Return good documents that have every key among them."""
    blue = sample()["fabric_networks"][0]
    dhcp = {
        "ranges": [["10.0.20.50", "10.0.20.60"], ["2001:db8:20::50", "2001:db8:20::60"]],
        "lease": "1h",
        "dns_servers": ["10.0.20.1"],
        "node": "network1",
        "dns_forwarders": ["192.0.2.53"],
        "domain": "example.org",
        "options": [{"option": "ntp-server", "value": "192.0.2.1", "family": 4}],
        "hosts": [{"mac": "52:54:00:aa:bb:09", "address": "10.0.20.9", "address6": "2001:db8:20::9", "hostname": "h9"}],
    }
    red = {
        "name": "red",
        "mode": "isolated",
        "vlan": 20,
        "cidr": "10.0.20.0/24",
        "cidr6": "2001:db8:20::/64",
        "gateway": "10.0.20.1",
        "gateway6": "2001:db8:20::1",
        "mtu": 1400,
        "dhcp": dhcp,
    }
    wire = {
        "name": "desks",
        "mode": "bridged",
        "vlan": 30,
        "network_type": "vlan",
        "physical_network": "office",
        "segmentation_id": 200,
        "cidr": "10.0.30.0/24",
        "cidr6": "2001:db8:30::/64",
        "dhcp": {
            "range": ["10.0.30.50", "10.0.30.60"],
            "node": "compute1",
            "address": "10.0.30.2",
            "address6": "2001:db8:30::2",
        },
    }
    allowed = [{"subnet": "10.0.20.64/28", "mac": "52:54:00:aa:bb:07"}, {"subnet": "2001:db8:20::/64"}]
    nics = [
        {"network": "red", "mac": "52:54:00:aa:bb:05", "address": "10.0.20.5", "allowed_addresses": allowed},
        {"network": "desks", "port_security": False},
    ]
    router = {
        **sample()["fabric_routers"][0],
        "external": {**sample()["fabric_routers"][0]["external"], "address6": "2001:db8:f::2/64", "vlan": 9},
        "port_forwards": [
            {"port": 80, "guest": "vm1", "network": "blue", "to_port": 8080},
            {"protocol": "udp", "port": "9000-9009", "to": "10.0.10.12"},
        ],
        "rules": [
            {
                "name": "web",
                "action": "reject",
                "from": ["blue"],
                "to": ["outside"],
                "source": "10.0.10.0/25",
                "destination": "198.51.100.0/24",
                "protocol": "tcp",
                "ports": [80, "8000-8010"],
                "log": True,
            }
        ],
    }
    full = {
        **sample(),
        "fabric_owner": "fabric",
        "fabric_floating_ips": [{"address": "203.0.113.20", "router": "r1", "guest": "vm1", "network": "blue"}],
        "fabric_underlay": {"type": "geneve", "interface": "eth1", "key": 5, "dst_port": 6082, "mtu": 1500},
        "fabric_nodes": {
            "network1": {"datapath_type": "netdev", "underlay_address": "192.0.2.1/24", "underlay_interface": "eth1"},
            "compute1": {"physical_networks": {"office": {"interfaces": ["eth3", "eth4"], "lacp": "active"}}},
        },
        "fabric_physical_networks": [
            {"name": "public", "interface": "eth2", "bridge": "br-ex", "mtu": 1500},
            {"name": "office", "bridge": "br-of", "linux_bridge": "br0"},
        ],
        "fabric_networks": [blue, red, wire],
        "fabric_routers": [router],
        "fabric_guests": [
            {"name": "vm3", "node": "compute1", "networks": nics, "image": "/i.qcow2", "memory": 64, "vcpus": 2},
            {
                "name": "vm4",
                "node": "compute1",
                "network": "blue",
                "cmdline": 'a="$x" %n; b',
                "kernel": "/k",
                "initrd": "/i",
            },
        ],
    }
    rules = [
        {"direction": "egress", "ethertype": "ipv4", "protocol": "udp", "ports": [53, "8000-8010"]},
        {"direction": "ingress", "protocol": "icmpv6", "icmp_type": 128, "icmp_code": 0, "remote_group": "default"},
        {"direction": "ingress", "protocol": 112, "remote_cidr": "10.0.20.0/24"},
        {"direction": "ingress", "protocol": "tcp", "ports": [22], "remote_address_group": "office"},
    ]
    full["fabric_security_groups"] = [{"name": "web", "rules": rules}]
    full["fabric_address_groups"] = [{"name": "office", "addresses": ["192.0.2.0/24", "2001:db8::7"]}]
    full["fabric_guests"][1]["security_groups"] = ["web"]
    return [sample(), sample(), full]  # the last one takes four times as long as the others


def roles() -> list[dict[str, Any]]:
    """Return good variables of the roles of one network."""
    guests = [{"name": "vm1", "node": "compute1", "address": "10.0.30.7"}]
    given = {
        "name": "green",
        "vlan": 30,
        "cidr": "10.0.30.0/24",
        "underlay": {"type": "vxlan", "interface": "eth1"},
        "guests": guests,
        "node": "network1",
        "hosts": NODES,
        "nodes": {"compute1": {}},
        "external": {"interface": "eth2", "address": "203.0.113.30/24", "gateway": "203.0.113.1"},
    }
    return [{f"nat_{key}": value for key, value in given.items()}]


# mypy infers no type for a lambda with default values, which keep the loop's own: hence type: ignore[misc] below.
def refusal(call: Callable[[], Any], given: Any) -> tuple[Any, Optional[str]]:
    """Return the result and None, or None and the refusal, of one clear line or a heading and a line per fault."""
    try:
        return call(), None
    except (AnsibleFilterError, NetvirtError) as error:
        message = str(error)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error} for {shown(given)}: {_written(given)}") from error
    for line in message.split("\n"):
        assert line.strip()
        assert line.isprintable(), (line, shown(given))
        assert len(line) < _LONGEST, line[:1000]
    if "\n" in message:
        assert re.match(r"the fabric document has [0-9]+ faults?:", message)
    return None, message


def _written(given: Any) -> str:
    try:
        return repr(given)[:3000]
    except (RecursionError, ValueError):
        return "not to be written"


def harmless(compiled: dict[str, Any]) -> None:
    """The modules take the resources, and those of guests, of which test_fuzz_kinds.py looks at the unit."""
    parse(compiled["resources"])
    parse(guest_resources(compiled["guests"]))


def test_documents() -> None:
    accepted = 0
    source = nasty.Nasty("document")
    for given in source.mutants(documents(), COUNT):
        node = source.random.choice(NODES)
        compiled, message = refusal(lambda given=given, node=node: compile_filter(given, node, FACTS, NODES), given)  # type: ignore[misc]
        if message is None:
            accepted += 1
            harmless(compiled)
    print(f"document: {COUNT} inputs, {COUNT - accepted} refused, {accepted} accepted; seed {nasty.SEED}")
    assert 0 < accepted < COUNT


def test_variables_of_the_roles_of_one_network() -> None:
    accepted = 0
    for given in nasty.Nasty("roles").mutants(roles(), COUNT // 5):

        def build(given: Any = given) -> Any:
            with filter_errors():
                return compile_filter(network_document("nat", given, NODES), "network1", FACTS, NODES)

        compiled, message = refusal(build, given)
        if message is None:
            accepted += 1
            harmless(compiled)
    assert 0 < accepted < COUNT


def test_guests() -> None:
    (guest,) = compile_filter(documents()[0], "compute1", FACTS, NODES)["guests"]
    for given in nasty.Nasty("guest").mutants([guest], COUNT // 5):
        refusal(lambda given=given: parse(guest_resources([given])), given)  # type: ignore[misc]
