# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The engine: the only control flow of the collection.

``converge`` takes a list of resources and does, for all of them together: observe, plan, apply in stages unless in
check mode, observe again, verify. It knows no kind and no backend, and it runs without Ansible.
"""

from __future__ import annotations

import abc
import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Callable, ClassVar, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import (
    _carrier,
    _errors,
    _options,
    _order,
    _ownership,
    _references,
    _values,
)
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

VERIFY_SECONDS = 5.0
"""How long the node may take to show what was applied: a device appears to OVS, a daemon binds its sockets."""


Stage = _order.Stage
Turn = _order.Turn


@dataclass(frozen=True)
class Operation:
    """One change to the node.

    ``apply`` makes it, or adds it to a backend's transaction, which the engine commits when the stage is over.
    ``predict`` tells the snapshot about side effects that kinds planned later must know of.
    """

    stage: Stage
    action: str
    apply: Callable[[], None]
    changes: Mapping[str, Any] = field(default_factory=dict)
    predict: Optional[Callable[[], None]] = None


class Kind(abc.ABC):
    """What the engine asks of a kind. A kind is stateless and never changes the node but through its operations."""

    name: ClassVar[str]
    options: ClassVar[Mapping[str, _options.Option]]
    turn: ClassVar[Turn]

    def label(self, want: Spec) -> str:
        """Return what messages and results call the object."""
        return str(want["name"])

    def check(self, want: Spec) -> None:
        """Raise InvalidValue for options that contradict one another; the node is not looked at."""
        return

    def provides(self, want: Spec) -> Iterable[tuple[_references.Reference, Spec]]:
        """Return what objects of other kinds may need of this one, each with the options that describe it."""
        return ()

    def requires(self, want: Spec) -> Iterable[_references.Reference]:
        """Return what a present object needs: it must be on the node, or made by the same run."""
        return [_references.namespace(want["namespace"])] if want.get("namespace") else []

    @abc.abstractmethod
    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the object that ``want`` names, in this kind's own options, or None when there is none.

        It may hold findings beside the options, such as files edited by hand: they are compared and shown in
        differences like options are, but nobody can ask for them.
        """

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Return all options as they will be; raise Conflict for what cannot be reached from ``have``."""
        return {**(have or {}), **given(self.options, want)}

    @abc.abstractmethod
    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[Operation]:
        """Return what leads from ``have`` to ``desired``; None on either side means absent."""

    def disturbs(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_carrier.Disturbance]:
        """Return the interfaces that the operations take, move, strip or shut: none may carry Ansible's connection."""
        return ()

    def problems(self, node: Node, want: Spec) -> Iterable[str]:
        """Return what the system itself reports to be wrong with a present object."""
        return ()

    def details(self, node: Node, want: Spec) -> Spec:
        """Return what the system has given a present object by itself, such as numbers, for results alone."""
        return {}

    def pending(self, node: Node, have: Optional[Spec], want: Spec) -> Iterable[str]:
        """Return why a present object is not wholly as wanted yet, where that takes what the user has not allowed."""
        return ()

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the options that remove each object on the node that bears this owner's mark, declared or not.

        A kind whose objects are parts of others, and bear no mark of their own, has none.
        """
        return ()

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner whose mark the object bears that ``want`` names; nothing for one without a mark.

        A kind whose objects are parts of others, and bear no mark of their own, knows none.
        """
        return ""

    def adopt(self, node: Node, want: Spec) -> None:
        """Have the object bear the mark of this run's owner in place of another's."""
        return

    def foreign_parts(self, node: Node, want: Spec) -> Iterable[str]:
        """Return the names of what others have put into the object and would lose together with it."""
        return ()


@dataclass
class Resource:
    """An object that should be present or absent, and what the engine found out about it."""

    kind: Kind
    want: Spec
    have: Optional[Spec] = None  # before the run
    desired: Optional[Spec] = None
    after: Optional[Spec] = None  # observed after a run, predicted in check mode
    pending: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # what of others goes with an object that is removed
    details: Spec = field(default_factory=dict)
    adoption: dict[str, str] = field(default_factory=dict)  # owners "before" and "after", if taken over
    operations: list[Operation] = field(default_factory=list)

    @property
    def absent(self) -> bool:
        return bool(self.want.get("state") == "absent")

    @property
    def changed(self) -> bool:
        """Whether it is another after the run, be it only by what operations on other objects take away."""
        return bool(self.operations) or self.differs(self.have)

    def differs(self, have: Optional[Spec]) -> bool:
        """Tell whether an object such as ``have``, or none, is not what is desired."""
        one_is_absent = (have is None) != (self.desired is None)
        return one_is_absent or bool(differences(have, self.desired, self.kind.options))

    @cached_property
    def identity(self) -> tuple[Any, ...]:
        return (self.kind.name, *self.named.values())

    @property
    def named(self) -> Spec:
        """The options that say which object is meant."""
        return {
            name: self.want[name] for name, option in self.kind.options.items() if option.role is _options.Role.IDENTITY
        }

    @property
    def title(self) -> str:
        """How messages call the object: "veth_pair v0 in namespace blue"."""
        namespace = self.want.get("namespace")
        return f"{self.kind.name} {self.kind.label(self.want)}" + (f" in namespace {namespace}" if namespace else "")

    def shown(self, spec: Optional[Spec]) -> Spec:
        """Return a spec as results show it, fit to be fed back in: findings of ``observe`` are left out."""
        if spec is None:
            spec = {**self.named, "state": "absent"}
        return {name: value for name, value in spec.items() if value is not None and name in self.kind.options}


@dataclass
class Result:
    """What a converge did, or in check mode would do; the resources are those that differ."""

    operations: list[dict[str, Any]]
    changed: list[Resource]
    resources: list[Resource]
    unconfirmed: str = ""  # token of a move that is undone unless the controller confirms it


def given(options: Mapping[str, _options.Option], want: Spec) -> Spec:
    """Return the options the user gave, less those that only say how to get there."""
    return {
        name: value
        for name, value in want.items()
        if value is not None and options[name].role not in (_options.Role.POLICY, _options.Role.PERMISSION)
    }


def differences(
    have: Optional[Spec], desired: Optional[Spec], options: Optional[Mapping[str, _options.Option]] = None
) -> dict[str, Any]:
    """Return ``{option: {"before": ..., "after": ...}}`` for what differs between two present states.

    With ``options``, suboptions that ``desired`` lacks are no difference where the option is ``partial``.
    """
    if have is None or desired is None or have == desired:
        return {}
    return {
        name: {"before": have.get(name), "after": value}
        for name, value in desired.items()
        if not _meets(have.get(name), value, (options or {}).get(name))
    }


def _meets(have: Any, desired: Any, option: Optional[_options.Option]) -> bool:
    if option is None or not option.partial or have is None:
        return bool(have == desired)
    if isinstance(desired, dict):
        return not differences(have, desired, option.options)
    return len(have) == len(desired) and not any(map(differences, have, desired, [option.options] * len(desired)))


def resource(kind: Kind, options: Any) -> Resource:
    """Return a validated resource; raises InvalidValue."""
    label = _values.called(options["name"]) if isinstance(options, dict) and options.get("name") else ""
    want = _options.validate(kind.options, options, f"{kind.name} {label}" if label else kind.name)
    result = Resource(kind, want)
    try:
        kind.check(want)
    except (_errors.InvalidValue, ValueError) as error:
        raise _errors.InvalidValue(f"{result.title}: {error}") from error
    return result


def converge(node: Node, resources: Sequence[Resource], check: bool, purge: Iterable[Kind] = ()) -> Result:
    """Bring the node to the declared state and return what was done; with ``check``, only what would be done.

    Objects of the kinds in ``purge`` that bear the owner's mark and are not declared are removed with the rest.

    Raises a NetvirtError: before anything was changed for bad input, conflicts and daemons that do not answer, and
    Failed with what was done and what was not when an operation or the verification failed.
    """
    node.require_root()
    _refuse_duplicates(resources)
    node.declare(resources)
    with contextlib.nullcontext() if check else node.lock():
        resources = [*resources, *_purged(node, resources, purge)]
        predicted = False
        ordered = sorted(resources, key=lambda item: item.kind.turn)
        unseen = {id(item) for item in ordered if not _observe(node, item)}
        for item in ordered:
            _plan(node, item, predicted, id(item) in unseen)
            predicted = predicted or any(operation.predict for operation in item.operations)
        node.require_daemons()
        steps = sorted(
            ((item, operation) for item in resources for operation in item.operations), key=lambda step: step[1].stage
        )
        reports = [_report(item, operation) for item, operation in steps]
        changed = [item for item in resources if item.changed]
        if not check:
            if steps:
                _apply(node, steps, reports)
                node.announce()
            _verify(node, resources, reports)
            node.remember()
        for item in resources:
            item.details = {} if item.absent else item.kind.details(node, item.want)
    return Result(reports, changed, resources, node.unconfirmed)


def _purged(node: Node, declared: Sequence[Resource], kinds: Iterable[Kind]) -> list[Resource]:
    """Return resources that remove what bears the owner's mark and is not declared, and tell the node of them.

    Raises Conflict where others would lose something by that.
    """
    known = {item.identity for item in declared}
    result: list[Resource] = []
    owners = dict.fromkeys(filter(None, (node.settings.owner, node.settings.owner_was)))
    for kind in kinds:
        found = [resource(kind, options) for owner in owners for options in kind.owned(node, owner)]
        result.extend(item for item in found if item.identity not in known)
    if result:
        node.declare([*declared, *result])
    for item in result:
        foreign_parts = ", ".join(sorted(item.kind.foreign_parts(node, item.want)))
        if foreign_parts:
            raise _errors.Conflict(
                f"{item.title}: it is not declared any more, but holds what {node.settings.owner} did not make: "
                f"{foreign_parts}; take that out of it, or declare it again"
            )
    return result


def _refuse_duplicates(resources: Sequence[Resource]) -> None:
    seen = set()
    for item in resources:
        if item.identity in seen:
            raise _errors.InvalidValue(f"{item.title} is declared twice; merge the two declarations into one")
        seen.add(item.identity)


def _observe(node: Node, item: Resource) -> bool:
    """Keep what is there before anything is planned, and tell whether it can be said: something else may be there."""
    try:
        item.have = item.kind.observe(node, item.want)
    except (_errors.Conflict, _errors.InvalidValue):  # which _plan() raises, unless an object planned before gives way
        return False
    return True


def _plan(node: Node, item: Resource, predicted: bool, unseen: bool) -> None:
    other = ""
    try:
        have = item.kind.observe(node, item.want) if predicted or unseen else item.have
        if unseen:
            item.have = have
        other = _ownership.another(node, item.kind.owner_of(node, item.want) if have is not None else "")
        item.desired = None if item.absent else _desired(node, item, have)
        if other and not node.takes(other) and item.differs(have):
            if not node.unattended:
                raise _errors.Conflict("it would be changed")
            item.desired = have
        item.after = item.desired
        item.pending = [] if item.absent else list(item.kind.pending(node, have, item.want))
        if item.absent and have is not None:
            item.lost = sorted(item.kind.foreign_parts(node, item.want))
        if item.differs(have):
            item.operations = list(item.kind.operations(node, have, item.desired))
            _carrier.require_undisturbed(node, item.kind.disturbs(node, have, item.desired))
    except (_errors.Conflict, _errors.InvalidValue) as error:
        if other and not node.takes(other) and isinstance(error, _errors.Conflict):
            raise _errors.Conflict(_ownership.refusal(node, item.title, other)) from error
        raise type(error)(f"{item.title}: {error}") from error
    if node.takes(other) and item.desired is not None:
        item.adoption = {"before": other, "after": node.settings.owner}
        adopt = partial(item.kind.adopt, node, item.want)
        item.operations.append(Operation(Stage.ADOPT, "adopt", adopt, {"owner": item.adoption}))
    for operation in item.operations:
        if operation.predict is not None:
            operation.predict()


def _desired(node: Node, item: Resource, have: Optional[Spec]) -> Spec:
    for reference in item.kind.requires(item.want):
        _references.require(node, reference)
    return item.kind.desired(node, have, item.want)


def _report(item: Resource, operation: Operation) -> dict[str, Any]:
    report: dict[str, Any] = {"kind": item.kind.name, "name": item.kind.label(item.want), "action": operation.action}
    if item.want.get("namespace"):
        report["namespace"] = item.want["namespace"]
    if operation.changes:
        report["changes"] = dict(operation.changes)
    return report


def _apply(node: Node, steps: Sequence[tuple[Resource, Operation]], reports: Sequence[dict[str, Any]]) -> None:
    """Run the operations, committing the backends' transactions after each stage."""
    stage_start = 0
    for index, (item, operation) in enumerate(steps):
        try:
            operation.apply()
        except _errors.NetvirtError as error:
            raise _errors.Failed(
                f"{item.title}: could not {operation.action}: {error}", reports[:index], reports[index:]
            ) from error
        if index + 1 < len(steps) and steps[index + 1][1].stage == operation.stage:
            continue
        try:
            node.commit(last=index + 1 == len(steps))
        except _errors.NetvirtError as error:
            raise _errors.Failed(str(error), reports[:stage_start], reports[stage_start:]) from error
        stage_start = index + 1


def _verify(node: Node, resources: Sequence[Resource], reports: Sequence[dict[str, Any]]) -> None:
    """Observe the node until it shows the declared state; fail with what it lacks VERIFY_SECONDS after a first look."""
    deadline: Optional[float] = None
    pause = 0.02
    while True:
        if reports:
            node.forget()
        faults = [fault for item in resources for fault in _faults(node, item)]
        if not faults:
            return
        deadline = deadline or time.monotonic() + VERIFY_SECONDS
        if time.monotonic() > deadline:
            raise _errors.Failed("; ".join(faults), reports)
        time.sleep(pause)
        pause = min(pause * 2, 0.5)
        node.forget()


def _faults(node: Node, item: Resource) -> Iterable[str]:
    if item.changed:
        item.after = item.kind.observe(node, item.want)
        if (item.after is None) != (item.desired is None):
            yield (
                f"{item.title} is still there after its removal" if item.absent else f"{item.title} did not come to be"
            )
            return
        owner = item.kind.owner_of(node, item.want) if item.adoption else ""
        if owner not in ("", item.adoption.get("after", "")):
            yield f"{item.title} still belongs to the owner {owner}"
        wanted = asked(item.desired or {}, item.want, item.kind.options)
        for option, values in differences(item.after, wanted, item.kind.options).items():
            before, after = _values.shown(values["before"]), _values.shown(values["after"])
            yield f"{item.title}: {option} is {before} after it was set to {after}"
    if not item.absent:
        for problem in item.kind.problems(node, item.want):
            yield f"{item.title}: {problem}"


def asked(desired: Spec, want: Spec, options: Mapping[str, _options.Option]) -> Spec:
    """Return what the user asked for; the rest of ``desired`` may be changed by another resource of the run."""
    result = {}
    for name, value in desired.items():
        option, given_value = options.get(name), want.get(name)
        if given_value is None:
            continue
        if option is not None and option.partial and option.options is not None:
            if isinstance(value, dict):
                value = asked(value, given_value, option.options)
            else:
                value = [asked(*pair, option.options) for pair in zip(value, given_value)]
        result[name] = value
    return result
