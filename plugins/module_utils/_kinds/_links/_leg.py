# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What an interface has at layer 3 and below it: addresses, MTU, MAC, admin state; of use to two kinds."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors, _options
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _netlink_model
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

IPV6_MIN_MTU = 1280
"""Under it the kernel switches IPv6 off on an interface (RFC 8200, section 5)."""

LINK_OPTIONS = ("mtu", "mac", "up", "ipv6")


def _host_address(value: Any) -> str:
    cidr = values.cidr(value)
    address = ipaddress.ip_interface(cidr).ip
    if address.is_multicast or address.is_unspecified:
        raise ValueError(f"must be addresses of a host, and {cidr} is none")
    return cidr


OPTIONS = {
    "addresses": _options.Option(type="list", elements="str", canonical=values.unique(_host_address)),
    "purge_addresses": _options.Option(type="bool", default=True, role=_options.Role.POLICY),
    "mtu": _options.Option(type="int", canonical=values.mtu),
    "mac": _options.Option(canonical=values.mac),
    "up": _options.Option(type="bool"),
    "ipv6": _options.Option(type="bool"),
}


def addresses(
    node: Node, namespace: Optional[str], name: str, listed: Iterable[str] = ()
) -> list[_netlink_model.Address]:
    """Return the addresses that are the user's to set: those listed, and all but those the kernel gives itself.

    The kernel's own are loopback and IPv6 link-local ones, and IPv6 addresses from router advertisements, which have a
    lifetime. IPv4 addresses with a lifetime are from DHCP and count.
    """
    wanted = set(listed)
    return [
        address
        for address in node.netlink.addresses(namespace, name)
        if address.cidr in wanted or not _from_kernel(address)
    ]


def _from_kernel(address: _netlink_model.Address) -> bool:
    ip = ipaddress.ip_address(address.local)
    return ip.is_loopback or (ip.version == 6 and (ip.is_link_local or not address.permanent))


def observed(node: Node, namespace: Optional[str], link: _netlink_model.Link, listed: Optional[Iterable[str]]) -> Spec:
    """Return the state of an interface in the options above; ``listed`` are the addresses that the user gave."""
    found = addresses(node, namespace, link.name, listed or ())
    result: Spec = {
        "addresses": sorted({address.cidr for address in found}, key=values.address_key),
        "mtu": link.mtu,
        "up": link.up,
    }
    ipv6 = node.netlink.ipv6(namespace, link.name)
    if link.index or ipv6 is not None:  # of one that is yet to be made it is not known
        result["ipv6"] = bool(ipv6)
    return {**result, "mac": link.mac} if link.mac else result


def desired(have: Optional[Spec], want: Spec) -> Spec:
    """Return ``have`` overlaid with what the user gave; raises InvalidValue."""
    own = {name: want[name] for name in ("addresses", *LINK_OPTIONS) if want[name] is not None}
    if "addresses" in own and not want["purge_addresses"]:
        both = {*own["addresses"], *(have or {}).get("addresses", ())}
        own["addresses"] = sorted(both, key=values.address_key)
    result = {**(have or {}), **own}
    if (
        "ipv6" not in own
        and min(result.get("mtu", IPV6_MIN_MTU), (have or result).get("mtu", IPV6_MIN_MTU)) < IPV6_MIN_MTU
    ):
        result.pop("ipv6", None)  # it follows the MTU
    ipv6 = [address for address in result.get("addresses", ()) if values.family(address) == 6]
    if ipv6 and own.get("ipv6") is False:
        if "addresses" in own:
            raise _errors.InvalidValue(f"the address {ipv6[0]} needs IPv6; set ipv6: true")
        result["addresses"] = [address for address in result["addresses"] if values.family(address) == 4]
        ipv6 = []
    if ipv6 and result.get("mtu", IPV6_MIN_MTU) < IPV6_MIN_MTU:
        raise _errors.InvalidValue(
            f"mtu {result['mtu']} is too small for the address {ipv6[0]}; IPv6 needs {IPV6_MIN_MTU}"
        )
    return result


def addresses_after(node: Node, namespace: Optional[str], name: str, have: Optional[Spec], leg: Spec) -> set[str]:
    """Return all addresses that an interface will have, the kernel's own included."""
    known = {address.cidr for address in node.netlink.addresses(namespace, name)} if have else set()
    return (known - set((have or {}).get("addresses", ()))) | set(leg.get("addresses", ()))


def link_changes(have: Spec, leg: Spec) -> dict[str, Any]:
    """Return what differs below layer 3, as ``{option: {"before": ..., "after": ...}}``."""
    return {
        option: {"before": have.get(option), "after": leg[option]}
        for option in LINK_OPTIONS
        if option in leg and leg[option] != have.get(option)
    }


def link_operations(
    node: Node, namespace: Optional[str], have: Spec, leg: Spec, of: str
) -> Iterable[_engine.Operation]:
    """Return the operation that sets what differs below layer 3; ``of`` names the interface in the action."""
    changes = link_changes(have, leg)
    if changes:
        attributes = {option: values["after"] for option, values in changes.items()}
        if "mtu" in changes and "ipv6" in leg:  # with its MTU the kernel may switch IPv6 on
            attributes["ipv6"] = leg["ipv6"]
        yield _engine.Operation(
            _engine.Stage.INTERFACE,
            f"configure{of}",
            lambda: node.netlink.set_link(namespace, leg["name"], **attributes),
            changes,
        )


def address_operations(
    node: Node, namespace: Optional[str], have: Spec, leg: Spec, of: str, settled: bool = False
) -> Iterable[_engine.Operation]:
    """Return the operation that adds and then removes addresses; ``of`` as above.

    An interface that is ``settled``, there as it shall be, gets them before another one may be lost that has them now.
    """
    before, after = have.get("addresses", []), leg.get("addresses", [])
    surviving = before
    if have.get("up") and not leg.get("up"):  # IPv6 addresses go when the interface goes down
        surviving = [address for address in before if values.family(address) == 4]
    added = [address for address in after if address not in surviving]
    removed = [
        address
        for address in (addresses(node, namespace, leg["name"], before) if before else ())
        if address.cidr not in after
    ]
    if added or removed:
        yield _engine.Operation(
            _engine.Stage.TAKE_ADDRESS if settled and not removed else _engine.Stage.ADDRESS,
            f"set addresses{of}",
            lambda: set_addresses(node, namespace, leg["name"], added, removed),
            {"addresses": {"before": before, "after": after}},
        )


def set_addresses(
    node: Node, namespace: Optional[str], name: str, added: Iterable[str], removed: Iterable[_netlink_model.Address]
) -> None:
    """Add addresses, then remove others, so that the interface is not without one in between."""
    netlink = node.netlink
    for cidr in added:
        netlink.add_address(namespace, name, cidr)
    if not removed:
        return
    with netlink.promoting_secondaries(namespace, name):
        for address in removed:
            netlink.delete_address(namespace, name, address)
    replaced = {address.local for address in removed}
    for cidr in added:  # IPv6 does not take an address twice, with the old prefix length and the new one
        if values.family(cidr) == 6 and cidr.partition("/")[0] in replaced:
            netlink.add_address(namespace, name, cidr)


def duplicates(node: Node, namespace: Optional[str], name: str, listed: Iterable[str]) -> Iterable[str]:
    """Report listed addresses that another host on the segment uses (RFC 4862)."""
    wanted = set(listed)
    for address in node.netlink.addresses(namespace, name):
        if address.duplicate and address.cidr in wanted:
            yield f"the address {address.cidr} of {name} is in use by another host on the segment"
