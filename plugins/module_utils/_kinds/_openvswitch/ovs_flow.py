# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``ovs_flow``: the OpenFlow flows of a bridge that carry one cookie (see ovs-ofctl(8), ovs-fields(7)).

Ports may be called by name. Open vSwitch knows them by number, so each flow is parsed twice: with the numbers that the
ports have, which is how the bridge holds it, and with numbers that stand for the names, which is how it is shown,
whatever the numbers are. A port that the same run makes has no number yet; the plan takes one that stands for it.

Flows have no room for a mark, so the bridge's external_ids say which cookies are whose. The record is written before
the flows and removed after them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch import _openflow, _ovsdb
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _ovs
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_RECORD = _ovs.RESERVED + "flows-"
_MAX_COOKIE = 2**64 - 2  # 2^64 - 1 means "leave the cookie alone" (OpenFlow 1.1)
_FIRST = 0  # before a change that removes the bridge
_LAST_PORT = 0xFEFF  # OFPP_MAX - 1 of OpenFlow 1.0; Open vSwitch counts from 1
# A port by name or number; a field such as output:reg0[0..15] has a bracket.
_PORT = re.compile(r'\b(in_port=|output:)("?)([\w.:@+-]+)\2(?![\w.:@+\[-])')
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-fA-F]+")


def _cookie(value: str) -> str:
    if not re.fullmatch(r"[0-9]{1,20}|0x[0-9a-f]{1,16}", value.lower()):
        raise ValueError(f"must be a number of 64 bits, decimal or such as 0x1f, not {values.shown(value)}")
    number = int(value, 16 if value.lower().startswith("0x") else 10)
    if not 1 <= number <= _MAX_COOKIE:
        raise ValueError(f"must be from 1 to {_MAX_COOKIE:#x}, not {values.shown(value)}")
    return f"{number:#x}"


def _texts(flows: Any) -> list[str]:
    result = [" ".join(values.text(flow).split()) for flow in flows]
    for flow in result:
        if not flow or "#" in flow:
            example = "'priority=10,ip actions=drop'"
            raise ValueError(f"must hold flows such as {example}, without comments, not {values.shown(flow)}")
    return result


class OvsFlow(_engine.Kind):
    """See plugins/modules/ovs_flow.py for the meaning of the options."""

    name = "ovs_flow"
    turn = _engine.Turn.FLOW
    options = {
        "bridge": _options.Option(required=True, canonical=values.interface_name, role=_options.Role.IDENTITY),
        "cookie": _options.Option(required=True, canonical=_cookie, role=_options.Role.IDENTITY),
        "name": _options.Option(canonical=values.text, role=_options.Role.POLICY),
        "state": _options.STATE,
        "flows": _options.Option(type="list", elements="str", canonical=_texts),
    }

    def label(self, want: Spec) -> str:
        """Flow sets are called by bridge and cookie, and by the name the user gave them."""
        return f"{want['bridge']}/{want['cookie']}" + (f" ({want['name']})" if want["name"] else "")

    def check(self, want: Spec) -> None:
        """A set that is left alone is no set."""
        if want["state"] == "present" and want["flows"] is None:
            raise _errors.InvalidValue("flows is required; an empty list makes sure that there are none")

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the flows with this cookie in the form that ovs-ofctl gives them."""
        bridge, flows = want["bridge"], []
        row = node.ovsdb.find("Bridge", bridge)
        if row is not None:
            flows = node.openflow.flows(bridge, _version(node, bridge))
            flows = [flow for flow in flows if flow.cookie == int(want["cookie"], 16)]
        if not flows and (want["flows"] if want["state"] == "present" else _owner(row, want["cookie"]) is None):
            return None
        return {"bridge": bridge, "cookie": want["cookie"], "flows": _ordered(_held(node, want, flows))}

    def requires(self, want: Spec) -> Iterable[_references.Reference]:
        """Flows are of a bridge."""
        yield _references.bridge(want["bridge"])

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Return the flows in the form that ovs-ofctl gives them; raises InvalidValue for a flow it does not take."""
        bridge = want["bridge"]
        if _ovs.is_fake(node, bridge):
            raise _errors.Conflict(f"{bridge} is a fake bridge and has no flows; use its parent")
        wanted = _wanted(node, want)
        _refuse_foreign(node, want, {place: flow for place, (flow, _text) in wanted.items()})
        return {"bridge": bridge, "cookie": want["cookie"], "flows": _ordered(wanted.values())}

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """One operation: the flows that differ are changed in one bundle with those of the bridge's other sets.

        A set that goes leaves the record of its owner to a second one.
        """
        spec = desired or have or {}
        row = node.ovsdb.find("Bridge", spec["bridge"])
        owner = _owner(row, spec["cookie"])
        old = (have or {}).get("flows", [])
        new = (desired or {}).get("flows", [])
        changes = {
            "before": [flow for flow in old if flow not in set(new)],
            "after": [flow for flow in new if flow not in set(old)],
        }
        yield _engine.Operation(
            _engine.Stage.DROP_FLOW if desired is None else _engine.Stage.FLOW,
            "create" if have is None else "delete" if desired is None else "update",
            partial(_replace, node, spec if desired else {**spec, "flows": []}, have is None and owner is None),
            {"flows": changes} if have is not None and desired is not None else {},
        )
        if desired is None and owner is not None:
            change = partial(_record, spec["bridge"], spec["cookie"], None)
            yield _engine.Operation(
                _engine.Stage.OVSDB, "release the cookie", lambda: node.ovsdb.change(change, _FIRST)
            )

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the sets that are recorded for the owner."""
        for row in node.ovsdb.rows("Bridge") if node.ovsdb.installed else ():
            for key, value in row.external_ids.items():
                if key.startswith(_RECORD) and value == owner:
                    yield {"bridge": row.name, "cookie": key[len(_RECORD) :], "state": "absent"}

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner that the bridge records for the cookie."""
        return _owner(node.ovsdb.find("Bridge", want["bridge"]), want["cookie"]) or ""

    def adopt(self, node: Node, want: Spec) -> None:
        """Record this run's owner."""
        node.ovsdb.change(partial(_record, want["bridge"], want["cookie"], node.settings.owner))


def _owner(bridge: Optional[_ovsdb.Row], cookie: str) -> Optional[str]:
    """Return the recorded owner of a set."""
    return bridge.external_ids.get(_RECORD + cookie) if bridge is not None else None


def _record(bridge: str, cookie: str, owner: Optional[str], batch: _ovsdb.Batch) -> None:
    """Write or remove the record in a transaction that may remove the bridge itself."""
    row = batch.find("Bridge", bridge)
    ids = {key: value for key, value in row.external_ids.items() if key != _RECORD + cookie}
    row.external_ids = {**ids, _RECORD + cookie: owner} if owner else ids


def _replace(node: Node, spec: Spec, recorded: bool) -> None:
    """Add the set to the coming bundle, with a record of its owner if need be. The ports are there by now."""
    bridge = spec["bridge"]
    if recorded:  # the database is committed before the flows
        node.ovsdb.change(partial(_record, bridge, spec["cookie"], node.settings.owner), _FIRST)
    ports = _ports(node, bridge)
    numbers = {name: number for name, number in ports.items() if number > 0}
    _refuse_unnumbered(spec["flows"], ports, numbers, bridge)
    cookie, lines = int(spec["cookie"], 16), _by_number(spec["flows"], numbers)
    node.openflow.replace(bridge, _version(node, bridge), cookie, lines)


def _version(node: Node, bridge: str) -> str:
    """Return the OpenFlow version to speak with the bridge, as it is or as this run makes it."""
    row = node.ovsdb.find("Bridge", bridge)
    declared = node.coming(_references.bridge(bridge))
    spoken = (row.protocols if row is not None else declared[0]["protocols"] if declared else None) or []
    for version in _openflow.VERSIONS:
        if not spoken or version in spoken:  # without a list, Open vSwitch speaks them all
            return version
    raise _errors.Conflict(
        f"bridge {bridge} speaks only {', '.join(sorted(spoken))}, in which flows cannot be changed atomically; "
        "add OpenFlow14 to its protocols first"
    )


def _held(node: Node, want: Spec, flows: Iterable[_openflow.Flow]) -> list[tuple[_openflow.Flow, str]]:
    """Return flows of the bridge with what is shown of them: ports by number, but those that ``want`` names by name."""
    if want["state"] == "absent":
        return [(flow, str(flow)) for flow in flows]
    texts = {str(flow): text for flow, text in _wanted(node, want).values()}
    numbers = _numbers(node, want["bridge"])
    names = {str(numbers[name]): name for name in _named(want["flows"]) & numbers.keys()}
    return [(flow, texts.get(str(flow), _substituted(str(flow), names))) for flow in flows]


def _wanted(node: Node, want: Spec) -> dict[_openflow.Place, tuple[_openflow.Flow, str]]:
    """Return each flow as the bridge will hold it and as it is shown, by its place; raises InvalidValue."""
    bridge, flows = want["bridge"], want["flows"]
    numbers, version = _numbers(node, bridge), _version(node, bridge)
    _refuse_unnumbered(flows, _ports(node, bridge), numbers, bridge)
    stand_ins = _stand_ins(_named(flows) & numbers.keys())
    names = {str(number): name for name, number in stand_ins.items()}
    held = node.openflow.parse(_by_number(flows, numbers), version, flows)
    shown = node.openflow.parse(_by_number(flows, stand_ins), version, flows)
    texts = (_substituted(str(flow), names) for flow in shown)
    result: dict[_openflow.Place, tuple[_openflow.Flow, str]] = {}
    for flow, text in zip(held, texts):
        other, _text = result.setdefault(flow.place, (flow, text))
        if other != flow:
            raise _errors.InvalidValue(f"two flows have the same table, priority and match: '{other}' and '{flow}'")
    return result


def _ordered(flows: Iterable[tuple[_openflow.Flow, str]]) -> list[str]:
    """Return what is shown of the flows, in the order in which a packet meets them."""
    return [text for _flow, text in sorted(flows, key=lambda item: (item[0].table, -item[0].priority, item[1]))]


def _refuse_foreign(node: Node, want: Spec, flows: Mapping[_openflow.Place, _openflow.Flow]) -> None:
    """Raise Conflict for a flow of another cookie with the same match, which would be overwritten."""
    bridge = want["bridge"]
    others = [other for other in node.declarations(OvsFlow.name) if other["bridge"] == bridge]
    for other in others:
        if other["cookie"] != want["cookie"]:
            for place in flows.keys() & _wanted(node, other).keys():
                raise _errors.Conflict(
                    f"the set with cookie {other['cookie']} has a flow with the same match: {flows[place]}"
                )
    if node.ovsdb.find("Bridge", bridge) is None:
        return
    declared = {other["cookie"] for other in others}
    for flow in node.openflow.flows(bridge, _version(node, bridge)):
        cookie = f"{flow.cookie:#x}"
        if flow.place in flows and cookie not in declared and not node.removed(OvsFlow.name, bridge, cookie):
            raise _errors.Conflict(
                f"bridge {bridge} has a flow of another owner (cookie {cookie}) with the same match and priority: "
                f"'{flow}'; choose another priority, or remove that flow"
            )


def _ports(node: Node, bridge: str) -> dict[str, int]:
    """Return the OpenFlow port numbers of a bridge by name, -1 for a port that has none."""
    row = node.ovsdb.find("Bridge", bridge)
    rows = [interface for port in row.ports for interface in port.interfaces] if row is not None else []
    return {interface.name: _ovs.optional(interface.ofport, -1) for interface in rows}


def _coming(node: Node, bridge: str) -> set[str]:
    """Return the names of the interfaces that this run puts into the bridge."""
    coming = node.all_coming(_references.Sort.PORT_INTERFACE)
    return {reference.name for reference, options in coming if options.get("bridge") == bridge}


def _numbers(node: Node, bridge: str) -> dict[str, int]:
    """Return the numbers of the bridge's ports by name, with numbers that stand for those this run makes."""
    ports = _ports(node, bridge).items()
    numbers = {name: number for name, number in ports if number > 0 and not node.going(_references.port(name))}
    return {**_stand_ins(_coming(node, bridge)), **numbers}


def _stand_ins(names: Iterable[str]) -> dict[str, int]:
    """Return port numbers that Open vSwitch is not likely to give away, for names that cannot be parsed."""
    return {name: _LAST_PORT - index for index, name in enumerate(sorted(names))}


def _refuse_unnumbered(flows: Iterable[str], ports: Iterable[str], numbers: Mapping[str, int], bridge: str) -> None:
    for name in sorted(_named(flows) & set(ports) - numbers.keys()):
        raise _errors.Conflict(
            f"port {name} of bridge {bridge} has no OpenFlow port number; its device is missing, or this run removes it"
        )


def _named(flows: Iterable[str]) -> set[str]:
    return {found[3] for flow in flows for found in _PORT.finditer(flow) if not _NUMBER.fullmatch(found[3])}


def _by_number(flows: Iterable[str], numbers: Mapping[str, int]) -> list[str]:
    names = {name: str(numbers[name]) for name in _named(flows) & numbers.keys()}
    return [_substituted(flow, names) for flow in flows]


def _substituted(flow: str, ports: Mapping[str, str]) -> str:
    return _PORT.sub(lambda found: found[1] + ports[found[3]] if found[3] in ports else found[0], flow)
