# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Security groups and address groups, how they are read, and which NIC is in which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional, Union

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Subnet
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Nic
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._port_security import _model as _port_security

INGRESS, EGRESS = "ingress", "egress"
ANY, ICMP, TCP, UDP, ICMP6, SCTP = 0, 1, 6, 17, 58, 132
NUMBERS = {"any": ANY, "icmp": ICMP, "tcp": TCP, "udp": UDP, "icmpv6": ICMP6, "sctp": SCTP}
"""Protocols by name (RFC 790); 0 stands for all."""
WITH_PORTS = (TCP, UDP, SCTP)
VERSIONS = {"ipv4": 4, "ipv6": 6}
BOUND_TO = {ICMP: 4, ICMP6: 6}
"""The IP version of protocols that have only one."""


@dataclass(frozen=True)
class Rule:
    """What may be begun: by the guest (egress) or with it (ingress). ``version`` 0 stands for both."""

    direction: str
    path: str = ""
    version: int = 0
    protocol: int = ANY
    ports: tuple[str, ...] = ()
    icmp_type: Optional[int] = None
    icmp_code: Optional[int] = None
    remote_cidr: Optional[Subnet] = None
    remote_group: str = ""
    remote_address_group: str = ""

    def versions(self) -> list[int]:
        """Return the IP versions that it is for."""
        given = self.version or BOUND_TO.get(self.protocol) or (self.remote_cidr and self.remote_cidr.version)
        return [given] if given else [4, 6]


@dataclass(frozen=True)
class SecurityGroup:
    """Rules under a name."""

    name: str
    rules: tuple[Rule, ...]
    path: str = ""


@dataclass(frozen=True)
class AddressGroup:
    """Addresses under a name."""

    name: str
    addresses: tuple[Subnet, ...]
    path: str


DEFAULT = SecurityGroup("default", (Rule(EGRESS), Rule(INGRESS, remote_group="default")))
"""The group of NICs that name none, unless the document has its own: as in Neutron."""


def declared(document: Document) -> Optional[tuple[SecurityGroup, ...]]:
    """Return the groups that a document has, None where it says nothing of groups: all guests are then open."""
    found: Optional[tuple[SecurityGroup, ...]] = document.parts.get("security_groups")
    return found


def groups(document: Document) -> Mapping[str, SecurityGroup]:
    """Return the groups in effect by name, with the default one; of a name that is used twice, the first counts."""
    given = declared(document)
    if given is None:
        return {}
    return document.once("security groups", lambda: {item.name: item for item in (DEFAULT, *reversed(given))})


def address_groups(document: Document) -> Mapping[str, AddressGroup]:
    """Return the address groups by name."""
    given: tuple[AddressGroup, ...] = document.parts.get("address_groups", ())
    return document.once("address groups", lambda: {item.name: item for item in reversed(given)})


def named_by(nic: Nic) -> Optional[list[tuple[str, str]]]:
    """Return (path, name) of the groups that a NIC names, None where it says nothing."""
    found: Optional[list[tuple[str, str]]] = nic.parts.get("security_groups")
    return found


def of(document: Document, nic: Nic) -> Optional[tuple[str, ...]]:
    """Return the names of a NIC's groups in order, None where no group has a say."""
    if declared(document) is None or not _port_security.of(nic).enabled:
        return None
    named = named_by(nic)
    return (DEFAULT.name,) if named is None else tuple(sorted({name for _path, name in named}))


def read(reader: Reader) -> Mapping[str, Any]:
    """Return the sections. A list that is empty is given, too."""
    given = reader.raw("fabric_security_groups") is not None
    found = reader.children("fabric_security_groups", _group)
    return {
        "security_groups": found if given else None,
        "address_groups": reader.children("fabric_address_groups", _address_group),
    }


def read_nic(reader: Reader) -> Mapping[str, Any]:
    """Return what a NIC has of it."""
    given = reader.raw("security_groups") is not None
    found = reader.located("security_groups", _convert.name)
    return {"security_groups": found if given else None}


def _group(reader: Reader) -> SecurityGroup:
    return SecurityGroup(
        name=reader.get("name", _convert.name, "", required=True),
        rules=reader.children("rules", _rule),
        path=reader.path,
    )


def _address_group(reader: Reader) -> AddressGroup:
    if reader.raw("addresses") is None:
        reader.faults.add(reader.at("addresses"), "is required")
    return AddressGroup(
        name=reader.get("name", _convert.name, "", required=True),
        addresses=reader.values("addresses", _convert.subnet),
        path=reader.path,
    )


def _rule(reader: Reader) -> Rule:
    octet = _values.integer(0, 255)
    return Rule(
        direction=reader.get("direction", _convert.choice(INGRESS, EGRESS), "", required=True),
        path=reader.path,
        version=VERSIONS.get(reader.get("ethertype", _convert.choice(*VERSIONS), ""), 0),
        protocol=reader.get("protocol", _protocol, ANY),
        ports=reader.values("ports", _values.port_range),
        icmp_type=reader.get("icmp_type", octet, None),
        icmp_code=reader.get("icmp_code", octet, None),
        remote_cidr=reader.get("remote_cidr", _convert.subnet, None),
        remote_group=reader.get("remote_group", _convert.name, ""),
        remote_address_group=reader.get("remote_address_group", _convert.name, ""),
    )


def _protocol(value: Union[str, int]) -> int:
    """Return a protocol's number."""
    if isinstance(value, str) and value in NUMBERS:
        return NUMBERS[value]
    try:
        return _values.integer(1, 255)(value)
    except ValueError:
        names = ", ".join(NUMBERS)
        raise ValueError(f"must be one of {names}, or a number from 1 to 255, not {_values.shown(value)}") from None
