# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The datapaths of Open vSwitch that work on a node."""

from __future__ import annotations

import socket
import struct

from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node

FAMILY = "ovs_datapath"  # linux/openvswitch.h
PREFERRED = ("system", "netdev")

_NETLINK_GENERIC = 16  # linux/netlink.h
_GENL_ID_CTRL = 0x10  # linux/genetlink.h
_CTRL_CMD_GETFAMILY = 3
_CTRL_ATTR_FAMILY_NAME = 2
_NLM_F_REQUEST = 1
_NLMSG_ERROR = 2


def types(node: Node) -> list[str]:
    """Return the datapath types that work here, the preferred one first.

    ovs-vswitchd lists V(system) whether the kernel has the datapath or not, so the kernel is asked as well.
    """
    listed = set(node.ovsdb.root.datapath_types)
    if not generic_netlink_family(FAMILY, node.settings.timeout):
        listed.discard("system")
    return [name for name in PREFERRED if name in listed]


def preferred(node: Node) -> str:
    """Return the type of a new bridge that no one chose a type for."""
    return next(iter(types(node)), PREFERRED[0])


def generic_netlink_family(name: str, timeout: float) -> bool:
    """Tell whether the kernel has the generic netlink family; it loads the module that brings one if it can."""
    encoded = name.encode() + b"\0"
    padding = b"\0" * (-len(encoded) % 4)
    attribute = struct.pack("=HH", 4 + len(encoded), _CTRL_ATTR_FAMILY_NAME) + encoded + padding
    payload = struct.pack("=BBH", _CTRL_CMD_GETFAMILY, 1, 0) + attribute
    request = struct.pack("=IHHII", 16 + len(payload), _GENL_ID_CTRL, _NLM_F_REQUEST, 1, 0) + payload
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC) as link:
            link.settimeout(timeout)
            link.send(request)
            answer = link.recv(65536)
    except OSError:
        return False
    return bool(struct.unpack_from("=IH", answer)[1] != _NLMSG_ERROR)
