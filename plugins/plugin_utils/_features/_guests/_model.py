# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Callable, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names

DEFAULT_MEMORY = 512
DEFAULT_VCPUS = 1


@dataclass(frozen=True)
class Nic:
    """A guest's connection to a network."""

    network: str
    mac: str
    address: Optional[IPv4Address]
    address6: Optional[IPv6Address]
    path: str
    parts: Mapping[str, Any] = field(default_factory=dict)

    def addresses(self) -> tuple[Address, ...]:
        """Return its reserved addresses, IPv4 first."""
        return tuple(address for address in (self.address, self.address6) if address)


@dataclass(frozen=True)
class Guest:
    """A virtual machine. ``memory`` is in MiB; ``settings`` are those that only the hypervisor cares for."""

    name: str
    node: str
    nics: tuple[Nic, ...]
    settings: dict[str, Any]
    path: str
    parts: Mapping[str, Any] = field(default_factory=dict)


def read(reader: Reader, origin: str) -> tuple[Guest, ...]:
    """Return the guests."""
    defaults = reader.child("fabric_guest_defaults", _guest_settings) or {}
    return reader.children("fabric_guests", lambda item: _guest(item, origin, defaults))


def _guest(reader: Reader, owner: str, defaults: Mapping[str, Any]) -> Guest:
    name = reader.get("name", _convert.label, "", required=True)
    return Guest(
        name=name,
        node=reader.get("node", _convert.node, "", required=True),
        nics=_nics(reader, owner, name),
        settings={"memory": DEFAULT_MEMORY, "vcpus": DEFAULT_VCPUS, **defaults, **_guest_settings(reader)},
        path=reader.path,
        parts=reader.extended("guest"),
    )


def _nics(reader: Reader, owner: str, guest: str) -> tuple[Nic, ...]:
    """Return a guest's NICs: those of ``networks``, or the one that its own keys describe."""

    def nic(item: Reader, index: int) -> Nic:
        return Nic(
            network=item.get("network", _convert.name, "", required=True),
            mac=item.get("mac", _values.mac, _names.mac(owner, "guest", guest, str(index))),
            address=item.get("address", _convert.address4, None),
            address6=item.get("address6", _convert.address6, None),
            path=item.path,
            parts=item.extended("nic"),
        )

    if reader.raw("networks") is None:
        return (nic(reader, 0),)
    keys = ("network", "mac", "address", "address6", *reader.keys_of("nic"))
    given = [key for key in keys if reader.raw(key) is not None]
    if given:
        reader.faults.add(reader.at("networks"), f"cannot be combined with {', '.join(given)}")
    counter = iter(range(len(reader.items("networks"))))
    return reader.children("networks", lambda item: nic(item, next(counter)))


def _guest_settings(reader: Reader) -> dict[str, Any]:
    """Return the settings that are given, of those that a guest and fabric_guest_defaults have in common."""
    converters: dict[str, Callable[[Any], Any]] = {
        "memory": _values.integer(16, 2**24),
        "vcpus": _values.integer(1, 1024),
        "image": _convert.file_path,
        "kernel": _convert.file_path,
        "initrd": _convert.file_path,
        "cmdline": _convert.text,
    }
    found = {key: reader.get(key, convert, None) for key, convert in converters.items()}
    return {key: value for key, value in found.items() if value is not None}
