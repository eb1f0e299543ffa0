# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turn what a user writes into the model's values; what is anything else raises ``ValueError`` ("must be ...")."""

from __future__ import annotations

import ipaddress
import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, Callable, Union

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address, Interface

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,46}[A-Za-z0-9])?")
_LIKE_A_LEASE = re.compile(r"[0-9]+[smhdw]?|infinite|ignore")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def name(value: Any) -> str:
    """Return the name of a network, router or segment: it becomes part of interface, namespace and unit names."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(
            "must be 1 to 48 letters, digits, '-' or '_', with a letter or digit at both ends, "
            f"not {_values.shown(value)}"
        )
    return str(value)


def label(value: Any) -> str:
    """Return the name of a guest, which is its host name too (RFC 1123). dnsmasq takes some for a lease time."""
    if not isinstance(value, str) or not _LABEL.fullmatch(value):
        raise ValueError(
            "must be 1 to 63 lower-case letters, digits or '-', with a letter or digit at both ends, "
            f"not {_values.shown(value)}"
        )
    if _LIKE_A_LEASE.fullmatch(value):
        raise ValueError(f"must not be a number or a lease time, not {_values.shown(value)}")
    return str(value)


def text(value: Any) -> str:
    """Return a non-empty string on one line."""
    result = _values.text(value)
    if not result:
        raise ValueError("must not be empty")
    return str(result)


def file_path(value: Any) -> str:
    """Return the absolute path of a file."""
    return str(_values.file_path(value))


def node(value: Any) -> str:
    """Return the name of a host of the inventory (RFC 1035 has the limit)."""
    result = text(value)
    if len(result) > 253:
        raise ValueError(f"must have at most 253 characters, not {len(result)}")
    return result


def choice(*choices: str) -> Callable[[Any], str]:
    """Return a function that accepts only these words."""

    def convert(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {_values.shown(value)}")
        return str(value)

    return convert


def _parsed(value: Any, parse: Callable[[str], Any], expected: str) -> Any:
    try:
        return parse(value if isinstance(value, str) else "")
    except ValueError as error:
        hint = " (bits are set beyond the prefix)" if "host bits" in str(error) else ""
        raise ValueError(f"must be {expected}, not {_values.shown(value)}{hint}") from None


def _with_prefix(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(value: str) -> Any:
        if "/" not in value:
            raise ValueError("no prefix length")
        return parse(value)

    return convert


def address(value: Any) -> Address:
    """Return an address of either family."""
    result: Address = _parsed(value, ipaddress.ip_address, "an IPv4 or IPv6 address")
    return result


def address4(value: Any) -> IPv4Address:
    """Return an IPv4 address."""
    result: IPv4Address = _parsed(value, IPv4Address, "an IPv4 address such as 10.0.0.1")
    return result


def address6(value: Any) -> IPv6Address:
    """Return an IPv6 address."""
    result: IPv6Address = _parsed(value, IPv6Address, "an IPv6 address such as 2001:db8::1")
    return result


def network4(value: Any) -> IPv4Network:
    """Return an IPv4 subnet that has room for a gateway and a guest."""
    result: IPv4Network = _parsed(value, _with_prefix(IPv4Network), "an IPv4 network such as 10.0.0.0/24")
    if result.prefixlen > 30:
        raise ValueError(f"must have a prefix of at most /30, not /{result.prefixlen}")
    return result


def network6(value: Any) -> IPv6Network:
    """Return an IPv6 subnet of the size that router advertisements need (RFC 4862, 64-bit identifiers)."""
    result: IPv6Network = _parsed(value, _with_prefix(IPv6Network), "an IPv6 network such as 2001:db8:0:1::/64")
    if result.prefixlen != 64:
        raise ValueError(f"must have a prefix of /64, not /{result.prefixlen}")
    return result


def subnet(value: Any) -> Union[IPv4Network, IPv6Network]:
    """Return a network of either family; a single address is one, and all addresses are none."""
    return ipaddress.ip_network(_values.subnet(value))


def boolean(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {_values.shown(value)}")
    return value


def _host(value: Interface) -> Any:
    if value.ip.is_multicast or value.ip.is_unspecified:
        raise ValueError(f"must be the address of a host, and {value} is none")
    return value


def interface(value: Any) -> Interface:
    """Return an address of either family with its prefix length."""
    result: Interface = _host(_parsed(value, _with_prefix(ipaddress.ip_interface), "an address such as 192.0.2.1/24"))
    return result


def interface4(value: Any) -> IPv4Interface:
    """Return an IPv4 address with its prefix length."""
    result: IPv4Interface = _host(_parsed(value, _with_prefix(IPv4Interface), "an IPv4 address such as 10.0.0.1/24"))
    return result


def interface6(value: Any) -> IPv6Interface:
    """Return an IPv6 address with its prefix length."""
    result: IPv6Interface = _host(_parsed(value, _with_prefix(IPv6Interface), "an IPv6 address such as 2001:db8::1/64"))
    return result


def address_range(value: Any) -> tuple[Address, Address]:
    """Return the first and the last address of a range."""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"must be a list of the first and the last address, not {_values.shown(value)}")
    first, last = address(value[0]), address(value[1])
    if first.version != last.version:
        raise ValueError(f"must not mix IPv4 and IPv6 ({first}, {last})")
    if int(first) > int(last):
        raise ValueError(f"must not end ({last}) before it starts ({first})")
    return first, last
