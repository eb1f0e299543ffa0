# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of a host as its operators declared them: without facts, which a node can set.

A module's result may hold ``ansible_facts``. They become variables of the host that outrank the inventory and defaults
of roles, so that a node could choose its document, a path on the controller, or a command. Here Ansible puts the
variables together once more, in its own order, from a variable manager that knows no facts, for no host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.template import Templar
from ansible.vars.hostvars import HostVars

OF_THE_PLAY = ("ansible_play_batch", "ansible_play_hosts", "ansible_play_hosts_all", "groups")
"""Magic variables, which outrank all others; Ansible computes them for a task, not from a host's variables."""

NAMES_OF_A_HOST = ("group_names", "inventory_hostname", "inventory_hostname_short")
"""Variables that tell a host from others, and that facts outrank all the same."""


class _NoFacts(dict[str, Any]):
    """A cache of facts that has none, in the ways in which the releases of ansible-core ask for them."""

    def get(self, _host: str, _default: Any = None) -> dict[str, Any]:
        return {}


class Declared:
    """The declared variables of one host, as a task sees them."""

    def __init__(self, task: Any, task_vars: Mapping[str, Any], loader: Any, host: str) -> None:
        """Raises AnsibleError where this release of ansible-core cannot tell facts from variables."""
        try:
            hostvars = task_vars["hostvars"]
            manager = object.__new__(type(hostvars._variable_manager))
            vars(manager).update(vars(hostvars._variable_manager))
            if not hasattr(manager, "_fact_cache"):
                raise AttributeError("the manager of variables has no fact cache")
            manager._fact_cache = _NoFacts()
            HostVars(hostvars._inventory, manager, loader)  # which the manager hands out as its hostvars
            found = manager.get_vars(play=_play(task), host=hostvars._inventory.get_host(host), task=task)
        except (AttributeError, KeyError, TypeError) as error:
            raise AnsibleError(
                f"this release of ansible-core does not let variables be told from facts ({error!r}); use another one"
            ) from error
        self._raw = {**found, **{name: task_vars[name] for name in OF_THE_PLAY if name in task_vars}}
        self._templar = Templar(loader=loader, variables=self._raw)

    def names(self, prefix: str) -> list[str]:
        """Return the names of the variables that begin so, sorted."""
        return sorted(name for name in self._raw if isinstance(name, str) and name.startswith(prefix))

    def get(self, name: str, default: Any = None) -> Any:
        """Return a variable's value; raises AnsibleError where its template cannot be evaluated."""
        if name not in self._raw:
            return default
        try:
            return self._templar.template(self._raw[name])
        except AnsibleError as error:
            hint = "; facts of nodes are not among the variables that a document is made of"
            raise AnsibleError(f"{name}: {error}{hint if 'undefined' in str(error) else ''}") from error

    def all(self, prefix: str) -> dict[str, Any]:
        """Return the values of the variables that begin so, by name."""
        return {name: self.get(name) for name in self.names(prefix)}


def own_name(task_vars: Mapping[str, Any]) -> str:
    """Return the name of the host that a task is for; raises AnsibleError where the host chose it itself."""
    named = sorted(set(NAMES_OF_A_HOST) & set(task_vars.get("ansible_facts") or ()))
    if named:
        raise AnsibleError(f"a fact of this host is called {named[0]}, which no host may set")
    return str(task_vars["inventory_hostname"])


def require_linear(task: Any) -> None:
    """Raise AnsibleError where the hosts of a play do not wait for one another."""
    strategy = str(_play(task).strategy)
    if strategy.rpartition(".")[2] in ("free", "host_pinned"):
        raise AnsibleError(f"strategy {strategy}: nodes need what was found on the others; use linear")


def _play(task: Any) -> Any:
    parent = task._parent
    while not hasattr(parent, "_play"):
        parent = parent._parent
    return parent._play
