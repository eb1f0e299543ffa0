# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The controller's part of the module node_info."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._node_task import NodeTask


class ActionModule(NodeTask):
    """See NodeTask. A node that has answered in this play is not asked again."""

    kept_call = "node_info"

    def ask(self, task_vars: Optional[dict[str, Any]]) -> dict[str, Any]:
        """Return the earlier answer if it is whole, or else the module's."""
        known = self._task.args.pop("known", None)
        if isinstance(known, dict) and "interfaces" in known and not known.get("failed"):
            return self.data({**known, "changed": False})
        return super().ask(task_vars)
