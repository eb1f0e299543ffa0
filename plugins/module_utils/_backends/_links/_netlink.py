# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Links, addresses, routes and kernel parameters in the namespaces of the node, by pyroute2.

Writes happen at once. They name interfaces, never indexes, since an interface may have been made or moved meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import (
    _announce,
    _ethtool,
    _namespaces,
    _netlink_devices,
    _netlink_model,
    _netlink_read,
    _netlink_rules,
    _sysctl,
)

_IFA_F_NODAD = 0x02
_RTNH_F_ONLINK = 0x4
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253


class Netlink(_netlink_rules.Rules):
    """The network of one node during one run."""

    def __init__(self) -> None:
        super().__init__()
        self._moved: set[_announce.Interface] = set()

    def gained(self, name: str) -> None:
        """Note that something else has given an interface of the root namespace a MAC address, to be announced."""
        self._moved.add((None, name))

    def announce(self) -> None:
        """Tell the neighbours of interfaces that gained an address or a MAC address which ones they have now."""
        moved, self._moved = self._moved, set()
        found: dict[_announce.Interface, list[str]] = {}
        self.forget()
        for namespace, name in moved:
            with contextlib.suppress(_errors.NetvirtError):  # the verification says what is wrong there
                found[namespace, name] = [address.local for address in self.addresses(namespace, name)]
        _announce.announce(found)

    def create_namespace(self, namespace: str, owner: str, parameters: Mapping[str, str]) -> None:
        """Make a namespace whose lo is up and bears the owner's mark, with those parameters that the kernel has."""

        def prepare() -> None:
            for key, value in parameters.items():
                if self.read_sysctls(None, [key])[key] is not None:
                    self.write_sysctl(None, key, value)
            handle = _netlink_read.Handle(self.library.IPRoute, None)
            try:
                handle.netlink.link("set", index=1, state="up", ifalias=_netlink_model.MARK + owner)
            finally:
                handle.close()

        _namespaces.create(namespace, prepare)

    def delete_namespace(self, namespace: str) -> None:
        """Remove a namespace. Its veths go first and physical devices return, since the kernel takes its time to do so.

        A device whose name is taken in the root namespace is left to the kernel, which gives it another.
        """
        for link in _netlink_model.links(self.dump(namespace, lambda netlink: netlink.link("dump"))).values():
            if link.kind == "veth":
                self.delete_link(namespace, link.name)
            elif not link.kind and link.name != "lo":
                with contextlib.suppress(_errors.Conflict, _errors.InvalidValue):
                    self.move_link(namespace, link.name, None, link.name)
        handle = self.handles.pop(namespace, None)
        if handle is not None:  # its sockets would keep the namespace alive
            handle.close()
        _namespaces.delete(namespace)

    def add_veth(
        self,
        namespace: _netlink_read.Namespace,
        name: str,
        peer_namespace: _netlink_read.Namespace,
        peer_name: str,
        attributes: Mapping[str, Any],
        peer_attributes: Mapping[str, Any],
    ) -> None:
        """Make a pair of veths, each end directly in its namespace.

        The attributes are ``mtu``, ``mac`` and ``group``.
        """
        with _namespaces.opened(peer_namespace) as handle_of_peer:
            peer = {"ifname": peer_name, "net_ns_fd": handle_of_peer, **_netlink_devices.creation(peer_attributes)}
            self.call(
                f"create the veths {name} and {peer_name}",
                namespace,
                lambda handle: handle.netlink.link(
                    "add", ifname=name, kind="veth", peer=peer, **_netlink_devices.creation(attributes)
                ),
                {errno.EEXIST: "one of the names is taken"},
            )

    def delete_link(self, namespace: _netlink_read.Namespace, name: str) -> None:
        """Delete a virtual link; none of that name is fine."""
        self.call(
            f"delete {name}",
            namespace,
            lambda handle: handle.netlink.link("del", ifname=name),
            tolerated=[errno.ENODEV],
        )

    def move_link(
        self,
        namespace: _netlink_read.Namespace,
        name: str,
        to_namespace: _netlink_read.Namespace,
        to_name: str,
        up: bool = False,
        mac: str = "",
    ) -> None:
        """Move a link to a namespace and a name. A move loses addresses, routes and master.

        It gets its MAC address and goes up in the same instant: a run that is killed leaves none that stays down, and
        none with the link-local address of another MAC address.
        """
        taken = {errno.EEXIST: f"{to_name} exists there already"}
        new = {"ifname": to_name, **({"address": mac} if mac else {}), **({"state": "up"} if up else {})}
        if namespace == to_namespace:
            self.set_link(namespace, name, up=False)
            self.call(
                f"rename {name} to {to_name}",
                namespace,
                lambda handle: handle.netlink.link("set", index=_index(handle, name), **new),
                taken,
            )
            return
        with _namespaces.opened(to_namespace) as target:
            self.call(
                f"move {name} to {'namespace ' + to_namespace if to_namespace else 'the root namespace'}",
                namespace,
                lambda handle: handle.netlink.link("set", index=_index(handle, name), net_ns_fd=target, **new),
                {**taken, errno.EINVAL: "this device cannot leave its namespace"},
            )

    def set_link(self, namespace: _netlink_read.Namespace, name: str, **attributes: Any) -> None:
        """Set any of mtu, mac, group, up, alias, tx_checksum, ipv6 and master, the name of a bridge, or empty.

        IPv6 is switched before the link goes up, and after its MTU is set: with a new one the kernel may switch it on.
        """
        request = _netlink_devices.creation(attributes)
        if "alias" in attributes:
            request["ifalias"] = attributes["alias"]
        if "up" in attributes:
            request["state"] = "up" if attributes["up"] else "down"
        shown = ", ".join(f"{key}={value}" for key, value in attributes.items())
        doing = f"set {shown} on {name}"

        def send(handle: _netlink_read.Handle) -> None:
            if "tx_checksum" in attributes:
                _ethtool.set_tx_checksum(handle.ioctl, name, attributes["tx_checksum"])
            if "master" in attributes:
                request["master"] = _index(handle, attributes["master"]) if attributes["master"] else 0
            last = {"state": request.pop("state")} if "ipv6" in attributes and "state" in request else {}
            if request:
                handle.netlink.link("set", index=_index(handle, name), **request)
            if "ipv6" in attributes:
                self._switch_ipv6(namespace, name, attributes["ipv6"])
            if last:
                handle.netlink.link("set", index=_index(handle, name), **last)

        if "mac" in attributes:
            self._moved.add((namespace, name))
        self.call(doing, namespace, send, {errno.EINVAL: "the device does not accept it; is the mtu in its range?"})

    def _switch_ipv6(self, namespace: _netlink_read.Namespace, name: str, on: bool) -> None:
        key = _sysctl.for_interface("ipv6", name, "disable_ipv6")
        if on or self.read_sysctls(namespace, [key])[key] is not None:
            self.write_sysctl(namespace, key, str(int(not on)))

    def add_address(self, namespace: _netlink_read.Namespace, name: str, cidr: str) -> None:
        """Add an address; that it is there already is fine.

        IPv6 addresses skip duplicate address detection (IFA_F_NODAD): what listens on one can bind it at once, and a
        segment that is still being wired up cannot disable it for good by reflecting a probe (RFC 4862, section 5.4).
        IPv4 ones get their subnet's broadcast address, as hosts' own network services set it.
        """
        self.call(
            f"add the address {cidr} to {name}",
            namespace,
            lambda handle: handle.netlink.addr("add", **_address(handle, name, cidr), **_only_new(cidr)),
            tolerated=[errno.EEXIST],
        )
        self._moved.add((namespace, name))

    def delete_address(self, namespace: _netlink_read.Namespace, name: str, address: _netlink_model.Address) -> None:
        """Delete an address; that it is gone already is fine."""
        peer = {"address": address.peer, "local": address.local} if address.peer != address.local else {}
        self.call(
            f"delete the address {address.cidr} from {name}",
            namespace,
            lambda handle: handle.netlink.addr("del", **{**_address(handle, name, address.cidr), **peer}),
            tolerated=[errno.EADDRNOTAVAIL],
        )

    @contextlib.contextmanager
    def promoting_secondaries(self, namespace: _netlink_read.Namespace, name: str) -> Iterator[None]:
        """Have the kernel keep the other IPv4 addresses of a subnet when its first one is deleted.

        Without promote_secondaries it deletes them all (kernel documentation, networking/ip-sysctl).
        """
        key = _sysctl.for_interface("ipv4", name, "promote_secondaries")
        before = self.read_sysctls(namespace, [key])[key]
        if before != "0":
            yield
            return
        self.write_sysctl(namespace, key, "1")
        try:
            yield
        finally:
            self.write_sysctl(namespace, key, before)

    def add_route(
        self, namespace: _netlink_read.Namespace, route: _netlink_model.Route, replacing: bool = False
    ) -> None:
        """Add a route with the collection's protocol number, or put it in the place of ours of the same metric."""
        source = {"prefsrc": route.source} if route.source else {}
        self.call(
            f"add the route to {route.destination}" + (f" via {route.via}" if route.via else ""),
            namespace,
            lambda handle: handle.netlink.route(
                "replace" if replacing else "add",
                **_route(handle, route),
                **source,
                flags=_RTNH_F_ONLINK if route.onlink else 0,
            ),
            {errno.EINVAL: "the gateway or the source address is not acceptable; is the source on an interface there?"},
        )

    def delete_route(self, namespace: _netlink_read.Namespace, route: _netlink_model.Route) -> None:
        """Delete a route; that it is gone already is fine."""
        self.call(
            f"delete the route to {route.destination}",
            namespace,
            lambda handle: handle.netlink.route("del", **_route(handle, route)),
            tolerated=[errno.ESRCH, errno.ENODEV],
        )

    def write_rp_filter(self, namespace: _netlink_read.Namespace, value: int) -> None:
        """Make this the reverse path filter of all interfaces; the highest of an interface's and that of all counts."""
        with _namespaces.entered(namespace):
            names = [name for _index, name in socket.if_nameindex() if name != "lo"]
        for name in ("all", "default", *names):
            self.write_sysctl(namespace, _sysctl.for_interface("ipv4", name, "rp_filter"), str(value))


def _index(handle: _netlink_read.Handle, name: str) -> int:
    return _ethtool.index(handle.ioctl, name)


def _family(value: str) -> int:
    return socket.AF_INET6 if ":" in value else socket.AF_INET


def _address(handle: _netlink_read.Handle, name: str, cidr: str) -> dict[str, Any]:
    interface = ipaddress.ip_interface(cidr)
    return {
        "index": _index(handle, name),
        "family": _family(cidr),
        "address": str(interface.ip),
        "prefixlen": interface.network.prefixlen,
    }


def _only_new(cidr: str) -> dict[str, Any]:
    """Return what an address is given when it is made; a subnet of two (RFC 3021) has no broadcast address."""
    network = ipaddress.ip_interface(cidr).network
    if network.version == 6:
        return {"flags": _IFA_F_NODAD}
    return {"broadcast": str(network.broadcast_address)} if network.num_addresses > 2 else {}


def _route(handle: _netlink_read.Handle, route: _netlink_model.Route) -> dict[str, Any]:
    request: dict[str, Any] = {
        "family": _family(route.destination),
        "dst": route.destination,
        "proto": _netlink_model.ROUTE_PROTOCOL,
        "priority": route.metric,
        "scope": _SCOPE_LINK if not route.via and ":" not in route.destination else _SCOPE_UNIVERSE,
    }
    if route.via:
        request["gateway"] = route.via
    if route.interface:
        request["oif"] = _index(handle, route.interface)
    return request
