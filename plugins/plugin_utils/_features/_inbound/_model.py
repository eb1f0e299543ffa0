# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floating IPs and port forwards, how they are read, and to which guest's address they lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Optional, Union

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Reader

if TYPE_CHECKING:
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._routers._model import Router

PROTOCOLS = ("tcp", "udp", "sctp")


@dataclass(frozen=True)
class Target:
    """Whom something from outside reaches: a guest, on its NIC in ``network`` where it has several, or an address."""

    guest: str
    network: str
    address: Optional[IPv4Address]
    path: str

    def resolve(self, document: Document, router: Router) -> Union[IPv4Address, str]:
        """Return its address behind a router, or what is wrong with it."""
        networks = document.networks_of(router.name)
        if self.address:
            inside = any(network.cidr and self.address in network.cidr for network in networks)
            return self.address if inside else f"{self.address} is in no network of router '{router.name}'"
        nics = [
            nic
            for network in networks
            if self.network in ("", network.name)
            for guest, nic in document.nics_on(network.name)
            if guest.name == self.guest
        ]
        if not nics:
            where = f"network '{self.network}'" if self.network else f"any network of router '{router.name}'"
            return f"guest '{self.guest}' is not on {where}"
        if len(nics) > 1:
            return f"guest '{self.guest}' has several NICs behind router '{router.name}'; say by network which is meant"
        return nics[0].address or f"guest '{self.guest}' has no address in {nics[0].path}; give it one"


@dataclass(frozen=True)
class FloatingIp:
    """An outer address of a router that belongs to one guest."""

    address: Optional[IPv4Address]
    router: str
    target: Target
    path: str


@dataclass(frozen=True)
class PortForward:
    """Ports of a router's outer address that lead to a guest; ``to_port`` is what the first of them becomes."""

    protocol: str
    port: str
    to_port: int
    target: Target
    path: str

    def bounds(self) -> tuple[int, int]:
        """Return the first and the last port outside."""
        return _values.port_bounds(self.port)


def floating_ips(document: Document) -> tuple[FloatingIp, ...]:
    """Return the floating IPs of a document."""
    found: tuple[FloatingIp, ...] = document.parts.get("floating_ips", ())
    return found


def port_forwards(router: Router) -> tuple[PortForward, ...]:
    """Return the port forwards of a router."""
    found: tuple[PortForward, ...] = router.parts.get("port_forwards", ())
    return found


def read(reader: Reader) -> Mapping[str, Any]:
    """Return the floating IPs."""
    return {"floating_ips": reader.children("fabric_floating_ips", _floating_ip)}


def read_router(reader: Reader) -> Mapping[str, Any]:
    """Return the port forwards of a router."""
    return {"port_forwards": reader.children("port_forwards", _port_forward)}


def _floating_ip(reader: Reader) -> FloatingIp:
    return FloatingIp(
        address=reader.get("address", _convert.address4, None, required=True),
        router=reader.get("router", _convert.name, "", required=True),
        target=_target(reader),
        path=reader.path,
    )


def _port_forward(reader: Reader) -> PortForward:
    port = reader.get("port", _values.port_range, "", required=True)
    return PortForward(
        protocol=reader.get("protocol", _convert.choice(*PROTOCOLS), "tcp"),
        port=port,
        to_port=reader.get("to_port", _values.port_number, _values.port_bounds(port)[0] if port else 0),
        target=_target(reader),
        path=reader.path,
    )


def _target(reader: Reader) -> Target:
    target = Target(
        guest=reader.get("guest", _convert.label, ""),
        network=reader.get("network", _convert.name, ""),
        address=reader.get("to", _convert.address4, None),
        path=reader.path,
    )
    given = [key for key in ("guest", "to") if reader.raw(key) is not None]
    if not given:
        reader.faults.add(reader.at("guest"), "is required, or to")
    elif len(given) > 1:
        reader.faults.add(reader.at("to"), "cannot be combined with guest")
    return target
