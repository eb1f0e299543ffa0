# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a feature of the document has."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site


class Feature:
    """One thing that a document may hold. It leaves out the methods that it does not need."""

    name = ""
    """It tells the feature's flows from those of others, and stands in messages about contradictions."""

    def build(self, site: Site, plan: Plan) -> None:
        """Say what one node is to have."""
