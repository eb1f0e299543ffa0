# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Which tracked connections a change of rules concerns: those that the new rules treat in another way than the old."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Callable

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _conntrack

Treatment = Callable[[_conntrack.Flow], Any]
"""What rules do to a connection, as a value by which two treatments compare."""


class Networks:
    """A set of networks that is asked for many addresses."""

    def __init__(self, networks: Iterable[str]) -> None:
        parsed = [ipaddress.ip_network(network) for network in networks]
        self._known: dict[bytes, bool] = {}
        self._parts = [
            (len(network.network_address.packed), int(network.network_address), int(network.netmask))
            for network in parsed
        ]

    def __contains__(self, address: bytes) -> bool:
        known = self._known.get(address)
        if known is None:
            number, length = int.from_bytes(address, "big"), len(address)
            known = any(length == size and number & mask == base for size, base, mask in self._parts)
            self._known[address] = known
        return known


def concerned(before: Treatment, after: Treatment) -> Callable[[_conntrack.Flow], bool]:
    """Return the test for connections that are treated in another way after a change."""
    return lambda flow: before(flow) != after(flow)
