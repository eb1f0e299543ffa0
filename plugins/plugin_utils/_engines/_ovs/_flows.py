# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Flows of several features on one bridge.

Each feature has a set of flows with a cookie of its own on each bridge that it needs. A node gets all sets of a bridge
in one bundle. Two sets cannot have a flow with the same match and priority, so the features share table 0 by priority:

======== ============================================================
65535    frames to the tunnel endpoint, see ``_endpoint``
2 and 3  translation of VLANs, see ``_physical``
0        NORMAL: of ovs-vswitchd itself, or ours where the bridge fails secure
======== ============================================================
"""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs._layout import Resource, Site


def flow_set(site: Site, bridge: str, name: str, flows: list[str], *feature: str) -> Resource:
    """Return a feature's flows of a bridge; ``name`` is how they are called in results."""
    cookie = _names.cookie(site.document.origin, *feature)
    return {"ovs_flow": {"name": name, "bridge": bridge, "cookie": cookie, "flows": flows}}
