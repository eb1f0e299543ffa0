# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What the options of ``dnsmasq_netns`` must be to one another, and to the addresses of the interface."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp import _dnsmasq_values as dnsmasq
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_IPV6_MINIMUM_MTU = 1280  # RFC 8200


def constructed(item: Spec) -> bool:
    """Tell whether dnsmasq puts the interface's own prefix before a range: an IPv6 start without one says so."""
    return values.family(item["start"]) == 6 and int(ipaddress.ip_address(item["start"])) >> 64 == 0


def with_prefixes(ranges: Iterable[Spec], former: Iterable[Spec], cidrs: Sequence[str]) -> list[Spec]:
    """Return the ranges, each with a prefix: its own, 64, that of the interface's subnet, or the one it had before.

    Raises InvalidValue for a range outside the subnets of the interface, whose addresses are ``cidrs``. No addresses
    of a family means that they are not known.
    """
    before = {item["start"]: item["prefix"] for item in former}
    result = []
    for item in ranges:
        start, item = item["start"], dict(item)
        subnets = _subnets_of_family(cidrs, values.family(start))
        around = [subnet for subnet in subnets if ipaddress.ip_address(start) in ipaddress.ip_network(subnet)]
        if subnets and not around and not constructed(item):
            raise _errors.InvalidValue(
                f"the range at {start} is outside the interface's subnets ({', '.join(subnets)})"
            )
        if "prefix" not in item:
            item["prefix"] = _prefix(start, around, before)
        elif around and values.family(start) == 4 and dnsmasq.network_of(start, item["prefix"]) not in around:
            raise _errors.InvalidValue(
                f"the range at {start} has prefix {item['prefix']}, the interface {', '.join(around)}"
            )
        dnsmasq.check_prefix(item)
        result.append(item)
    return result


def _prefix(start: str, around: Sequence[str], before: Mapping[str, int]) -> int:
    if values.family(start) == 6:
        return 64
    if around:
        return int(around[0].partition("/")[2])
    if start in before:
        return before[start]
    raise _errors.InvalidValue(f"the range at {start} needs a prefix, since the interface has no address yet")


def check(spec: Spec) -> None:
    """Raise InvalidValue for options that contradict one another; every range has a prefix."""
    networks = [dnsmasq.network_of(item["start"], item["prefix"]) for item in spec["ranges"]]
    _check_router(spec, networks)
    _check_hosts(spec, networks)
    if 0 < spec["mtu"] < _IPV6_MINIMUM_MTU and any(values.family(item["start"]) == 6 for item in spec["ranges"]):
        raise _errors.InvalidValue(f"mtu {spec['mtu']} is too small for IPv6, which needs {_IPV6_MINIMUM_MTU}")
    if spec["boot_server"] and not spec["boot_file"]:
        raise _errors.InvalidValue("boot_server needs boot_file")


def _check_router(spec: Spec, networks: Sequence[str]) -> None:
    router = spec["router"]
    if not router:
        return
    for item in spec["ranges"]:
        if "end" not in item or values.family(item["start"]) != 4:
            continue
        low, found, high = (int(ipaddress.ip_address(text)) for text in (item["start"], router, item["end"]))
        if low <= found <= high:
            raise _errors.InvalidValue(f"the router {router} is inside the range {item['start']} to {item['end']}")
    if any(values.family(network) == 4 for network in networks) and not _inside(router, networks):
        raise _errors.InvalidValue(f"the router {router} is outside the ranges' subnets ({', '.join(networks)})")


def _check_hosts(spec: Spec, networks: Sequence[str]) -> None:
    any_prefix = any(constructed(item) for item in spec["ranges"])
    for host in spec["hosts"]:
        address = host.get("address")
        if address is None or (any_prefix and values.family(address) == 6):
            continue
        if address == spec["router"]:
            raise _errors.InvalidValue(f"the host {host['mac']} has the router's address {address}")
        if not _inside(address, networks):
            known = ", ".join(networks) or "none"
            raise _errors.InvalidValue(f"the host {host['mac']} has {address}, outside the ranges' subnets ({known})")


def _inside(address: str, networks: Iterable[str]) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks)


def _subnets_of_family(cidrs: Iterable[str], family: int) -> list[str]:
    """Return the subnets of addresses that are good for more than their own link."""
    interfaces = [ipaddress.ip_interface(cidr) for cidr in cidrs]
    return [str(item.network) for item in interfaces if item.version == family and not item.is_link_local]
