# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The controller's part of the module netns_probe."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._node_task import NodeTask


class ActionModule(NodeTask):
    """See NodeTask."""
