# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``nat_masquerade``: source address translation in an nft table of our own (nft(8), RFC 3022)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors, _options
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _conntrack
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _flows
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _nat_table as nat_table
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _own_table as own_table
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters._table_kind import TableKind
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_NEW: Spec = {"out_interface": "", "to_source": [], "inbound": "accept"}

_networks = values.unique(values.network)


def _to_source(addresses: Any) -> list[str]:
    result = values.unique(values.address)(addresses)
    if len({values.family(address) for address in result}) < len(result):
        raise ValueError(f"must hold at most one IPv4 and one IPv6 address, not {', '.join(result)}")
    return result


class NatMasquerade(TableKind):
    """See plugins/modules/nat_masquerade.py for the meaning of the options."""

    name = "nat_masquerade"
    families = (nat_table.FAMILY,)
    prefix = nat_table.PREFIX
    turn = _engine.Turn.FILTER
    options = {
        "name": _options.Option(default="nat", canonical=values.word, role=_options.Role.IDENTITY),
        "namespace": _options.Option(canonical=values.object_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        "sources": _options.Option(type="list", elements="str", canonical=_networks),
        "exclude_destinations": _options.Option(type="list", elements="str", canonical=_networks),
        "out_interface": _options.Option(canonical=lambda name: name and values.interface_name(name)),
        "to_source": _options.Option(type="list", elements="str", canonical=_to_source),
        "inbound": _options.Option(choices=("accept", "drop")),
    }

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the options that our table amounts to; ``edits`` is what else was done to it by hand."""
        if not _namespaces.exists(want["namespace"]):
            return None
        items = self.tables(node, want)[nat_table.FAMILY]
        if items is None:
            return None
        return {"name": want["name"], "namespace": want["namespace"], **nat_table.parse(items)}

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Destinations among the sources are excluded by default, also when the sources change.

        Of to_source counts what the sources can be translated to: no IPv6 address for IPv4 sources.
        """
        node.nft.require()
        if have is None and want["sources"] is None:
            raise _errors.InvalidValue("sources is required")
        result = {**super().desired(node, have or {**_NEW, "namespace": want["namespace"]}, want), "edits": []}
        if want["exclude_destinations"] is None and (have is None or have["exclude_destinations"] == have["sources"]):
            result["exclude_destinations"] = result["sources"]
        families = {values.family(network) for network in result["sources"]}
        result["to_source"] = [address for address in result["to_source"] if values.family(address) in families]
        if result["inbound"] == "drop" and not result["out_interface"]:
            raise _errors.InvalidValue("inbound: drop needs out_interface, to tell what comes from outside")
        return result

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """The table is replaced, or removed, as a whole: at first where that is stricter, at last where it is not."""
        spec = desired or have
        if spec is None:
            return
        namespace, table = spec["namespace"], self.table_name(spec)

        def flush() -> None:
            concerned = _flows.concerned(_treatment(have), _treatment(desired))
            node.conntrack.flush(namespace, concerned)

        if desired is None:

            def delete() -> None:
                if _namespaces.exists(namespace):  # else it has gone with the namespace
                    node.nft.delete(namespace, nat_table.FAMILY, table)
                    flush()

            yield _engine.Operation(_engine.Stage.LOOSEN, "delete", delete)
            return
        owner = self.owner_to_write(node, self.tables(node, spec) if have is not None else {})

        def load(wanted: Spec) -> None:
            items = nat_table.build(spec["name"], wanted, owner)
            node.nft.replace(namespace, nat_table.FAMILY, table, items)

        def settle() -> None:
            load(desired)
            flush()

        yield from own_table.steps(have, desired, _strict(have, desired), load, settle)


def _strict(have: Optional[Spec], desired: Spec) -> Spec:
    """Return the translation under which nothing leaves that would not leave under both."""
    if have is None:
        return desired
    sources = {*have["sources"], *desired["sources"]}
    families = {values.family(address): address for spec in (desired, have) for address in spec["to_source"]}
    result = {**desired, "edits": []}
    result["sources"] = sorted(sources, key=values.address_key)
    result["to_source"] = sorted(families.values(), key=values.address_key)
    if have["inbound"] == "drop" and desired["out_interface"]:
        result["inbound"] = "drop"
    return result


def _treatment(spec: Optional[Spec]) -> _flows.Treatment:
    """Return what a translation does to connections: the address that they get, and whether they come from outside."""
    spec = spec or {"sources": [], "exclude_destinations": [], "to_source": [], "inbound": "accept"}
    sources, excluded = _flows.Networks(spec["sources"]), _flows.Networks(spec["exclude_destinations"])
    to_source = {4 if "." in address else 16: address for address in spec["to_source"]}
    dropped = spec["inbound"] == "drop"

    def treatment(flow: _conntrack.Flow) -> object:
        if flow.source in sources:
            return "" if flow.destination in excluded else to_source.get(len(flow.source), "interface")
        return dropped and flow.destination in sources and flow.source not in excluded

    return treatment
