# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All of known_variables."""

from __future__ import annotations

from typing import Any

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks import _known
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._declared import Declared
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._document_task import DocumentTask


class ActionModule(DocumentTask):
    """Refuse variables that begin like those of a role and are none of them."""

    subject = "the declared variables have"
    waits_for_others = False

    def answer(self, _host: str, variables: Declared, _task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the documentation of the module."""
        faults = list(_known.unknown(variables.names(""), [str(self._task.args.get("role"))]))
        if faults:
            raise FabricError(faults)
        return {}
