# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of a mesh's ports: an IPv6 address does not fit into one, so that two may want the same."""

from __future__ import annotations

import pytest

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import InvalidValue
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import parse

TWINS = ["2001:db8::f04", "2001:db8::1:af4"]


def mesh(remotes: list[str]) -> list[dict[str, object]]:
    return [{"ovs_tunnel": {"name": "vx", "bridge": "br-tun", "type": "vxlan", "remotes": remotes}}]


def test_two_remotes_of_one_name_are_refused_by_name() -> None:
    for remotes in ([TWINS[0], "2001:db8::1"], [TWINS[1], "2001:db8::1"]):
        parse(mesh(remotes))
    with pytest.raises(InvalidValue) as error:
        parse(mesh(TWINS))
    assert all(part in str(error.value) for part in ("ovs_tunnel vx", *TWINS, "vx-2c40ac0b"))
