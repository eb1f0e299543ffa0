# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What an interface loses when it is shut for a moment: its IPv6 addresses, and its routes, whoever made them."""

from __future__ import annotations

import ipaddress

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _rtnetlink
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node

_PASSES = 3  # a route may need another one to its gateway


class ShutLink:
    """The addresses and routes of an interface of the root namespace, but link-local ones."""

    def __init__(self, node: Node, name: str) -> None:
        self.node = node
        self.name = name
        self.records: list[_rtnetlink.Record] = []

    @property
    def has_addresses(self) -> bool:
        """Whether it has anything to lose, as far as can be told where the library for links is missing."""
        try:
            found = self.node.netlink.addresses(None, self.name)
        except _errors.Missing:
            return False
        return any(not ipaddress.ip_address(address.local).is_link_local for address in found)

    def remember(self) -> None:
        """Read them."""
        self.records = self._read()

    def restore(self) -> None:
        """Add what is missing, and have it announced; raises Unavailable when the kernel refuses it."""
        self.node.netlink.gained(self.name)
        trouble = None
        for _pass in range(_PASSES):
            there = {record.identity for record in self._read()}
            missing = [record for record in self.records if record.identity not in there]
            trouble = None
            tables = _rtnetlink.Rtnetlink()
            try:
                for record in missing:
                    try:
                        tables.add(record)
                    except _errors.Unavailable as error:
                        trouble = error
            finally:
                tables.close()
            if trouble is None:
                return
        if trouble is not None:
            raise trouble

    def _read(self) -> list[_rtnetlink.Record]:
        """Return what is there: addresses before routes, and routes on the link before those with a gateway."""
        self.node.netlink.forget()
        link = self.node.netlink.link(None, self.name)
        if link is None:
            return []
        tables = _rtnetlink.Rtnetlink()
        try:
            routes = tables.routes(link.index)
            return [*tables.addresses(link.index), *sorted(routes, key=lambda record: bool(record.gateways))]
        finally:
            tables.close()
