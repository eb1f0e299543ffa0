# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's answers are data: a task hands on what a module found, and nothing that Ansible acts on."""

from __future__ import annotations

from typing import Any, Optional

from ansible.plugins.action import ActionBase

from ansible_collections.netvirt.fabric.plugins.module_utils._values import printable
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks import _kept_code
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._declared import own_name

Result = dict[str, Any]

ACTED_ON = ("add_group", "add_host", "ansible_facts", "ansible_stats", "deprecations", "invocation")
"""Keys of a result that change variables, the inventory or the statistics of a run, or speak in Ansible's name."""

_DEEPEST = 50  # Ansible itself follows results by recursion


class NodeTask(ActionBase):  # type: ignore[misc]  # Ansible has no type information
    """Run a module on a node, and take its answer as data."""

    _supports_check_mode = True
    _supports_async = True
    _supports_diff = True
    kept_call = ""
    """The module of the task, where it runs with code that the node keeps."""

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Result] = None) -> Result:
        """Return the module's answer."""
        result: Result = super().run(tmp, task_vars)
        own_name(task_vars or {})
        return {**result, **self.ask(task_vars)}

    def ask(self, task_vars: Optional[Result]) -> Result:
        """Return the answer of the task's own module."""
        if self.kept_call and not self._task.async_val:

            def execute(name: str, arguments: Result) -> Result:
                return dict(self._execute_module(name, arguments, task_vars=task_vars))

            answer = _kept_code.run(self.kept_call, self._task.args, execute)
            if answer is not None:
                return self.data(answer)
        return self.data(self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val))

    def data(self, answer: Result) -> Result:
        """Return an answer without what Ansible would act on. The interpreter is what the controller itself found."""
        result = cleaned(answer)
        key = getattr(self, "_discovered_interpreter_key", None)
        if key:
            result["ansible_facts"] = {key: self._discovered_interpreter}
        return result


def cleaned(answer: Result) -> Result:
    """Return an answer without what Ansible would act on, all its text printable."""
    kept = {key: value for key, value in answer.items() if key not in ACTED_ON and not _is_internal(key)}
    internal = {key: value for key, value in answer.items() if _is_internal(key)}  # the controller's: it drops a node's
    if not isinstance(kept.get("exception"), str):
        kept.pop("exception", None)  # newer releases quote the message in it, which they make anew from what is kept
    return {**{printable(key): _printable(value) for key, value in kept.items()}, **internal}


def _is_internal(key: str) -> bool:
    return key.startswith("_ansible_")


def _printable(value: Any, depth: int = _DEEPEST) -> Any:
    """Return a value with its text made printable; what is not JSON, as errors that Ansible made, stays as it is."""
    if isinstance(value, str):
        return printable(value)
    if not depth:
        return None if isinstance(value, (list, dict)) else value
    if isinstance(value, list):
        return [_printable(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {
            printable(key) if isinstance(key, str) else key: _printable(item, depth - 1) for key, item in value.items()
        }
    return value
