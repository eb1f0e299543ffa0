# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of a lab, and every name, number and address that follows from it."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .system import LabError

KINDS = ("container", "vm")
SUITES = ("bookworm", "trixie")
MANAGEMENT = "management"
FIRST_NODE = 10  # A node's address is its number plus this; those below are the lab's own.


@dataclass(frozen=True)
class Network:
    """A segment that nodes are linked to. Without subnets its links are up and carry no address."""

    name: str
    subnets: tuple[str, ...] = ()
    mtu: int = 1500

    @property
    def bridge(self) -> str:
        """The bridge of this segment inside the lab's namespace."""
        return f"br-{self.name}"

    def addresses(self, number: int) -> list[str]:
        """Return address number ``number`` of each subnet, with its prefix length."""
        found = []
        for subnet in map(ipaddress.ip_network, self.subnets):
            if number >= subnet.num_addresses - 1:
                raise LabError(f"network {self.name}: {subnet} is too small for host number {number}")
            found.append(f"{subnet[number]}/{subnet.prefixlen}")
        return found


@dataclass(frozen=True)
class Node:
    """A machine of the lab. Its links are eth0, eth1, ... in the order of the networks' names."""

    name: str
    kind: str
    suite: str
    links: tuple[str, ...]


@dataclass(frozen=True)
class Upstream:
    """A host beyond the lab's edge, linked to one network, that answers on addresses outside every network."""

    network: str
    addresses: tuple[str, ...]
    outside: tuple[str, ...]
    port: int = 80


@dataclass(frozen=True)
class Lab:
    """A whole lab."""

    name: str
    directory: Path
    cache: Path
    networks: tuple[Network, ...]
    nodes: tuple[Node, ...]
    upstream: Upstream | None = None
    mirror: str = ""
    security_mirror: str = ""
    extra_packages: tuple[str, ...] = ()
    guest_image: bool = True

    @property
    def namespace(self) -> str:
        """The namespace that holds every bridge and every host end of a link."""
        return namespace(self.name)

    @property
    def upstream_namespace(self) -> str:
        """The namespace of the upstream host."""
        return f"{self.namespace}-up"

    def network(self, name: str) -> Network:
        """Return the network of that name."""
        return next(network for network in self.networks if network.name == name)

    @property
    def host_addresses(self) -> list[str]:
        """This machine's own addresses on the management network."""
        return self.network(MANAGEMENT).addresses(1)


@dataclass(frozen=True)
class Link:
    """One link of a node: its name inside, its other end in the lab's namespace, and what it carries."""

    name: str
    host_end: str
    bridge: str
    mac: str
    mtu: int
    addresses: list[str]
    network: str


@dataclass(frozen=True)
class Machine:
    """Everything needed to boot one node, as kept beside it. A node whose machine differs is made anew."""

    lab: str
    name: str
    kind: str
    number: int
    directory: str
    namespace: str
    root: str
    links: list[Link]
    images: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Machine:
        """Return the machine that :meth:`to_dict` described."""
        return cls(**{**data, "links": [Link(**link) for link in data["links"]]})


def namespace(lab: str) -> str:
    """Return the name of a lab's namespace, which is that of its link in the root namespace as well."""
    return f"nvlab-{lab}"


def machine(lab: Lab, node: Node, number: int, root: Path, images: dict[str, str]) -> Machine:
    """Work out all that a node is made of."""
    links = []
    for index, network in enumerate(map(lab.network, node.links)):
        name = f"eth{index}"
        links.append(
            Link(
                name=name,
                host_end=interface_name(node.name, name),
                bridge=network.bridge,
                mac=mac(lab.name, node.name, name),
                mtu=network.mtu,
                addresses=network.addresses(FIRST_NODE + number) if network.subnets else [],
                network=network.name,
            )
        )
    directory = str(lab.directory / "nodes" / node.name)
    return Machine(lab.name, node.name, node.kind, number, directory, lab.namespace, str(root), links, images)


def interface_name(node: str, link: str) -> str:
    """Return the name of a link's end in the lab's namespace, at most 15 bytes long."""
    name = f"{node}.{link}"
    return name if len(name) <= 15 else f"{digest(node)[:9]}.{link}"


def mac(*parts: str) -> str:
    """Return a stable, locally administered MAC address."""
    return ":".join(["02", *re.findall("..", digest("/".join(parts))[:10])])


def digest(text: str) -> str:
    """Return a stable number for a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse(data: dict[str, Any]) -> Lab:
    """Return the lab that plain data describes; raise :class:`LabError` with every fault found."""
    lab = Lab(
        name=data["name"],
        directory=Path(data["directory"]),
        cache=Path(data["cache"]),
        networks=tuple(Network(**{**item, "subnets": tuple(item.get("subnets", ()))}) for item in data["networks"]),
        nodes=tuple(_node(item, data) for item in data["nodes"]),
        upstream=_upstream(data.get("upstream")),
        mirror=data.get("mirror", ""),
        security_mirror=data.get("security_mirror", ""),
        extra_packages=tuple(data.get("extra_packages", ())),
        guest_image=data.get("guest_image", True),
    )
    faults = _faults(lab)
    if faults:
        raise LabError("description: " + "; ".join(faults))
    return lab


def _node(item: dict[str, Any], data: dict[str, Any]) -> Node:
    """Return a node: what all have in common, and what its own description says."""
    links = (*data["links"], *item.get("links", ()))
    kind = item.get("kind") or data.get("kind", "container")
    return Node(item["name"], kind, item.get("suite") or data["suite"], links)


def _upstream(data: dict[str, Any] | None) -> Upstream | None:
    if not data:
        return None
    try:
        addresses = tuple(str(ipaddress.ip_interface(address)) for address in data["addresses"])
        outside = tuple(str(ipaddress.ip_interface(address)) for address in data["outside"])
    except ValueError as error:
        raise LabError(f"description: upstream: {error}") from None
    return Upstream(data["network"], addresses, outside, data.get("port", 80))


def _faults(lab: Lab) -> list[str]:
    faults = []
    if not re.fullmatch(r"[a-z][a-z0-9]{0,8}", lab.name):
        faults.append(f"lab name '{lab.name}' is not a letter and up to 8 lower-case letters or digits")
    names = [network.name for network in lab.networks]
    for network in lab.networks:
        faults += _network_faults(network)
    for kind, values in (("network", names), ("node", [node.name for node in lab.nodes])):
        faults += [f"{kind} '{name}' is listed twice" for name in sorted({n for n in values if values.count(n) > 1})]
    if MANAGEMENT not in names or not lab.network(MANAGEMENT).subnets:
        faults.append(f"there is no network '{MANAGEMENT}' with a subnet")
    for node in lab.nodes:
        faults += _node_faults(node, names)
    if lab.upstream and lab.upstream.network not in names:
        faults.append(f"upstream: there is no network '{lab.upstream.network}'")
    return faults


def _network_faults(network: Network) -> list[str]:
    faults = []
    if not re.fullmatch(r"[a-z][a-z0-9]{0,11}", network.name):
        faults.append(f"network name '{network.name}' is not a letter and up to 11 lower-case letters or digits")
    if not 576 <= network.mtu <= 65535:
        faults.append(f"network {network.name}: MTU {network.mtu} is not between 576 and 65535")
    for subnet in network.subnets:
        try:
            ipaddress.ip_network(subnet)
        except ValueError as error:
            faults.append(f"network {network.name}: {error}")
    return faults


def _node_faults(node: Node, networks: list[str]) -> list[str]:
    faults = []
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", node.name):
        faults.append(f"node name '{node.name}' is not a letter and up to 31 lower-case letters, digits or hyphens")
    if node.kind not in KINDS:
        faults.append(f"node {node.name}: kind '{node.kind}' is not one of {', '.join(KINDS)}")
    if node.suite not in SUITES:
        faults.append(f"node {node.name}: suite '{node.suite}' is not one of {', '.join(SUITES)}")
    faults += [f"node {node.name}: there is no network '{link}'" for link in node.links if link not in networks]
    if node.links[:1] != (MANAGEMENT,):
        faults.append(f"node {node.name}: the first link is not '{MANAGEMENT}'")
    return faults
