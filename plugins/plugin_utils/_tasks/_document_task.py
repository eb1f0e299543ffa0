# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task on the controller that reads the declared document of a host. No node is asked."""

from __future__ import annotations

import abc
from typing import Any, Optional

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._declared import Declared, own_name, require_linear

Result = dict[str, Any]


class DocumentTask(ActionBase):  # type: ignore[misc]  # Ansible has no type information
    """What the tasks have in common: a fault of the document is a line of the message."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False
    subject = "the fabric document has"
    waits_for_others = True
    """Whether the task needs what was found on other hosts, for which they have to wait for one another."""

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Result] = None) -> Result:
        """Return the answer, or failed with what is wrong."""
        result: Result = super().run(tmp, task_vars)
        given = task_vars or {}
        try:
            if self.waits_for_others:
                require_linear(self._task)
            host = self._task.args.get("host") or own_name(given)
            variables = Declared(self._task, given, self._loader, host)
            return {**result, "changed": False, **self.answer(host, variables, given)}
        except FabricError as error:
            count = len(error.faults)  # Ansible prints the message twice, so that the lines stand beside it
            message = f"{self.subject} {count} fault{'s' if count > 1 else ''}"
            result["faults"] = error.faults
        except AnsibleError as error:
            message = str(error)
        return {**result, "failed": True, "changed": False, "msg": message}

    @abc.abstractmethod
    def answer(self, host: str, variables: Declared, task_vars: Result) -> Result:
        """Return what the task is for."""
