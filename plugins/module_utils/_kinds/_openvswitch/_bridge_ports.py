# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The ports of a Linux bridge and the VLANs of each (bridge(8), vlan).

Where the bridge filters VLANs, a port has the three lists pvid, untagged and tagged; elsewhere they mean nothing and
are not shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors, _options
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _netlink_model
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links import _link
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

VLANS = ("pvid", "untagged", "tagged")
_NONE: Spec = {"pvid": 0, "untagged": [], "tagged": []}


def _port(port: Spec) -> Spec:
    """Return a port without what was left out. The three VLAN options are one statement: the rest of it is empty."""
    result = {key: value for key, value in port.items() if value is not None}
    if not any(key in result for key in VLANS):
        return result
    result = {**_NONE, **result}
    pvid, tagged = result["pvid"], result["tagged"]
    if pvid and port["untagged"] is None and pvid not in tagged:
        result["untagged"] = [pvid]
    both = sorted(set(tagged) & set(result["untagged"]))
    if both:
        raise ValueError(f"must not have the VLAN {both[0]} of {port['name']} both tagged and untagged")
    if pvid and pvid not in {*tagged, *result["untagged"]}:
        raise ValueError(f"must have the pvid {pvid} of {port['name']} in untagged or in tagged")
    return result


def _ports(ports: list[Spec]) -> list[Spec]:
    result = sorted(map(_port, ports), key=lambda port: str(port["name"]))
    for one, other in zip(result, result[1:]):
        if one["name"] == other["name"]:
            raise ValueError(f"must not hold {one['name']} twice; merge the two")
    if any(port["name"] == "lo" for port in result):
        raise ValueError("must not hold lo, which cannot be a port")
    return result


OPTION = _options.Option(
    type="list",
    elements="dict",
    options={
        "name": _options.Option(required=True, canonical=values.interface_name),
        "pvid": _options.Option(type="int", canonical=values.integer(0, 4094)),
        "untagged": _options.Option(type="list", elements="str", canonical=values.vlan_set),
        "tagged": _options.Option(type="list", elements="str", canonical=values.vlan_set),
        "isolated": _options.Option(type="bool"),
    },
    canonical=_ports,
)


def of(node: Node, want: Spec, filtering: bool, default_pvid: int) -> list[Spec]:
    """Return the ports that the bridge has, with their VLANs if it filters them; new ones have the default."""
    namespace, name = _link.place(want)
    members = [link for link in node.netlink.links(namespace).values() if link.master == name]
    return sorted(
        ({**_shown(link), **(_vlans(node, want, link, default_pvid) if filtering else {})} for link in members),
        key=lambda port: str(port["name"]),
    )


def _shown(link: _netlink_model.Link) -> Spec:
    return {"name": link.name, "isolated": link.isolated}


def _vlans(node: Node, want: Spec, link: _netlink_model.Link, default_pvid: int) -> Spec:
    found = node.netlink.port_vlans(want["namespace"], link.name)
    if found is None:  # this run makes it a port
        return _access(default_pvid)
    return {
        "pvid": next((vlan.vid for vlan in found if vlan.pvid), 0),
        "untagged": sorted(vlan.vid for vlan in found if vlan.untagged),
        "tagged": sorted(vlan.vid for vlan in found if not vlan.untagged),
    }


def desired(there: list[Spec], want: Spec, default_pvid: int, filtering: bool) -> list[Spec]:
    """Return the ports as they will be: those that are there, overlaid with what is wanted."""
    result = {port["name"]: port for port in there}
    if want["ports"] is None:
        return there
    new = {"isolated": False, **(_access(default_pvid) if filtering else {})}
    wanted = {port["name"]: {**result.get(port["name"], new), **port} for port in want["ports"]}
    result = wanted if want["purge_ports"] else {**result, **wanted}
    return [result[name] for name in sorted(result)]


def following(port: Spec, before: int, after: int) -> Spec:
    """Return a port as the kernel leaves it when the default pvid changes: an access port of the old one follows."""
    if before and (port["pvid"] != before or before not in port["untagged"]):
        return port
    if after and after in {*port["untagged"], *port["tagged"]}:
        return port
    untagged = sorted({*port["untagged"]} - {before} | ({after} - {0}))
    return {**port, "pvid": after, "untagged": untagged}


def _access(vlan: int) -> Spec:
    return {**_NONE, "pvid": vlan, "untagged": [vlan]} if vlan else _NONE


def check(node: Node, want: Spec, ports: list[Spec]) -> None:
    """Raise Conflict for ports that cannot join."""
    names = {port["name"] for port in ports}
    for port in want["ports"] or ():
        link = node.netlink.link(want["namespace"], port["name"])
        if link is not None and link.master == want["name"]:
            continue
        _link.require_free(node, want, port["name"], "port")
        if link is None:
            continue
        if link.kind == "bridge":
            raise _errors.Conflict(f"port {link.name} is a Linux bridge itself; join the two with veth_pair")
        peer = node.netlink.peer(want["namespace"], link, want["namespace"]) if link.kind == "veth" else None
        if peer is not None and peer[0] == want["namespace"] and peer[1].name in names:
            raise _errors.Conflict(
                f"ports {link.name} and {peer[1].name} are the two ends of one pair, which makes a loop"
            )


def apply(node: Node, desired_spec: Spec, have: list[Spec]) -> None:
    """Make the ports of the bridge those that are desired."""
    namespace, name = _link.place(desired_spec)
    ports: list[Spec] = desired_spec["ports"]
    before = {port["name"]: port for port in have}
    for gone in before.keys() - {port["name"] for port in ports}:
        node.netlink.set_link(namespace, gone, master="")
    for port in ports:
        if port["name"] not in before:
            node.netlink.set_link(namespace, port["name"], master=name)
        if port["isolated"] != before.get(port["name"], {}).get("isolated", False):
            node.netlink.set_isolated(namespace, port["name"], port["isolated"])
    vlans = {port["name"]: _port_vlans(port) for port in ports if "pvid" in port and port != before.get(port["name"])}
    if vlans:
        node.netlink.set_port_vlans(namespace, vlans)


def _port_vlans(port: Spec) -> Iterable[_netlink_model.PortVlan]:
    for untagged in (True, False):
        for vid in port["untagged" if untagged else "tagged"]:
            yield _netlink_model.PortVlan(vid, vid == port["pvid"], untagged)


def predict(node: Node, desired_spec: Spec, have: list[Spec]) -> None:
    """Tell the snapshot which links are ports afterwards."""
    namespace, name = _link.place(desired_spec)
    ports: dict[str, Any] = {port["name"]: port for port in desired_spec["ports"]}
    for gone in {port["name"] for port in have} - ports.keys():
        _link.predict_upper(node, namespace, gone, "", isolated=False)
    for port in ports.values():
        _link.predict_upper(node, namespace, port["name"], name, isolated=port["isolated"])
