# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several features speak of one object: it is in the plan once, with what all of them say, or the plan names them."""

from __future__ import annotations

import pytest
from fabric_samples import named, of_kind

from ansible_collections.netvirt.fabric.plugins.module_utils._registry import kind, parse
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._state import NodeState
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._rules import RULES
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site


@pytest.fixture
def plan() -> Plan:
    return Plan(Site(Document("fabric", None), "compute1", NodeState("netdev")))


def test_the_stricter_fail_mode_holds(plan: Plan) -> None:
    plan.by("bridges").bridge("br-int")
    plan.by("security groups").bridge("br-int", fail_mode="secure")
    plan.by("routers").bridge("br-int")
    assert named(plan.resources(), "ovs_bridge", "br-int")["fail_mode"] == "secure"
    assert len(of_kind(plan.resources(), "ovs_bridge")) == 1
    assert plan.contradictions == []


def test_each_feature_has_flows_of_its_own(plan: Plan) -> None:
    for feature in ("port security", "security groups", "port security"):
        plan.by(feature).flows("br-int", f"for {feature}", [f"priority=1,in_port={feature[0]} actions=drop"], table=10)
    one, other = of_kind(plan.resources(), "ovs_flow")
    assert one["cookie"] != other["cookie"]
    assert one["flows"] == ["table=10,priority=1,in_port=p actions=drop"]


def test_two_features_cannot_have_the_same_flow(plan: Plan) -> None:
    for feature in ("port security", "security groups"):
        plan.by(feature).flows("br-int", feature, ["priority=0 actions=NORMAL"])
        plan.by(feature).flows("br-ex", feature, [f"priority=0 actions={feature[0]}"], table=len(feature))
    assert plan.contradictions == ["compute1: br-int: port security and security groups both have a flow priority=0"]


def test_a_namespace_has_what_all_features_say(plan: Plan) -> None:
    """A floating IP is another address of a router's port, and a rule of its own."""
    namespace = plan.by("routers").namespace("nv-r1")
    namespace.declare(forward=True, forward6=False)
    namespace.interface("ex-r1", ["203.0.113.10/24"])
    namespace.nat(sources=["10.0.0.0/24"], out_interface="ex-r1", to_source=["203.0.113.10"])
    plan.by("floating IPs").namespace("nv-r1").interface("ex-r1", ["203.0.113.20/32", "2001:db8::20/128"])
    plan.by("more networks").namespace("nv-r1").nat(sources=["10.0.1.0/24"])
    router = named(plan.resources(), "netns_router", "nv-r1")
    (interface,) = router["interfaces"]
    assert interface["addresses"] == ["203.0.113.10/24", "203.0.113.20/32", "2001:db8::20/128"]
    assert interface["ipv6"]
    assert router["sysctls"]["net.ipv6.conf.ex-r1.accept_ra"] == "0"
    assert named(plan.resources(), "nat_masquerade", "nat")["sources"] == ["10.0.0.0/24", "10.0.1.0/24"]
    assert plan.contradictions == []
    parse(plan.resources())


def test_vlans_of_a_port_add_up_in_order(plan: Plan) -> None:
    plan.by("routers").port("rt-r1", "br-int", mode="trunk", trunks=[20, 30])
    plan.by("more networks").port("rt-r1", "br-int", mode="trunk", trunks=[10, 20])
    assert named(plan.resources(), "ovs_port_vlan", "rt-r1")["trunks"] == [10, 20, 30]


def test_a_contradiction_names_the_object_and_both_features(plan: Plan) -> None:
    plan.by("guests").access_port("tap-vm1", "br-int", 10)
    plan.by("appliances").access_port("tap-vm1", "br-int", 20)
    assert plan.contradictions == ["compute1: ovs_port_vlan tap-vm1: tag is 10 for guests and 20 for appliances"]


def test_a_port_is_on_one_bridge(plan: Plan) -> None:
    plan.by("guests").port("tap-vm1", "br-int")
    plan.by("appliances").port("tap-vm1", "br-ex")
    (line,) = plan.contradictions
    assert "bridge is 'br-int' for guests and 'br-ex' for appliances" in line


def test_all_must_agree_on_a_kernel_parameter(plan: Plan) -> None:
    plan.by("routers").namespace("nv-r1").sysctl(**{"net.ipv4.ip_default_ttl": "64"})
    plan.by("others").namespace("nv-r1").sysctl(**{"net.ipv4.ip_default_ttl": "32"})
    (line,) = plan.contradictions
    assert line == (
        "compute1: netns_router nv-r1: sysctls[net.ipv4.ip_default_ttl] is '64' for routers and '32' for others"
    )


def test_rules_are_about_options_that_there_are() -> None:
    for name, rules in RULES.items():
        assert set(rules) <= set(kind(name).options), name
