# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ordered rules of a router for what passes between its networks and the outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters import _firewall
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _convert
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address, Subnet
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults, Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._schema import Key
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._routers._model import Router
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site

OUTSIDE = "outside"
"""What rules call the external port."""


KEYS = (
    Key(
        "name",
        "A name for the rule.",
        row="required",
        required=True,
    ),
    Key(
        "action",
        "What happens.",
        row="required: `accept`, `drop`, or `reject`, which tells the sender",
        choices=("accept", "drop", "reject"),
        required=True,
    ),
    Key(
        "from",
        "Networks, or V(outside), by which the connection begins. Without it, any.",
        row="networks of the router, or `outside`; default any",
        type="list",
        elements="str",
    ),
    Key(
        "to",
        "Networks, or V(outside), to which it leads. Without it, any.",
        type="list",
        elements="str",
    ),
    Key("source", "The subnet that it comes from. Without it, any.", row="subnets; default any"),
    Key("destination", "The subnet that it goes to. Without it, any."),
    Key(
        "protocol",
        "The protocol.",
        row="`any` (default), `tcp`, `udp`, `sctp`, `icmp` or `icmpv6`",
        choices=(_firewall.ANY, *_firewall.PROTOCOLS),
        default=_firewall.ANY,
    ),
    Key(
        "ports",
        "The ports that it goes to, or ranges such as C(8000-8010).",
        row="the ports that it goes to, or ranges such as `8000-8010`",
        type="list",
        elements="raw",
    ),
    Key(
        "log",
        "Whether the kernel logs connections that meet it, five a second at most.",
        row=(
            "true: the kernel's log tells of it, five times a second at most. In a namespace that takes "
            "`net.netfilter.nf_log_all_netns=1` on the node"
        ),
        type="bool",
        default=False,
    ),
)
OF_ROUTERS = (
    Key(
        "rules",
        (
            "Rules for connections that pass the router, in their order. The first that a connection meets decides. "
            "They narrow what networks and O(fabric_routers[].routes_between) allow."
        ),
        row="what passes it, in order, see below",
        type="list",
        elements="dict",
        keys=KEYS,
    ),
)


@dataclass(frozen=True)
class Rule:
    """One rule. ``sides`` are the networks, or the outside, from which and to which a connection leads; none is any."""

    name: str
    action: str
    begins: tuple[str, ...]
    ends: tuple[str, ...]
    source: Optional[Subnet]
    destination: Optional[Subnet]
    protocol: str
    ports: tuple[str, ...]
    log: bool
    path: str

    def meets(self, begins: str, ends: str, source: Address, destination: Address, protocol: str, port: int) -> bool:
        """Tell whether a connection meets it; the two sides are networks, or the outside."""
        return (
            (not self.begins or begins in self.begins)
            and (not self.ends or ends in self.ends)
            and (self.source is None or source in self.source)
            and (self.destination is None or destination in self.destination)
            and self.protocol in (_firewall.ANY, protocol)
            and (not self.ports or any(low <= port <= high for low, high in map(_values.port_bounds, self.ports)))
        )


def rules(router: Router) -> tuple[Rule, ...]:
    """Return the rules of a router."""
    found: tuple[Rule, ...] = router.parts.get("rules", ())
    return found


def accepts(
    router: Router, begins: str, ends: str, source: Address, destination: Address, protocol: str = "", port: int = 0
) -> bool:
    """Return whether the rules let a connection pass. The protocol that is asked for by default is that of ping."""
    protocol = protocol or ("icmp" if destination.version == 4 else "icmpv6")
    met = (rule for rule in rules(router) if rule.meets(begins, ends, source, destination, protocol, port))
    first = next(met, None)
    return first is None or first.action == "accept"


class RouterRulesFeature(Feature):
    """``rules`` of routers."""

    name = "router_rules"
    extra_keys = {"router": OF_ROUTERS}
    extends = {"router": lambda reader: {"rules": reader.children("rules", _rule)}}

    def check(self, document: Document, faults: Faults) -> None:
        """Note rules that the filter would not take."""
        for router in document.routers:
            known = {network.name for network in document.networks_of(router.name)}
            seen: set[str] = set()
            for rule in rules(router):
                if rule.name in seen:
                    faults.add(f"{rule.path}.name", f"'{rule.name}' is used twice")
                seen.add(rule.name)
                for key, names in (("from", rule.begins), ("to", rule.ends)):
                    for name in names:
                        faults.add_if(f"{rule.path}.{key}", _stranger(router, name, known))
                ends = (str(rule.source or ""), str(rule.destination or ""))
                faults.add_if(rule.path, _firewall.contradiction(rule.protocol, rule.ports, ends))
            if OUTSIDE in known and any(OUTSIDE in (*rule.begins, *rule.ends) for rule in rules(router)):
                faults.add(f"{router.path}.rules", f"'{OUTSIDE}' is also the name of a network; rename that")

    def build(self, site: Site, plan: Plan) -> None:
        """Hand the rules to the router's filter, by the names of its ports."""
        for router in site.routers():
            if rules(router):
                namespace = plan.namespace(_names.router_namespace(router.name))
                namespace.filter(rules=[_resource(router, rule) for rule in rules(router)])


def _rule(reader: Reader) -> Rule:
    return Rule(
        name=reader.get("name", _values.word, "", required=True),
        action=reader.get("action", _convert.choice("accept", "drop", "reject"), "", required=True),
        begins=reader.values("from", _convert.name),
        ends=reader.values("to", _convert.name),
        source=reader.get("source", _convert.subnet, None),
        destination=reader.get("destination", _convert.subnet, None),
        protocol=reader.get("protocol", _convert.choice(_firewall.ANY, *_firewall.PROTOCOLS), _firewall.ANY),
        ports=reader.values("ports", _values.port_range),
        log=reader.get("log", _convert.boolean, False),
        path=reader.path,
    )


def _stranger(router: Router, name: str, known: set[str]) -> Optional[str]:
    if name == OUTSIDE:
        return None if router.external else f"router '{router.name}' leads nowhere outside; it has no external"
    return None if name in known else f"network '{name}' is not on router '{router.name}'"


def _resource(router: Router, rule: Rule) -> Mapping[str, Any]:
    return {
        "name": rule.name,
        "action": rule.action,
        "from": list(_ports(router, rule.begins)),
        "to": list(_ports(router, rule.ends)),
        "source": str(rule.source or ""),
        "destination": str(rule.destination or ""),
        "protocol": rule.protocol,
        "ports": list(rule.ports),
        "log": rule.log,
    }


def _ports(router: Router, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        yield (_names.external_leg(router.name) if name == OUTSIDE else _names.router_leg(name))[1]
