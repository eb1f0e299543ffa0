# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a namespace of routers or DHCP servers must not take from those on its segments: all of it is in the document.

A router advertisement brings addresses, routes and an MTU, a redirect (RFC 792, RFC 4861) brings a route. Anybody on a
segment can send them. Redirects are not sent either: what the router's filters forbid must not be sent around it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_IPV4 = ("accept_redirects", "send_redirects")
_IPV6 = ("accept_ra", "autoconf", "accept_redirects")


def interface(name: str, addresses: list[str]) -> dict[str, Any]:
    """Return an interface that is up, with IPv6 where it has such an address."""
    return {"name": name, "addresses": addresses, "up": True, "ipv6": any(":" in address for address in addresses)}


def parameters(interfaces: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return the kernel parameters of a namespace with these interfaces; new interfaces have no IPv6 to begin with."""
    names = {item["name"]: item["ipv6"] for item in interfaces}
    return {
        **{f"net.ipv4.conf.{of}.{key}": "0" for of in ("all", "default", *names) for key in _IPV4},
        **{f"net.ipv6.conf.{of}.{key}": "0" for of in ("default", *names) if names.get(of, True) for key in _IPV6},
        "net.ipv6.conf.default.disable_ipv6": "1",
    }
