# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document of one network, from the variables of the roles that stand for a mode. Pure functions, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils._values import called, shown
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError

OUTSIDE = "outside"
"""The name of the physical network in these documents."""

NETWORK_KEYS = ("name", "vlan", "segmentation_id", "cidr", "gateway", "cidr6", "gateway6", "mtu", "dhcp")
UPLINK_KEYS = ("interface", "interfaces", "bond_mode", "lacp", "linux_bridge", "bridge")
COPIED = ("underlay", "guest_defaults")

_SHAPES = (
    *(("uplink", dict, "a dictionary"), ("external", dict, "a dictionary")),
    *(("hosts", list, "a list of names"), ("guests", list, "a list of dictionaries")),
)


def network_document(
    mode: str, variables: Mapping[str, Any], hosts: Iterable[str], limited: bool = False
) -> dict[str, Any]:
    """Return the document of one network of a mode across hosts.

    ``variables`` are those of the role that is named like the mode, with its prefix; others are passed over. ``hosts``
    are the hosts of the play, which is incomplete when it is ``limited``. Raises FabricError where it cannot be told
    which hosts belong to the network.
    """
    given = _given(mode, variables)
    if limited and "hosts" not in given:
        message = "is required with --limit, since hosts that a run leaves out stay part of the network"
        raise FabricError([f"{mode}_hosts: {message}; name all of them, for instance as groups['kvm']"])
    name = given.get("name")
    joined: dict[str, Any] = {"physical_networks": {OUTSIDE: {}}} if mode == "bridged" else {}
    return {
        "fabric_owner": f"{mode}-{called(name)}",
        **{f"fabric_{key}": given[key] for key in COPIED if key in given},
        "fabric_nodes": {host: dict(joined) for host in given.get("hosts", hosts)},
        "fabric_physical_networks": _physical_networks(given),
        "fabric_networks": [_network(mode, given)],
        "fabric_routers": _routers(given),
        "fabric_guests": [{**guest, "network": name} for guest in given.get("guests", ())],
    }


def _given(mode: str, variables: Any) -> dict[str, Any]:
    """Return the role's variables without its prefix; what they hold is checked with the document, once it is one."""
    if not isinstance(variables, dict):
        raise FabricError([f"the variables must be a dictionary, not {shown(variables)}"])
    named = {name: value for name, value in variables.items() if isinstance(name, str) and value is not None}
    given = {name[len(mode) + 1 :]: value for name, value in named.items() if name.startswith(f"{mode}_")}
    faults = []
    for key, shape, what in _SHAPES:
        value = given.get(key, shape())
        if not isinstance(value, shape):
            faults.append(f"{mode}_{key}: must be {what}, not {shown(value)}")
        elif key == "guests":
            wrong = [(index, guest) for index, guest in enumerate(value) if not isinstance(guest, dict)]
            faults += [f"{mode}_guests[{index}]: must be a dictionary, not {shown(guest)}" for index, guest in wrong]
        elif key == "hosts" and not all(isinstance(host, str) for host in value):
            faults.append(f"{mode}_hosts: must be a list of names, not {shown(value)}")
    if faults:
        raise FabricError(faults)
    return given


def _physical_networks(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the one physical network, which guests or the router's external port are on."""
    uplink = given.get("uplink") or _part(given.get("external", {}), uplink=True)
    return [{"name": OUTSIDE, **uplink}] if uplink else []


def _network(mode: str, given: Mapping[str, Any]) -> dict[str, Any]:
    network = {"mode": mode, **{key: given[key] for key in NETWORK_KEYS if key in given}}
    if "node" in given:
        network["router"] = given.get("name")
    if mode == "bridged":
        network["physical_network"] = OUTSIDE
        network["network_type"] = "vlan" if "segmentation_id" in given else "flat"
    return network


def _routers(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the router of the network, which has its name."""
    if "node" not in given:
        return []
    leg = {"network": OUTSIDE, **_part(given.get("external", {}), uplink=False)}
    return [{"name": given.get("name"), "node": given["node"], "external": leg}]


def _part(external: Mapping[str, Any], uplink: bool) -> dict[str, Any]:
    """Return the keys of the way out that say what the physical network's uplink is, or the others."""
    return {key: value for key, value in external.items() if (key in UPLINK_KEYS) == uplink}
