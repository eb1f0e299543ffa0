# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Linux bridges, bonds and VLAN interfaces by pyroute2: what they have beyond other links."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import (
    _ethtool,
    _namespaces,
    _netlink_model,
    _netlink_read,
)

Place = tuple[_netlink_read.Namespace, str]
"""Namespace and name of an interface."""

_LACKING = {
    "bridge": "this kernel has no Linux bridge, or one without what is asked for, such as vlan_filtering; "
    "load its module on the host (modprobe bridge), or boot a kernel that has it",
    "bond": "this kernel has no bonding; load its module on the host (modprobe bonding), or boot a kernel that has it",
    "vlan": "this kernel has no VLAN interfaces; load their module on the host (modprobe 8021q), or boot a kernel "
    "that has it",
}
_TAKEN = {
    "bridge": "something of that name is there already",
    "bond": "something of that name is there already",
    "vlan": "the name is taken, or the parent has that VLAN under another name",
}
_AUTOMATIC = "bond0"  # the module makes it when it is loaded, which the first request for any bond does


class Devices(_netlink_read.Reader):
    """The part of the backend that knows the kinds of ``OF_KIND``."""

    def add_device(
        self,
        place: Place,
        kind: str,
        data: Mapping[str, Any],
        attributes: Mapping[str, Any],
        parent: Optional[Place] = None,
    ) -> None:
        """Make a link of the kind directly in its namespace; ``parent`` is what a VLAN interface is on.

        ``data`` is in the words of ``OF_KIND``, the attributes are ``mtu`` and ``mac``.
        """
        namespace, name = place
        with _namespaces.opened(namespace) as target:

            def send(handle: _netlink_read.Handle) -> None:
                on = {"link": _ethtool.index(handle.ioctl, parent[1])} if parent else {}
                request = {"ifname": name, "kind": kind, "net_ns_fd": target, **on, **creation(attributes), **data}
                handle.netlink.link("add", **request)

            self.call(
                f"create the {kind} {name}",
                parent[0] if parent else namespace,
                send,
                {errno.EOPNOTSUPP: _LACKING[kind], errno.EEXIST: _TAKEN[kind]},
                tolerated=[errno.EEXIST] if (kind, name) == ("bond", _AUTOMATIC) else [],
            )

    def set_data(self, namespace: _netlink_read.Namespace, name: str, kind: str, data: Mapping[str, Any]) -> None:
        """Set what only links of the kind have, in the words of ``OF_KIND``."""
        shown = ", ".join(f"{key}={value}" for key, value in data.items())
        self.call(
            f"set {shown} on {name}",
            namespace,
            lambda handle: handle.netlink.link("set", index=_ethtool.index(handle.ioctl, name), kind=kind, **data),
            {errno.EOPNOTSUPP: _LACKING[kind], errno.ERANGE: "a value is out of its range"},
        )

    def set_primary(self, namespace: _netlink_read.Namespace, name: str, member: str) -> None:
        """Make a member of a bond its primary one; an empty name means none."""

        def send(handle: _netlink_read.Handle) -> None:
            index = _ethtool.index(handle.ioctl, member) if member else 0
            bond = _ethtool.index(handle.ioctl, name)
            handle.netlink.link("set", index=bond, kind="bond", bond_primary=index)

        self.call(f"make {member or 'no member'} the primary one of {name}", namespace, send)

    def set_isolated(self, namespace: _netlink_read.Namespace, port: str, isolated: bool) -> None:
        """Say whether a port of a Linux bridge exchanges frames only with ports that are not isolated."""
        self.call(
            f"set isolated={isolated} on {port}",
            namespace,
            lambda handle: handle.netlink.brport(
                "set", index=_ethtool.index(handle.ioctl, port), isolated=int(isolated)
            ),
        )

    def port_vlans(self, namespace: _netlink_read.Namespace, port: str) -> Optional[list[_netlink_model.PortVlan]]:
        """Return the VLANs of a port of a Linux bridge, or None when it is no port."""
        snapshot = self._snapshot(namespace)
        if snapshot.port_vlans is None:
            snapshot.port_vlans = self._read_port_vlans(namespace)
        return snapshot.port_vlans.get(port)

    def _read_port_vlans(self, namespace: _netlink_read.Namespace) -> dict[str, list[_netlink_model.PortVlan]]:
        messages = self.dump(namespace, lambda netlink: netlink.get_vlans())
        return _netlink_model.port_vlans(messages)

    def set_port_vlans(
        self, namespace: _netlink_read.Namespace, vlans: Mapping[str, Iterable[_netlink_model.PortVlan]]
    ) -> None:
        """Give ports of Linux bridges these VLANs: new ones first, so that no frame is lost in between."""
        found = self._read_port_vlans(namespace)
        for port, wanted in vlans.items():
            there, after = set(found.get(port, ())), set(wanted)
            for vlan in sorted(after - there, key=lambda vlan: vlan.vid):
                self._change_vlan(namespace, port, "add", vlan)
            kept = {vlan.vid for vlan in after}
            for vlan in there:
                if vlan.vid not in kept:
                    self._change_vlan(namespace, port, "del", vlan)

    def _change_vlan(
        self, namespace: _netlink_read.Namespace, port: str, command: str, vlan: _netlink_model.PortVlan
    ) -> None:
        info = {"vid": vlan.vid, "flags": vlan.flags if command == "add" else 0}
        self.call(
            f"{'give' if command == 'add' else 'take'} {port} the VLAN {vlan.vid}",
            namespace,
            lambda handle: handle.netlink.vlan_filter(
                command, index=_ethtool.index(handle.ioctl, port), vlan_info=info
            ),
            {errno.EOPNOTSUPP: _LACKING["bridge"]},
        )


def creation(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return those attributes of a link that the kernel takes when it makes one, in pyroute2's words."""
    words = {"mtu": "mtu", "mac": "address", "group": "group"}
    return {words[key]: value for key, value in attributes.items() if key in words}
