# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which NICs of a node security groups filter."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Nic
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._port_security._port_security import numbered
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups import _model, _tables
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site


def filtered(site: Site) -> Iterator[tuple[int, Network, Nic, tuple[str, ...]]]:
    """Yield the number of the port, the network and the groups of each NIC that is filtered."""
    for _tap, number, nic in numbered(site):
        network, groups = site.document.network(nic.network), _model.of(site.document, nic)
        if network is not None and groups is not None:
            yield number, network, nic, groups


def forward(site: Site) -> str:
    """Return the action of br-int for a frame that comes from outside the node."""
    return _tables.to(_tables.TO) if any(True for _found in filtered(site)) else "NORMAL"
