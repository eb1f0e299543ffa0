# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compile a fabric document into what one node needs. Pure functions: the same input gives the same output, no I/O.

The document is checked as a whole, facts of nodes as far as the document needs them, and each node gets the plan that
the features write.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Interface, Subnet
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _layout, _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features import _registry
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp import _moved_leases
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests import _places
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._build import definitions
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Guest
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes import _facts, _nodes, _owners
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Resource
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site


@dataclass(frozen=True)
class Fleet:
    """A document with what holds for all of its nodes, found out once.

    ``remotes`` are the underlay addresses by node, ``subnets`` the same by their subnets, ``mtus`` bytes by network,
    ``faults`` the lines of what is wrong with the facts that all nodes depend on.
    """

    document: Document
    found: _facts.Checked
    remotes: dict[str, str]
    subnets: dict[Subnet, dict[str, Interface]]
    mtus: dict[str, int]
    faults: list[str]
    left: dict[str, list[Guest]]  # by node, guests that it still runs and that are on other nodes now
    stranded: dict[str, list[tuple[str, str]]]  # by node, path and text of faults


def compile_fabric(
    variables: Any, facts: _facts.Facts, hosts: Optional[Iterable[str]] = None, state: str = "present"
) -> dict[str, dict[str, Any]]:
    """Return ``{node: {"resources": [...], "guests": [...], "faults": [...]}}`` for all nodes of the fabric, in one go.

    A node is each member of the document and each one that there are facts of: one that left the fabric has nothing to
    be but what returns its underlay's addresses. ``faults`` are the lines that say why a node cannot be built; it then
    has neither resources nor guests. The arguments are those of ``compile_node``. Raises FabricError for faults of the
    document itself.
    """
    fleet = _fleet(validate(variables, hosts), facts)
    return {node: _compiled(fleet, node, state) for node in dict.fromkeys([*fleet.document.members(), *facts])}


def compile_node(
    variables: Any, node: str, facts: _facts.Facts, hosts: Optional[Iterable[str]] = None, state: str = "present"
) -> dict[str, list[dict[str, Any]]]:
    """Return ``{"resources": [...], "guests": [...]}`` of one node, both empty for a node that is not in the document.

    ``variables`` holds the document (``fabric_networks`` ...), ``facts`` what ``node_info`` returned by node, ``hosts``
    the names that nodes may have. With ``state`` absent the node is left as if it were not in the document. The
    resources are to be applied with ``purge``, which removes what is not among them. Raises FabricError with one line
    for every fault.
    """
    compiled = _compiled(_fleet(validate(variables, hosts), facts), node, state)
    faults = compiled.pop("faults")
    if faults:
        raise FabricError(faults)
    return compiled


def notes(variables: Any, node: str, facts: _facts.Facts, hosts: Optional[Iterable[str]] = None) -> list[str]:
    """Return what the operators are to know of the other nodes' facts. The arguments are those of ``compile_node``."""
    document = validate(variables, hosts)
    found = _facts.checked(document, facts, {name: _nodes.underlay_interface(document, name) for name in facts})
    uneven = _nodes.uneven_mtus(document, found.facts, found.ignored | set(found.malformed))
    return [*found.notes(node), *([uneven] if uneven else [])]


def _fleet(document: Document, facts: _facts.Facts) -> Fleet:
    faults = Faults()
    found = _facts.checked(document, facts, {node: _nodes.underlay_interface(document, node) for node in facts})
    facts, ignored = found.facts, found.ignored | set(found.malformed)
    addresses = _nodes.underlay_addresses(document, facts, faults, ignored) if document.underlay else {}
    subnets: dict[Subnet, dict[str, Interface]] = {}
    for node, address in addresses.items():
        subnets.setdefault(address.network, {})[node] = address
    remotes = {node: str(address.ip) for node, address in addresses.items()}
    mtus = _nodes.network_mtus(document, facts, faults, ignored)
    left = _places.left(document, facts)
    stranded = _places.stranded(document, left, facts)
    return Fleet(document, found, remotes, subnets, mtus, faults.lines(), left, stranded)


def _compiled(fleet: Fleet, node: str, state: str) -> dict[str, list[Any]]:
    document = fleet.document
    resources: list[Resource] = []
    guests: list[dict[str, Any]] = []
    own = fleet.found.of(node)
    if state == "present":
        own = [*own, *_stranded(fleet, node)]
    if own and (state == "present" or node in fleet.found.malformed):
        return {"resources": [], "guests": [], "moving": [], "faults": own}
    if state == "present" and node in document.members():
        site, faults = _site(fleet, node)
        if faults:
            return {"resources": [], "guests": [], "moving": [], "faults": faults}
        plan = _layout.plan(site)
        resources, guests = plan.resources(), definitions(site)
        faults = [*plan.contradictions, *_owners.faults(document, node, fleet.found.facts, resources)]
        if faults:
            return {"resources": [], "guests": [], "moving": [], "faults": faults}
    resources += _returned_addresses(document, node, fleet.found.facts, resources)
    moving = _places.moving(fleet.left.get(node, ()) if state == "present" else ())
    return {"resources": resources, "guests": guests, "moving": moving, "faults": []}


def _stranded(fleet: Fleet, node: str) -> list[str]:
    faults = Faults()
    for path, message in fleet.stranded.get(node, ()):
        faults.add(path, message)
    return faults.lines()


def _site(fleet: Fleet, node: str) -> tuple[Site, list[str]]:
    """Return the node's place in the fabric, and the lines of what is wrong with it."""
    faults = Faults()
    state = _nodes.node_state(fleet.document, node, fleet.found.facts, faults)
    if state.datapath_type == "netdev":
        _nodes.check_on_link(state, node, fleet.subnets, faults)
        _nodes.check_lease(state, node, fleet.found.facts, faults)
    remotes = [address for peer, address in fleet.remotes.items() if peer != node]
    leases = _moved_leases.of_networks(fleet.document, node, fleet.found.facts)
    site = Site(fleet.document, node, state, remotes, fleet.mtus, leases)
    for feature in _registry.FEATURES:
        feature.check_site(site, fleet.found.facts, faults)
    return site, list(dict.fromkeys([*faults.lines(), *fleet.faults]))


def _returned_addresses(
    document: Document, node: str, facts: _facts.Facts, resources: Iterable[Resource]
) -> list[Resource]:
    """Give the underlay's addresses back to the NIC where br-phy is this owner's, has them, and is to go."""
    bridge = ((facts.get(node) or {}).get("bridges") or {}).get(_names.UNDERLAY) or {}
    stays = any(item.get("ovs_bridge", {}).get("name") == _names.UNDERLAY for item in resources)
    addresses = _facts.global_addresses(facts, node, _names.UNDERLAY)
    if stays or not document.owns(bridge.get("owner")) or not bridge["ports"] or not addresses:
        return []
    name = bridge["ports"][0]
    addresses = list(dict.fromkeys([*_facts.global_addresses(facts, node, name), *addresses]))
    return [{"ip_interface": {"name": name, "addresses": [str(address) for address in addresses], "up": True}}]
