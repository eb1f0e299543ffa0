# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``packet_filter``: what an IP stack must not see or pass on, in nft tables of our own (nft(8))."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _carrier, _engine, _errors, _options
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _conntrack
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _drop_table as drop_table
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import (
    _endpoints,
    _firewall,
    _flows,
    _policy,
)
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _own_table as own_table
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters._table_kind import TableKind
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_NEW: Spec = {"isolated_interfaces": [], "blocked": [], "tunnel_endpoints": [], **_policy.NEW}


def _isolated(names: Any) -> list[str]:
    result = values.unique(values.interface_name, key=str)(names)
    if "lo" in result:
        raise ValueError("must not hold lo, by which a host talks to itself")
    return result


def _blocked(items: list[Spec]) -> list[Spec]:
    result = sorted((item for item in items if item["destinations"]), key=lambda item: str(item["interface"]))
    for one, other in zip(result, result[1:]):
        if one["interface"] == other["interface"]:
            raise ValueError(f"must not hold {one['interface']} twice; merge the two")
    return result


def _ports(items: list[Spec]) -> list[Spec]:
    result = sorted(items, key=lambda item: str(item["interface"]))
    for one, other in zip(result, result[1:]):
        if one["interface"] == other["interface"]:
            raise ValueError(f"must not hold {one['interface']} twice; merge the two")
    return [{"interface": item["interface"], "sources": item["sources"] or []} for item in result]


def _names(names: Any) -> list[str]:
    return values.unique(values.interface_name, key=str)(names)


class PacketFilter(TableKind):
    """See plugins/modules/packet_filter.py for the meaning of the options."""

    name = "packet_filter"
    families = drop_table.FAMILIES
    prefix = drop_table.PREFIX
    turn = _engine.Turn.FILTER
    options = {
        "name": _options.Option(default="filter", canonical=values.word, role=_options.Role.IDENTITY),
        "namespace": _options.Option(canonical=values.object_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        "isolated_interfaces": _options.Option(type="list", elements="str", canonical=_isolated),
        "blocked": _options.Option(
            type="list",
            elements="dict",
            options={
                "interface": _options.Option(required=True, canonical=values.interface_name),
                "destinations": _options.Option(
                    type="list", elements="str", required=True, canonical=values.unique(values.network)
                ),
            },
            canonical=_blocked,
        ),
        "tunnel_endpoints": _endpoints.OPTION,
        "ports": _options.Option(
            type="list",
            elements="dict",
            options={
                "interface": _options.Option(required=True, canonical=values.interface_name),
                "sources": _options.Option(
                    type="list",
                    elements="str",
                    canonical=lambda networks: _policy.collapsed(map(values.network, networks)),
                ),
            },
            canonical=_ports,
        ),
        "admitted": _options.Option(
            type="list",
            elements="dict",
            options={
                "from": _options.Option(type="list", elements="str", required=True, canonical=_names),
                "to": _options.Option(type="list", elements="str", required=True, canonical=_names),
                "translated": _options.Option(type="bool", default=False),
            },
            canonical=_policy.merged,
        ),
        "rules": _firewall.OPTION,
    }

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the options that our tables amount to; ``edits`` is what else was done to them by hand.

        ``guarded`` tells whether the namespace forwards nothing but what they mark. Where only that is left of a
        filter, it stays, and what has to be removed is found.
        """
        namespace = want["namespace"]
        if not _namespaces.exists(namespace):
            return None
        tables = self.tables(node, want)
        found = any(items is not None for items in tables.values())
        spec = drop_table.parse(want["name"], tables)
        if found:
            guarded = bool(spec["ports"]) and node.netlink.forwards_marked_only(namespace)
            return {"namespace": namespace, **spec, "guarded": guarded}
        if want["state"] == "absent" and _guard_is_left(node, namespace):
            return {"namespace": namespace, **spec, "guarded": True}
        return None

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """The interfaces need not be there: a filter waits for them."""
        if have is None and all(want[option] is None for option in _NEW):
            raise _errors.InvalidValue("one of isolated_interfaces, blocked, tunnel_endpoints and ports is required")
        result = {**super().desired(node, have or {**_NEW, "namespace": want["namespace"]}, want), "edits": []}
        result["guarded"] = bool(result["ports"])
        known = {port["interface"] for port in result["ports"]}
        for name in sorted({name for pair in _policy.pairs(result) for name in pair} - known):
            raise _errors.InvalidValue(f"admitted names {name}, which is not among ports; add it there")
        if result["rules"] and not known:
            raise _errors.InvalidValue("rules are for what passes between ports; declare those with ports")
        for rule in result["rules"]:
            for name in sorted({*rule["from"], *rule["to"]} - known):
                raise _errors.InvalidValue(
                    f"rules: {rule['name']} names {name}, which is not among ports; add it there"
                )
        return result

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """The tables are replaced, or removed, together: at first where that is stricter, at last where it is not."""
        spec = desired or have
        if spec is None:
            return
        namespace, table = spec["namespace"], self.table_name(spec)
        present = self.tables(node, spec) if have is not None else {}  # a new filter's namespace may be new, too
        owner = self.owner_to_write(node, present)

        def load(wanted: Spec) -> None:
            for family in drop_table.FAMILIES:
                items = drop_table.build(family, wanted, owner)
                if items:
                    node.nft.replace(namespace, family, table, items)
                elif have is not None:  # there may be one, be it since the first of two steps
                    node.nft.delete(namespace, family, table)

        guarded = (have or {}).get("guarded", False)
        if desired is None:

            def delete() -> None:
                if _namespaces.exists(namespace):  # else they have gone with the namespace
                    if guarded:
                        node.netlink.forward_all(namespace)
                    for family in (family for family, items in present.items() if items):
                        node.nft.delete(namespace, family, table)

            yield _engine.Operation(_engine.Stage.LOOSEN, "delete", delete)
            return

        def settle() -> None:
            load(desired)
            if have is not None and have["ports"] and desired["ports"]:
                concerned = _flows.concerned(_treatment(have), _treatment(desired))
                node.conntrack.flush(namespace, concerned)

        if guarded and not desired["guarded"]:
            yield _engine.Operation(_engine.Stage.LOOSEN, "forward all", partial(node.netlink.forward_all, namespace))
        if have is None or {**have, "guarded": desired["guarded"]} != desired:
            yield from own_table.steps(have, desired, _strict(have, desired), load, settle)
        if desired["guarded"] and not guarded:
            yield _engine.Operation(
                _engine.Stage.ROUTE, "forward marked only", partial(node.netlink.forward_marked_only, namespace)
            )

    def disturbs(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_carrier.Disturbance]:
        """An interface that is isolated has no use for its addresses."""
        spec = desired or {}
        before = set((have or {}).get("isolated_interfaces", ()))
        for name in () if spec.get("namespace") else spec.get("isolated_interfaces", ()):
            if name not in before:
                yield _carrier.Disturbance(name, f"isolate {name}", layer3=True)


def _guard_is_left(node: Node, namespace: Optional[str]) -> bool:
    """Tell whether a namespace forwards marked packets only, and no filter of ours marks any."""
    tables = node.nft.tables(namespace).values()
    marking = any(item.get("set", {}).get("name") == "ports" for items in tables for item in items)
    return not marking and node.netlink.forwards_some_marked_only(namespace)


def _strict(have: Optional[Spec], desired: Spec) -> Spec:
    """Return the filter that drops what either of the two drops."""
    if have is None:
        return desired
    isolated = {*have["isolated_interfaces"], *desired["isolated_interfaces"]}
    blocked: dict[str, set[str]] = {}
    for item in (*have["blocked"], *desired["blocked"]):
        blocked.setdefault(item["interface"], set()).update(item["destinations"])
    return {
        **desired,
        "isolated_interfaces": sorted(isolated),
        "blocked": [
            {"interface": name, "destinations": sorted(blocked[name], key=values.address_key)}
            for name in sorted(blocked)
        ],
        "tunnel_endpoints": _endpoints.merged(have["tunnel_endpoints"], desired["tunnel_endpoints"]),
        **_policy.strict(have, desired),
    }


def _treatment(spec: Spec) -> _flows.Treatment:
    """Return whether a policy lets connections pass, by the networks of their ends; of others nothing is said."""
    networks = {port["interface"]: _flows.Networks(port["sources"]) for port in spec["ports"] if port["sources"]}
    pairs, outside = _policy.pairs(spec), _policy.outside(spec)

    def ports(address: bytes) -> list[str]:
        return [name for name, known in networks.items() if address in known] or outside

    def treatment(flow: _conntrack.Flow) -> object:
        begins, ends = ports(flow.source), ports(flow.destination)
        admitted = any((one, other) in pairs for one in begins for other in ends)
        return admitted, _firewall.decides(spec["rules"], flow, begins, ends) == "accept"

    return treatment
