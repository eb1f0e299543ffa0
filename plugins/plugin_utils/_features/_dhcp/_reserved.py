# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""New guests whose address no DHCP server keeps yet, since the run leaves the server's node out."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ansible_collections.netvirt.fabric.plugins.module_utils._reservations import digest
from ansible_collections.netvirt.fabric.plugins.module_utils._values import called
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._build import hosts
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._places import told
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._facts import Facts


def unreserved(document: Document, node: str, facts: Facts, running: Collection[str]) -> Iterator[str]:
    """Yield a fault for each guest that would start on ``node`` and get another address than its own.

    ``running`` are the hosts of the run. A server whose node does not answer is no reason to stop.
    """
    # Where only a disk is left, no guest is, and what it had by DHCP is no matter.
    there = [name for name, item in told(node, facts).items() if item.get("owner")]
    for guest in document.guests_on(node):
        for nic in guest.nics if guest.name not in there else ():
            network = document.network(nic.network)
            server = _server(document, network) if network is not None and nic.addresses() else ""
            if network is None or not server or server in running:
                continue
            kept = (facts.get(server) or {}).get("reservations")
            if isinstance(kept, dict) and kept.get(network.name) != digest(hosts(document, network)):
                yield (
                    f"{nic.path}: {guest.name} is new, and the DHCP server of {network.name} on {called(server)} does "
                    f"not keep its address yet; add {called(server)} to the hosts of the run"
                )


def _server(document: Document, network: Network) -> str:
    """Return the node of a network's DHCP server, empty where it has none."""
    router = document.router(network.router)
    if network.dhcp is None:
        return ""
    return router.node if router is not None else network.dhcp.node
