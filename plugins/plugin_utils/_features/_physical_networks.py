# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Provider bridges: what joins a node's br-int to physical networks.

A patch joins a provider bridge to br-int, and each of its ends lets pass only the VLANs that mean something there:
those of the fabric on br-int, those of the wire on the provider bridge, where 0 stands for untagged frames. Where a
network has different numbers, flows translate them in both directions and drop all else that comes over the patch. A
bridge that has such flows fails secure: without them nothing passes, rather than into the wrong VLAN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults, Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._graph import Graph, Vertex
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups._filtered import forward
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes import _mtu
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._facts import Facts, global_addresses
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site

if TYPE_CHECKING:
    from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network

_SHOWN = 8  # VLANs in a line
UNTAGGED = 0
BOND_MODES = ("active-backup", "balance-slb", "balance-tcp")
LACP = ("off", "active", "passive")


@dataclass(frozen=True)
class Uplink:
    """What joins a bridge to a physical network: NICs, of which several make a bond, or a Linux bridge.

    Without both it says nothing, and another one holds.
    """

    interfaces: tuple[str, ...] = ()
    linux_bridge: str = ""
    bond_mode: str = ""
    lacp: str = ""
    path: str = field(default="", compare=False)

    def devices(self) -> tuple[str, ...]:
        """Return the names of the devices that must be there already."""
        return self.interfaces or ((self.linux_bridge,) if self.linux_bridge else ())

    def key(self) -> str:
        """Return the path in the document of what it consists of."""
        names = ("linux_bridge",) if self.linux_bridge else ("interfaces",) if len(self.interfaces) > 1 else ()
        return f"{self.path}.{(names or ('interface',))[0]}"


@dataclass(frozen=True)
class PhysicalNetwork:
    """A network that is there without the fabric, and the bridge that joins nodes to it. ``mtu`` 0: its uplinks'."""

    name: str
    bridge: str
    uplink: Uplink
    mtu: int
    path: str


KEYS = (
    Key(
        "name",
        "The physical network's name.",
        row="required",
        required=True,
    ),
    Key(
        "bridge",
        "The provider bridge, one for each physical network.",
        row="the provider bridge, default `br-ex`; each physical network has its own",
        default="br-ex",
    ),
    Key(
        "interface",
        [
            "The NIC that becomes a port of the bridge. It carries no address.",
            ("Required without V(interfaces) and V(linux_bridge), unless O(fabric_nodes) has an uplink for all nodes."),
        ],
        row="the NIC that becomes a port of the bridge; it must carry no address",
    ),
    Key(
        "interfaces",
        "Several NICs that become a bond.",
        row="in its place several NICs, which become a bond",
        type="list",
        elements="str",
    ),
    Key(
        "bond_mode",
        "How the bond chooses among its NICs. The default is V(active-backup).",
        row=(
            "of a bond: `active-backup` (default), `balance-slb` or `balance-tcp`; `off` (default), "
            "`active` or `passive`"
        ),
        choices=BOND_MODES,
    ),
    Key(
        "lacp",
        "Whether the bond speaks LACP. The default is V(off).",
        choices=LACP,
    ),
    Key(
        "linux_bridge",
        "An existing Linux bridge to which the provider bridge is joined by a veth pair.",
        row=(
            "in place of NICs an existing Linux bridge, joined to the provider bridge by a veth pair. One that filters "
            "VLANs is refused where tagged frames would pass it"
        ),
    ),
    Key(
        "mtu",
        "The MTU in bytes. The default is the least of the uplinks.",
        row=(
            "bytes, default the least of the uplinks of all nodes that are joined to it. It is reckoned with, not set"
        ),
        type="int",
    ),
)
SECTIONS = (
    Key(
        "fabric_physical_networks",
        [
            "The networks that are there without the fabric, and what joins the nodes to them.",
            (
                "They carry networks of guests from node to node, and routers' external ports. Only nodes that need "
                "one, or list it in O(fabric_nodes), are joined to it."
            ),
        ],
        type="list",
        elements="dict",
        default=[],
        keys=KEYS,
    ),
)


class PhysicalNetworksFeature(Feature):
    """``fabric_physical_networks``."""

    name = "physical networks"
    keys = SECTIONS

    def read(self, reader: Reader, _origin: str) -> Mapping[str, Any]:
        """See Feature."""
        return {"physical_networks": reader.children("fabric_physical_networks", _read)}

    def named(self, document: Document) -> Iterable[PhysicalNetwork]:
        """See Feature."""
        return document.physical_networks

    def interfaces(self, document: Document) -> Iterator[tuple[str, str, str]]:
        """See Feature."""
        for physical in document.physical_networks:
            yield from _interfaces(document, physical)

    def check(self, document: Document, faults: Faults) -> None:
        """See Feature."""
        _check_bridges(document, faults)
        for node in document.members():
            _check_uplinks(document, node, faults)
        for settings in document.nodes.values():
            for name, uplink in settings.physical_networks.items():
                check_reference(document, uplink.path, name, faults)

    def check_site(self, site: Site, facts: Facts, faults: Faults) -> None:
        """A NIC loses its addresses when it joins a bridge, so that of a physical network must have none to lose.

        A Linux bridge that filters VLANs lets pass those alone that its owner has given to a port.
        """
        for physical in site.attached():
            _check_devices(site, physical, facts, faults)

    def build(self, site: Site, plan: Plan) -> None:
        """Say that there are provider bridges, what joins them to the wire, and what to br-int."""
        for physical in site.attached():
            translated = _translates(site, physical)
            plan.bridge(physical.bridge, fail_mode="secure" if translated else "standalone")
            _uplink(site, physical, plan)
            _patch(site, physical, translated, plan)
        _translate(site, plan)

    def draw(self, document: Document, graph: Graph) -> None:
        """See Feature."""
        for physical in document.physical_networks:
            lines = (physical.name, " + ".join(physical.uplink.devices()))
            graph.shared.append(Vertex(f"segment_{physical.name}", "segment", lines))


def _read(reader: Reader) -> PhysicalNetwork:
    return PhysicalNetwork(
        name=reader.get("name", _convert.name, "", required=True),
        bridge=reader.get("bridge", _values.interface_name, _names.EXTERNAL),
        uplink=read_uplink(reader),
        mtu=reader.get("mtu", _mtu.VALUE, 0),
        path=reader.path,
    )


def read_uplink(reader: Reader) -> Uplink:
    """Return what joins a bridge to a physical network: one of three keys says it."""
    interface = reader.get("interface", _values.interface_name, "")
    interfaces = reader.values("interfaces", _values.interface_name)
    linux_bridge = reader.get("linux_bridge", _values.interface_name, "")
    bond_mode = reader.get("bond_mode", _convert.choice(*BOND_MODES), "")
    lacp = reader.get("lacp", _convert.choice(*LACP), "")
    given = [key for key in ("interface", "interfaces", "linux_bridge") if reader.raw(key) is not None]
    if len(given) > 1:
        reader.faults.add(reader.at(given[1]), f"cannot be combined with {given[0]}")
    elif given == ["interfaces"] and len(set(interfaces)) < max(2, len(reader.items("interfaces"))):
        if not reader.faults.below(reader.at("interfaces")):
            reader.faults.add(reader.at("interfaces"), "makes a bond and needs two different ones or more")
    elif given and given != ["interfaces"] and (bond_mode or lacp):
        reader.faults.add(reader.at("bond_mode" if bond_mode else "lacp"), f"{given[0]} makes no bond; use interfaces")
    if bond_mode == "balance-tcp" and lacp in ("", "off"):
        reader.faults.add(reader.at("bond_mode"), "balance-tcp needs lacp active or passive")
    return Uplink((interface,) if interface else interfaces, linux_bridge, bond_mode, lacp, reader.path)


def _interfaces(document: Document, physical: PhysicalNetwork) -> Iterator[tuple[str, str, str]]:
    """Yield the names of what joins the nodes to a physical network."""
    if physical.bridge not in _names.RESERVED:  # which is reported where physical networks are checked
        yield f"{physical.path}.bridge", f"bridge {physical.bridge}", physical.bridge
    for name in _names.provider_patch(physical.bridge):
        yield f"{physical.path}.bridge", f"bridge {physical.bridge}", name
    for name in (*_names.linux_bridge_pair(physical.name), _names.bond(physical.name)):
        yield f"{physical.path}.name", f"physical network '{physical.name}'", name
    for uplink in (physical.uplink, *(document.uplink(physical, node) for node in document.members())):
        for device in uplink.devices():
            yield uplink.key(), f"interface {device}", device


def _check_bridges(document: Document, faults: Faults) -> None:
    used: dict[str, str] = {}
    for physical in document.physical_networks:
        path = f"{physical.path}.bridge"
        if physical.bridge in _names.RESERVED:
            faults.add(path, f"{physical.bridge} is the fabric's own; choose another name")
        elif used.setdefault(physical.bridge, physical.name) != physical.name:
            faults.add(path, f"{physical.bridge} is already the bridge of '{used[physical.bridge]}'; name another")


def _check_uplinks(document: Document, node: str, faults: Faults) -> None:
    settings = document.nodes.get(node)
    underlay = document.underlay.interface if document.underlay else ""
    underlay = (settings.underlay_interface if settings else "") or underlay
    used: dict[str, str] = {}
    for physical in document.attached(node):
        uplink = document.uplink(physical, node)
        if not uplink.devices() and not faults.at(uplink.key()):
            here = f"fabric_nodes.{node}.physical_networks.{physical.name}.interface"
            faults.add(uplink.key(), f"is required, or interfaces or linux_bridge, or {here}")
        for device in uplink.devices():
            if device == underlay:
                faults.add(uplink.key(), f"{device} is the underlay's interface")
            elif used.setdefault(device, physical.name) != physical.name:
                faults.add(uplink.key(), f"{device} is already the uplink of '{used[device]}'")


def check_reference(document: Document, path: str, name: str, faults: Faults) -> None:
    """Note a physical network that there is none of."""
    faults.missing(path, name, document.physical_network(name), "physical network", "fabric_physical_networks")


def _check_devices(site: Site, physical: PhysicalNetwork, facts: Facts, faults: Faults) -> None:
    uplink = site.document.uplink(physical, site.node)
    vlans = [str(vlan) for vlan in on_the_wire(site, physical) if vlan != UNTAGGED]
    bridge = ((facts.get(site.node) or {}).get("interfaces") or {}).get(uplink.linux_bridge) or {}
    if vlans and bridge.get("vlan_filtering"):
        others = " and others" if len(vlans) > _SHOWN else ""
        faults.add(
            uplink.key(),
            f"{uplink.linux_bridge} of {site.node} filters VLANs, and would drop the frames of "
            f"{', '.join(vlans[:_SHOWN])}{others}; switch its VLAN filtering off, or name its NIC as interface",
        )
    for name in uplink.devices():
        if site.state.mtus and name not in site.state.mtus:
            faults.add(uplink.key(), f"{site.node} has no interface {name}")
    for name in uplink.interfaces:
        addresses = ", ".join(map(str, global_addresses(facts, site.node, name)))
        if addresses:
            message = f"{name} of {site.node} carries {addresses}; remove it, or name another interface"
            faults.add(uplink.key(), message)


def _uplink(site: Site, physical: PhysicalNetwork, plan: Plan) -> None:
    uplink = site.document.uplink(physical, site.node)
    vlans: dict[str, Any] = {"mode": "trunk", "trunks": on_the_wire(site, physical)}
    if uplink.linux_bridge:
        name, other = _names.linux_bridge_pair(physical.name)
        plan.port(name, physical.bridge, **vlans)
        _to_linux_bridge(site, physical, uplink, plan, name, other)
        return
    for interface in uplink.interfaces:
        plan.nic(interface)
    if len(uplink.interfaces) == 1:
        plan.port(uplink.interfaces[0], physical.bridge, **vlans)
        return
    bond = {"bond_mode": uplink.bond_mode or "active-backup", "lacp": uplink.lacp or "off"}
    plan.bond(_names.bond(physical.name), physical.bridge, uplink.interfaces, **vlans, **bond)


def _to_linux_bridge(site: Site, physical: PhysicalNetwork, uplink: Uplink, plan: Plan, name: str, other: str) -> None:
    """Say that there is a veth pair.

    The end in the Linux bridge completes checksums, which the userspace datapath does not.
    """
    size = mtu(site, physical)
    both: dict[str, Any] = {"up": True, "ipv6": False, **({"mtu": size} if size else {})}
    mac = _names.mac(site.document.origin, site.node, other)
    plan.veth(
        name, **both, peer={"name": other, "master": uplink.linux_bridge, "mac": mac, **both, "tx_checksum": False}
    )


def mtu(site: Site, physical: PhysicalNetwork) -> Optional[int]:
    """Return the MTU of a physical network on this node, in bytes, None where it is not known."""
    devices = site.document.uplink(physical, site.node).devices()
    return physical.mtu or min((site.state.mtus[name] for name in devices if name in site.state.mtus), default=None)


def segment_port(plan: Plan, name: str, physical: PhysicalNetwork, vlan: int) -> None:
    """Say that there is a port of a provider bridge that is in one VLAN of the wire, or in none."""
    mode = {"mode": "access", "tag": vlan} if vlan else {"mode": "trunk", "trunks": [UNTAGGED]}
    plan.port(name, physical.bridge, **mode)


def on_the_wire(site: Site, physical: PhysicalNetwork) -> list[int]:
    """Return the VLANs of networks and of routers' external ports, UNTAGGED among them."""
    legs = [router.external for router in site.routers() if router.external]
    used = {leg.vlan for leg in legs if leg.network == physical.name}
    return sorted(used | {network.segmentation_id for network in site.document.carried_by(physical)})


def _translates(site: Site, physical: PhysicalNetwork) -> bool:
    return any(network.translated() for network in site.document.carried_by(physical))


def _patch(site: Site, physical: PhysicalNetwork, translated: bool, plan: Plan) -> None:
    """Say that there is a patch to a provider bridge that carries networks."""
    networks = site.document.carried_by(physical)
    if not networks:
        return
    inner, outer = _names.provider_patch(physical.bridge)
    wire = sorted(network.segmentation_id for network in networks)
    plan.patch(inner, _names.INTEGRATION, outer, **_inside(networks, translated))
    plan.patch(outer, physical.bridge, inner, mode="trunk", trunks=wire)


def _inside(networks: list[Network], translated: bool) -> dict[str, Any]:
    """Return the VLANs of the end in br-int: of what is not translated, the untagged network is the native one."""
    vlans = [network.vlan for network in networks]
    native = [network.vlan for network in networks if network.segmentation_id == UNTAGGED]
    if native and not translated:
        return {"mode": "native-untagged", "tag": native[0], "trunks": vlans}
    return {"mode": "trunk", "trunks": vlans}


def _translate(site: Site, plan: Plan) -> None:
    """Say which flows translate VLANs, those of br-int first: the provider bridges, closed before, open last.

    Their cookie is older than the names of features, and has none.
    """
    translated = [physical for physical in site.attached() if _translates(site, physical)]
    for physical in translated:
        inner, _outer = _names.provider_patch(physical.bridge)
        flows = [_inward(inner, network, forward(site)) for network in site.document.carried_by(physical)]
        flows.append(f"priority=2,in_port={inner} actions=drop")
        plan.flows(_names.INTEGRATION, "from physical networks", flows, of="")
    for physical in translated:
        _inner, outer = _names.provider_patch(physical.bridge)
        flows = [_outward(outer, network) for network in site.document.carried_by(physical)]
        flows += [f"priority=2,in_port={outer} actions=drop", "priority=0 actions=NORMAL"]
        plan.flows(physical.bridge, f"to {physical.name}", flows, of="")


def _inward(port: str, network: Network, action: str) -> str:
    match = f"dl_vlan={network.segmentation_id}" if network.segmentation_id else "vlan_tci=0x0000/0x1fff"
    return f"priority=3,in_port={port},{match} actions=mod_vlan_vid:{network.vlan},{action}"


def _outward(port: str, network: Network) -> str:
    wire = network.segmentation_id
    action = f"mod_vlan_vid:{wire}" if wire else "strip_vlan"
    return f"priority=3,in_port={port},dl_vlan={network.vlan} actions={action},NORMAL"
