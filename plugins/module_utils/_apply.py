# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""All of the module apply but its documentation."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netvirt.fabric.plugins.module_utils._engine import Resource, Result
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import InvalidValue
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._boot import _rebuild
from ansible_collections.netvirt.fabric.plugins.module_utils._module import (
    difference,
    pending,
    run,
    summary,
    to_confirm,
)
from ansible_collections.netvirt.fabric.plugins.module_utils._node import OWNER_WAS, SETTINGS
from ansible_collections.netvirt.fabric.plugins.module_utils._options import argument_spec
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import KINDS, kind, parse

_VERBOSE = 3  # from -vvv on, callbacks show what a module was given


def _resources(module: AnsibleModule) -> list[Resource]:
    """Return the declared resources, and what the node is to keep of them."""
    if module.params["purge"] and module.params["owner"] == SETTINGS["owner"].default:
        raise InvalidValue(
            f"purge would remove what single modules made, which bears the mark {module.params['owner']}, too; "
            "give the list an owner of its own"
        )
    former = module.params["owner_was"]
    if former is not None and former in (module.params["owner"], SETTINGS["owner"].default):
        raise InvalidValue(f"owner_was must be the former name of this list's owner, and {former} is not")
    resources, keep = parse(module.params["resources"]), module.params["keep"]
    if keep is None:
        return [*resources, *_rebuild.with_uplinks(module.params["owner"], resources)]
    forgotten = [_rebuild.told(former, (), False)] if former else []
    return [*resources, _rebuild.told(module.params["owner"], resources, keep), *forgotten]


def _diff(module: AnsibleModule, result: Result) -> dict[str, Any]:
    """Return what differs, by object, where it is to be shown."""
    if not module._diff:
        return {}
    differences = {item.title: difference(item) for item in result.changed}
    return {
        "diff": {
            "before": {title: before for title, (before, _after) in differences.items()},
            "after": {title: after for title, (_before, after) in differences.items()},
        }
    }


def _invocation(module: AnsibleModule) -> dict[str, Any]:
    """Keep Ansible from returning the whole list of resources where it is not to be shown.

    A list of 500 on its way back, through every callback, takes as long as reading 500 ports on the node.
    """
    return {} if module._verbosity >= _VERBOSE else {"invocation": {}}


def main(make: type[AnsibleModule] = AnsibleModule) -> None:
    """Run the module."""
    module = make(
        argument_spec={
            "resources": {"type": "list", "elements": "dict", "required": True},
            "purge": {"type": "bool", "default": False},
            "keep": {"type": "bool"},
            **argument_spec({**SETTINGS, **OWNER_WAS}),
        },
        supports_check_mode=True,
    )
    purge = map(kind, KINDS) if module.params["purge"] else ()
    result = run(module, lambda: _resources(module), purge)
    declared = [item for item in result.changed if item.kind.name in KINDS]
    for warning in _rebuild.warnings(result):
        module.warn(warning)
    module.exit_json(
        changed=bool(result.operations),
        operations=result.operations,
        summary=summary(result),
        before=[{item.kind.name: item.shown(item.have)} for item in declared],
        after=[{item.kind.name: item.shown(item.after)} for item in declared],
        **pending(module, result),
        **_diff(module, result),
        **_invocation(module),
        **to_confirm(result.unconfirmed),
    )
