# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Reading the kernel's network tables: one dump per namespace and table, kept until ``forget``.

What operations will change is laid over what was read, so that what is planned later sees it.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import socket
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Callable, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import (
    _ethtool,
    _namespaces,
    _netlink_errors,
    _netlink_model,
    _sysctl,
)

Namespace = Optional[str]
"""Name of a namespace; None is the root one, which is that of this process."""

_OPEN_HANDLES = 16  # a handle costs up to six descriptors, and a node may have hundreds of namespaces
_DUMP_ATTEMPTS = 10
_PACKAGE = "python3-pyroute2 (0.7.2 or newer)"
_UNASSIGNED = (None, -1, 0xFFFFFFFF)  # NETNSA_NSID_NOT_ASSIGNED, as pyroute2 reads it


class Handle:
    """Sockets inside one namespace."""

    def __init__(self, iproute: Any, namespace: Namespace) -> None:
        with _namespaces.entered(namespace):
            self.ioctl = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self.netlink = iproute()

    def close(self) -> None:
        self.ioctl.close()
        self.netlink.close()


class Reader:
    """The network of one node during one run, as it is and as it is planned to be."""

    def __init__(self) -> None:
        self.handles: OrderedDict[Namespace, Handle] = OrderedDict()
        self._snapshots: dict[Namespace, _netlink_model.Snapshot] = {}
        self._predicted_namespaces: dict[Namespace, bool] = {}
        self._nsids: dict[tuple[Namespace, Namespace], Optional[int]] = {}

    @cached_property
    def library(self) -> Any:
        """The package pyroute2, imported when it is first needed because that takes 0.2 s; raises Missing."""
        try:
            import pyroute2
            import pyroute2.netlink.exceptions
        except ImportError as error:
            raise _programs.missing_library(error.name, _PACKAGE) from error
        _programs.require_version("pyroute2", (0, 7, 2), _PACKAGE)
        return pyroute2

    def _handle(self, namespace: Namespace) -> Handle:
        if namespace not in self.handles:
            while len(self.handles) >= _OPEN_HANDLES:
                self.handles.popitem(last=False)[1].close()
            self.handles[namespace] = Handle(self.library.IPRoute, namespace)
        self.handles.move_to_end(namespace)
        return self.handles[namespace]

    def call(
        self,
        doing: str,
        namespace: Namespace,
        function: Callable[[Handle], Any],
        remedies: Optional[Mapping[int, str]] = None,
        tolerated: Iterable[int] = (),
    ) -> Any:
        """Return what ``function`` returns; the errno of a refusal becomes a typed error, unless it is tolerated."""
        handle = self._handle(namespace)
        exceptions = self.library.netlink.exceptions
        try:
            return function(handle)
        except exceptions.NetlinkDumpInterrupted:
            raise
        except exceptions.NetlinkError as error:
            code, cause = error.code, error
        except OSError as error:
            code, cause = error.errno, error
        if code in tolerated:
            return None
        raise _netlink_errors.refused(doing, namespace, code, remedies) from cause

    def dump(self, namespace: Namespace, function: Callable[[Any], Iterable[Any]]) -> list[Any]:
        """Return a whole dump; the kernel says when a table changed under it, and then it is read again."""
        for _attempt in range(_DUMP_ATTEMPTS):
            with contextlib.suppress(self.library.netlink.exceptions.NetlinkDumpInterrupted):
                messages: list[Any] = self.call(
                    "read the network", namespace, lambda handle: list(function(handle.netlink))
                )
                return messages
            time.sleep(0.02)
        raise _errors.Unavailable(f"the network{_namespaces.where(namespace)} changes too fast to be read; run again")

    # Reading

    def namespace_exists(self, namespace: Namespace) -> bool:
        """Tell whether there is such a namespace; raises Conflict when a stale file has its place."""
        if namespace in self._predicted_namespaces:
            return self._predicted_namespaces[namespace]
        return _namespaces.exists(namespace)

    def _snapshot(self, namespace: Namespace) -> _netlink_model.Snapshot:
        if namespace not in self._snapshots:
            snapshot = _netlink_model.Snapshot()
            if _namespaces.exists(namespace):
                snapshot.links = _netlink_model.links(self.dump(namespace, lambda netlink: netlink.link("dump")))
                snapshot.names = {link.index: link.name for link in snapshot.links.values()}
            else:
                snapshot.addresses, snapshot.routes = {}, []
            self._snapshots[namespace] = snapshot
        return self._snapshots[namespace]

    def links(self, namespace: Namespace) -> dict[str, _netlink_model.Link]:
        """Return the links of a namespace by name; none when it does not exist."""
        return self._snapshot(namespace).links

    def everywhere(self) -> Iterator[tuple[Namespace, dict[str, _netlink_model.Link]]]:
        """Give every namespace that has a name, the root one first, with its links.

        One of others that is removed meanwhile is passed over.
        """
        for namespace in (None, *_namespaces.names()):
            try:
                links = self.links(namespace)
            except _errors.Conflict:  # something else has its place already
                continue
            except _errors.Unavailable:
                if not _namespaces.vanished(namespace):
                    raise
                continue
            yield namespace, links

    def link(self, namespace: Namespace, name: str) -> Optional[_netlink_model.Link]:
        """Return the link of that name, or None."""
        return self._snapshot(namespace).links.get(name)

    def addresses(self, namespace: Namespace, name: str) -> list[_netlink_model.Address]:
        """Return the addresses of an interface."""
        return self._all_addresses(namespace).get(name, [])

    def _all_addresses(self, namespace: Namespace) -> dict[str, list[_netlink_model.Address]]:
        snapshot = self._snapshot(namespace)
        if snapshot.addresses is None:
            messages = self.dump(namespace, lambda netlink: netlink.addr("dump"))
            snapshot.addresses = _netlink_model.addresses(messages, snapshot.names)
        return snapshot.addresses

    def routes(self, namespace: Namespace) -> list[_netlink_model.Route]:
        """Return the unicast routes of the main table, of all protocols."""
        snapshot = self._snapshot(namespace)
        if snapshot.routes is None:
            messages = [
                message
                for family in (socket.AF_INET, socket.AF_INET6)
                for message in self.dump(namespace, _routes_of(family))
            ]
            snapshot.routes = _netlink_model.routes(messages, snapshot.names)
        return snapshot.routes

    def tx_checksum(self, namespace: Namespace, link: _netlink_model.Link) -> bool:
        """Tell whether the link's transmit checksum offload is on."""
        if link.tx_checksum is not None:
            return link.tx_checksum
        doing = f"read the offloads of {link.name}"
        return bool(
            self.call(
                doing,
                namespace,
                lambda handle: _ethtool.tx_checksum(handle.ioctl, link.name),
                tolerated=[errno.ENODEV],
            )
        )

    def ipv6(self, namespace: Namespace, name: str) -> Optional[bool]:
        """Tell whether IPv6 is on on a link, or None for one that is not there, or whose MTU is too small for IPv6.

        What a link that is yet to be made will have is known of the root namespace only; another may be new itself. No
        dump is made for this.
        """
        link = self.link(namespace, name) if namespace in self._snapshots else _netlink_model.Link(name, -1)
        if link is None or link.ipv6 is not None:
            return link.ipv6 if link is not None else None
        if not link.index and namespace is not None:
            return None
        key = _sysctl.for_interface("ipv6", name if link.index else "default", "disable_ipv6")
        value = self.read_sysctls(namespace, [key])[key]
        return value == "0" if value is not None else None

    def peer(
        self, namespace: Namespace, link: _netlink_model.Link, guess: Namespace = None
    ) -> Optional[tuple[Namespace, _netlink_model.Link]]:
        """Return namespace and link of a veth's other end, or None when no namespace that has a name holds it.

        ``guess`` is the namespace in which it is looked for first.
        """
        if link.peer is not None:
            peer = self.link(*link.peer)
            return (link.peer[0], peer) if peer is not None else None
        for candidate in itertools.chain((guess, namespace, None), self._names):
            try:
                if not _namespaces.exists(candidate) or self._nsid(namespace, candidate) != link.peer_nsid:
                    continue
                snapshot = self._snapshot(candidate)
            except (_errors.Conflict, _errors.Unavailable):
                if candidate in (guess, namespace) or not _namespaces.vanished(candidate):
                    raise
                continue
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
                    doing = f"identify the namespace {other or 'of this process'}"
                    answer = self.call(doing, namespace, lambda handle: handle.netlink.get_netnsid(fd=there))
                    nsid = answer["nsid"] if answer else None
                    self._nsids[namespace, other] = -1 if nsid in _UNASSIGNED else nsid
        return self._nsids[namespace, other]

    def read_sysctls(self, namespace: Namespace, keys: Iterable[str]) -> dict[str, Optional[str]]:
        """Return kernel parameters by key; None for one that does not exist."""
        result = {}
        with _namespaces.entered(namespace):
            for key in keys:
                try:
                    result[key] = _sysctl.read(key)
                except OSError as error:
                    raise _netlink_errors.refused(f"read the kernel parameter {key}", namespace, error.errno) from error
        return result

    def write_sysctl(self, namespace: Namespace, key: str, value: str) -> None:
        """Set a kernel parameter."""
        with _namespaces.entered(namespace):
            try:
                _sysctl.write(key, value)
            except OSError as error:
                raise _netlink_errors.refused(
                    f"set the kernel parameter {key} to {values.shown(value)}", namespace, error.errno
                ) from error

    # What operations will change

    def predict_namespace(self, namespace: str, present: bool) -> None:
        """Plan on with a namespace that will be made or removed."""
        self._predicted_namespaces[namespace] = present
        if not present:
            self._snapshots[namespace] = _netlink_model.Snapshot(addresses={}, routes=[])

    def predict_link(self, namespace: Namespace, link: _netlink_model.Link) -> None:
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

    def predict_ipv6(self, namespace: Namespace, name: str, on: bool) -> None:
        """Plan on with IPv6 on or off on a link; without it, its IPv6 addresses and routes go."""
        snapshot = self._snapshot(namespace)
        snapshot.links[name] = replace(snapshot.links[name], ipv6=on)
        if not on:
            addresses = self._all_addresses(namespace)
            addresses[name] = [address for address in addresses.get(name, []) if ":" not in address.local]
            snapshot.routes = [
                route for route in self.routes(namespace) if route.interface != name or ":" not in route.destination
            ]

    def predict_moved(
        self,
        name: str,
        to_name: str,
        addresses: Iterable[_netlink_model.Address],
        routes: Iterable[_netlink_model.Route],
    ) -> None:
        """Plan on with these addresses and routes of one link of the root namespace on another."""
        moved, gone = list(addresses), set(routes)
        known = self._all_addresses(None)
        known[name] = [address for address in known.get(name, []) if address not in moved]
        known[to_name] = [*known.get(to_name, []), *moved]
        self._snapshot(None).routes = [
            replace(route, interface=to_name) if route in gone else route for route in self.routes(None)
        ]

    def predict_rename(self, namespace: Namespace, name: str, to_name: str) -> None:
        """Plan on with a link under another name; it goes down for that."""
        self.predict_down(namespace, name)
        addresses, links = self._all_addresses(namespace), self.links(namespace)
        addresses[to_name] = addresses.pop(name)
        links[to_name] = replace(links.pop(name), name=to_name)

    def _drop_routes(self, namespace: Namespace, name: str) -> None:
        remaining = [route for route in self.routes(namespace) if route.interface != name]
        self._snapshot(namespace).routes = remaining

    # The contract of a backend

    def commit(self) -> None:
        """Nothing is collected."""

    def forget(self) -> None:
        """Drop what was read and predicted, and the sockets: a namespace may have been made anew under its name."""
        self._snapshots.clear()
        self._predicted_namespaces.clear()
        self._nsids.clear()
        self.close()

    def close(self) -> None:
        """Close all sockets."""
        while self.handles:
            self.handles.popitem()[1].close()


def _routes_of(family: int) -> Callable[[Any], Iterable[Any]]:
    """Return the dump of the routes of one address family, as ``Reader.dump`` takes it."""
    return lambda netlink: netlink.route("dump", family=family)
