# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What ``packet_filter`` has in its table for the ends of tunnels that the kernel itself takes packets for.

A packet for such an end is dropped where it comes in, if two things come together: the interface is not the one that
has the end's address, and the host would not send to the packet's source by it. The first alone would cut off a host
whose address is on lo or a dummy interface, and reached over several NICs. The second alone would cut off peers whose
packets come in by the right NIC while their route leads elsewhere. The kernel looks for the best route, and takes each
path of a multipath one (nft_fib_ipv4.c in its sources); of an IPv6 one it takes one path.

The name is compared first, so that packets of the underlay cost no more than that.
"""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _options
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _nft
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _own_table
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters._own_table import match
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_GRE = 47
_GRE_SHOWN = (_GRE, "gre")  # nft lists the name where the host has /etc/protocols


def _order(item: Spec) -> tuple[Any, ...]:
    return values.address_key(item["address"]), item["protocol"], item["port"] or 0, item["interface"]


def _canonical(items: list[Spec]) -> list[Spec]:
    for item in items:
        if (item["protocol"] == "udp") != (item["port"] is not None):
            raise ValueError("must have a port where the protocol is udp, and none where it is gre")
    return merged(items)


def merged(*lists: list[Spec]) -> list[Spec]:
    """Return the ends that are in any of the lists, each once, in order."""
    found: list[Spec] = []
    for item in sorted((item for items in lists for item in items), key=_order):
        if item not in found:
            found.append(item)
    return found


OPTION = _options.Option(
    type="list",
    elements="dict",
    options={
        "address": _options.Option(required=True, canonical=values.address),
        "interface": _options.Option(required=True, canonical=values.interface_name),
        "protocol": _options.Option(required=True, choices=("udp", "gre")),
        "port": _options.Option(type="int", canonical=values.port_number),
    },
    canonical=_canonical,
)


def rule(end: Spec) -> list[_nft.Item]:
    """Return the rule for an end."""
    if end["protocol"] == "gre":
        protocol = match("==", {"meta": {"key": "l4proto"}}, _GRE)
    else:
        protocol = match("==", {"payload": {"protocol": "udp", "field": "dport"}}, end["port"])
    return [
        match("!=", {"meta": {"key": "iifname"}}, end["interface"]),
        _own_table.match_network("daddr", values.network(end["address"])),
        protocol,
        match("==", {"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, False),  # missing
        {"drop": None},
    ]


def as_built(item: _nft.Item) -> _nft.Item:
    """Return an item as it is built, where nft lists it in another way."""
    end = _end(item)
    return item if end is None else {"rule": {**item["rule"], "expr": rule(end)}}


def options(items: list[_nft.Item]) -> list[Spec]:
    """Return the ends that the rules of a table are for."""
    return merged([end for end in map(_end, items) if end is not None])


def _end(item: _nft.Item) -> Optional[Spec]:
    """Return the end that a rule of the form of ours is for."""
    try:
        content = item["rule"]
        interface, address, protocol, *rest = content["expr"]
        right = protocol["match"]["right"]
        gre = protocol["match"]["left"] == {"meta": {"key": "l4proto"}} and right in _GRE_SHOWN
        end = {
            "address": values.address(_own_table.matched_network(address).partition("/")[0]),
            "interface": values.interface_name(interface["match"]["right"]),
            "protocol": "gre" if gre else "udp",
            "port": None if gre else values.port_number(right),
        }
        wanted = rule(end)
        same = [interface, address, *([] if gre else [protocol]), *rest] == [*wanted[:2], *wanted[2 + gre :]]
        return end if same and content["chain"] == "prerouting" else None
    except (AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError):
        return None
