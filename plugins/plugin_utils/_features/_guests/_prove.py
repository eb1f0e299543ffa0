# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""That each guest has its address, and nobody else has it: a canary asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import Case, Check, Leg, asked_who_has


def addresses(case: Case, leg: Leg) -> Iterator[Check]:
    """Yield what the first canary of a network asks. Of a guest with several NICs there, either may answer."""
    here = [item for item in case.legs if item.network.name == leg.network.name]
    if leg is not next((item for item in here if item.namespace), None) or leg.address(4) is None:
        return
    for other in here:
        address = other.address(4)
        alone = len([item for item in here if item.guest == other.guest]) == 1
        if alone and isinstance(address, IPv4Address) and not other.namespace:
            yield asked_who_has(leg, address, [other.nic.mac], f"address of {other.guest}")
