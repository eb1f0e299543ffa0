# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The underlay: what carries the fabric from node to node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults, Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes import _mtu
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site

KEY_BITS = {"gre": 32, "vxlan": 24, "geneve": 24}
DEFAULT_DST_PORT = {"vxlan": 4789, "geneve": 6081}  # RFC 7348, RFC 8926; GRE has no ports


@dataclass(frozen=True)
class Underlay:
    """What carries the fabric between the nodes. ``mtu`` 0: the least MTU of the nodes' underlay interfaces."""

    type: str
    interface: str
    key: int = 1
    dst_port: Optional[int] = None
    mtu: int = 0
    path: str = "fabric_underlay"


KEYS = (
    Key(
        "type",
        "The encapsulation.",
        row="required: `vxlan`, `gre` or `geneve`",
        choices=("vxlan", "gre", "geneve"),
        required=True,
    ),
    Key(
        "interface",
        ("The interface of the nodes that has the underlay address. O(fabric_nodes) may name another for a node."),
        row="the nodes' underlay interface; required unless `fabric_nodes` names one for every node",
    ),
    Key(
        "key",
        "The tunnel key (VXLAN and Geneve network identifier, GRE key) of all tunnels.",
        row="tunnel key (VNI) of all tunnels, default 1. Networks are told apart by VLAN inside the tunnel",
        type="int",
        default=1,
    ),
    Key(
        "dst_port",
        "The UDP port. The default is 4789 for VXLAN and 6081 for Geneve.",
        row=(
            "UDP port, default 4789 (VXLAN), 6081 (Geneve). A node on which an interface of the host has it already is "
            "refused with that name"
        ),
        type="int",
    ),
    Key(
        "mtu",
        ("The MTU of the underlay in bytes. The default is the least MTU of the nodes' underlay interfaces."),
        row=(
            "the underlay's MTU in bytes, default the least of all nodes' underlay interfaces. It is "
            "reckoned with, not set"
        ),
        type="int",
    ),
)
SECTIONS = (
    Key(
        "fabric_underlay",
        "What carries the networks from node to node. Required when the document has more than one node.",
        type="dict",
        keys=KEYS,
    ),
)


class UnderlayFeature(Feature):
    """``fabric_underlay``."""

    name = "underlay"
    keys = SECTIONS

    def read(self, reader: Reader, _origin: str) -> Mapping[str, Any]:
        """See Feature."""
        given = reader.raw("fabric_underlay")
        return {"underlay": reader.child("fabric_underlay", _read) if given else None}

    def check(self, document: Document, faults: Faults) -> None:
        """See Feature."""
        _check(document, faults)

    def build(self, site: Site, plan: Plan) -> None:
        """Say that there are tunnels, and the bridge that carries them where Open vSwitch needs one."""
        if site.document.underlay is None:
            return
        plan.bridge(_names.TUNNEL)
        if site.state.datapath_type == "netdev":
            _uplink(site, plan)
        _patch(site.document, plan)
        _tunnels(site, plan)


def _read(reader: Reader) -> Underlay:
    kind = reader.get("type", _convert.choice(*_mtu.OVERHEAD), "", required=True)
    dst_port = reader.get("dst_port", _values.port_number, None)
    if dst_port and kind == "gre":
        reader.faults.add(reader.at("dst_port"), "GRE has no ports")
    return Underlay(
        type=kind,
        interface=reader.get("interface", _values.interface_name, ""),
        key=reader.get("key", _values.integer(0, 2 ** KEY_BITS.get(kind, 32) - 1), 1),
        dst_port=dst_port,
        mtu=reader.get("mtu", _mtu.VALUE, 0),
        path=reader.path,
    )


def _check(document: Document, faults: Faults) -> None:
    members = document.members()
    underlay = document.underlay
    if underlay is None:
        tunnelled = [item for item in document.networks if not item.network_type and not item.physical_network]
        if len(members) > 1 and tunnelled:
            faults.add("fabric_underlay", f"is required, since the document has several nodes ({', '.join(members)})")
        return
    for node in members if not faults.at(f"{underlay.path}.interface") else ():
        settings = document.nodes.get(node)
        if not underlay.interface and not (settings and settings.underlay_interface):
            faults.add(f"{underlay.path}.interface", f"is required, or fabric_nodes.{node}.underlay_interface")


def _uplink(site: Site, plan: Plan) -> None:
    """OVS in userspace sends tunnels only through a bridge of its own (OVS documentation, "Userspace tunneling").

    The NIC is a port of the bridge, which has the NIC's addresses before the NIC loses them.
    """
    state = site.state
    name = state.underlay_interface
    mtu = {"mtu": state.mtus[name]} if name in state.mtus else {}
    plan.bridge(_names.UNDERLAY, hwaddr=state.underlay_mac)
    plan.link(_names.UNDERLAY, addresses=[str(address) for address in state.underlay_addresses], up=True, **mtu)
    plan.nic(name, addresses=[])
    plan.access_port(name, _names.UNDERLAY, 0)


def _patch(document: Document, plan: Plan) -> None:
    """Say that there is a patch to br-tun; only VLANs that tunnels carry pass, and without any there is none."""
    vlans = sorted(network.vlan for network in document.networks if network.tunnelled())
    if not vlans:
        return
    inner, outer = _names.PATCH_TO_TUNNEL, _names.PATCH_TO_INTEGRATION
    plan.patch(inner, _names.INTEGRATION, outer, mode="trunk", trunks=vlans)
    plan.patch(outer, _names.TUNNEL, inner, mode="trunk", trunks=vlans)


def _tunnels(site: Site, plan: Plan) -> None:
    """Say that there are tunnels to all other nodes.

    Tunnel ports are protected: a full mesh that forwards from tunnel to tunnel loops.
    """
    underlay = site.document.underlay
    if underlay is None:
        return
    mesh: dict[str, Any] = {"bridge": _names.TUNNEL, "type": underlay.type, "remotes": site.remotes}
    if site.state.address:
        mesh["local_ip"] = str(site.state.address.ip)
    dst_port = underlay.dst_port or DEFAULT_DST_PORT.get(underlay.type)
    if dst_port:
        mesh["dst_port"] = dst_port
    if site.state.datapath_type != "netdev":
        _close_end(site, plan, dst_port)
    plan.tunnel(underlay.type, **mesh, key=str(underlay.key), protected=True)


def _close_end(site: Site, plan: Plan, dst_port: Optional[int]) -> None:
    """Say that tunnel packets come in by the underlay alone.

    The kernel's datapath takes them from the host's IP stack, by whichever NIC. The userspace one takes them from
    br-phy, whatever the host's stack gets. For IPv6 on lo the filter could drop what comes in by one of several paths.
    """
    address = site.state.address
    if address is None or (address.version == 6 and site.state.underlay_interface == "lo"):
        return
    how = {"protocol": "udp", "port": dst_port} if dst_port else {"protocol": "gre"}
    end = {"address": str(address.ip), "interface": site.state.underlay_interface, **how}
    plan.filter(site.document.origin, tunnel_endpoints=[end])
