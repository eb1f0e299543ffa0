# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ovs_tunnel against a real Open vSwitch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from engine import DATAPATH, Object, apply, column, output, version

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, InvalidValue

VXLAN = {"bridge": "nvtbr", "type": "vxlan"}
REMOTES = ["192.0.2.2", "192.0.2.3", "192.0.2.4"]


@pytest.fixture(autouse=True)
def _bridge() -> Iterator[None]:
    apply([{"ovs_bridge": {"name": "nvtbr", "datapath_type": DATAPATH}}])
    yield
    for name in ("nvtbr", "nvtbr2"):
        output("ovs-vsctl", "--if-exists", "del-br", name)


@pytest.fixture
def tunnel() -> Object:
    return Object("ovs_tunnel", name="nvt")


def ports() -> list[str]:
    return sorted(output("ovs-vsctl", "list-ports", "nvtbr").split())


@pytest.mark.parametrize("kind", ["gre", "vxlan", "geneve"])
@pytest.mark.parametrize(("local", "remote"), [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:0::0:2")])
def test_a_single_tunnel(tunnel: Object, kind: str, local: str, remote: str) -> None:
    tunnel.present(bridge="nvtbr", type=kind, local_ip=local, remote=remote, key=42)
    assert column("Interface", "nvt", "type") == kind
    shown = {"local_ip": local, "remote_ip": remote.replace(":0::0:", "::"), "key": "42"}
    assert column("Interface", "nvt", "options") == shown
    assert column("Port", "nvt", "protected") is False


@pytest.mark.parametrize(
    ("option", "value", "shown"),
    [
        ("key", "flow", {"key": "flow"}),
        ("key", "0x10", None),
        ("dst_port", 4790, {"dst_port": "4790"}),
        ("ttl", 7, {"ttl": "7"}),
        ("ttl", "inherit", {"ttl": "inherit"}),
        ("tos", "inherit", {"tos": "inherit"}),
        ("csum", True, {"csum": "true"}),
        ("df_default", False, {"df_default": "false"}),
    ],
)
def test_each_option_is_set_and_taken_back_in_place(
    tunnel: Object, option: str, value: Any, shown: dict[str, str]
) -> None:
    original = tunnel.present(**VXLAN, remote="192.0.2.2")
    row = column("Interface", "nvt", "_uuid")
    if shown is None:
        with pytest.raises(InvalidValue, match="must be a whole number"):
            tunnel.plan(**VXLAN, remote="192.0.2.2", **{option: value})
        return
    assert tunnel.changes(**VXLAN, remote="192.0.2.2", **{option: value}) == {option}
    assert column("Interface", "nvt", "options") == {"remote_ip": "192.0.2.2", **shown}
    assert tunnel.changes(**original) == {option}
    assert column("Interface", "nvt", "options") == {"remote_ip": "192.0.2.2"}
    assert column("Interface", "nvt", "_uuid") == row


def test_bfd_and_external_ids(tunnel: Object) -> None:
    tunnel.present(**VXLAN, remote="192.0.2.2")
    assert tunnel.changes(**VXLAN, remote="192.0.2.2", bfd={"enable": True, "min_rx": 500}) == {"bfd"}
    assert column("Interface", "nvt", "bfd") == {"enable": "true", "min_rx": "500"}
    assert tunnel.changes(**VXLAN, remote="192.0.2.2", bfd={}, external_ids={"a": "b"}) == {"bfd", "external_ids"}
    assert column("Port", "nvt", "external_ids") == {"a": "b", "netvirt-owner": "netvirt"}
    with pytest.raises(InvalidValue, match="bfd must hold only"):
        tunnel.plan(**VXLAN, remote="192.0.2.2", bfd={"speed": 1})


def test_a_mesh_has_a_protected_port_for_each_remote_and_follows_the_list(tunnel: Object) -> None:
    tunnel.present(**VXLAN, remotes=REMOTES, local_ip="192.0.2.1")
    assert ports() == ["nvt-c0000202", "nvt-c0000203", "nvt-c0000204"]
    assert all(column("Port", name, "protected") is True for name in ports())
    kept = column("Interface", "nvt-c0000203", "_uuid")
    assert tunnel.changes(**VXLAN, remotes=["192.0.2.5", "192.0.2.3"]) == {"remotes"}
    assert ports() == ["nvt-c0000203", "nvt-c0000205"]
    assert column("Interface", "nvt-c0000203", "_uuid") == kept
    assert column("Interface", "nvt-c0000205", "options")["local_ip"] == "192.0.2.1"
    tunnel.present(**VXLAN, remotes=[])
    assert ports() == []
    tunnel.present(**VXLAN, remotes=["2001:db8::2"])
    assert len(ports()) == 1
    tunnel.absent()
    assert ports() == []


def test_an_option_changed_by_hand_on_one_port_of_a_mesh_is_shown_and_repaired(tunnel: Object) -> None:
    options = {**VXLAN, "remotes": REMOTES, "key": 5}
    tunnel.present(**options)
    output("ovs-vsctl", "set", "Interface", "nvt-c0000203", "options:key=6")
    (operation,) = tunnel.plan(**options)
    assert operation["changes"]["key"]["before"]["nvt-c0000203"] == "6"
    assert operation["changes"]["key"]["after"] == "5"
    others = [version("Interface", name) for name in ("nvt-c0000202", "nvt-c0000204")]
    apply([{"ovs_tunnel": {"name": "nvt", **options}}])
    assert column("Interface", "nvt-c0000203", "options")["key"] == "5"
    assert [version("Interface", name) for name in ("nvt-c0000202", "nvt-c0000204")] == others


def test_a_remote_changed_by_hand_is_repaired(tunnel: Object) -> None:
    tunnel.present(**VXLAN, remotes=REMOTES)
    output("ovs-vsctl", "set", "Interface", "nvt-c0000203", "options:remote_ip=192.0.2.9")
    tunnel.present(**VXLAN, remotes=REMOTES)
    assert column("Interface", "nvt-c0000203", "options")["remote_ip"] == "192.0.2.3"


def test_a_twin_is_reported_before_open_vswitch_refuses_it(tunnel: Object) -> None:
    tunnel.present(**VXLAN, remotes=REMOTES, key=5)
    twin = Object("ovs_tunnel", name="nvttwin")
    with pytest.raises(Conflict, match="tunnel nvt-c0000202 has the same type vxlan"):
        twin.plan(**VXLAN, remote="192.0.2.2", key=5)
    twin.present(**VXLAN, remote="192.0.2.2", key=6)
    one, two = ({"ovs_tunnel": {"name": name, **VXLAN, "remote": "192.0.2.9"}} for name in ("nvt1", "nvt2"))
    with pytest.raises(Conflict, match="give one of them another key"):
        apply([one, two], check=True)
    two["ovs_tunnel"]["key"] = 0
    with pytest.raises(Conflict, match="key 0 and dst_port 4789; give one of them another key"):
        apply([one, two], check=True)


def test_a_tunnel_that_keeps_its_key_is_no_twin() -> None:
    one, two = ({"name": name, **VXLAN, "remote": "192.0.2.9"} for name in ("nvt1", "nvt2"))
    apply([{"ovs_tunnel": one}, {"ovs_tunnel": {**two, "key": 6}}])
    assert apply([{"ovs_tunnel": {**one, "ttl": 9}}, {"ovs_tunnel": {**two, "ttl": 9}}]).operations
    assert [column("Interface", name, "options").get("key") for name in ("nvt1", "nvt2")] == [None, "6"]


@pytest.mark.parametrize("remotes", [{"remote": REMOTES[0]}, {"remotes": REMOTES}])
def test_it_moves_to_another_bridge(tunnel: Object, remotes: dict[str, Any]) -> None:
    output("ovs-vsctl", "add-br", "nvtbr2", "--", "set", "bridge", "nvtbr2", f"datapath_type={DATAPATH}")
    try:
        tunnel.present(**VXLAN, **remotes, key="5", external_ids={"a": "b"})
        moved = {**VXLAN, **remotes, "bridge": "nvtbr2"}
        assert [operation["action"] for operation in tunnel.plan(**moved)] == ["detach", "update"]
        after = tunnel.present(**moved)
        assert (after["key"], after["external_ids"], ports()) == ("5", {"a": "b"}, [])
        tunnel.present(**VXLAN, **remotes)
    finally:
        output("ovs-vsctl", "del-br", "nvtbr2")


def test_a_port_made_by_hand_with_a_meshs_name_is_left_alone(tunnel: Object) -> None:
    output("ovs-vsctl", "add-port", "nvtbr", "nvt-c0000202", "--", "set", "Interface", "nvt-c0000202", "type=internal")
    with pytest.raises(Conflict, match="a port nvt-c0000202 that is no part of it"):
        tunnel.plan(**VXLAN, remotes=REMOTES)
    tunnel.absent()
    assert ports() == ["nvt-c0000202"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"remote": "192.0.2.2", "local_ip": "2001:db8::1"}, "are not of one address family"),
        ({"remote": "192.0.2.2", "local_ip": "192.0.2.2"}, "is local_ip itself"),
        ({"remote": "192.0.2.2", "key": 2**24}, "key must be at most 16777215 for vxlan"),
        ({"remote": "192.0.2.2", "type": "gre", "key": 2**32}, "key must be a whole number from 0 to 4294967295"),
        ({"remote": "192.0.2.2", "type": "gre", "dst_port": 1}, "gre has no dst_port"),
        ({"remote": "192.0.2.2", "remotes": []}, "exactly one of remote"),
        ({}, "exactly one of remote"),
        ({"remote": "node2"}, "remote must be an IPv4 or IPv6 address, not 'node2'"),
        ({"remote": "192.0.2.2", "ttl": 256}, "ttl must be a whole number from 0 to 255"),
        ({"remote": "192.0.2.2", "type": "stt"}, "type must be one of gre, vxlan, geneve"),
        ({"remote": "192.0.2.2", "bridge": "nvtnone"}, "bridge nvtnone does not exist"),
        ({"name": "nvtlong", "remotes": REMOTES}, "at most 6 characters"),
        ({"remotes": ["2001:db8::f04", "2001:db8::1:af4"]}, "would both have the port nvt-2c40ac0b"),
    ],
)
def test_wrong_values_are_one_line_and_change_nothing(options: dict[str, Any], message: str) -> None:
    before = output("ovs-vsctl", "show")
    with pytest.raises((InvalidValue, Conflict), match="ovs_tunnel nvt") as error:
        apply([{"ovs_tunnel": {"name": "nvt", **VXLAN, **options}}])
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert output("ovs-vsctl", "show") == before


@pytest.mark.parametrize("absent_first", [True, False])
@pytest.mark.parametrize("from_tunnel", [True, False])
@pytest.mark.parametrize("bridge", ["nvtbr", "nvtbr2"])
def test_a_port_and_a_tunnel_take_each_others_name_in_one_run(
    absent_first: bool, from_tunnel: bool, bridge: str
) -> None:
    apply([{"ovs_bridge": {"name": "nvtbr2", "datapath_type": DATAPATH}}])
    port = {"ovs_port_vlan": {"name": "nvt", "bridge": bridge, "type": "internal", "tag": 7}}
    tunnel = {"ovs_tunnel": {"name": "nvt", **VXLAN, "remote": "192.0.2.2"}}
    old, new = (tunnel, port) if from_tunnel else (port, tunnel)
    gone = {kind: {"name": "nvt", "state": "absent"} for kind in old}
    resources = [gone, new] if absent_first else [new, gone]
    apply([old])
    planned, done = apply(resources, check=True), apply(resources)
    assert [(item["kind"], item["action"]) for item in done.operations] == [
        (kind, action) for entry in resources for kind, action in ((*entry, "delete" if entry is gone else "create"),)
    ]
    assert planned.operations == done.operations
    assert output("ovs-vsctl", "port-to-br", "nvt").strip() == (bridge if from_tunnel else "nvtbr")
    assert column("Interface", "nvt", "type") == ("internal" if from_tunnel else "vxlan")
    assert column("Port", "nvt", "tag") == (7 if from_tunnel else [])
    assert apply(resources).operations == []
