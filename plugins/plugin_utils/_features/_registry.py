# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""All features, in the order in which they read, check, build, prove and draw. This is the one list of them."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document import _schema
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._dhcp import DhcpFeature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._guests import GuestsFeature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._inbound._inbound import InboundFeature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._networks import NetworksFeature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._nodes import NodesFeature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._physical_networks import PhysicalNetworksFeature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._port_security._port_security import (
    PortSecurityFeature,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._router_rules import RouterRulesFeature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._routers._routers import RoutersFeature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups._security_groups import (
    SecurityGroupsFeature,
)
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._underlay import UnderlayFeature

FEATURES: tuple[Feature, ...] = (
    UnderlayFeature(),
    NodesFeature(),
    PhysicalNetworksFeature(),
    NetworksFeature(),
    DhcpFeature(),
    RoutersFeature(),
    GuestsFeature(),
    PortSecurityFeature(),
    SecurityGroupsFeature(),
    InboundFeature(),
    RouterRulesFeature(),
)


def sections() -> tuple[_schema.Key, ...]:
    """Return all that can be said in a document."""
    extensions: dict[str, list[_schema.Key]] = {}
    for feature in FEATURES:
        for sort, keys in feature.extra_keys.items():
            extensions.setdefault(sort, []).extend(keys)
    return _schema.extended([key for feature in FEATURES for key in feature.keys], extensions)
