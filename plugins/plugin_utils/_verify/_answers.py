# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of nodes and guests, brought into the form that the proof relies on.

A node may be taken over, and a guest's agent is the guest's own. Where an answer has another form, that guest has not
answered properly, and the proof of the others goes on. Their words are quoted printable, on one line and cut.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils._values import quoted

IMPROPER = "the node did not answer properly for this guest"
LONGEST = 2**20
"""Characters of a command's output that are looked at."""
MOST_INTERFACES = 1024

Answer = dict[str, Any]


def proper(answers: Any) -> Answer:
    """Return what one node said: ``guests`` as the controller compiled them, ``interfaces``, attempts of both sorts."""
    seen = answers if isinstance(answers, dict) else {}
    return {
        "guests": seen.get("guests") or [],
        "interfaces": [_interfaces_of(item) for item in _list(seen.get("interfaces")) if isinstance(item, dict)],
        **{key: [_list(item) for item in _list(seen.get(key))] for key in ("attempts", "canary_attempts")},
    }


def result_at(attempt: Sequence[Any], position: int) -> Answer:
    """Return the result of one command: ``rc``, ``stdout`` and ``stderr``, or ``error``."""
    result = attempt[position] if position < len(attempt) else None
    if not isinstance(result, dict):
        return {"error": IMPROPER}
    if result.get("error"):
        return {"error": quoted(result["error"])}
    rc, texts = result.get("rc"), [result.get(key, "") for key in ("stdout", "stderr")]
    if not isinstance(rc, int) or not all(isinstance(text, str) for text in texts):
        return {"error": IMPROPER}
    return {"rc": rc, "stdout": texts[0][:LONGEST], "stderr": texts[1][:LONGEST]}


def _interfaces_of(item: Mapping[str, Any]) -> Answer:
    name = item.get("guest") if isinstance(item.get("guest"), str) else ""
    if item.get("error"):
        return {"guest": name, "error": quoted(item["error"])}
    try:
        return {"guest": name, "interfaces": [_interface(found) for found in item["interfaces"][:MOST_INTERFACES]]}
    except (AttributeError, KeyError, TypeError, ValueError):
        return {"guest": name, "error": IMPROPER}


def _interface(found: Any) -> Answer:
    """Return an interface; raises an error where it is none. Its name becomes part of a path in the guest."""
    name, mac, addresses = found["name"], found["mac"], found["addresses"]
    if not isinstance(name, str) or not isinstance(mac, str) or "/" in name or not 0 < len(name) < 16:
        raise ValueError
    return {"name": name, "mac": mac.lower(), "addresses": [ipaddress.ip_interface(str(item)) for item in addresses]}


def lease_entries(answers: Any) -> dict[str, set[tuple[str, str]]]:
    """Return the MAC addresses and addresses of leases by network, of the servers that answered with a list of them."""
    found: dict[str, set[tuple[str, str]]] = {}
    for answer in _list(answers):
        entries = answer.get("leases") if isinstance(answer, dict) else None
        if isinstance(entries, list) and isinstance(answer.get("target"), dict):
            pairs = [(item.get("mac"), item.get("address")) for item in entries if isinstance(item, dict)]
            found[str(answer["target"].get("network"))] = {(str(mac), str(address)) for mac, address in pairs}
    return found


def intrusions(answers: Any) -> list[Answer]:
    """Return the results of echo requests from outside: ``target``, and ``rc`` or ``error`` where none were sent."""
    items = [item for item in _list(answers) if isinstance(item, dict) and not item.get("skipped")]
    return [{"target": item["target"], **_sent(item)} for item in items if isinstance(item.get("target"), dict)]


def _sent(item: Answer) -> Answer:
    """Return the status of the command, which has a duration if it ran."""
    rc = item.get("rc")
    if isinstance(rc, int) and item.get("delta"):
        return {"rc": rc}
    return {"error": quoted(item.get("msg") or "no answer of verify_upstream_host")}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
