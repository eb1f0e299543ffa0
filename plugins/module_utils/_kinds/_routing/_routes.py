# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Static routes of the main table, marked with the collection's protocol number; of use to two kinds."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _netlink_model
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_KERNEL = 2  # RTPROT_KERNEL: comes and goes with an address
_DEFAULT_METRIC = {4: 0, 6: 1024}  # IP6_RT_PRIO_USER
_CONNECTED_METRIC = {4: 0, 6: 256}  # IP6_RT_PRIO_ADDRCONF


def _canonical(route: Spec) -> Spec:
    """Return a route without what was left out, and with its metric."""
    family = values.family(route["destination"])
    for option in ("via", "source"):
        if route[option] is not None and values.family(route[option]) != family:
            raise ValueError(f"must have {option} and destination of one family; see {route['destination']}")
    if route["via"] is None and route["onlink"]:
        raise ValueError(f"must have via where onlink is set; see {route['destination']}")
    if not route.get("interface", "implied"):
        if route["via"] is None or route["onlink"]:
            raise ValueError(f"must have interface where via is missing or onlink set; see {route['destination']}")
        if ipaddress.ip_address(route["via"]).is_link_local:
            raise ValueError(f"must have interface where via is link-local; see {route['destination']}")
    result = {key: value for key, value in route.items() if value is not None and value is not False}
    return {**result, "metric": route["metric"] or _DEFAULT_METRIC[family]}


def _canonical_list(routes: Any) -> list[Spec]:
    result = sorted(map(_canonical, routes), key=_order)
    for one, other in zip(result, result[1:]):
        if _key(one) == _key(other):
            raise ValueError(f"must not hold {one['destination']} twice with one metric; give one another metric")
    return result


def _key(route: Spec) -> tuple[str, int]:
    """What the kernel tells routes of a table apart by."""
    return route["destination"], route["metric"]


def _order(route: Spec) -> Any:
    return (*values.address_key(route["destination"]), route["metric"], route.get("interface", ""))


_ROUTE = {
    "destination": _options.Option(required=True, canonical=values.destination),
    "via": _options.Option(canonical=values.address),
    "metric": _options.Option(type="int", canonical=values.integer(0, 2**32 - 1)),
    "source": _options.Option(canonical=values.address),
    "onlink": _options.Option(type="bool"),
}
OF_INTERFACE = _options.Option(type="list", elements="dict", options=_ROUTE, canonical=_canonical_list)
"""Routes of one interface."""

OF_NAMESPACE = _options.Option(
    type="list",
    elements="dict",
    options={**_ROUTE, "interface": _options.Option(canonical=values.interface_name)},
    canonical=_canonical_list,
)
"""Routes of a namespace; each says its interface, or leaves it to the kernel to find it from the gateway."""


def _spec(route: _netlink_model.Route, with_interface: bool) -> Spec:
    shown = {
        "destination": route.destination,
        "via": route.via,
        "metric": route.metric,
        "source": route.source,
        "onlink": route.onlink,
        "interface": route.interface if with_interface else None,
    }
    return {key: value for key, value in shown.items() if value is not None and value is not False}


def _route(spec: Spec, interface: Optional[str]) -> _netlink_model.Route:
    return _netlink_model.Route(**{"onlink": False, "interface": interface or "", **spec})


def observed(node: Node, namespace: Optional[str], interface: Optional[str], want: Iterable[Spec] = ()) -> list[Spec]:
    """Return our routes through an interface, or all of a namespace.

    In the latter case, a route that ``want`` has without interface is shown without.
    """
    anywhere = {_key(route) for route in want if "interface" not in route}
    result = []
    for route in node.netlink.routes(namespace):
        if route.ours and interface in (None, route.interface):
            shown = interface is None and (route.destination, route.metric) not in anywhere
            result.append(_spec(route, shown))
    return sorted(result, key=_order)


def check_conflicts(node: Node, namespace: Optional[str], routes: Iterable[Spec]) -> None:
    """Raise Conflict where somebody else has a route to the same destination with the same metric."""
    others = {(route.destination, route.metric): route for route in node.netlink.routes(namespace) if not route.ours}
    for route in routes:
        other = others.get(_key(route))
        if other is not None and other.protocol != _KERNEL:
            raise _errors.Conflict(
                f"a route to {other.destination} with metric {other.metric} is there already"
                f"{' via ' + other.via if other.via else ''} on {other.interface}, and not ours; "
                "remove it or set another metric"
            )


def check_gateways(
    node: Node, namespace: Optional[str], interface: Optional[str], addresses: Iterable[str], routes: Iterable[Spec]
) -> None:
    """Raise InvalidValue for a gateway that the kernel will not find on the interface, or on any of the namespace.

    ``addresses`` are those that will be there. So it is with a source that is no address of the namespace.
    """
    _check_sources(node, namespace, addresses, routes)
    _check_connected(node, namespace, interface, addresses, routes)
    own = [ipaddress.ip_interface(address) for address in addresses]
    reached = [address.network for address in own]
    reached += [ipaddress.ip_network(route["destination"]) for route in routes if "via" not in route]
    reached += [
        ipaddress.ip_network(route.destination)
        for route in node.netlink.routes(namespace)
        if interface in (None, route.interface) and not route.via and not route.ours and route.protocol != _KERNEL
    ]
    place = interface or "an interface"
    for route in routes:
        if "via" not in route:
            continue
        gateway = ipaddress.ip_address(route["via"])
        if any(gateway == address.ip for address in own):
            raise _errors.InvalidValue(
                f"the gateway {gateway} of {route['destination']} is an address of {place} itself"
            )
        everywhere = route.get("onlink") or (gateway.version == 6 and gateway.is_link_local)
        if everywhere or any(gateway in network for network in reached):
            continue
        raise _errors.InvalidValue(
            f"the gateway {gateway} of {route['destination']} is not on-link; "
            f"give {place} an address in its subnet, or set onlink: true"
        )


def _check_connected(
    node: Node, namespace: Optional[str], interface: Optional[str], addresses: Iterable[str], routes: Iterable[Spec]
) -> None:
    """Raise InvalidValue for a route that the kernel makes with an address, unless the address was made without it."""
    wanted = {_key(route) for route in routes}
    wanted -= {(route.destination, route.metric) for route in node.netlink.routes(namespace) if route.ours}
    made = {(route.destination, route.metric) for route in node.netlink.routes(namespace) if route.protocol == _KERNEL}
    up = [link.name for link in node.netlink.links(namespace).values() if link.up and interface in (None, link.name)]
    there = {address.cidr for name in up for address in node.netlink.addresses(namespace, name)}
    for cidr in sorted(addresses):
        network = ipaddress.ip_interface(cidr).network
        key = (str(network), _CONNECTED_METRIC[network.version])
        if key in wanted and (key in made or cidr not in there) and (network.version, network.prefixlen) != (4, 32):
            raise _errors.InvalidValue(
                f"the kernel itself makes the route to {network} with metric {key[1]}, for the address {cidr}; "
                "leave it out or set another metric"
            )


def _check_sources(node: Node, namespace: Optional[str], addresses: Iterable[str], routes: Iterable[Spec]) -> None:
    wanted = {route["source"]: route["destination"] for route in routes if "source" in route}
    if not wanted:
        return
    settings = node.all_coming(_references.Sort.SETTINGS)
    legs = [options for reference, options in settings if reference.namespace == namespace]
    known = {
        cidr.partition("/")[0] for cidrs in (addresses, *(leg["addresses"] or () for leg in legs)) for cidr in cidrs
    }
    for name in node.netlink.links(namespace):
        known |= {address.local for address in node.netlink.addresses(namespace, name)}
    for source in sorted(wanted.keys() - known):
        raise _errors.InvalidValue(
            f"the source {source} of {wanted[source]} is no address that is there; give it to an interface first"
        )


def operations(
    node: Node, namespace: Optional[str], interface: Optional[str], have: list[Spec], routes: list[Spec]
) -> Iterable[_engine.Operation]:
    """Return the operation that makes our routes those given."""
    if have == routes:
        return
    wanted = {_key(route) for route in routes}
    removed = [_route(route, interface) for route in have if _key(route) not in wanted]
    added = [_route(route, interface) for route in routes if route not in have]
    ours = {(route.destination, route.metric) for route in node.netlink.routes(namespace) if route.ours}

    def apply() -> None:
        for route in added:
            node.netlink.add_route(namespace, route, replacing=(route.destination, route.metric) in ours)
        for route in removed:
            node.netlink.delete_route(namespace, route)

    yield _engine.Operation(_engine.Stage.ROUTE, "set routes", apply, {"routes": {"before": have, "after": routes}})


def delete(node: Node, namespace: Optional[str], interface: str, routes: Iterable[Spec]) -> None:
    """Delete routes of ours through an interface."""
    for route in routes:
        node.netlink.delete_route(namespace, _route(route, interface))
