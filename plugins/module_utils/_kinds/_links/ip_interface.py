# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``ip_interface``: addresses, routes, MTU, MAC and admin state of an interface that something else makes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional, cast

from ansible_collections.netvirt.fabric.plugins.module_utils import _carrier, _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links import _leg
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._routing import _routes
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_OF_OPEN_VSWITCH = {"openvswitch", "tun"}  # as the kernel calls internal ports of either datapath


class IpInterface(_engine.Kind):
    """See plugins/modules/ip_interface.py for the meaning of the options.

    The object is the configuration, not the interface: it is absent when there is nothing to remove.
    """

    name = "ip_interface"
    turn = _engine.Turn.SETTINGS
    options = {
        "name": _options.Option(required=True, canonical=values.interface_name, role=_options.Role.IDENTITY),
        "namespace": _options.Option(canonical=values.object_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        **_leg.OPTIONS,
        "routes": _routes.OF_INTERFACE,
    }

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the interface; when it should be absent, only what goes."""
        name, namespace = want["name"], want["namespace"]
        link = node.netlink.link(namespace, name)
        if link is None:
            return None
        have: Spec = {
            "name": name,
            "namespace": namespace,
            **_leg.observed(node, namespace, link, want["addresses"]),
            "routes": _routes.observed(node, namespace, name),
        }
        if want["state"] == "present":
            return have
        if want["addresses"] is not None:
            have["addresses"] = [address for address in have["addresses"] if address in want["addresses"]]
        going = {option: have[option] for option in ("addresses", "routes") if have[option]}
        return {"name": name, "namespace": namespace, **going} if going else None

    def provides(self, want: Spec) -> Iterable[tuple[_references.Reference, Spec]]:
        """The settings of an interface."""
        yield _references.settings(want["namespace"], want["name"]), want

    def requires(self, want: Spec) -> Iterable[_references.Reference]:
        """The interface."""
        yield _references.interface(want["namespace"], want["name"])

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Refuse routes that cannot work."""
        name, namespace = want["name"], want["namespace"]
        result = {"name": name, "namespace": namespace, **_leg.desired(have, want)}
        if want["routes"] is not None:
            result["routes"] = want["routes"]
            _routes.check_conflicts(node, namespace, want["routes"])
            addresses = _leg.addresses_after(node, namespace, name, have, result)
            _routes.check_gateways(node, namespace, name, addresses, want["routes"])
        if not result.get("up"):
            if want["routes"]:
                raise _errors.InvalidValue("routes need an interface that is up; set up: true")
            result["routes"] = []  # the kernel drops them
        elif want["ipv6"] is False and want["routes"] is None:
            result["routes"] = [route for route in result["routes"] if values.family(route["destination"]) == 4]
        return result

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """What differs, by stage."""
        if desired is None:
            have = cast(Spec, have)  # not both are None
            going = have
            removed = _leg.addresses(node, have["namespace"], have["name"], have.get("addresses", ()))
            removed = [address for address in removed if address.cidr in have.get("addresses", ())]

            def delete() -> None:
                _routes.delete(node, going["namespace"], going["name"], going.get("routes", ()))
                _leg.set_addresses(node, going["namespace"], going["name"], (), removed)

            yield _engine.Operation(_engine.Stage.DROP_ADDRESS, "delete", delete)
            return
        before = have or {}
        name, namespace = desired["name"], desired["namespace"]
        configuring = list(_leg.link_operations(node, namespace, before, desired, ""))
        settled = not configuring and _is_there_by_itself(node, namespace, name)
        yield from configuring
        yield from _leg.address_operations(node, namespace, before, desired, "", settled)
        yield from _routes.operations(node, namespace, name, before.get("routes", []), desired.get("routes", []))

    def disturbs(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_carrier.Disturbance]:
        """An interface without an address, or that is shut, carries nothing."""
        name, before, after = (have or desired or {})["name"], have or {}, desired or {}
        if before.get("namespace") is not None:
            return
        staying = {address.partition("/")[0] for address in after.get("addresses", ())}
        for address in before.get("addresses", ()):
            if address.partition("/")[0] not in staying:
                yield _carrier.Disturbance(name, f"remove the address {address}", address=address)
        if before.get("up") and not after.get("up", True):
            yield _carrier.Disturbance(name, "shut the interface")

    def problems(self, node: Node, want: Spec) -> Iterable[str]:
        """Report addresses that another host uses."""
        return _leg.duplicates(node, want["namespace"], want["name"], want["addresses"] or ())


def _is_there_by_itself(node: Node, namespace: Optional[str], name: str) -> bool:
    """Tell whether an interface is there before the stages of a run that make interfaces, or move them, after OVSDB."""
    link = node.netlink.link(namespace, name)
    if namespace is not None or link is None or link.kind in _OF_OPEN_VSWITCH:
        return False
    made = {spec["name"] for kind in ("ovs_bridge", "link_vlan") for spec in node.declarations(kind)}
    return name not in made
