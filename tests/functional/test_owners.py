# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two owners on one node: what one has made the other does not change, unless it takes it over."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from engine import DATAPATH, Spec, column, output
from netlink_node import clean_node, ip
from test_purge import NETWORK, OWNER, ours, run

from ansible_collections.netvirt.fabric.plugins.module_utils._engine import Result, converge
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node, Settings
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import KINDS, kind, parse

__all__ = ["clean_node", "ours"]

OTHER = "nvother"

# A change of each object that bears a mark.
CHANGED: dict[str, Spec] = {
    "ovs_bridge": {"name": "nvtbr", "mac_table_size": 4096},
    "ovs_bridge, fake": {"name": "nvtbr-f", "parent": "nvtbr", "vlan": 21},
    "ovs_port_vlan": {"name": "nvtp", "bridge": "nvtbr", "type": "internal", "tag": 11},
    "ovs_tunnel": {"name": "nvtone", "bridge": "nvtbr", "type": "geneve", "remote": "192.0.2.4"},
    "ovs_tunnel, mesh": {"name": "nvtm", "bridge": "nvtbr", "type": "vxlan", "remotes": ["192.0.2.1"]},
    "ovs_flow": {"bridge": "nvtbr", "cookie": "0x7", "flows": ["priority=8,in_port=nvtp actions=drop"]},
    "veth_pair": {"name": "nvtleg", "mtu": 1400, "peer": {"name": "gw", "namespace": "nvtns"}},
    "netns_router": {"name": "nvtns", "ip_forward": False},
    "nat_masquerade": {"namespace": "nvtns", "sources": ["10.98.0.0/24"]},
    "nat_inbound": {"namespace": "nvtns", "floating_ips": [{"address": "192.0.2.9", "to": "10.97.0.10"}]},
    "packet_filter": {"name": "nvt", "isolated_interfaces": ["nvtp"]},
    "dnsmasq_netns": {"name": "nvt", "ranges": [{"start": "10.97.0.100", "end": "10.97.0.120"}]},
    "linux_bridge": {"name": "nvtlb", "stp": True},
    "veth_pair, renamed": {"name": "nvtleg", "peer": {"name": "gw2", "namespace": "nvtns"}},
    "link_unmanaged": {"name": "nvtp", "state": "absent"},
}
# Nothing changes or marks what it is a part of.
PARTS: list[Spec] = [{"ip_interface": {"name": "nvtp", "addresses": ["10.96.0.2/24"]}}]


def other(
    resources: list[Spec], check: bool = False, purge: bool = False, unattended: bool = False, **settings: Any
) -> Result:
    """Converge for another owner than the one that has made the network."""
    node = Node(Settings(owner=OTHER, **settings), unattended)
    try:
        return converge(node, parse(copy.deepcopy(resources)), check, map(kind, KINDS) if purge else ())
    finally:
        node.close()


def marks() -> dict[str, set[str]]:
    """Return the owners that the system shows, by what bears them."""
    bridge = column("Bridge", "nvtbr", "external_ids")
    names = [name for name in output("ovs-vsctl", "list-ports", "nvtbr").split() if name != "nvtone"]
    links = [*ip("link", "show"), *ip("link", "show", namespace="nvtns")]
    inside = output("ip", "netns", "exec", "nvtns", "nft", "list", "ruleset")
    files = output("sh", "-c", "head -qn1 /etc/netvirt/dnsmasq/nvt/* /etc/systemd/system/netvirt-dnsmasq-nvt.service")
    return {
        "bridge": {bridge["netvirt-owner"]},
        "flows": {value for key, value in bridge.items() if key.startswith("netvirt-flows-")},
        "ports": {column("Port", name, "external_ids")["netvirt-owner"] for name in ("nvtbr", *names)},
        "links": {link["ifalias"].removeprefix("netvirt:") for link in links if "ifalias" in link},
        "tables": set(re.findall('comment "owner (.+?)"', output("nft", "list", "ruleset") + inside)),
        "files": {line.rpartition(" ")[2] for line in files.splitlines()},
    }


@pytest.fixture
def network(ours: None) -> Iterator[None]:
    """Have the network of its owner, and leave nothing of either."""
    try:
        run(NETWORK)
        assert all(found == {OWNER} for found in marks().values()), marks()
        yield
    finally:
        other([], purge=True, owner_was=OWNER)


def test_what_another_owner_has_made_is_not_changed(network: None) -> None:
    """The fault is one line that names both owners, the object and the remedy, in check mode as well."""
    for name, options in CHANGED.items():
        resource = {name.partition(",")[0]: options}
        for check in (True, False):
            with pytest.raises(Conflict) as raised:
                other([resource], check)
            line = str(raised.value)
            assert all(part in line for part in (f"owner {OWNER},", f"owner {OTHER};", "adopt: true")), line
            assert options.get("name", "") in line
            assert not any(part in line for part in ("\n", "delete", "remove")), line
    assert run(NETWORK, check=True).operations == []


def test_what_is_as_another_owner_has_it_is_no_conflict(network: None) -> None:
    """Who wants of an object what it is already may have it; a part of an object has no owner."""
    assert other(NETWORK).operations == []
    assert all(found == {OWNER} for found in marks().values())
    assert [item["kind"] for item in other(PARTS).operations] == ["ip_interface"]


def test_adopt_takes_a_changed_object_over(network: None) -> None:
    """Check mode says so before, with both owners; the second run changes nothing, with and without the permission."""
    for name in [name for name, options in CHANGED.items() if "state" not in options and name != "veth_pair"]:
        resources = [{name.partition(",")[0]: CHANGED[name]}]
        planned, done = other(resources, check=True, adopt=True), other(resources, adopt=True)
        assert planned.operations == done.operations
        (last,) = [item for item in done.operations if item["action"] == "adopt"]
        assert last["changes"] == {"owner": {"before": OWNER, "after": OTHER}}
        assert [item.adoption for item in done.changed] == [{"before": OWNER, "after": OTHER}]
        for settings in ({"adopt": True}, {}):
            assert other(resources, **settings).operations == [], name
    assert all(OTHER in found for found in marks().values()), marks()


def test_an_owner_takes_over_all_of_another(network: None) -> None:
    """Marks alone change, whoever looks: no link, row or process is made anew; what is not declared any more goes."""
    index = ip("link", "show", "nvtleg")[0]["ifindex"]
    process = output("systemctl", "show", "--property=MainPID", "netvirt-dnsmasq-nvt")
    fewer = [item for item in NETWORK if "nvtone" not in str(item)]
    planned = other(fewer, check=True, purge=True, owner_was=OWNER)
    done = other(fewer, purge=True, owner_was=OWNER)
    assert planned.operations == done.operations
    assert {item["action"] for item in done.operations} == {"adopt", "delete"}
    assert [item["name"] for item in done.operations if item["action"] == "delete"] == ["nvtone"]
    assert all(found == {OTHER} for found in marks().values()), marks()
    assert ip("link", "show", "nvtleg")[0]["ifindex"] == index
    assert output("systemctl", "show", "--property=MainPID", "netvirt-dnsmasq-nvt") == process
    for settings in ({"owner_was": OWNER}, {}):
        assert other(fewer, purge=True, **settings).operations == []


def test_adopt_marks_nothing_that_nobody_has_marked(clean_node: None) -> None:
    """An object that was there before stays unmarked, also when it is changed."""
    output("ovs-vsctl", "add-br", "nvtbr", "--", "set", "Bridge", "nvtbr", f"datapath_type={DATAPATH}")
    try:
        done = other([{"ovs_bridge": {"name": "nvtbr", "mac_table_size": 4096}}], adopt=True)
        assert [item["action"] for item in done.operations] == ["update"]
        assert column("Bridge", "nvtbr", "external_ids") == {}
    finally:
        output("ovs-vsctl", "del-br", "nvtbr")


def test_a_rebuild_leaves_alone_what_another_owner_has_taken_over(network: None) -> None:
    """It would fight with the other owner, or fail as a whole for one object."""
    changes = [{"ovs_port_vlan": CHANGED["ovs_port_vlan"]}, {"ovs_bridge": CHANGED["ovs_bridge"]}]
    done = other(changes, unattended=True)
    assert [item["name"] for item in done.operations] == []
    assert column("Port", "nvtp", "tag") == 10
