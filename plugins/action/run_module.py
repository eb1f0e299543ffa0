# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All of run_module."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._node_task import NodeTask

ARGUMENTS = ("module", "arguments")


class ActionModule(NodeTask):
    """Run another action, or else the module of that name."""

    def ask(self, task_vars: Optional[dict[str, Any]]) -> dict[str, Any]:
        """Return its answer."""
        name, arguments = self._task.args.get("module"), self._task.args.get("arguments") or {}
        if not isinstance(name, str) or not isinstance(arguments, dict) or set(self._task.args) - set(ARGUMENTS):
            return {"failed": True, "msg": "module must be a name and arguments a dictionary"}
        loader = self._shared_loader_obj.action_loader
        if not loader.has_plugin(name):
            return self.data(self._execute_module(name, arguments, task_vars=task_vars))
        task = self._task.copy()
        task.args = arguments
        tools = {"connection": self._connection, "play_context": self._play_context, "templar": self._templar}
        other = loader.get(name, task=task, loader=self._loader, shared_loader_obj=self._shared_loader_obj, **tools)
        return self.data(other.run(task_vars=task_vars))
