# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every list and every state of the node, on a real Open vSwitch and in real namespaces.

The plan of check mode is what is executed; a second run has nothing to do; what a run returns as ``before`` brings the
former state back; and when all that was made is absent again, the node is as it was.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, Optional

import pytest
from engine import Spec, apply
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scene import scene
from snapshot import difference, snapshot

from ansible_collections.netvirt.fabric.plugins.module_utils._engine import Result
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict, InvalidValue

EXAMPLES = int(os.environ.get("NETVIRT_PROPERTY_EXAMPLES", "12"))
_IDENTITY = ("name", "namespace", "bridge", "cookie", "table", "record")
_tried: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def node() -> Iterator[None]:
    """Have things of others on the node, which stay as they are."""
    with scene():
        yield
    print(f"{len(_tried)} lists, of which {_tried.count('refused')} were refused")


def maybe(**options: st.SearchStrategy[Any]) -> st.SearchStrategy[Spec]:
    """Return some of these options."""
    return st.fixed_dictionaries({}, optional=options)


def macs(number: int) -> st.SearchStrategy[str]:
    return st.sampled_from([f"02:00:00:0a:{number:02x}:{last:02x}" for last in (1, 2)])


small_maps = st.dictionaries(st.sampled_from(["a", "b", "a b"]), st.sampled_from(["1", "x=y", "'"]), max_size=2)
vlans = st.integers(1, 4094)
mtus = st.sampled_from([1280, 1400, 1500])
bridges = st.sampled_from(["nvtq0", "nvtq1", "nvtbr0"])


def bridge(name: str) -> st.SearchStrategy[Spec]:
    options = maybe(
        fail_mode=st.sampled_from(["standalone", "secure"]),
        protocols=st.sampled_from([[], ["OpenFlow13", "OpenFlow14"]]),
        hwaddr=macs(1),
        stp=st.booleans(),
        mcast_snooping=st.booleans(),
        external_ids=small_maps,
        other_config=small_maps,
    )
    return options.map(lambda given: {"ovs_bridge": {"name": name, "datapath_type": "netdev", **given}})


@st.composite
def port(draw: st.DrawFn, name: str) -> Spec:
    mode = draw(
        st.one_of(
            st.fixed_dictionaries({"mode": st.just("access"), "tag": vlans}),
            st.fixed_dictionaries({"mode": st.just("trunk"), "trunks": st.lists(vlans, min_size=1, max_size=3)}),
            st.fixed_dictionaries({"mode": st.just("native-tagged"), "tag": vlans, "trunks": st.just("all")}),
            st.just({}),
        )
    )
    more = draw(maybe(protected=st.booleans(), external_ids=small_maps, other_config=small_maps))
    kind = draw(st.sampled_from([{"type": "internal"}, {"type": "patch", "peer": "nvtpeer"}]))
    if kind["type"] == "internal":
        kind = {**kind, **draw(maybe(mtu=mtus, mac=macs(2)))}
    return {"ovs_port_vlan": {"name": name, "bridge": draw(bridges), "move": True, **kind, **mode, **more}}


def tunnel() -> st.SearchStrategy[Spec]:
    options = st.fixed_dictionaries(
        {
            "type": st.sampled_from(["vxlan", "gre", "geneve"]),
            "bridge": bridges,
            "remotes": st.lists(st.sampled_from(["192.0.2.7", "192.0.2.8", "192.0.2.9"]), max_size=3),
        },
        optional={"key": st.sampled_from(["5", "flow", ""]), "csum": st.booleans(), "external_ids": small_maps},
    )
    return options.map(lambda given: {"ovs_tunnel": {"name": "nvtm", **given}})


def flows() -> st.SearchStrategy[Spec]:
    lines = ["priority=7,ip,nw_dst=10.0.0.1 actions=drop", "table=3,arp actions=NORMAL", "priority=9 actions=drop"]
    some = st.lists(st.sampled_from(lines), unique=True, max_size=3)
    return some.map(lambda given: {"ovs_flow": {"bridge": "nvtq0", "cookie": "0x77", "flows": given}})


@st.composite
def pair(draw: st.DrawFn) -> Spec:
    end = maybe(mtu=mtus, up=st.booleans(), tx_checksum=st.booleans())
    peer = {"name": "nvtw1", "namespace": draw(st.sampled_from(["nvtr", "nvtns"])), "mac": draw(macs(4)), **draw(end)}
    master = draw(maybe(master=st.sampled_from(["", "nvtlb"])))
    return {"veth_pair": {"name": "nvtw0", "mac": draw(macs(3)), **draw(end), **master, "peer": peer}}


def linux_bridge() -> st.SearchStrategy[Spec]:
    options = maybe(
        stp=st.booleans(), forward_delay=st.integers(2, 30), ageing_time=st.integers(0, 999), up=st.booleans()
    )
    return options.map(lambda given: {"linux_bridge": {"name": "nvtlb", "mac": "02:00:00:0a:05:01", **given}})


@st.composite
def router(draw: st.DrawFn) -> Spec:
    given = draw(maybe(ip_forward=st.booleans(), ipv6_forward=st.booleans(), rp_filter=st.integers(0, 2)))
    addresses = st.lists(st.sampled_from(["10.3.0.1/24", "10.3.1.1/24", "2001:db8:3::1/64"]), unique=True, max_size=3)
    if draw(st.booleans()):
        given["interfaces"] = [{"name": "nvtw1", "addresses": draw(addresses), "up": True}]
    return {"netns_router": {"name": "nvtr", **given}}


def nat() -> st.SearchStrategy[Spec]:
    networks = st.sampled_from([["10.3.0.0/24"], ["10.3.0.0/16", "2001:db8:3::/64"]])
    options = st.fixed_dictionaries(
        {"sources": networks},
        optional={"out_interface": st.just("nvtw1"), "to_source": st.sampled_from([[], ["192.0.2.50"]])},
    )
    return options.map(lambda given: {"nat_masquerade": {"name": "nat", "namespace": "nvtr", **given}})


def address() -> st.SearchStrategy[Spec]:
    some = st.lists(st.sampled_from(["10.4.0.1/24", "10.4.0.2/24", "2001:db8:4::1/64"]), unique=True, max_size=3)
    options = st.fixed_dictionaries({"addresses": some}, optional={"up": st.booleans(), "mtu": mtus})
    return options.map(lambda given: {"ip_interface": {"name": "nvtx0", **given}})


OBJECTS = (bridge("nvtq0"), bridge("nvtq1"), port("nvtp0"), port("nvtp1"), tunnel(), flows())
OBJECTS += (pair(), linux_bridge(), router(), nat(), address())


def absent(resource: Spec) -> Spec:
    """Return the resource that removes this one."""
    ((kind, options),) = resource.items()
    identity = {key: options[key] for key in _IDENTITY if key in options and (key, kind) != ("bridge", "ovs_port_vlan")}
    if kind == "ovs_tunnel":
        identity = {"name": options["name"]}
    return {kind: {**identity, "state": "absent"}}


@st.composite
def two_lists(draw: st.DrawFn) -> tuple[list[Spec], list[Spec]]:
    """Return a list, and another in which each object of the first is there with other options, or absent."""
    first: list[Spec] = []
    second: list[Spec] = []
    for objects in OBJECTS:
        one: Optional[Spec] = draw(st.none() | objects)
        other: Optional[Spec] = draw(st.none() | objects | objects)
        first += [one] if one else []
        second += [other] if other else [absent(one)] if one else []
    return draw(st.permutations(first)), draw(st.permutations(second))


def converged(resources: list[Spec]) -> Optional[Result]:
    """Check, run, check, run; None when it is refused, which changes nothing."""
    state = snapshot()
    try:
        planned = apply(resources, True)
    except (Conflict, InvalidValue) as error:
        with pytest.raises(type(error), match=re.escape(str(error))):
            apply(resources)
        assert difference(state, snapshot()) == {}
        return None
    assert difference(state, snapshot()) == {}
    done = apply(resources)
    assert done.operations == planned.operations
    state = snapshot()
    for check in (True, False):
        assert apply(resources, check).operations == []
    assert difference(state, snapshot()) == {}
    return done


def before(result: Result) -> list[Spec]:
    """Return what the module apply returns under that name."""
    return [{item.kind.name: item.shown(item.have)} for item in result.changed]


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate] if EXAMPLES <= 12 else [Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(two_lists())
def test_plan_run_before_and_absent(lists: tuple[list[Spec], list[Spec]]) -> None:
    untouched = snapshot()
    former: list[Spec] = []
    try:
        for resources in lists:
            there = snapshot(anew=True)
            result = converged(resources)
            _tried.append("refused" if result is None else "done")
            if result is None:
                continue
            if resources is lists[1]:
                assert converged(before(result)) is not None
                assert difference(there, snapshot(anew=True)) == {}, (lists, before(result))
                assert converged(resources) is not None
            former += [resource for resource in resources if absent(resource) not in map(absent, former)]
    finally:
        gone = {str(absent(resource)): absent(resource) for resource in former}
        if former:
            apply([item for item in gone.values() if "ip_interface" not in item])
            apply([{"ip_interface": {"name": "nvtx0", "addresses": [], "routes": [], "mtu": 1500, "up": True}}])
    after = snapshot()
    for state in (untouched, after):
        for row in state["ovsdb Open_vSwitch"]:
            row.pop("next_cfg"), row.pop("cur_cfg")
    assert difference(untouched, after) == {}
