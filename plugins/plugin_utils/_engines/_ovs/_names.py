# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names, MAC addresses and UUIDs that follow from the document, the same on every run and every node."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable

INTERFACE_NAME_MAX = 15  # IFNAMSIZ in linux/if.h counts the final NUL byte

SECURED, OPEN = 0x4000, 0x2000
"""The first port number of those that send what they may, and of those that send what they want. All have this bit."""

INTEGRATION = "br-int"
TUNNEL = "br-tun"
EXTERNAL = "br-ex"
UNDERLAY = "br-phy"
PATCH_TO_TUNNEL = "patch-tun"
PATCH_TO_INTEGRATION = "patch-int"
RESERVED = frozenset({INTEGRATION, TUNNEL, UNDERLAY, PATCH_TO_TUNNEL, PATCH_TO_INTEGRATION, "lo"})


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def interface(prefix: str, name: str, suffix: str = "") -> str:
    """Return the name of an interface: prefix, name, suffix; where too long it ends in eight digits of a hash."""
    full = f"{prefix}-{name}{suffix}"
    if len(full) <= INTERFACE_NAME_MAX:
        return full
    return f"{full[: INTERFACE_NAME_MAX - 8]}{_digest(full)[:8]}"


def provider_patch(bridge: str) -> tuple[str, str]:
    """Return the two ends of the patch to a provider bridge: the port of br-int, that of the bridge (as in Neutron)."""
    return interface("int", bridge), interface("phy", bridge)


def bond(physical_network: str) -> str:
    """Return the port of a provider bridge that is a bond."""
    return interface("bond", physical_network)


def linux_bridge_pair(physical_network: str) -> tuple[str, str]:
    """Return the veth that joins a provider bridge to a Linux bridge: the end in the former, that in the latter."""
    return interface("lp", physical_network), interface("lb", physical_network)


def cookie(owner: str, *feature: str) -> str:
    """Return the cookie of a feature's flows; 60 bits, so that it is neither 0 nor all ones in practice.

    Those that translate VLANs have no name of a feature.
    """
    return f"0x1{_digest('flows', owner, *feature)[:14]}"


def router_namespace(router: str) -> str:
    """Return the name of a router's namespace."""
    return f"nv-{router}"


def dhcp_namespace(network: str) -> str:
    """Return the name of the namespace in which the DHCP server of a network without a router runs."""
    return f"dhcp-{network}"


def router_leg(network: str) -> tuple[str, str]:
    """Return the two ends of a router's port in a network: the port of br-int, the interface in the namespace."""
    return interface("rl", network), interface("gw", network)


def trunk_leg(router: str) -> tuple[str, str]:
    """Return the two ends of a router's port in all networks: the port of br-int, the interface in the namespace."""
    return interface("rt", router), interface("tk", router)


def external_leg(router: str) -> tuple[str, str]:
    """Return the two ends of a router's external port: the bridge port, the interface in the namespace."""
    return interface("xl", router), interface("ex", router)


def dhcp_leg(network: str) -> tuple[str, str]:
    """Return the two ends of a DHCP server's port: the port of br-int, the interface in the namespace."""
    return interface("dl", network), interface("dh", network)


def tap(guest: str, index: int) -> str:
    """Return the tap device of a guest's NIC; the first NIC's carries no number."""
    return interface("tap", guest, f"_{index}" if index else "")


def port_numbers(names: Iterable[str], first: int) -> dict[str, int]:
    """Return the OpenFlow port numbers of ports of one bridge, each of which follows from the port's name.

    They are below the double of the first one. Open vSwitch itself gives numbers from 1 on (ovs-vswitchd.conf.db(5),
    ofport_request).
    """
    return numbers("port", names, first, first)


def numbers(what: str, names: Iterable[str], first: int, count: int) -> dict[str, int]:
    """Return different numbers for names, each of which follows from its name.

    Of two that would have the same, the later one by name has the next that is free.
    """
    result: dict[str, int] = {}
    taken: set[int] = set()
    for name in sorted(names):
        number = int(_digest(what, name)[:8], 16) % count
        while number in taken:
            number = (number + 1) % count
        taken.add(number)
        result[name] = first + number
    return result


def mac(*parts: str) -> str:
    """Return a unicast, locally administered MAC address that follows from names: 52:54 and 32 bits of a hash."""
    return bytes.fromhex("5254" + _digest(*parts)[:8]).hex(":")


def guest_uuid(owner: str, guest: str) -> str:
    """Return the guest's UUID (RFC 9562, version 5)."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{guest}.{owner}.netvirt.fabric"))
