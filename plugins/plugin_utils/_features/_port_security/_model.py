# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a NIC may send beyond its own addresses, how that is read, and its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Subnet
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key

if TYPE_CHECKING:
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Nic

KEYS = (
    Key(
        "port_security",
        (
            "Whether the guest may send by this NIC with its own MAC address and its own addresses only, and never "
            "as a router or a DHCP server."
        ),
        row="false lets the guest send whatever it wants; default true",
        type="bool",
        default=True,
    ),
    Key(
        "allowed_addresses",
        "Further addresses that it may use, such as those of VRRP or of networks behind the guest.",
        row="further addresses that it may use, such as those of VRRP or of networks behind the guest",
        type="list",
        elements="dict",
        keys=(
            Key("subnet", "The address or subnet.", row="required: an address or a subnet", required=True),
            Key(
                "mac",
                "The MAC address. Without it, the NIC's own.",
                row="with which MAC address; default the NIC's own",
            ),
        ),
    ),
)


@dataclass(frozen=True)
class AllowedAddress:
    """Addresses that a NIC may use beside its own; without ``mac`` with its own MAC address."""

    subnet: Optional[Subnet]
    mac: str
    path: str


@dataclass(frozen=True)
class PortSecurity:
    """What holds for a NIC."""

    enabled: bool = True
    allowed: tuple[AllowedAddress, ...] = ()


def of(nic: Nic) -> PortSecurity:
    """Return what holds for a NIC."""
    found: PortSecurity = nic.parts.get("port_security", PortSecurity())
    return found


def read(reader: Reader) -> Mapping[str, Any]:
    """Return what a NIC has of it."""
    enabled = reader.get("port_security", _convert.boolean, True)
    allowed = reader.children("allowed_addresses", _allowed)
    if allowed and not enabled:
        reader.faults.add(reader.at("allowed_addresses"), "says nothing where port_security is false")
    return {"port_security": PortSecurity(enabled, allowed)}


def _allowed(reader: Reader) -> AllowedAddress:
    return AllowedAddress(
        subnet=reader.get("subnet", _convert.subnet, None, required=True),
        mac=reader.get("mac", _values.mac, ""),
        path=reader.path,
    )
