# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part in a guarded move of an uplink: connect anew, confirm, or say that the node went back."""

from __future__ import annotations

import time
from typing import Any, Optional

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks._node_task import NodeTask

CONFIRM = "netvirt.fabric.bridge_uplink_confirm"
PATIENCE = 90  # seconds beyond the node's own limit, for connections that hang and a slow way back
PAUSE = 0.5
DEFAULT = 30  # of the option confirm_timeout
PHASES = ("moving", "moved", "reverting", "confirmed", "reverted")

Result = dict[str, Any]


class UplinkTask(NodeTask):
    """Run the module of the task; where it has moved the connection's own NIC, confirm that over a new connection."""

    def ask(self, task_vars: Optional[dict[str, Any]]) -> Result:
        """Return the module's result; failed when the move was undone."""
        begin = time.monotonic()
        try:
            result = super().ask(task_vars)
        except AnsibleConnectionFailure:  # the node may have been cut off before it could answer
            if not self._limit():
                raise
            end = self._reach({}, task_vars, final=True)
            if end.get("phase") != "reverted" or end["age"] > time.monotonic() - begin:
                raise
            return {"failed": True, "changed": False, "msg": _explained(end)}
        token = result.get("unconfirmed")
        if not token or self._task.async_val:
            return result
        del result["unconfirmed"]
        end = self._reach({"token": token}, task_vars)
        if end.get("phase") != "confirmed":
            reason = f"{result['msg']}; " if result.get("failed") else ""
            result.update(failed=True, changed=False, msg=reason + _explained(end))
        return result

    def _reach(self, arguments: Result, task_vars: Optional[dict[str, Any]], final: bool = False) -> Result:
        """Return the node's answer over a connection of its own, without ``phase`` if there is none.

        With ``final``, wait until the move has ended.
        """
        deadline = time.monotonic() + self._limit() + PATIENCE
        while True:
            self._connection.reset()
            try:
                answer: Result = self.data(self._execute_module(CONFIRM, arguments, task_vars=task_vars))
            except AnsibleConnectionFailure as error:
                answer = {"msg": str(error), "phase": "" if time.monotonic() < deadline else None}
            if answer.get("phase") in ((None, "confirmed", "reverted") if final else (None, *PHASES)):
                return answer
            if time.monotonic() > deadline:
                return {"msg": f"the move is still {answer.get('phase')}"}
            time.sleep(PAUSE)

    def _limit(self) -> int:
        """Return the longest confirm_timeout in the task's arguments, 0 where there is no uplink."""
        resources = self._task.args.get("resources") or [{"bridge_uplink": self._task.args}]
        entries = resources if isinstance(resources, list) else []
        uplinks = [entry["bridge_uplink"] for entry in entries if isinstance(entry, dict) and "bridge_uplink" in entry]
        limits = [uplink.get("confirm_timeout") or DEFAULT for uplink in uplinks if isinstance(uplink, dict)]
        return max([int(limit) for limit in limits if str(limit).isdecimal()], default=0)


def _explained(end: Result) -> str:
    if end.get("phase") == "reverted":
        return (
            f"after the move of {end['nic']} (bridge {end['bridge']}) the node could not be reached in time "
            f"({end['error']}); it has undone the move by itself, and everything is as it was"
        )
    return f"after the move of the uplink the node cannot be reached to confirm it: {end.get('msg')}"
