# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All of proof."""

from __future__ import annotations

import ipaddress
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._convert import boolean
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks import _known
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._declared import Declared
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._declared_document import declaration
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._document_task import DocumentTask
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._answers import intrusions, lease_entries
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import Outside
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._proof import Evidence, verify

COMMANDS = ("verify_upstream_command", "verify_http_command", "verify_resolve_command")


class ActionModule(DocumentTask):
    """Judge what is known so far."""

    def answer(self, host: str, variables: Declared, task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the documentation of the module."""
        wanted, settings = declaration(variables), _settings(variables)
        arguments = self._task.args
        evidence = Evidence(lease_entries(arguments.get("leases")), intrusions(arguments.get("intrusions")))
        report = verify(
            wanted.document,
            arguments.get("observed") or {},
            Outside(
                settings["verify_upstream"],
                tuple(settings["verify_http_command"]),
                settings["verify_upstream_name"],
                tuple(settings["verify_resolve_command"]),
                bool(settings["verify_upstream_command"]),
            ),
            evidence,
            settings["verify_peers"],
            settings["verify_timeout"],
        )
        return {
            **report,
            "timeout": settings["verify_timeout"],
            "node_timeout": wanted.timeout,
            "upstream_command": settings["verify_upstream_command"],
            "upstream_host": settings["verify_upstream_host"],
            "report": settings["verify_report"],
            "allow_unproven": settings["verify_allow_unproven"],
        }


def _settings(variables: Declared) -> dict[str, Any]:
    """Return the variables of the role verify; raises FabricError where one is of another type."""
    found = {name: variables.get(name, default) for name, default in _known.defaults("verify").items()}
    faults = []
    for name, check in {
        **dict.fromkeys(COMMANDS, _words),
        **dict.fromkeys(("verify_upstream_host", "verify_report"), _values.text),
        "verify_upstream_name": lambda value: value and _values.hostname(value),
        **dict.fromkeys(("verify_peers", "verify_timeout"), _values.integer(0, 100000)),
        "verify_upstream": _addresses,
        "verify_allow_unproven": boolean,
    }.items():
        try:
            found[name] = check(found[name])
        except ValueError as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise FabricError(faults)
    return found


def _words(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"must be a list of words, not {_values.shown(value)}")
    return [_values.text(word) for word in value]


def _addresses(value: Any) -> tuple[Any, ...]:
    return tuple(ipaddress.ip_address(_values.address(word)) for word in _words(value))
