#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Run another module with code that the node keeps."""

from __future__ import annotations

DOCUMENTATION = r"""
module: engine
short_description: Run another module of this collection with code that the node keeps
version_added: 0.1.0
description:
  - The tasks of M(netvirt.fabric.apply) and M(netvirt.fabric.node_info) use this module by themselves. It is not meant
    for playbooks.
  - Ansible sends a module with all of its code for each task, and Python compiles it each time. The node keeps this
    code below C(/run/netvirt/engines), by its hash, until it boots. Only root can write there, and the code is hashed
    each time before it is used.
extends_documentation_fragment:
  - netvirt.fabric.attributes
attributes:
  check_mode:
    support: full
    details:
      - The code is kept in check mode, too. Nothing else on the node is changed.
  diff_mode:
    support: full
options:
  hash:
    description:
      - The hash of the code that is to run.
    type: str
    required: true
  call:
    description:
      - The module to run.
    type: str
    choices: [apply, node_info]
    required: true
  arguments:
    description:
      - The options of that module.
    type: dict
    required: true
  code:
    description:
      - The code itself, a zip file in Base64, for a node that does not have it.
    type: str
requirements:
  - root on the node
seealso:
  - module: netvirt.fabric.apply
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Ask whether the node has the code
  netvirt.fabric.engine:
    hash: 7ff2a2de4b9fd1ee1e2ecf6b3b4d2f2a9b51d5a6a7a0c3cbe5b8ea2c96e2e0d4
    call: node_info
    arguments: {}
"""

RETURN = r"""
lacking_code:
  description: Whether nothing was run, since the node does not have the code. Otherwise the module's own results.
  returned: when the node does not have the code
  type: bool
  sample: true
"""

import base64
import importlib
from typing import Any

from ansible.module_utils.basic import AnsibleModule

import ansible_collections.netvirt.fabric.plugins as package
from ansible_collections.netvirt.fabric.plugins.module_utils import _sent

ENTRIES = {"apply": "_apply", "node_info": "_look"}


class _Outer(AnsibleModule):  # type: ignore[misc]  # Ansible has no type information
    """This module, whose options the other one logs."""

    def _log_invocation(self) -> None:
        """Log nothing."""


class _Inner(AnsibleModule):  # type: ignore[misc]  # Ansible has no type information
    """The module that is to run, with the options that it was given."""

    params: dict[str, Any]

    def _load_params(self) -> None:
        super()._load_params()
        settings = {name: value for name, value in self.params.items() if name.startswith("_ansible_")}
        self.params = {**settings, **self.params["arguments"]}


def main() -> None:
    """Run the module."""
    module = _Outer(
        argument_spec={
            "hash": {"type": "str", "required": True},
            "call": {"type": "str", "choices": list(ENTRIES), "required": True},
            "arguments": {"type": "dict", "required": True},
            "code": {"type": "str"},
        },
        supports_check_mode=True,
    )
    wanted, code = module.params["hash"], module.params["code"]
    directory = _sent.found(wanted) if code is None else _sent.keep(wanted, base64.b64decode(code))
    if directory is None:
        module.exit_json(changed=False, lacking_code=True, invocation={})
    else:
        _run(directory, ENTRIES[module.params["call"]])


def _run(directory: str, entry: str) -> None:
    """Run what the directory has instead of what Ansible has sent."""
    utilities: Any = importlib.import_module(f"{package.__name__}.module_utils")
    utilities.__path__.insert(0, directory)
    importlib.import_module(f"{utilities.__name__}.{entry}").main(_Inner)


if __name__ == "__main__":
    main()
