# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the document says of single nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Interface
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._physical_networks import Uplink, read_uplink


@dataclass(frozen=True)
class NodeSettings:
    """What the document says of one node, in place of what is found there or holds for all nodes.

    ``physical_networks`` holds uplinks by the name of their physical network.
    """

    underlay_interface: str = ""
    underlay_address: Optional[Interface] = None
    datapath_type: str = ""
    physical_networks: dict[str, Uplink] = field(default_factory=dict)
    path: str = ""


KEYS = (
    Key(
        "underlay_interface",
        "",
        row="in place of `fabric_underlay.interface`",
    ),
    Key(
        "underlay_address",
        "",
        row="with prefix length, such as `192.0.2.1/24`; required where the interface has several addresses",
    ),
    Key(
        "datapath_type",
        "",
        row="`system` (kernel) or `netdev` (userspace); default what the node offers, the kernel's first",
    ),
    Key(
        "physical_networks",
        "",
        row=(
            "by name of a physical network, the node's own `interface`, `interfaces`, `bond_mode`, `lacp` "
            "or `linux_bridge`; `{}` joins the node with those of all nodes"
        ),
        type="dict",
    ),
)
SECTIONS = (
    Key(
        "fabric_nodes",
        [
            "What to use for a node in place of what is found there, by inventory name.",
            (
                "Keys of a node are C(underlay_interface), C(underlay_address) (with prefix length), C(datapath_type) "
                "(V(system) or V(netdev)) and C(physical_networks), a dictionary of uplinks by the name of their "
                "physical network. An empty dictionary makes a host part of the fabric that nothing else names."
            ),
        ],
        type="dict",
        default={},
        by_name=True,
        keys=KEYS,
    ),
)


class NodesFeature(Feature):
    """``fabric_nodes``."""

    name = "nodes"
    keys = SECTIONS

    def read(self, reader: Reader, _origin: str) -> Mapping[str, Any]:
        """See Feature."""
        return {"nodes": reader.mapping("fabric_nodes", _read)}


def _read(reader: Reader) -> NodeSettings:
    return NodeSettings(
        physical_networks=reader.mapping("physical_networks", read_uplink),
        underlay_interface=reader.get("underlay_interface", _values.interface_name, ""),
        underlay_address=reader.get("underlay_address", _convert.interface, None),
        datapath_type=reader.get("datapath_type", _convert.choice("system", "netdev"), ""),
        path=reader.path,
    )
