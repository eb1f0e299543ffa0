# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All of document."""

from __future__ import annotations

from typing import Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._compile import compile_node, notes
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._reserved import unreserved
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests import _places
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._owners import refused
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._removal import fault
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._declared import Declared
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._declared_document import declaration
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._document_task import DocumentTask

EARLIER = "__fabric_plan"
"""Where the role fabric registers the answer, so that a second document of one play is known in check mode as well."""

EMPTY = (
    "fabric_nodes: the fabric document names no node. To remove what the owner {owner} has on the hosts of the play, "
    "set fabric_state to absent"
)


class ActionModule(DocumentTask):
    """Check the document, and compile it where facts are given."""

    def answer(self, host: str, variables: Declared, task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the documentation of the module."""
        wanted, hosts = declaration(variables), sorted(task_vars["groups"]["all"])
        document = validate(wanted.document, hosts)
        members = document.members()
        if wanted.state == "present" and not members:
            raise FabricError([EMPTY.format(owner=wanted.owner)])
        keep = wanted.state == "present" and host in members
        result = {"owner": wanted.owner, "state": wanted.state, "timeout": wanted.timeout, "members": members}
        result["owner_was"] = wanted.owner_was
        if self._task.args.get("facts") is None:
            return {**result, "keep": keep}
        facts = self._task.args["facts"]
        if self._task.args.get("outside") is not None:
            stay = _places.elsewhere(document, host, facts, self._task.args["outside"])
            if stay:
                raise FabricError(stay)
            return {**result, "keep": keep}
        earlier = task_vars.get(EARLIER)
        built = str(earlier["owner"]) if keep and isinstance(earlier, dict) and earlier.get("keep") else ""
        if built not in ("", wanted.owner, wanted.owner_was):
            raise FabricError([refused(wanted.owner, host, built, "which the same play has built before")])
        if wanted.state == "present" and not wanted.allow_removal:
            lost = fault(document, host, facts)
            if lost:
                raise FabricError([lost])
        told = notes(wanted.document, host, facts, hosts) if keep else []
        compiled = compile_node(wanted.document, host, facts, hosts, wanted.state)
        lacking = list(unreserved(document, host, facts, task_vars["ansible_play_hosts_all"])) if keep else []
        if lacking:
            raise FabricError(lacking)
        own = facts.get(host) or {}
        found = "interfaces" in own and not own.get("failed")
        arriving = _places.arriving(document, host, facts) if keep else []
        result |= {"keep": keep, "found": found, "arriving": arriving, **compiled}
        return {**result, **({"warnings": told} if told else {})}
