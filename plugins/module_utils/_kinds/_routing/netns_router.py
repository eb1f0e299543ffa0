# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``netns_router``: a network namespace with its interfaces, routes, forwarding and other kernel parameters.

Source of the parameters: kernel documentation, networking/ip-sysctl.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Optional, cast

from ansible_collections.netvirt.fabric.plugins.module_utils import _carrier, _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _netlink_model, _sysctl
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._links import _leg
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _ovs
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._routing import _routes
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_FORWARDING = {"ip_forward": "net.ipv4.ip_forward", "ipv6_forward": "net.ipv6.conf.all.forwarding"}
_OWN_OPTION = {
    "ip_forward": re.compile(r"net\.ipv4\.(ip_forward|conf\.all\.forwarding)"),
    "ipv6_forward": re.compile(r"net\.ipv6\.conf\.all\.forwarding"),
    "rp_filter": re.compile(r"net\.ipv4\.conf\.[^.]+\.rp_filter"),
}
_PARAMETERS = (*_FORWARDING, "rp_filter", "sysctls")
_NEW: Mapping[str, str] = {
    **{f"net.ipv4.conf.{of}.{way}_redirects": "0" for of in ("all", "default") for way in ("accept", "send")},
    **{f"net.ipv6.conf.default.{key}": "0" for key in ("accept_ra", "autoconf", "accept_redirects")},
}
"""Parameters of a new namespace: what others on a segment say changes neither addresses, routes nor the MTU."""

_OF_NEW_INTERFACES = re.compile(r"net\.ipv[46]\.conf\.default\..+")
_NUMBER = re.compile(r"-?[0-9]{1,19}")
_OF_INTERFACE = re.compile(r"(net\.ipv[46]\.(?:conf|neigh))\.([^.]+)\.(.+)")


def _interfaces(legs: list[Spec]) -> list[Spec]:
    result = sorted(legs, key=lambda leg: str(leg["name"]))
    for one, other in zip(result, result[1:]):
        if one["name"] == other["name"]:
            raise ValueError(f"must not hold {one['name']} twice; merge the two")
    if any(leg["name"] == "lo" for leg in result):
        raise ValueError("must not hold lo, which is always there and up")
    return result


def _word(text: str) -> str:
    """Return a number as the kernel shows it, anything else as it is."""
    return str(int(text)) if _NUMBER.fullmatch(text) else text


def _sysctls(parameters: dict[Any, Any]) -> dict[str, str]:
    result = {}
    for key, value in parameters.items():
        if isinstance(value, bool):
            value = int(value)
        text = " ".join(map(_word, values.text(values.written(value)).split()))
        if not text:
            raise ValueError(f"must give {values.called(key)} a value")
        result[_sysctl.key(key)] = text
    return dict(sorted(result.items()))


class NetnsRouter(_engine.Kind):
    """See plugins/modules/netns_router.py for the meaning of the options."""

    name = "netns_router"
    turn = _engine.Turn.NAMESPACE
    options = {
        "name": _options.Option(required=True, canonical=values.object_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        "interfaces": _options.Option(
            type="list",
            elements="dict",
            options={"name": _options.Option(required=True, canonical=values.interface_name), **_leg.OPTIONS},
            canonical=_interfaces,
            partial=True,
        ),
        "routes": _routes.OF_NAMESPACE,
        "ip_forward": _options.Option(type="bool"),
        "ipv6_forward": _options.Option(type="bool"),
        "rp_filter": _options.Option(type="int", canonical=values.integer(0, 2)),
        "sysctls": _options.Option(type="dict", canonical=_sysctls),
    }

    def check(self, want: Spec) -> None:
        """What has an option of its own is not set a second time."""
        for key in want["sysctls"] or ():
            for option, pattern in _OWN_OPTION.items():
                if want[option] is not None and pattern.fullmatch(key):
                    raise _errors.InvalidValue(
                        f"sysctls holds {key}, which {option} sets already; leave one of them out"
                    )

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the namespace with the interfaces and parameters that ``want`` names; all interfaces if it is to go.

        The finding ``lo`` tells whether lo is up.
        """
        name = want["name"]
        if not node.netlink.namespace_exists(name):
            return None
        loopback = node.netlink.link(name, "lo")
        have: Spec = {
            "name": name,
            "lo": loopback is not None and loopback.up,
            "routes": _routes.observed(node, name, None, want["routes"] or ()),
            **_parameters(node, name, want),
        }
        if want["state"] == "absent" or want["interfaces"] is not None:
            have["interfaces"] = _legs(node, name, want["interfaces"])
        return have

    def provides(self, want: Spec) -> Iterable[tuple[_references.Reference, Spec]]:
        """A namespace, and the settings of interfaces in it."""
        yield _references.namespace(want["name"]), want
        for leg in want["interfaces"] or ():
            yield _references.settings(want["name"], leg["name"]), leg

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Interfaces are in the namespace; those that are not there yet come from the root namespace as they are."""
        result = {**(have or {}), **_engine.given(self.options, want), "lo": True}
        forwarding = {key: "1" for option, key in _FORWARDING.items() if want[option]}
        _require_parameters(node, want["name"] if have else None, {**forwarding, **(want["sysctls"] or {})})
        if want["interfaces"] is not None:
            there = _by_name(_legs(node, want["name"], want["interfaces"]))
            result["interfaces"] = [
                _desired_leg(node, there.get(leg["name"]), leg, want["name"]) for leg in want["interfaces"]
            ]
        legs = _by_name(result.get("interfaces", ()))
        if want["routes"] is not None:
            _check_routes(node, want["name"], legs, want["routes"])
        else:
            result["routes"] = [
                route for route in result.get("routes", ()) if _carries(legs.get(route["interface"], {}), route)
            ]
        return result

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """The namespace, its interfaces one by one, its parameters, its routes."""
        if desired is None:
            have = cast(Spec, have)  # not both are None
            name = have["name"]
            yield _engine.Operation(
                _engine.Stage.DROP_NAMESPACE,
                "delete",
                lambda: node.netlink.delete_namespace(name),
                predict=lambda: _predict_gone(node, name),
            )
            return
        name = desired["name"]
        if have is None:
            yield _engine.Operation(
                _engine.Stage.NAMESPACE,
                "create",
                lambda: node.netlink.create_namespace(name, node.settings.owner, _of_new(desired)),
                predict=lambda: node.netlink.predict_namespace(name, True),
            )
        elif not have["lo"]:
            yield _engine.Operation(
                _engine.Stage.INTERFACE, "set lo up", lambda: node.netlink.set_link(name, "lo", up=True)
            )
        before = have or {}
        there = _by_name(_legs(node, name, desired.get("interfaces", [])))
        for leg in desired.get("interfaces", ()):
            yield from _leg_operations(node, name, there.get(leg["name"]), leg)
        yield from _parameter_operations(node, before, desired)
        for leg in desired.get("interfaces", ()):
            old = there.get(leg["name"], {})
            yield from _leg.address_operations(node, name, old, leg, f" of {leg['name']}")
        yield from _routes.operations(node, name, None, before.get("routes", []), desired.get("routes", []))

    def disturbs(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_carrier.Disturbance]:
        """What comes from the root namespace is lost there, and so are other ends of veths that go."""
        if desired is None:
            for link in node.netlink.links(cast(Spec, have)["name"]).values():
                peer = node.netlink.peer(cast(Spec, have)["name"], link) if link.kind == "veth" else None
                if peer is not None and peer[0] is None:
                    yield _carrier.Disturbance(peer[1].name, f"remove {peer[1].name}, whose other end is in it")
            return
        there = node.netlink.links(desired["name"])
        for leg in desired.get("interfaces", ()):
            if leg["name"] not in there:
                yield _carrier.Disturbance(leg["name"], f"take {leg['name']} into the namespace")

    def problems(self, node: Node, want: Spec) -> Iterable[str]:
        """Report addresses that another host uses."""
        for leg in want["interfaces"] or ():
            yield from _leg.duplicates(node, want["name"], leg["name"], leg["addresses"] or ())

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the namespaces whose lo bears the mark."""
        for namespace, links in node.netlink.everywhere():
            if namespace is not None and "lo" in links and links["lo"].alias == _netlink_model.MARK + owner:
                yield {"name": namespace, "state": "absent"}

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner that the alias of lo names."""
        link = node.netlink.link(want["name"], "lo")
        return link.owner if link is not None else ""

    def adopt(self, node: Node, want: Spec) -> None:
        """Mark lo."""
        node.netlink.set_link(want["name"], "lo", alias=_netlink_model.MARK + node.settings.owner)

    def foreign_parts(self, node: Node, want: Spec) -> Iterable[str]:
        """Return the virtual interfaces of others, which would go with the namespace; physical ones come back."""
        owners = filter(None, (node.settings.owner, node.settings.owner_was))
        ports = {row.name for owner in owners for row in _ovs.owned_rows(node, "Port", owner)}
        for name, link in node.netlink.links(want["name"]).items():
            if link.kind and name not in ports | _netlink_model.FALLBACK and not node.ours(link.owner):
                yield f"interface {name}"


def _legs(node: Node, namespace: str, wanted: Optional[list[Spec]]) -> list[Spec]:
    """Return the state of the interfaces that are wanted and there, predicted ones included, or of all but lo."""
    links = node.netlink.links(namespace)
    if wanted is None:
        wanted = [{"name": name} for name in sorted(links) if name != "lo"]
    return [
        {"name": leg["name"], **_leg.observed(node, namespace, links[leg["name"]], leg.get("addresses"))}
        for leg in wanted
        if leg["name"] in links
    ]


def _carries(leg: Spec, route: Spec) -> bool:
    """Tell whether an interface keeps a route through it: not while it is down or without IPv6."""
    return leg.get("up") is not False and (leg.get("ipv6") is not False or values.family(route["destination"]) == 4)


def _by_name(legs: Iterable[Spec]) -> dict[str, Spec]:
    return {leg["name"]: leg for leg in legs}


def _desired_leg(node: Node, have: Optional[Spec], want: Spec, namespace: str) -> Spec:
    name = want["name"]
    if have is None:
        link = node.netlink.link(None, name)
        if link is not None:
            have = {"mtu": link.mtu, "up": link.up, **({"mac": link.mac} if link.mac else {})}
        else:
            _references.require(node, _references.interface(None, name))
    try:
        return {"name": name, **_leg.desired(have, want)}
    except _errors.InvalidValue as error:
        raise _errors.InvalidValue(f"interface {name}: {error}") from error


def _leg_operations(node: Node, namespace: str, have: Optional[Spec], leg: Spec) -> Iterable[_engine.Operation]:
    """Return what brings an interface into the namespace, or changes it there; addresses follow in their own stage."""
    name = leg["name"]
    if have is not None:
        yield from _leg.link_operations(node, namespace, have, leg, f" {name}")
        return
    link = node.netlink.link(None, name)
    attributes = {option: leg[option] for option in _leg.LINK_OPTIONS if option in leg}

    def move() -> None:
        node.netlink.move_link(None, name, namespace, name, bool(leg.get("up")), leg.get("mac", ""))
        node.netlink.set_link(namespace, name, **attributes)

    def predict() -> None:
        if link is not None:
            node.netlink.predict_no_link(None, name)
            node.netlink.predict_link(namespace, replace(link, **{"ipv6": None, **attributes}, master=""))

    yield _engine.Operation(_engine.Stage.INTERFACE, f"move {name} in", move, predict=predict)


def _check_routes(node: Node, namespace: str, legs: dict[str, Spec], routes: list[Spec]) -> None:
    """Raise an error for a route that cannot work with the addresses that this run leaves in the namespace."""
    _routes.check_conflicts(node, namespace, routes)
    there = _by_name(_legs(node, namespace, list(legs.values())))
    reached = {
        name: _leg.addresses_after(node, namespace, name, there.get(name, {"addresses": []}), legs.get(name, {}))
        for name in (*node.netlink.links(namespace), *legs)
    }
    for reference, options in node.all_coming(_references.Sort.SETTINGS):
        if reference.namespace == namespace:
            reached.setdefault(reference.name, set()).update(options["addresses"] or ())
    for name in {route["interface"] for route in routes if "interface" in route}:
        if name not in reached:
            raise _errors.Conflict(
                f"a route goes through {name}, and there is no such interface; list it in interfaces"
            )
        if name in legs and not legs[name].get("up"):
            raise _errors.InvalidValue(f"interface {name}: routes need an interface that is up; set up: true")
        through = [route for route in routes if route.get("interface") == name]
        _routes.check_gateways(node, namespace, name, reached[name], through)
    anywhere = [route for route in routes if "interface" not in route]
    _routes.check_gateways(node, namespace, None, set().union(*reached.values()), anywhere)


# Kernel parameters


def _parameters(node: Node, namespace: str, want: Spec) -> Spec:
    interfaces = ["all", "default", *(name for name in node.netlink.links(namespace) if name != "lo")]
    filters = {name: _sysctl.for_interface("ipv4", name, "rp_filter") for name in interfaces}
    wanted = want["sysctls"] or {}
    found = node.netlink.read_sysctls(namespace, [*_FORWARDING.values(), *filters.values(), *wanted])
    result: Spec = {option: found[key] != "0" for option, key in _FORWARDING.items() if found[key] is not None}
    own = [int(found[key] or 0) for name, key in filters.items() if name != "all" and found[key] is not None]
    effective = {max(int(found[filters["all"]] or 0), value) for value in own}
    if len(effective) == 1:  # the interfaces differ: no one value describes the namespace
        result["rp_filter"] = effective.pop()
    if want["sysctls"] is not None:
        result["sysctls"] = {key: value for key in wanted for value in [found[key]] if value is not None}
    return result


def _of_new(desired: Spec) -> Spec:
    """Return what a new namespace has from its first moment on, so that no interface comes up with anything else."""
    given = desired.get("sysctls") or {}
    return {**_NEW, **{key: value for key, value in given.items() if _OF_NEW_INTERFACES.fullmatch(key)}}


def _require_parameters(node: Node, namespace: Optional[str], parameters: Spec) -> None:
    """Raise an error for a parameter that the kernel does not have, or that holds numbers and is to hold others.

    An interface may yet come.
    """
    general = {key: _OF_INTERFACE.sub(r"\1.default.\3", key) for key in parameters}
    found = node.netlink.read_sysctls(namespace, general.values())
    for key, looked_up in general.items():
        there = found[looked_up]
        if there is None:
            raise _errors.Conflict(f"the kernel has no parameter {key}; is it misspelt, or a kernel module missing?")
        numbers, given = ([bool(_NUMBER.fullmatch(word)) for word in text.split()] for text in (there, parameters[key]))
        if numbers and all(numbers) and given != numbers:
            what = "a whole number" if len(numbers) == 1 else f"{len(numbers)} whole numbers"
            raise _errors.InvalidValue(
                f"sysctls.{key} must be {what}, such as {there}, not {values.shown(parameters[key])}"
            )


def _parameter_operations(node: Node, have: Spec, desired: Spec) -> Iterable[_engine.Operation]:
    wanted = {option: desired[option] for option in _PARAMETERS if desired.get(option) is not None}
    changes = _engine.differences({"name": "", **have}, wanted)
    if not changes:
        return
    reset = any(option in changes for option in _FORWARDING)  # to forward resets others, such as accept_redirects
    before = {} if reset else have.get("sysctls", {})
    sysctls = {key: value for key, value in wanted.get("sysctls", {}).items() if before.get(key) != value}

    def write() -> None:
        namespace = desired["name"]
        for option, key in _FORWARDING.items():
            if option in changes:
                node.netlink.write_sysctl(namespace, key, str(int(desired[option])))
        if "rp_filter" in changes:
            node.netlink.write_rp_filter(namespace, desired["rp_filter"])
        for key, value in sysctls.items():
            node.netlink.write_sysctl(namespace, key, value)

    yield _engine.Operation(_engine.Stage.ADDRESS, "set sysctls", write, changes)


def _predict_gone(node: Node, namespace: str) -> None:
    for link in list(node.netlink.links(namespace).values()):
        peer = node.netlink.peer(namespace, link) if link.kind == "veth" else None
        if peer is not None and peer[0] != namespace:
            node.netlink.predict_no_link(peer[0], peer[1].name)
    node.netlink.predict_namespace(namespace, False)
