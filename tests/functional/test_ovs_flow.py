# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ovs_flow against a real Open vSwitch."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from engine import DATAPATH, Object, apply, output

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, Failed, InvalidValue, Unavailable

BRIDGE = {"ovs_bridge": {"name": "nvtbr", "datapath_type": DATAPATH}}
FLOWS = ["priority=10,ip,nw_dst=10.0.0.0/8 actions=drop", "table=1,arp actions=NORMAL"]


# Flows as users write them, and where it matters as ovs-ofctl prints them.
WRITTEN = {
    "priority=1,actions=DROP": "priority=1 actions=drop",
    "table=0, priority=32768 ,ip,nw_dst=10.1.2.3/8,actions=drop": "ip,nw_dst=10.0.0.0/8 actions=drop",
    "dl_type=0x800,nw_proto=6,tp_dst=0x50,actions=output:3": "tcp,tp_dst=80 actions=output:3",
    "dl_vlan=100,actions=mod_vlan_vid:1,NORMAL": "dl_vlan=100 actions=set_field:4097->vlan_vid,NORMAL",
    "vlan_tci=0,actions=push_vlan:0x8100,mod_vlan_vid:1,local": (
        "vlan_tci=0x0000/0x1fff actions=push_vlan:0x8100,set_field:4097->vlan_vid,LOCAL"
    ),
    "table=1,dl_vlan=5,dl_src=AA:BB:CC:00:00:01 actions=strip_vlan,1": "",
    "table=1,ipv6,ipv6_src=2001:DB8:0::/32,actions=note:00.01,conjunction(3,1/2)": "",
    "table=1,ct_state=+trk+est,ip,actions=ct(commit,zone=5,nat(src=192.0.2.1),exec(set_field:1->ct_mark))": "",
    "table=1,udp,actions=learn(table=3,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,4)": "",
    "table=1,metadata=3,tun_id=5,reg2=1/0xf,actions=write_metadata:7,goto_table:4": "",
    "table=1,importance=3,send_flow_rem,no_packet_counts,icmp,actions=controller,output:reg0[0..15]": "",
    "table=1,priority=0 actions=multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[]),clone(set_queue:3,output:5)": "",
    "table=1,tcp,tcp_flags=+syn-ack,ip_frag=no,actions=dec_ttl,move:eth_src[]->eth_dst[],flood,all,in_port": "",
}


def port(name: str, **options: Any) -> dict[str, Any]:
    return {"ovs_port_vlan": {"name": name, "bridge": "nvtbr", "type": "internal", **options}}


@pytest.fixture(autouse=True)
def _bridge() -> Iterator[None]:
    apply([BRIDGE, port("nvtp"), port("nvtq")])
    yield
    output("ovs-vsctl", "--if-exists", "del-br", "nvtbr")


@pytest.fixture
def flows() -> Object:
    return Object("ovs_flow", bridge="nvtbr", cookie="0x10")


def dump(match: str = "cookie=0x10/-1", version: str = "OpenFlow14") -> list[str]:
    """Return what the bridge holds, without counters."""
    lines = output("ovs-ofctl", "-O", version, "--no-stats", "--no-names", "dump-flows", "nvtbr", match).splitlines()
    return sorted(line.strip() for line in lines if "actions=" in line)


def packets(match: str) -> int:
    """Return how many packets the only flow that fits has seen."""
    text = output("ovs-ofctl", "-O", "OpenFlow14", "dump-flows", "nvtbr")
    (found,) = re.findall(rf"n_packets=(\d+).* {match} ", text)
    return int(found)


def number(name: str) -> str:
    return output("ovs-vsctl", "get", "Interface", name, "ofport").strip()


def test_a_flow_is_the_same_however_it_is_written(flows: Object) -> None:
    after = flows.present(flows=list(WRITTEN))
    held = dump()
    assert {f"cookie=0x10, {flow}" for flow in WRITTEN.values() if flow} <= set(held)
    assert len(held) == len(WRITTEN)
    flows.absent()
    assert dump() == []
    flows.present(flows=after["flows"])
    assert dump() == held


def test_what_differs_is_changed_and_the_rest_keeps_its_counters(flows: Object) -> None:
    flows.present(flows=[*FLOWS, "priority=11,ip actions=drop"])
    frame = "ffffffffffff0200000000010800" + "450000140000000040000000" + "0a0000010a000002"
    output("ovs-ofctl", "-O", "OpenFlow14", "packet-out", "nvtbr", f"in_port=local,packet={frame},actions=table")
    seen = packets("priority=11,ip")
    assert seen == 1
    (operation,) = flows.plan(flows=[FLOWS[1], "priority=11,ip actions=drop", "table=5 actions=drop"])
    assert operation["changes"]["flows"] == {
        "before": ["table=0,priority=10,ip,nw_dst=10.0.0.0/8 actions=drop"],
        "after": ["table=5,priority=32768 actions=drop"],
    }
    assert flows.changes(flows=[FLOWS[1], "priority=11,ip actions=drop", "table=5 actions=drop"]) == {"flows"}
    assert packets("priority=11,ip") == seen
    assert len(dump()) == 3
    flows.present(flows=[])
    assert dump() == []
    flows.absent(flows=[])


def test_a_flow_changed_by_hand_is_repaired(flows: Object) -> None:
    flows.present(flows=FLOWS)
    held = dump()
    output("ovs-ofctl", "del-flows", "--strict", "nvtbr", "table=1,arp")
    output("ovs-ofctl", "add-flow", "nvtbr", "cookie=0x10,priority=10,ip,nw_dst=10.0.0.0/8,actions=NORMAL")
    output("ovs-ofctl", "add-flow", "nvtbr", "cookie=0x10,table=9,actions=NORMAL")
    assert flows.changes(flows=FLOWS) == {"flows"}
    assert dump() == held


def test_other_owners_keep_their_flows(flows: Object) -> None:
    output("ovs-ofctl", "add-flow", "nvtbr", "cookie=0x110,priority=10,ip,nw_dst=10.0.0.0/9,actions=drop")
    output("ovs-ofctl", "add-flow", "nvtbr", "table=7,actions=drop")
    foreign = [line for line in dump("table=0") + dump("table=7") if "cookie=0x10," not in line]
    flows.present(flows=FLOWS)
    flows.absent()
    assert dump("table=0") + dump("table=7") == foreign
    message = r"flow of another owner \(cookie 0x110\) with the same match .*nw_dst=10.0.0.0/9 actions=drop'"
    with pytest.raises(Conflict, match=message):
        flows.plan(flows=["priority=10,ip,nw_dst=10.0.0.0/9,actions=NORMAL"])
    with pytest.raises(Conflict, match=r"\(cookie 0x0\).*'table=0,priority=0 actions=NORMAL'"):
        flows.plan(flows=["priority=0,actions=drop"])


def test_a_flow_passes_from_one_set_to_another_in_one_run() -> None:
    one, two = ({"bridge": "nvtbr", "cookie": cookie} for cookie in (1, "0x2"))
    apply([{"ovs_flow": {**one, "flows": FLOWS}}, {"ovs_flow": {**two, "flows": []}}])
    result = apply([{"ovs_flow": {**one, "flows": FLOWS[:1]}}, {"ovs_flow": {**two, "flows": FLOWS[1:]}}])
    assert [operation["name"] for operation in result.operations] == ["nvtbr/0x1", "nvtbr/0x2"]
    assert [len(dump(f"cookie={cookie}/-1")) for cookie in (1, 2)] == [1, 1]
    with pytest.raises(Conflict, match="the set with cookie 0x2 has a flow with the same match"):
        apply([{"ovs_flow": {**one, "flows": FLOWS}}, {"ovs_flow": {**two, "flows": FLOWS[1:]}}])
    apply([{"ovs_flow": {**one, "state": "absent"}}, {"ovs_flow": {**two, "flows": FLOWS}}])
    assert [len(dump(f"cookie={cookie}/-1")) for cookie in (1, 2)] == [0, 2]


def test_ports_are_called_by_name(flows: Object) -> None:
    named = ["in_port=nvtp,actions=output:nvtq,output:nvtbr", 'in_port="nvtq",actions=clone(output:1,output:nvtp)']
    after = flows.present(flows=named)
    p, q = number("nvtp"), number("nvtq")
    assert sorted(dump()) == [
        f"cookie=0x10, in_port={p} actions=output:{q},LOCAL",
        f"cookie=0x10, in_port={q} actions=clone(output:1,output:{p})",
    ]
    assert "table=0,priority=32768,in_port=nvtp actions=output:nvtq,output:nvtbr" in after["flows"]
    assert flows.plan(flows=[f"in_port={p},actions=output:{q},LOCAL", f"in_port={q},actions=clone(output:1,{p})"]) == []
    output("ovs-vsctl", "set", "Interface", "nvtp", "ofport_request=77")
    assert flows.changes(flows=named) == {"flows"}
    assert number("nvtp") == "77"
    assert "cookie=0x10, in_port=77 actions=" in dump()[0] + dump()[1]
    (operation,) = flows.plan(flows=["in_port=nvtq,actions=drop"])
    assert "table=0,priority=32768,in_port=77 actions=output:nvtq,LOCAL" in operation["changes"]["flows"]["before"]
    with pytest.raises(InvalidValue, match=r"the flow 'in_port=nvtz,actions=drop' is wrong: nvtz: invalid or unknown"):
        flows.plan(flows=["in_port=nvtz,actions=drop"])


def test_a_bridge_and_its_ports_may_be_made_by_the_same_run() -> None:
    flows = {"bridge": "nvtbr", "cookie": "0x10", "flows": ["in_port=nvtr,actions=output:nvtp", "in_port=9,actions=2"]}
    resources = [{"ovs_flow": flows}, port("nvtr"), port("nvtp"), BRIDGE]
    planned = apply([{"ovs_flow": flows}, port("nvtr")], check=True)
    assert planned.resources[0].after["flows"][1] == "table=0,priority=32768,in_port=nvtr actions=output:nvtp"
    output("ovs-vsctl", "del-br", "nvtbr")
    planned = apply(resources, check=True)
    done = apply(resources)
    assert done.operations == planned.operations
    assert done.resources[0].after == planned.resources[0].after
    assert f"cookie=0x10, in_port={number('nvtr')} actions=output:{number('nvtp')}" in dump()
    assert apply(resources).operations == []


@pytest.mark.parametrize(
    "change", [{"fail_mode": "secure"}, {"controllers": ["tcp:127.0.0.1:6653"]}, {"controllers": []}, {}]
)
def test_flows_that_a_change_of_the_bridge_flushes_are_in_the_plan(flows: Object, change: dict[str, Any]) -> None:
    if change == {"controllers": []}:
        apply([{"ovs_bridge": {"name": "nvtbr", "controllers": ["tcp:127.0.0.1:6653"]}}])
    flows.present(flows=FLOWS)
    held = dump()
    resources = [
        {"ovs_flow": {**flows.identity, "flows": FLOWS}},
        {"ovs_bridge": {"name": "nvtbr", "hwaddr": "02:00:00:00:00:05", **change}},
    ]
    planned = apply(resources, check=True)
    assert [operation["kind"] for operation in planned.operations] == ["ovs_bridge", "ovs_flow"][: 1 + bool(change)]
    assert apply(resources).operations == planned.operations
    assert dump() == held


def test_flows_that_a_change_of_the_bridge_flushes_are_in_before(flows: Object) -> None:
    """Also where the list wants them gone, so that nothing is left to do for their set itself."""
    held = flows.present(flows=FLOWS)["flows"]
    resources = [
        {"ovs_flow": {**flows.identity, "flows": []}},
        {"ovs_bridge": {"name": "nvtbr", "fail_mode": "secure"}},
    ]
    for check in (True, False):
        result = apply(resources, check=check)
        assert [operation["kind"] for operation in result.operations] == ["ovs_bridge"]
        shown = {item.kind.name: (item.shown(item.have), item.shown(item.after)) for item in result.changed}
        assert [flows["flows"] for flows in shown["ovs_flow"]] == [held, []]
    apply([{name: before} for name, (before, _after) in shown.items()])
    assert len(dump()) == len(FLOWS)
    assert flows.present(flows=FLOWS)["flows"] == held


@pytest.mark.parametrize("version", ["OpenFlow13", "OpenFlow14", "OpenFlow15"])
def test_a_bridge_that_speaks_one_version(flows: Object, version: str) -> None:
    output("ovs-vsctl", "set", "Bridge", "nvtbr", f"protocols={version}")
    flows.present(
        flows=[*FLOWS, "table=3,importance=5,dl_vlan=1,actions=strip_vlan,mod_vlan_pcp:3,meter:1,output:1"][:2]
    )
    flows.changes(flows=["dl_vlan=1,actions=mod_vlan_vid:100,NORMAL"])
    assert dump(version=version) == ["cookie=0x10, dl_vlan=1 actions=set_field:4196->vlan_vid,NORMAL"]
    flows.absent()


def test_a_bridge_that_speaks_only_old_versions_is_told(flows: Object) -> None:
    output("ovs-vsctl", "set", "Bridge", "nvtbr", "protocols=OpenFlow10,OpenFlow12")
    with pytest.raises(Conflict, match=r"speaks only OpenFlow10, OpenFlow12, .* add OpenFlow14 to its protocols"):
        flows.plan(flows=FLOWS)


def test_what_the_bridge_refuses_changes_nothing(flows: Object) -> None:
    flows.present(flows=FLOWS)
    held = dump()
    with pytest.raises(
        Failed, match=r"ovs-ofctl .*bundle .* failed: Error OFPBAC_BAD_OUT_GROUP for: OFPT_FLOW_MOD"
    ) as error:
        apply([{"ovs_flow": {**flows.identity, "flows": ["table=8 actions=drop", "table=9 actions=group:4711"]}}])
    assert "\n" not in str(error.value)
    assert dump() == held


def test_thousands_of_flows_are_one_bundle(flows: Object) -> None:
    many = [f"priority=7,ip,nw_dst=10.{n >> 8}.{n & 255}.0/24 actions=drop" for n in range(3000)]
    apply([{"ovs_flow": {**flows.identity, "flows": many}}])
    assert len(dump()) == 3000
    assert apply([{"ovs_flow": {**flows.identity, "flows": many}}]).operations == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flows": ["ip,actions=outputt:1"]}, "the flow 'ip,actions=outputt:1' is wrong: unknown action outputt"),
        (
            {"flows": ["ip,actions=drop", "ip,foo=5,actions=drop"]},
            "'ip,foo=5,actions=drop' is wrong: unknown keyword foo",
        ),
        ({"flows": ["ip"]}, "must specify an action"),
        ({"flows": ["delete ip"]}, "the flow 'delete ip' is wrong"),
        ({"flows": ["table=300,actions=drop"]}, 'unknown table "300"'),
        ({"flows": ["nw_dst=10.0.0.0/8,actions=drop"]}, "the match 'nw_dst=10.0.0.0/8' lacks what it depends on"),
        ({"flows": ["ip,actions=drop", "table=5,actions=goto_table:4"]}, "(OFPBIC_BAD_TABLE_ID)"),
        ({"flows": ["ip,actions=drop", "actions=mod_nw_src:192.0.2.1,1"]}, "cannot be expressed in OpenFlow14: "),
        ({"flows": ["cookie=5,actions=drop"]}, "must not have cookie: the cookie is an option of its own"),
        ({"flows": ["idle_timeout=5,actions=drop"]}, "must not have idle_timeout: a declared flow does not time out"),
        ({"flows": ["check_overlap,actions=drop"]}, "must not have check_overlap"),
        ({"flows": ["ip,actions=drop", "ip,actions=1"]}, "two flows have the same table, priority and match"),
        ({"flows": ["ip,actions=drop\nip6,actions=drop"]}, "must be printable text on one line"),
        ({"flows": ["actions=drop # no"]}, "without comments"),
        ({"flows": [" "]}, "flows must hold flows such as"),
        ({"flows": ["-rf,actions=drop"]}, "is wrong: field -rf missing value"),
        ({}, "flows is required"),
        ({"cookie": 0, "flows": []}, "cookie must be from 1 to 0xfffffffffffffffe, not '0'"),
        ({"cookie": 2**64 - 1, "flows": []}, "cookie must be from 1 to"),
        ({"cookie": "0xg", "flows": []}, "cookie must be a number of 64 bits"),
        ({"bridge": "nvtnone", "flows": []}, "bridge nvtnone does not exist; declare it with ovs_bridge"),
    ],
)
def test_wrong_values_are_one_line_and_change_nothing(flows: Object, options: dict[str, Any], message: str) -> None:
    before = dump("table=0")
    with pytest.raises((InvalidValue, Conflict), match="ovs_flow") as error:
        apply([{"ovs_flow": {**flows.identity, **options}}, {"ovs_bridge": {"name": "nvtbr", "stp": True}}])
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert dump("table=0") == before
    assert output("ovs-vsctl", "get", "Bridge", "nvtbr", "stp_enable") == "false\n"


def test_a_fake_bridge_is_told(flows: Object) -> None:
    apply([{"ovs_bridge": {"name": "nvtfake", "parent": "nvtbr", "vlan": 5}}])
    with pytest.raises(Conflict, match="nvtfake is a fake bridge and has no flows; use its parent"):
        Object("ovs_flow", bridge="nvtfake", cookie=1).plan(flows=FLOWS)


def test_a_port_without_its_device_is_told(flows: Object) -> None:
    apply([port("nvtlate", type="system", device_required=False)])
    with pytest.raises(
        Conflict, match="port nvtlate of bridge nvtbr has no OpenFlow port number; its device is missing"
    ):
        flows.plan(flows=["in_port=nvtlate,actions=drop"])
    subprocess.run(["ip", "link", "add", "nvtlate", "type", "dummy"], check=False)


def test_the_name_is_only_a_label(flows: Object) -> None:
    flows.present(flows=FLOWS, name="no ten")
    assert flows.plan(flows=FLOWS, name="another") == []
    (operation,) = flows.plan(flows=FLOWS[:1], name="no ten")
    assert operation["name"] == "nvtbr/0x10 (no ten)"


def test_a_daemon_that_does_not_answer_is_told(flows: Object) -> None:
    pid = output("pidof", "ovs-vswitchd").strip()
    output("kill", "-STOP", pid)
    try:
        with pytest.raises(
            Unavailable, match=r"nvtbr.mgmt failed: no answer in time; see: systemctl status ovs-vswitchd"
        ):
            apply([{"ovs_flow": {**flows.identity, "flows": FLOWS}}], timeout=1)
    finally:
        output("kill", "-CONT", pid)
