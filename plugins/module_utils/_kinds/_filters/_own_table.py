# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""nft tables of our own: how they are marked, and expressions in the form in which nft lists them.

A chain ``netvirt.fabric``, which is never entered, marks a table as ours and names the owner.
"""

from __future__ import annotations

import collections
import json
import socket
from collections.abc import Iterable
from typing import Any, Callable, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _nft
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

MARK = "netvirt.fabric"
_OWNER = "owner "

_COMPARED = {
    "chain": ("name", "type", "hook", "prio", "policy"),
    "map": ("name", "type", "map", "elem"),
    "set": ("name", "type", "elem"),
    "rule": ("chain", "expr", "comment"),
}
_ANY = {4: ("0.0.0.0/0", "ipv4"), 6: ("::/0", "ipv6")}
PROTOCOL = {4: "ip", 6: "ip6"}


def mark(base: _nft.Item, owner_name: str) -> list[_nft.Item]:
    """Return what marks a table; ``base`` holds the family and the name of the table."""
    rule = {**base, "chain": MARK, "comment": _OWNER + owner_name, "expr": [{"return": None}]}
    return [{"chain": {**base, "name": MARK}}, {"rule": rule}]


def is_ours(items: list[_nft.Item]) -> bool:
    """Tell whether the table carries our mark."""
    return any(item.get("chain", {}).get("name") == MARK for item in items)


def owner(items: list[_nft.Item]) -> Optional[str]:
    """Return the owner that the mark names, or None when somebody emptied it."""
    for item in items:
        rule = item.get("rule", {})
        comment = rule.get("comment", "")
        if rule.get("chain") == MARK and comment.startswith(_OWNER):
            return str(comment[len(_OWNER) :])
    return None


def adopt(node: Node, namespace: Optional[str], family: str, table: str) -> None:
    """Mark a table for this run's owner, if it is there."""
    if node.nft.table(namespace, family, table) is not None:
        chain, *rules = mark({"family": family, "table": table}, node.settings.owner)
        node.nft.renew(namespace, chain["chain"], rules)


def match(operator: str, left: Any, right: Any) -> _nft.Item:
    """Return an expression as libnftables-json(5) has it."""
    return {"match": {"op": operator, "left": left, "right": right}}


def match_network(field: str, network: str) -> _nft.Item:
    """Return the expression that an address field, saddr or daddr, is in a network."""
    version = values.family(network)
    if network == _ANY[version][0]:
        return match("==", {"meta": {"key": "nfproto"}}, _ANY[version][1])
    address, _slash, length = network.partition("/")
    host = int(length) == (32 if version == 4 else 128)
    left = {"payload": {"protocol": PROTOCOL[version], "field": field}}
    shown = listed(address)
    return match("==", left, shown if host else {"prefix": {"addr": shown, "len": int(length)}})


def match_type(kind: str, *flags: str) -> _nft.Item:
    """Return the expression that an address is of a type to the kernel's routing, such as local."""
    return match("==", {"fib": {"result": "type", "flags": list(flags)}}, kind)


def matched_network(expression: _nft.Item) -> str:
    """Return the network of such an expression; raises KeyError, TypeError or ValueError for another one."""
    content = expression["match"]
    if content["left"] == {"meta": {"key": "nfproto"}}:
        return next(network for network, protocol in _ANY.values() if protocol == content["right"])
    right = content["right"]
    return values.network(f"{right['prefix']['addr']}/{right['prefix']['len']}" if isinstance(right, dict) else right)


def listed(address: str) -> str:
    """Return an address as nft lists it, which differs from RFC 5952 for IPv4-mapped ones."""
    protocol = socket.AF_INET6 if values.family(address) == 6 else socket.AF_INET
    return socket.inet_ntop(protocol, socket.inet_pton(protocol, address))


def shown(expression: _nft.Item) -> _nft.Item:
    """Return an expression without what a counter has counted, and with a set in one order; nft shows it in any."""
    if isinstance(expression, dict) and "counter" in expression:
        return {"counter": None}
    content = expression.get("match") if isinstance(expression, dict) else None
    right = content.get("right") if isinstance(content, dict) else None
    if content is None or not isinstance(right, dict) or not isinstance(right.get("set"), list):
        return expression
    return {"match": {**content, "right": {"set": sorted(right["set"], key=str)}}}


def edits(have: list[_nft.Item], want: list[_nft.Item]) -> list[str]:
    """Return how a table as it is listed differs from what it should hold: what was changed by hand."""
    listed_items, wanted_items = collections.Counter(map(_text, have)), collections.Counter(map(_text, want))
    result = [f"unexpected {item}" for item in listed_items - wanted_items]
    result += [f"missing {item}" for item in wanted_items - listed_items]
    if listed_items == wanted_items and _order(have) != _order(want):
        result.append("other order")
    return result


def _order(items: list[_nft.Item]) -> dict[str, list[str]]:
    """Return the rules of each chain in their order."""
    result: dict[str, list[str]] = collections.defaultdict(list)
    for item in items:
        if "rule" in item and item["rule"]["chain"] != MARK:
            result[item["rule"]["chain"]].append(_text(item))
    return result


def _text(item: _nft.Item) -> str:
    """Return a text by which an item as it is listed equals what it was made of."""
    ((sort, content),) = item.items()
    keys = _COMPARED.get(sort, tuple(content))
    compared: dict[str, Any] = {key: content[key] for key in keys if key in content}
    if "elem" in compared:
        compared["elem"] = sorted(compared["elem"], key=str)
    if isinstance(compared.get("expr"), list):
        compared["expr"] = [shown(expression) for expression in compared["expr"]]
    return f"{sort} {json.dumps(compared, sort_keys=True)}"


def steps(
    have: Optional[Spec], desired: Spec, strict: Spec, load: Callable[[Spec], None], settle: Callable[[], None]
) -> Iterable[_engine.Operation]:
    """Return the operations that change rules, so that at no moment passes what neither state lets pass.

    ``strict`` lets pass what both do. ``load`` loads rules, ``settle`` those that are desired.
    """
    changes = _engine.differences(have, desired)
    action = "create" if have is None else "update"
    if strict == desired:
        yield _engine.Operation(_engine.Stage.TIGHTEN, action, settle, changes)
        return
    if strict != have:
        yield _engine.Operation(_engine.Stage.TIGHTEN, "tighten", lambda: load(strict))
    yield _engine.Operation(_engine.Stage.LOOSEN, action, settle, changes)
