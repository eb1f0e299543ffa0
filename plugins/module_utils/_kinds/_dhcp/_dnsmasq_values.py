# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Options of ``dnsmasq_netns`` that are lists of dictionaries, and their canonical forms (dnsmasq(8)).

Nothing that passes here can be read by dnsmasq as more than one value: no comma, quote, backslash, ``#``, line break.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _options
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_PLAIN = re.compile(
    r"[!$-+\--\[\]-~]([ !$-+\--\[\]-~]*[!$-+\--\[\]-~])?"
)  # printable ASCII without space " # , \ at an end
_LIKE_A_LEASE = re.compile(r"[0-9]+[smhdw]?|infinite|ignore")
_OPTION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9+-]*")
_OWN_OPTIONS = {
    4: {
        **dict.fromkeys(("3", "router"), "router"),
        **dict.fromkeys(("6", "dns-server"), "dns_servers"),
        **dict.fromkeys(("15", "domain-name"), "domain"),
        **dict.fromkeys(("26", "mtu"), "mtu"),
    },
    6: dict.fromkeys(("23", "dns-server"), "dns_servers"),
}
_MODES = ("dynamic", "static", "ra-only", "slaac", "ra-stateless")
_MODES_WITH_END = ("dynamic", "slaac")
_RA_MODES = ("ra-only", "slaac", "ra-stateless")


def plain(value: Any) -> str:
    """Return text that stands for itself in dnsmasq's configuration."""
    if not isinstance(value, str) or len(value) > 255 or not _PLAIN.fullmatch(value):
        raise ValueError(f"must be plain ASCII text without comma, quote, backslash or #, not {values.shown(value)}")
    return value


def path(value: str) -> str:
    """Return an absolute path, or the empty string."""
    if value and not (plain(value).startswith("/") and ".." not in value.split("/")):
        raise ValueError(f"must be an absolute path, not {values.shown(value)}")
    return value.rstrip("/") or value


def ipv4(value: str) -> str:
    """Return an IPv4 address, or the empty string."""
    return values.address4(value) if value else ""


def mtu(value: int) -> int:
    """Return an MTU, or 0 for none."""
    return value and values.mtu(value)


def _label(value: str) -> str:
    name = values.hostname(value)
    if "." in name or _LIKE_A_LEASE.fullmatch(name):
        raise ValueError(f"must be a host name without domain that is no number or time, not {values.shown(value)}")
    return name


def _values_of(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    texts = [values.written(item) for item in items]
    if not texts or sum(len(plain(text)) + 1 for text in texts) > 256:
        allowed = "must be a value or a list of values, at most 255 characters together"
        raise ValueError(f"{allowed}, not {values.shown(value)}")
    return texts


RANGE = {
    "start": _options.Option(required=True, canonical=values.address),
    "end": _options.Option(canonical=values.address),
    "prefix": _options.Option(type="int", canonical=values.integer(1, 128)),
    "mode": _options.Option(choices=_MODES, default="dynamic"),
    "lease": _options.Option(canonical=values.duration, default="24h"),
}

HOST = {
    "mac": _options.Option(required=True, canonical=values.mac),
    "address": _options.Option(canonical=values.address),
    "hostname": _options.Option(canonical=_label),
    "lease": _options.Option(canonical=values.duration),
}

LEASE = {
    "mac": _options.Option(required=True, canonical=values.mac),
    "address": _options.Option(required=True, canonical=values.address4),
    "seconds": _options.Option(type="int", canonical=values.integer(0, 2**32 - 2), default=0),
}

DHCP_OPTION = {
    "option": _options.Option(required=True),
    "value": _options.Option(type="raw", required=True, canonical=_values_of),
    "family": _options.Option(type="int", choices=(4, 6), default=4),
}


def leases(items: list[Spec]) -> list[Spec]:
    """Return leases by address; each address and each client has one."""
    for key in ("address", "mac"):
        seen: set[str] = set()
        for item in items:
            if item[key] in seen:
                raise ValueError(f"must name each {key} once, and {item[key]} is there twice")
            seen.add(item[key])
    return sorted(items, key=lambda item: values.address_key(item["address"]))


def given(item: Spec) -> Spec:
    """Return the options of a list entry that were given."""
    return {name: value for name, value in item.items() if value is not None}


def ranges(items: list[Spec]) -> list[Spec]:
    """Return the ranges sorted; each must make sense by itself and overlap no other."""
    result = sorted((given(item) for item in items), key=lambda item: values.address_key(item["start"]))
    last = None
    for item in result:
        _check_range(item)
        start = ipaddress.ip_address(item["start"])
        if last is not None and last.version == start.version and int(last) >= int(start):
            raise ValueError(f"must not overlap, as they do at {start}")
        last = ipaddress.ip_address(item.get("end") or item["start"])
    return result


def _check_range(item: Spec) -> None:
    start, end, mode = item["start"], item.get("end"), item["mode"]
    family = values.family(start)
    if family == 4 and mode in _RA_MODES:
        raise ValueError(f"must have an IPv6 start for mode {mode}, not {start}")
    if (mode == "dynamic" and end is None) or (end is not None and mode not in _MODES_WITH_END):
        raise ValueError(f"must {'have an end' if end is None else 'have no end'} in mode {mode}: {start}")
    if end is not None and (values.family(end) != family or values.address_key(end) < values.address_key(start)):
        raise ValueError(f"must have an end of the same family that is not before the start, not {start} to {end}")
    if "prefix" in item:
        check_prefix(item)


def check_prefix(item: Spec) -> None:
    """Raise ValueError unless a range lies in one subnet of its prefix length, and dnsmasq can serve that."""
    start, end, mode, prefix = item["start"], item.get("end") or item["start"], item["mode"], item["prefix"]
    low, high = (8, 30) if values.family(start) == 4 else (64, 64 if mode in _RA_MODES else 126)
    if not low <= prefix <= high:
        bounds = f"from {low} to {high}" if low < high else f"of {low}"
        raise ValueError(f"must have a prefix {bounds} at {start} (mode {mode}), not {prefix}")
    if network_of(start, prefix) != network_of(end, prefix):
        raise ValueError(f"must lie in one subnet: {start} to {end} with prefix {prefix} does not")


def network_of(address: str, prefix: int) -> str:
    """Return the network of that prefix length around an address."""
    return str(ipaddress.ip_interface(f"{address}/{prefix}").network)


def hosts(items: list[Spec]) -> list[Spec]:
    """Return the reservations sorted; per MAC at most one address of each family, and no address twice."""
    result = [given(item) for item in items]
    _refuse_twice(((item["mac"], values.family(item.get("address", ""))) for item in result), "reservation for {0[0]}")
    _refuse_twice((item["address"] for item in result if "address" in item), "address {0}")
    names = {(item["hostname"], item["mac"]) for item in result if "hostname" in item}
    _refuse_twice((name for name, _mac in names), "host name {0}")
    return sorted(result, key=lambda item: (item["mac"], values.family(item.get("address", "")), "address" in item))


def dhcp_options(items: list[Spec]) -> list[Spec]:
    """Return the further DHCP options sorted; none twice, and none that has an option of its own."""
    for item in items:
        name, family = item["option"], item["family"]
        if not (_OPTION_NAME.fullmatch(name) or (name.isdecimal() and 1 <= int(name) <= (254, 65535)[family == 6])):
            raise ValueError(f"must have a number or a name that dnsmasq knows as option, not {values.shown(name)}")
        item["option"] = str(int(name)) if name.isdecimal() else name.lower().replace("t1", "T1").replace("t2", "T2")
        if item["option"] in _OWN_OPTIONS[family]:
            raise ValueError(f"must not hold {name}; use the option {_OWN_OPTIONS[family][item['option']]}")
    _refuse_twice(((item["option"], item["family"]) for item in items), "option {0[0]} of family {0[1]}")
    return sorted(items, key=lambda item: (item["family"], item["option"]))


def _refuse_twice(keys: Iterable[Any], what: str) -> None:
    seen = set()
    for key in keys:
        if key in seen:
            raise ValueError(f"must not hold the {what.format(key)} twice")
        seen.add(key)
