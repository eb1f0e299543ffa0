# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What is between Ansible and the engine: argument spec in, results or one clear line out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors, _node, _options
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node

CREATE = "create"
LOST = "foreign objects that go with it"
"""Key of a difference that lists what of others is removed together with an object."""


def settings(module: AnsibleModule) -> _node.Settings:
    """Return the run-level options of a module."""
    known = {**_node.SETTINGS, **_node.OWNER_WAS}
    options = {name: option for name, option in known.items() if name in module.params}
    given = _options.validate(options, {name: module.params[name] for name in options}, "settings")
    return _node.Settings(**{name: value for name, value in given.items() if value is not None})


def run(
    module: AnsibleModule, parse: Callable[[], list[_engine.Resource]], purge: Iterable[_engine.Kind] = ()
) -> _engine.Result:
    """Converge what ``parse`` returns and return what was done; ends the module with one line on an error.

    What the owner has of the kinds in ``purge`` beyond that is removed.
    """
    gc.disable()  # a module ends before a collection pays
    node = None
    try:
        resources = parse()
        node = Node(settings(module))
        return _engine.converge(node, resources, module.check_mode, purge)
    except _errors.Failed as error:
        module.fail_json(
            msg=str(error),
            changed=bool(error.done),
            operations=error.done,
            operations_not_done=error.not_done,
            **to_confirm(node.unconfirmed if node is not None else ""),
        )
    except _errors.NetvirtError as error:
        module.fail_json(msg=f"{error}; nothing was changed", changed=False, operations=[])
    finally:
        if node is not None:
            node.close()
        gc.freeze()  # nor before the collection that the interpreter makes when it ends
    raise AssertionError("fail_json() ends the module")


def to_confirm(token: str) -> dict[str, str]:
    """Return what a result says of a move that waits to be confirmed."""
    return {"unconfirmed": token} if token else {}


def pending(module: AnsibleModule, result: _engine.Result) -> dict[str, Any]:
    """Return what a result says of objects that are not wholly as wanted yet, and warn of each."""
    entries = []
    for item in result.resources:
        if item.pending:
            reason = "; ".join(item.pending)
            entries.append({"kind": item.kind.name, "name": item.kind.label(item.want), "reason": reason})
            module.warn(f"{item.title}: restart pending, and allow_restart does not allow it: {reason}")
    return {"pending": entries} if entries else {}


def run_kind(
    kind: _engine.Kind, more: Callable[[str, Sequence[_engine.Resource]], list[_engine.Resource]] = lambda *_: []
) -> None:
    """The whole of a module that wraps one kind. ``more`` returns what goes with its resource, by its owner."""
    module = AnsibleModule(
        argument_spec={**_options.argument_spec(kind.options), **_options.argument_spec(_node.SETTINGS)},
        supports_check_mode=True,
    )
    options = {name: module.params[name] for name in kind.options}

    def parse() -> list[_engine.Resource]:
        resources = [_engine.resource(kind, options)]
        return [*resources, *more(module.params["owner"], resources)]

    result = run(module, parse)
    item = result.resources[0]
    before, after = difference(item)
    module.exit_json(
        changed=bool(result.operations),
        operations=result.operations,
        before=item.shown(item.have),
        after=item.shown(item.after),
        diff={"before": before, "after": after, "before_header": item.title, "after_header": item.title},
        **item.details,
        **pending(module, result),
        **to_confirm(result.unconfirmed),
    )


def _given(value: Any) -> Any:
    """Return a value without the suboptions that were left out."""
    if isinstance(value, dict):
        return {key: _given(item) for key, item in value.items() if item is not None}
    return [_given(item) for item in value] if isinstance(value, list) else value


def summary(result: _engine.Result) -> list[str]:
    """Return what is done to each object, in a line: "ovs_port_vlan tap-vm1: update tag"."""
    actions: dict[str, list[str]] = {}
    for report in result.operations:
        place = f" in namespace {report['namespace']}" if report.get("namespace") else ""
        actions.setdefault(f"{report['kind']} {report['name']}{place}", []).append(_told(report))
    return [
        f"{name}: {CREATE if CREATE in words else '; '.join(dict.fromkeys(words))}" for name, words in actions.items()
    ]


def _told(report: dict[str, Any]) -> str:
    """Return an operation in words; an action of one word, such as update, with the options that change."""
    action = str(report["action"])
    options = ", ".join(report.get("changes", ())) if " " not in action and action != CREATE else ""
    return f"{action} {options}".strip()


def difference(item: _engine.Resource) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state before and after, reduced to the options that differ; a new object's to those asked for."""
    if not item.changed:
        return {}, {}
    if item.have is None and item.after is not None:
        asked = _engine.asked(item.after, item.want, item.kind.options)
        return item.shown(item.have), _given(item.shown(asked))
    if item.have is None or item.after is None:
        return {**item.shown(item.have), **({LOST: item.lost} if item.lost else {})}, item.shown(item.after)
    changed = _engine.differences(item.have, item.after)
    if item.adoption:
        changed["owner"] = item.adoption
    return (
        {name: values["before"] for name, values in changed.items()},
        {name: values["after"] for name, values in changed.items()},
    )
