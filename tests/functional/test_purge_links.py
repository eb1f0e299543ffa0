# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges, bonds and VLAN interfaces that are not listed any more, or whose making was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from engine import Spec
from netlink_node import clean_node, converges, ip, link, settled
from test_link_bond import bonding
from test_link_vlan import vlans
from test_purge import OWNER, purge, run

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links._netlink import Netlink
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Conflict

__all__ = ["clean_node"]
pytestmark = pytest.mark.usefixtures("clean_node")

BRIDGE: Spec = {"linux_bridge": {"name": "nvtbr", "ageing_time": 60}}
VLAN: Spec = {"link_vlan": {"name": "nvtp.10", "parent": "nvtp", "vlan": 10}}
BOND: Spec = {"link_bond": {"name": "nvtbond", "miimon": 50, "members": ["nvtq"]}}
KINDS = [BRIDGE, pytest.param(VLAN, marks=vlans), pytest.param(BOND, marks=bonding)]


@pytest.fixture(autouse=True)
def by_hand(clean_node: None) -> Iterator[None]:
    """Wires and a bridge of others, and nothing of ours when the test is over."""
    ip("link", "add", "nvtp", "up", "type", "veth", "peer", "name", "nvtq")
    ip("link", "add", "nvtbr2", "type", "bridge")
    ip("link", "set", "nvtbr2", "alias", "netvirt:nvt2")
    yield
    for name in ("nvtbr.5", "nvttap"):
        ip("link", "delete", name, check=False)
    run([])


@pytest.mark.parametrize("resource", KINDS)
def test_what_is_not_listed_goes_and_what_is_listed_stays(resource: Spec) -> None:
    ((kind, options),) = resource.items()
    assert purge(resource)
    index = (link(options["name"]) or {})["ifindex"]
    assert purge(resource) == []
    assert (link(options["name"]) or {})["ifindex"] == index
    assert purge() == [(kind, options["name"], "delete")]
    assert link(options["name"]) is None
    assert (link("nvtbr2") or {})["ifalias"] == "netvirt:nvt2"
    assert "master" not in (link("nvtq") or {"master": "gone"})


def test_a_bridge_with_a_port_of_others_stays() -> None:
    assert purge(BRIDGE)
    ip("link", "add", "nvttap", "type", "veth", "peer", "name", "nvttap2")
    ip("link", "set", "nvttap", "master", "nvtbr")
    with pytest.raises(Conflict, match=r"linux_bridge nvtbr: it is not declared any more, but holds .*nvttap"):
        run([])
    assert (link("nvttap") or {})["master"] == "nvtbr"


@vlans
def test_a_bridge_with_a_vlan_interface_of_others_stays() -> None:
    assert purge(BRIDGE)
    ip("link", "add", "link", "nvtbr", "name", "nvtbr.5", "type", "vlan", "id", "5")
    with pytest.raises(Conflict, match=r"holds what nvt did not make: nvtbr.5"):
        run([])


class Killed(Exception):
    """Stands in for SIGKILL."""


@pytest.mark.parametrize("resource", KINDS)
def test_a_run_that_was_killed_before_it_set_the_mark(resource: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    ((kind, options),) = resource.items()
    made: Callable[..., None] = Netlink.add_device

    def killed(*arguments: object) -> None:
        made(*arguments)
        raise Killed

    for listed in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(Netlink, "add_device", killed)
            with pytest.raises(Killed):
                run([resource])
        left = link(options["name"])
        assert left is not None
        assert "ifalias" not in left
        if not listed:
            assert purge() == [(kind, options["name"], "delete")]
            continue
        assert [action for _kind, _name, action in purge(resource)] == ["update"]
        now = link(options["name"])
        assert now is not None
        assert (now["ifalias"], "UP" in now["flags"], now["group"]) == (f"netvirt:{OWNER}", True, "default")
        assert purge()


def test_one_of_another_owner_is_left_alone() -> None:
    converges(BRIDGE)
    try:
        assert purge() == []
        settled(BRIDGE)
    finally:
        converges({"linux_bridge": {"name": "nvtbr", "state": "absent"}})
