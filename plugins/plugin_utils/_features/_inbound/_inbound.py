# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is reached from outside: floating IPs and port forwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults, Reader
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._inbound import _check, _model
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._inbound._keys import OF_ROUTERS, SECTIONS
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups._expected import (
    may_get,
    may_send,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import (
    Case,
    Check,
    Leg,
    not_reached,
    reached,
)


class InboundFeature(Feature):
    """``fabric_floating_ips``, and ``port_forwards`` of routers."""

    name = "inbound"
    keys = SECTIONS
    extra_keys = {"router": OF_ROUTERS}
    extends = {"router": _model.read_router}

    def read(self, reader: Reader, _origin: str) -> Mapping[str, Any]:
        """See Feature."""
        return _model.read(reader)

    def check(self, document: Document, faults: Faults) -> None:
        """See Feature."""
        _check.check(document, faults)

    def build(self, site: Site, plan: Plan) -> None:
        """Say what leads from the outer leg of a router to a guest; a floating IP is an address of that leg."""
        for router in site.routers():
            floating = [
                {"address": str(item.address), "to": str(item.target.resolve(site.document, router))}
                for item in _model.floating_ips(site.document)
                if item.router == router.name
            ]
            forwards = [
                {
                    "protocol": item.protocol,
                    "address": str(router.external.address.ip),
                    "port": item.port,
                    "to": str(item.target.resolve(site.document, router)),
                    "to_port": item.to_port,
                }
                for item in _model.port_forwards(router)
                if router.external and router.external.address
            ]
            if floating or forwards:
                namespace = plan.namespace(_names.router_namespace(router.name))
                outer = _names.external_leg(router.name)[1]
                namespace.interface(outer, [f"{item['address']}/32" for item in floating])
                namespace.inbound(out_interface=outer, floating_ips=floating, port_forwards=forwards)

    def prove(self, case: Case, leg: Leg) -> Iterator[Check]:
        """Ask for a floating IP from the guest that has it, and from one other behind the same router."""
        behind = leg.network.router
        for item in _model.floating_ips(case.document) if behind and 4 in leg.versions() else ():
            router = case.document.router(item.router)
            if router is None or router.name != behind or item.address is None:
                continue
            target = item.target.resolve(case.document, router)
            others = (other for other in case.legs if other.network.router == behind and other.address(4) != target)
            if leg.address(4) == target or leg is next(others, None):
                passes = may_send(case.document, leg.nic, item.address) and all(
                    may_get(case.document, other.nic, other.network.gateway)
                    for other in case.legs
                    if other.network.router == behind and other.address(4) == target
                )
                check = reached if passes else not_reached
                yield check(leg, item.address, f"floating IP of {item.target.guest or target}")


def source_outside(document: Document, leg: Leg) -> Optional[Address]:
    """Return the address by which a guest that has a floating IP is seen outside."""
    for item in _model.floating_ips(document):
        router = document.router(item.router)
        if router and router.name == leg.network.router and item.target.resolve(document, router) == leg.address(4):
            return item.address
    return None
