# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Reading the kernel's network tables: one dump per namespace and table, kept until ``forget``.

What operations will change is laid over what was read, so that what is planned later sees it.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any, Callable, Optional, TypeVar

from ansible_collections.netvirt.fabric.plugins.module_utils._backends import (
    _ethtool,
    _namespaces,
    _netlink_model,
    _sysctl,
)
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._netlink_errors import refused
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._netlink_model import (
    Address,
    Link,
    Route,
    Snapshot,
)
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import Missing

Namespace = Optional[str]
"""Name of a namespace; None is the root one, which is that of this process."""

_T = TypeVar("_T")


class Reader:
    """The network of one node during one run, as it is and as it is planned to be."""

    def __init__(self) -> None:
        self._snapshots: dict[Namespace, Snapshot] = {}
        self._predicted_namespaces: dict[Namespace, bool] = {}
        self._nsids: dict[tuple[Namespace, Namespace], Optional[int]] = {}

    @cached_property
    def pyroute2(self) -> Any:
        """The library by which the network is changed, imported when that is needed; raises Missing."""
        try:
            import pyroute2
            import pyroute2.netlink.exceptions
        except ImportError as error:
            raise _missing(error.name) from error
        return pyroute2

    @cached_property
    def _can_write(self) -> bool:
        """True; raises Missing when the library is not there, so that a plan says so and not only its execution."""
        if "pyroute2" not in self.__dict__ and importlib.util.find_spec("pyroute2") is None:
            raise _missing("pyroute2")
        return True

    def read(self, namespace: Namespace, function: Callable[[], _T]) -> _T:
        """Return what a function reads inside the namespace; an OSError becomes a typed error."""
        with _namespaces.entered(namespace):
            try:
                return function()
            except OSError as error:
                raise refused("read the network", namespace, error.errno) from error

    def namespace_exists(self, namespace: Namespace) -> bool:
        """Tell whether there is such a namespace; raises Conflict when a stale file has its place."""
        if namespace in self._predicted_namespaces:
            return self._predicted_namespaces[namespace]
        return _namespaces.exists(namespace)

    def _snapshot(self, namespace: Namespace) -> Snapshot:
        if namespace not in self._snapshots:
            snapshot = Snapshot()
            if self._can_write and _namespaces.exists(namespace):
                snapshot.links = self.read(namespace, _netlink_model.read_links)
                snapshot.names = {link.index: link.name for link in snapshot.links.values()}
            else:
                snapshot.addresses, snapshot.routes = {}, []
            self._snapshots[namespace] = snapshot
        return self._snapshots[namespace]

    def links(self, namespace: Namespace) -> dict[str, Link]:
        """Return the links of a namespace by name; none when it does not exist."""
        return self._snapshot(namespace).links

    def link(self, namespace: Namespace, name: str) -> Optional[Link]:
        """Return the link of that name, or None."""
        return self._snapshot(namespace).links.get(name)

    def addresses(self, namespace: Namespace, name: str) -> list[Address]:
        """Return the addresses of an interface."""
        return self._all_addresses(namespace).get(name, [])

    def _all_addresses(self, namespace: Namespace) -> dict[str, list[Address]]:
        snapshot = self._snapshot(namespace)
        if snapshot.addresses is None:
            snapshot.addresses = self.read(namespace, lambda: _netlink_model.read_addresses(snapshot.names))
        return snapshot.addresses

    def routes(self, namespace: Namespace) -> list[Route]:
        """Return the unicast routes of the main table, of all protocols."""
        snapshot = self._snapshot(namespace)
        if snapshot.routes is None:
            snapshot.routes = self.read(namespace, lambda: _netlink_model.read_routes(snapshot.names))
        return snapshot.routes

    def tx_checksum(self, namespace: Namespace, link: Link) -> bool:
        """Tell whether the link's transmit checksum offload is on."""
        if link.tx_checksum is not None:
            return link.tx_checksum
        return self.read(namespace, lambda: _ethtool.tx_checksum(link.name))

    def peer(self, namespace: Namespace, link: Link, guess: Namespace = None) -> Optional[tuple[Namespace, Link]]:
        """Return namespace and link of a veth's other end, or None when no namespace that has a name holds it.

        ``guess`` is the namespace in which it is looked for first.
        """
        if link.peer is not None:
            peer = self.link(*link.peer)
            return (link.peer[0], peer) if peer is not None else None
        for candidate in itertools.chain((guess, namespace, None), self._names):
            if _namespaces.exists(candidate) and self._nsid(namespace, candidate) == link.peer_nsid:
                snapshot = self._snapshot(candidate)
                found = snapshot.links.get(snapshot.names.get(link.peer_index, ""))
                if found is not None and found.index == link.peer_index:
                    return candidate, found
        return None

    @property
    def _names(self) -> Iterator[str]:
        """The names of all namespaces, read when the first is asked for."""
        yield from _namespaces.names()

    def _nsid(self, namespace: Namespace, other: Namespace) -> Optional[int]:
        """Return the number under which links in ``namespace`` refer to ``other``; None for itself; -1 for none."""
        if (namespace, other) not in self._nsids:
            with _namespaces.opened(other) as there, _namespaces.opened(namespace) as here:
                if _namespaces.same(here, there):
                    self._nsids[namespace, other] = None
                else:
                    nsid = self.read(namespace, lambda: _netlink_model.read_nsid(there))
                    self._nsids[namespace, other] = -1 if nsid is None else nsid
        return self._nsids[namespace, other]

    def read_sysctls(self, namespace: Namespace, keys: Iterable[str]) -> dict[str, Optional[str]]:
        """Return kernel parameters by key; None for one that does not exist."""
        result = {}
        with _namespaces.entered(namespace):
            for key in keys:
                try:
                    result[key] = _sysctl.read(key)
                except OSError as error:
                    raise refused(f"read the kernel parameter {key}", namespace, error.errno) from error
        return result

    # What operations will change

    def predict_namespace(self, namespace: str, present: bool) -> None:
        """Plan on with a namespace that will be made or removed."""
        self._predicted_namespaces[namespace] = present
        if not present:
            self._snapshots[namespace] = Snapshot(addresses={}, routes=[])

    def predict_link(self, namespace: Namespace, link: Link) -> None:
        """Plan on with a link that will be there, or will be like that."""
        self._snapshot(namespace).links[link.name] = link

    def predict_no_link(self, namespace: Namespace, name: str) -> None:
        """Plan on without a link, its addresses and its routes."""
        self._all_addresses(namespace).pop(name, None)
        self._drop_routes(namespace, name)
        self._snapshot(namespace).links.pop(name, None)

    def predict_down(self, namespace: Namespace, name: str) -> None:
        """Plan on without what a link loses when it goes down: IPv6 addresses and routes."""
        addresses = self._all_addresses(namespace)
        addresses[name] = [address for address in addresses.get(name, []) if ":" not in address.local]
        self._drop_routes(namespace, name)
        snapshot = self._snapshot(namespace)
        snapshot.links[name] = replace(snapshot.links[name], up=False)

    def predict_rename(self, namespace: Namespace, name: str, to_name: str) -> None:
        """Plan on with a link under another name; it goes down for that."""
        self.predict_down(namespace, name)
        addresses, links = self._all_addresses(namespace), self.links(namespace)
        addresses[to_name] = addresses.pop(name)
        links[to_name] = replace(links.pop(name), name=to_name)

    def _drop_routes(self, namespace: Namespace, name: str) -> None:
        remaining = [route for route in self.routes(namespace) if route.interface != name]
        self._snapshot(namespace).routes = remaining


def _missing(library: Optional[str]) -> Missing:
    return Missing(
        f"the Python library {library} is missing on the node; install python3-pyroute2 (0.7.2 or newer), "
        "or run the role netvirt.fabric.hypervisor"
    )
