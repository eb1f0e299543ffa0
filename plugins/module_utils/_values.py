# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Canonical forms and range checks of single values.

Each function takes what a user may write and returns the one form in which the value is compared and shown. It raises
``ValueError`` with a sentence without a subject ("must be ..."); the caller knows the object and the option. Every
function is idempotent: ``f(f(x)) == f(x)``.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterable
from typing import Any, Callable

SHOWN = 80
"""How many characters of a value a message quotes."""

QUOTED = 300
"""How many characters of a program's or guest's own words a message quotes."""

_SHOWN_ITEMS = SHOWN // 3  # more do not fit with their commas
_SHOWN_DEPTH = 3

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@+-]*")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]*")  # dev_valid_name() of the kernel refuses colons
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_HOSTNAME_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_RANGE = re.compile(r"\s*([0-9]{1,20})\s*-\s*([0-9]{1,20})\s*")
_DURATION = re.compile(r"([0-9]{1,9})([smhdw]?)")
_DURATION_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

IFNAMSIZ = 16  # linux/if.h, including the final NUL byte


def shown(value: Any) -> str:
    """Return a value as messages quote it: escaped, on one line, of at most SHOWN characters. It never raises."""
    text = _rendered(value, _SHOWN_DEPTH)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def called(name: Any) -> str:
    """Return a name as messages use it: as it is where it is a plain one, otherwise quoted."""
    return name if isinstance(name, str) and 0 < len(name) <= SHOWN and name.isprintable() else shown(name)


def printable(text: str) -> str:
    """Return a text with escapes in place of what a terminal would act on; line breaks and tabs stay."""
    if text.isprintable():
        return text
    return "".join(item if item.isprintable() or item in "\n\t" else repr(item)[1:-1] for item in text)


def quoted(words: Any) -> str:
    """Return foreign words as messages quote them: printable, on one line, of at most QUOTED characters."""
    text = " ".join(words[: 2 * QUOTED].split()) if isinstance(words, str) else shown(words)
    text = printable(text)
    return text if len(text) <= QUOTED else text[: QUOTED - 3] + "..."


def _rendered(value: Any, depth: int) -> str:
    """Return about as much of a value as will be shown: repr() raises for huge numbers and deeply nested lists."""
    if isinstance(value, str):
        return str.__repr__(value[:SHOWN])
    if isinstance(value, (list, tuple)):
        return f"[{_rendered_items(value, depth)}]"
    if isinstance(value, dict):
        return f"{{{_rendered_items(value.items(), depth)}}}"
    if isinstance(value, int) and value.bit_length() > 8 * SHOWN:
        return f"a number of {value.bit_length()} bits"
    try:
        return str.__repr__(repr(value))[1:-1]
    except Exception:
        return f"a {type(value).__name__}"


def _rendered_items(items: Iterable[Any], depth: int) -> str:
    if not depth:
        return "..."
    first = itertools.islice(items, _SHOWN_ITEMS)
    if isinstance(items, (list, tuple)):
        return ", ".join(_rendered(item, depth - 1) for item in first)
    return ", ".join(f"{_rendered(key, 0)}: {_rendered(item, depth - 1)}" for key, item in first)


def written(value: Any) -> Any:
    """Return a number as text, anything else as it is; raises ValueError for thousands of digits, as str() does."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    try:
        return str(value)
    except ValueError:
        raise ValueError(f"must have fewer digits, not {shown(value)}") from None


def integer(low: int, high: int) -> Callable[[Any], int]:
    """Return a function that accepts whole numbers (or their decimal text) from ``low`` to ``high``."""

    def canonical(given: Any) -> int:
        value = given
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise ValueError(f"must be a whole number from {low} to {high}, not {shown(value)}")
        if isinstance(value, str):
            value = int(value) if re.fullmatch(r"\s*[+-]?[0-9]{1,20}\s*", value) else None
        if value is None or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {shown(given)}")
        return int(value)

    return canonical


vlan_id = integer(1, 4094)  # IEEE 802.1Q: 0 is a priority tag, 4095 is reserved
port_number = integer(1, 65535)
mtu = integer(68, 65535)  # RFC 791 asks for 68; the kernel refuses what the device cannot do


def port_range(value: Any) -> str:
    """Return a port as ``80``, or a range of ports as ``8000-8010``."""
    found = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return str(port_number(value))
    first, last = map(port_number, found.groups())
    if first > last:
        raise ValueError(f"must begin with the lower port, not {shown(value)}")
    return f"{first}-{last}" if first < last else str(first)


def port_bounds(value: str) -> tuple[int, int]:
    """Return the first and the last port of a canonical port or range of ports."""
    first, _dash, last = value.partition("-")
    return int(first), int(last or first)


def vlan_set(values: Any, lowest: int = 1) -> list[int]:
    """Return the VLAN ids sorted and without repetition; "30-32" stands for all from 30 to 32."""
    if not isinstance(values, (list, tuple)):
        raise ValueError(f"must be a list of VLAN ids, not {shown(values)}")
    return sorted({vlan for value in values for vlan in _vlan_range(value, integer(lowest, 4094))})


def _vlan_range(value: Any, canonical: Callable[[Any], int]) -> Iterable[int]:
    found = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return (canonical(value),)
    first, last = map(canonical, found.groups())
    if first > last:
        raise ValueError(f"must have ranges that begin with the lower VLAN id, not {shown(value)}")
    return range(first, last + 1)


def text(value: Any) -> str:
    """Return a printable one-line string."""
    if not isinstance(value, str):
        raise ValueError(f"must be a string, not {shown(value)}")
    if not value.isprintable():
        raise ValueError(f"must be printable text on one line, not {shown(value)}")
    return value


def file_path(value: Any) -> str:
    """Return the absolute path of a file, without "." and ".." in it."""
    if not text(value).startswith("/") or value.endswith("/") or {".", "..", ""} & set(value.split("/")[1:]):
        raise ValueError(f"must be the absolute path of a file, such as /srv/images/debian.qcow2, not {shown(value)}")
    return str(value)


def guest_name(value: Any) -> str:
    """Return the name of a guest, which is its host name too (RFC 1123)."""
    if not isinstance(value, str) or not _HOSTNAME_LABEL.fullmatch(value):
        raise ValueError(
            "must be 1 to 63 lower-case letters, digits or '-', with a letter or digit at both ends, "
            f"not {shown(value)}"
        )
    return value


def _name(value: Any, form: re.Pattern[str], characters: str, limit: int) -> str:
    if not isinstance(value, str) or not form.fullmatch(value) or ".." in value:
        allowed = f"must consist of letters, digits and {characters} and start with a letter or digit"
        raise ValueError(f"{allowed}, not {shown(value)}")
    if len(value) > limit:
        raise ValueError(f"must have at most {limit} characters, not {len(value)} ({shown(value)})")
    return value


_NUMBERS_OF_NFT = ("tcp", "udp", "udplite", "esp", "ah", "icmp", "icmpv6", "comp", "dccp", "sctp", "redirect")
"""What nft 1.0.6 takes for a number wherever its JSON has it as a value."""


def interface_name(value: Any) -> str:
    """Return a name that Linux and OVS accept for an interface (at most 15 bytes)."""
    if value in ("all", "default"):
        raise ValueError(f"must not be {value}, which stands for more than one interface in the kernel's parameters")
    if value in _NUMBERS_OF_NFT:
        raise ValueError(f"must not be {value}, which nft takes for a number; give the interface another name")
    return _name(value, _INTERFACE, "_.@+-", IFNAMSIZ - 1)


def object_name(value: Any) -> str:
    """Return a name fit for a namespace, a file or a unit (at most 64 characters, never a path)."""
    return _name(value, _NAME, "_.:@+-", 64)


def word(value: Any) -> str:
    """Return a name of letters, digits and _.- (at most 48), fit for an nft table, a unit and a directory."""
    return _name(value, _WORD, "_.-", 48)


def mac(value: Any) -> str:
    """Return a unicast MAC address in lower case with colons."""
    result = re.sub(r"[-.:]", "", value).lower() if isinstance(value, str) else ""
    result = ":".join(result[i : i + 2] for i in range(0, len(result), 2))
    if not _MAC.fullmatch(result):
        raise ValueError(f"must be a MAC address such as 52:54:00:12:34:56, not {shown(value)}")
    if int(result[:2], 16) & 1 or result == "00:00:00:00:00:00":
        raise ValueError(f"must be a unicast MAC address, not {shown(value)}")
    return result


def _unscoped(value: Any) -> str:
    """Return the text of an address; a number or an address with a zone (fe80::1%eth0) yields text that is none."""
    return value if isinstance(value, str) and "%" not in value else ""


def address(value: Any) -> str:
    """Return an IPv4 or IPv6 address without prefix, in its shortest form (RFC 5952)."""
    try:
        return str(ipaddress.ip_address(_unscoped(value)))
    except ValueError:
        raise ValueError(f"must be an IPv4 or IPv6 address, not {shown(value)}") from None


def address4(value: Any) -> str:
    """Return an IPv4 address."""
    result = address(value)
    if family(result) != 4:
        raise ValueError(f"must be an IPv4 address, not {shown(value)}")
    return result


def cidr(value: Any) -> str:
    """Return an address with its prefix length, e.g. ``10.0.0.1/24``; a host address gets /32 or /128."""
    try:
        return str(ipaddress.ip_interface(_unscoped(value)))
    except ValueError:
        raise ValueError(f"must be an address with prefix length such as 10.0.0.1/24, not {shown(value)}") from None


def network(value: Any) -> str:
    """Return a network such as ``10.0.0.0/24``; bits beyond the prefix are refused."""
    try:
        return str(ipaddress.ip_network(_unscoped(value)))
    except ValueError as error:
        hint = f" ({error})" if "host bits" in str(error) else ""
        raise ValueError(f"must be a network such as 10.0.0.0/24, not {shown(value)}{hint}") from None


def subnet(value: Any) -> str:
    """Return a network that is not all addresses."""
    result = network(value)
    if result in ("0.0.0.0/0", "::/0"):
        raise ValueError(f"must be left out to mean any, instead of {result}")
    return result


def destination(value: Any) -> str:
    """Return a route's destination; ``default`` is 0.0.0.0/0 and ``default6`` is ::/0."""
    return network({"default": "0.0.0.0/0", "default6": "::/0"}.get(value, value) if isinstance(value, str) else value)


def resolver(value: Any) -> str:
    """Return the address of a DNS server that others than the host itself can ask; raises ValueError."""
    result = ipaddress.ip_address(address(value))
    if result.is_loopback or result.is_link_local or result.is_multicast or result.is_unspecified:
        raise ValueError(f"must be an address that others can ask, not {shown(value)}")
    return str(result)


def family(value: str) -> int:
    """Return 4 or 6 for a canonical address, CIDR or network."""
    return 6 if ":" in value else 4


def address_key(value: str) -> tuple[int, int, int]:
    """Sort key for canonical addresses and networks: by family, number, prefix."""
    interface = ipaddress.ip_interface(value)
    return interface.version, int(interface), interface.network.prefixlen


def unique(canonical: Callable[[Any], str], key: Callable[[str], Any] = address_key) -> Callable[[Any], list[str]]:
    """Return a function that makes a sorted list without repetition out of a list of such values."""

    def canonical_list(values: Any) -> list[str]:
        if not isinstance(values, (list, tuple)):
            raise ValueError(f"must be a list, not {shown(values)}")
        return sorted({canonical(value) for value in values}, key=key)

    return canonical_list


def string_map(value: Any) -> dict[str, str]:
    """Return a map of text to text as OVSDB holds it: numbers as decimal text, booleans as true/false."""
    if not isinstance(value, dict):
        raise ValueError(f"must be a dictionary, not {shown(value)}")
    result = {}
    for key, item in value.items():
        if isinstance(item, bool):
            item = "true" if item else "false"
        result[text(key)] = text(written(item))
    return result


def hostname(value: Any) -> str:
    """Return a host or domain name in lower case (RFC 1123)."""
    result = value.lower().rstrip(".") if isinstance(value, str) else ""
    if not result or len(result) > 253 or not all(_HOSTNAME_LABEL.fullmatch(label) for label in result.split(".")):
        raise ValueError(f"must be a host or domain name, not {shown(value)}")
    return result


def duration(value: Any) -> str:
    """Return a lease time as seconds in decimal text, or ``infinite``; ``24h`` and ``90m`` are understood."""
    found = _DURATION.fullmatch(str(written(value)).strip()) if isinstance(value, (str, int)) else None
    if value == "infinite":
        return "infinite"
    if not found or isinstance(value, bool):
        raise ValueError(f"must be a number of seconds, a time such as 24h, or infinite, not {shown(value)}")
    seconds = int(found[1]) * _DURATION_SECONDS[found[2]]
    if not 120 <= seconds < 2**32 - 1:  # dnsmasq raises what is under two minutes; RFC 2131 has 32 bits
        raise ValueError(f"must be at least 120 seconds and less than 2^32 - 1, not {shown(value)}")
    return str(seconds)
