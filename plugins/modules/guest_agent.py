#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask guests through the QEMU guest agent."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_agent
short_description: Run commands in guests through the QEMU guest agent
version_added: 0.1.0
description:
  - Runs commands in virtual machines and reads their addresses, by the QEMU guest agent. No network is needed, so that
    the module can tell what a guest reaches and what it does not.
  - A guest may answer with anything. One that does not answer properly is told so, and is not asked any more; its words
    are quoted printable and cut. An answer has at most 1 MiB.
  - Every wait has a limit. The agent has no means to end a command, so that one which outlasts O(timeout) goes on
    in its guest.
extends_documentation_fragment:
  - netvirt.fabric.attributes.info_module
options:
  guest:
    description:
      - The name of a guest of the role P(netvirt.fabric.guest#role), on the node on which the module runs.
    type: str
  socket:
    description:
      - The UNIX socket which QEMU joins to the agent's channel. The default is the one of O(guest).
    type: path
  command:
    description:
      - The program and its arguments. No shell is involved.
      - Commands are taken to change nothing and run in check mode too.
      - Without a command the module returns the guest's interfaces.
    type: list
    elements: str
  macs:
    description:
      - Without a command the module waits, for at most O(timeout), until the interfaces with these MAC addresses have
        an address that is not link-local.
    type: list
    elements: str
  timeout:
    description:
      - The seconds that a command may take, or the wait for O(macs).
    type: int
    default: 10
  agent_timeout:
    description:
      - The seconds to wait for the agent of a guest which still boots.
    type: int
    default: 10
  probes:
    description:
      - Several questions to several guests. Guests are asked side by side, and so are the questions to one guest.
      - What goes wrong with one of them stands in C(error) of its result and does not fail the task.
    type: list
    elements: dict
    suboptions:
      guest:
        description: The same as O(guest).
        type: str
      socket:
        description: The same as O(socket).
        type: path
      command:
        description: The same as O(command).
        type: list
        elements: str
      macs:
        description: The same as O(macs).
        type: list
        elements: str
      timeout:
        description: The same as O(timeout), which is its default.
        type: int
requirements:
  - QEMU guest agent 2.9 or newer in the guest, with C(guest-exec) and C(guest-network-get-interfaces) allowed
seealso:
  - name: QEMU guest agent protocol reference
    description: The commands of the agent.
    link: https://www.qemu.org/docs/master/interop/qemu-ga-ref.html
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: The addresses of a guest, which may still boot and wait for its lease
  netvirt.fabric.guest_agent:
    guest: vm1
    macs: ["52:54:00:aa:bb:01"]
    agent_timeout: 60

- name: One ping out of a guest
  netvirt.fabric.guest_agent:
    guest: vm1
    command: [ping, -c, "1", -W, "2", 10.0.10.12]

- name: Several questions at once
  netvirt.fabric.guest_agent:
    probes:
      - {guest: vm1}
      - {guest: vm1, command: [ping, -c, "1", 10.0.10.12]}
      - {guest: vm2, command: [cat, /proc/net/route], timeout: 2}
"""

RETURN = r"""
rc:
  description: The exit status of O(command); 128 and the signal's number when a signal ended it.
  returned: when O(command) is given
  type: int
  sample: 0
stdout:
  description: What the command wrote to its standard output.
  returned: when O(command) is given
  type: str
  sample: ""
stderr:
  description: What the command wrote to its standard error.
  returned: when O(command) is given
  type: str
  sample: ""
interfaces:
  description: The interfaces of the guest.
  returned: without O(command) and O(probes)
  type: list
  elements: dict
  contains:
    name:
      description: The interface's name in the guest.
      type: str
    mac:
      description: Its MAC address.
      type: str
    addresses:
      description: Its addresses with prefix length.
      type: list
      elements: str
  sample: [{name: eth0, mac: "52:54:00:aa:bb:01", addresses: [10.0.10.11/24]}]
results:
  description:
    - One result for each of O(probes), in their order, with C(guest) or C(socket) and either C(rc), C(stdout) and
      C(stderr), or C(interfaces), or C(error).
  returned: when O(probes) is given
  type: list
  elements: dict
  sample: [{guest: vm1, rc: 0, stdout: "", stderr: ""}]
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.module_utils._guest_agent import run_probes, socket_path

PROBE: dict[str, dict[str, Any]] = {
    "guest": {"type": "str"},
    "socket": {"type": "path"},
    "command": {"type": "list", "elements": "str"},
    "macs": {"type": "list", "elements": "str"},
    "timeout": {"type": "int"},
}


def grouped(probes: list[dict[str, Any]]) -> dict[tuple[str, str], list[int]]:
    """Return the positions of the probes by title and socket of their guests; raises ValueError for a wrong name."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index, probe in enumerate(probes):
        path = probe["socket"] or socket_path(_values.object_name(probe["guest"]))
        title = f"guest {probe['guest']}" if probe["guest"] else f"the guest at {path}"
        groups.setdefault((title, path), []).append(index)
    return groups


def answers(probes: list[dict[str, Any]], agent_timeout: float) -> list[dict[str, Any]]:
    """Return the results of the probes in their order."""
    results: list[dict[str, Any]] = [{} for _probe in probes]
    with ThreadPoolExecutor(max_workers=16) as pool:
        futures = {
            pool.submit(run_probes, title, path, [probes[index] for index in indexes], agent_timeout): indexes
            for (title, path), indexes in grouped(probes).items()
        }
        for future, indexes in futures.items():
            for index, result in zip(indexes, future.result()):
                results[index] = result
    return results


def main() -> None:
    """Run the module."""
    options = {**PROBE, "timeout": {"type": "int", "default": 10}}
    module = AnsibleModule(
        argument_spec={
            **options,
            "agent_timeout": {"type": "int", "default": 10},
            "probes": {
                "type": "list",
                "elements": "dict",
                "options": PROBE,
                "required_one_of": [("guest", "socket")],
            },
        },
        required_one_of=[("guest", "socket", "probes")],
        mutually_exclusive=[("probes", name) for name in ("guest", "socket", "command", "macs")],
        supports_check_mode=True,
    )
    probes = module.params["probes"]
    asked = [{name: module.params[name] for name in PROBE}] if probes is None else probes
    for probe in asked:
        probe["timeout"] = probe["timeout"] or module.params["timeout"]
    try:
        results = answers(asked, module.params["agent_timeout"])
    except ValueError as error:
        module.fail_json(msg=f"guest {error}")
    if probes is None:
        if "error" in results[0]:
            module.fail_json(msg=results[0]["error"])
        module.exit_json(changed=False, **results[0])
    named = [{name: probe[name] for name in ("guest", "socket") if probe[name]} for probe in probes]
    module.exit_json(changed=False, results=[{**name, **result} for name, result in zip(named, results)])


if __name__ == "__main__":
    main()
