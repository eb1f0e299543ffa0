# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the roles that stand for one network, one role for each mode. Types are those of the document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Union

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key

About = Union[str, Sequence[str]]

ROUTED = ("nat", "routed")
MODES = (*ROUTED, "isolated", "bridged")


def keys(mode: str, sections: Sequence[Key]) -> tuple[Key, ...]:
    """Return the variables of the role of a mode; ``sections`` are those of the document."""
    made = [*_place(mode), *_network(mode, _child(sections, "fabric_networks"))]
    if mode == "bridged":
        made.insert(4, _uplink())
    if mode in ROUTED:
        made += _router(mode, sections)
    return tuple(replace(key, name=f"{mode}_{key.name}") for key in (*made, *_shared(mode, sections)))


def _child(parents: Sequence[Key], name: str) -> Sequence[Key]:
    return next(key for key in parents if key.name == name).keys


def _like(parents: Sequence[Key], name: str, about: About, **changes: Any) -> Key:
    """Return a key of the document that is described otherwise, and whose inner keys stand in the document's page."""
    same = next(key for key in parents if key.name == name)
    plain = {"name": name.removeprefix("fabric_"), "about": about, "keys": (), "default": None, "required": False}
    return replace(same, **{**plain, **changes})


def _place(mode: str) -> Iterator[Key]:
    yield Key("state", "V(absent) takes down what V(present) builds.", choices=("present", "absent"), default="present")
    yield Key(
        "hosts",
        (
            "The hosts that the network spans. The default is all hosts of the play.",
            "Required with C(--limit), since hosts that a run leaves out stay part of the network.",
        ),
        type="list",
        elements="str",
    )
    yield Key("name", f"The name of the network{' and of its router' if mode in ROUTED else ''}.", default=mode)


def _network(mode: str, known: Sequence[Key]) -> Iterator[Key]:
    bridged = mode == "bridged"
    inside = "hosts, whatever it is on the wire" if bridged else "fabric"
    yield _like(known, "vlan", f"The network's VLAN inside the {inside}.", default=10)
    if bridged:
        about = "The network's VLAN on the wire. Without it frames are untagged."
        yield _like(known, "segmentation_id", about)
        yield _like(known, "mtu", "The MTU in bytes. The default is that of the uplinks.")
        return
    owner, network = (
        ("The router's", "in the network") if mode in ROUTED else ("The", "of the DHCP server in the network")
    )
    needed = f"It or O({mode}_cidr6) is required." if mode in ROUTED else "Needed by the DHCP server only."
    yield _like(known, "cidr", f"The IPv4 subnet. {needed}")
    yield _like(known, "gateway", f"{owner} address {network}. The default is the first of the subnet.")
    yield _like(known, "cidr6", "The IPv6 subnet, a /64.")
    yield _like(known, "gateway6", f"{owner} IPv6 address {network}. The default is the first of the subnet.")
    yield _like(known, "mtu", "The MTU in bytes. The default is the most that the underlay carries.")
    service = ["The DHCP service, with the keys of C(fabric_networks[].dhcp), such as C(range)."]
    if mode in ROUTED:
        yield _like(known, "dhcp", service, default={})
    else:
        yield _like(
            known, "dhcp", [*service, "Its C(node) names the host that serves. Without this there is no DHCP server."]
        )


def _uplink() -> Key:
    about = (
        "What joins the hosts to the physical network, with the keys of C(fabric_physical_networks) less C(name), such "
        "as C(interface) or C(linux_bridge). A NIC must carry no address."
    )
    return Key("uplink", about, type="dict", required=True)


def _router(mode: str, sections: Sequence[Key]) -> Iterator[Key]:
    router, physical = _child(sections, "fabric_routers"), _child(sections, "fabric_physical_networks")
    yield _like(router, "node", "The host that has the router.", required=True)
    outside = _child(router, "external")
    of_each = ", of each IP version that the network has" if mode == "nat" else ""
    address = f"The router's address there, with its prefix length. It or the next one is required{of_each}."
    parts = (
        _like(
            physical,
            "interface",
            f"The interface of O({mode}_node) on the external segment. It must carry no address.",
            required=True,
        ),
        _like(physical, "bridge", "The bridge that the interface becomes a port of. The default is C(br-ex)."),
        _like(outside, "address", address),
        _like(outside, "gateway", "The next hop towards the outside."),
        _like(outside, "address6", "The router's IPv6 address there, with its prefix length."),
        _like(outside, "gateway6", "The next hop towards the outside by IPv6."),
    )
    yield _like(router, "external", "The router's way out.", required=True, keys=parts)


def _shared(mode: str, sections: Sequence[Key]) -> Iterator[Key]:
    if mode != "bridged":
        about = (
            "What carries the network from host to host, with the keys of C(fabric_underlay). Required with more than "
            "one host."
        )
        yield _like(sections, "fabric_underlay", about, default={})
    about = "What all guests have in common, with the keys of C(fabric_guest_defaults)."
    yield _like(sections, "fabric_guest_defaults", about, default={})
    about = (
        "The guests, with the keys of C(fabric_guests) less C(network). Their ports are made by this role, they "
        "themselves by the role P(netvirt.fabric.guest#role)."
    )
    yield _like(sections, "fabric_guests", about, default=[])
