# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Policy routing (ip-rule(8)) that lets a namespace forward only what a packet filter has marked.

What a rule without a mark leads to is nothing. So a namespace whose filter is gone forwards no packets, and not all.
"""

from __future__ import annotations

import errno
import socket
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import (
    _netlink_devices,
    _netlink_model,
    _netlink_read,
    _sysctl,
)

_INVERT = 0x2  # FIB_RULE_INVERT
_GOTO, _BLACKHOLE = 2, 6  # FR_ACT_GOTO, FR_ACT_BLACKHOLE
_MAIN = 32766  # the kernel's own rule for the table main
_ATTRIBUTES = {"iifname": "FRA_IIFNAME", "goto": "FRA_GOTO", "fwmark": "FRA_FWMARK", "priority": "FRA_PRIORITY"}
# What the namespace itself sends is not marked. Its own addresses are in the table local, which comes first.
_RULES: tuple[dict[str, Any], ...] = (
    {"priority": _netlink_model.FORWARD_MARK - 1, "action": "goto", "iifname": "lo", "goto": _MAIN},
    {
        "priority": _netlink_model.FORWARD_MARK,
        "action": "blackhole",
        "fwmark": _netlink_model.FORWARD_MARK,
        "flags": _INVERT,
    },
)
_ACTIONS = {"goto": _GOTO, "blackhole": _BLACKHOLE}
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
# Else a reverse path filter looks for the way back without the mark.
_MARKED_WAY_BACK = _sysctl.for_interface("ipv4", "all", "src_valid_mark")


class Rules(_netlink_devices.Devices):
    """The part of the backend that knows these rules."""

    def forwards_marked_only(self, namespace: _netlink_read.Namespace) -> bool:
        """Tell whether all of the rules are there."""
        marked = self.read_sysctls(namespace, [_MARKED_WAY_BACK])[_MARKED_WAY_BACK] == "1"
        return marked and not any(self._missing(namespace, family) for family in _FAMILIES)

    def forwards_some_marked_only(self, namespace: _netlink_read.Namespace) -> bool:
        """Tell whether any of the rules is there."""
        return any(len(self._missing(namespace, family)) < len(_RULES) for family in _FAMILIES)

    def forward_marked_only(self, namespace: _netlink_read.Namespace) -> None:
        """Add what is missing of the rules."""
        self.write_sysctl(namespace, _MARKED_WAY_BACK, "1")
        for family in _FAMILIES:
            for rule in self._missing(namespace, family):
                self._request(namespace, "add", family, rule)

    def forward_all(self, namespace: _netlink_read.Namespace) -> None:
        """Remove the rules."""
        for family in _FAMILIES:
            for rule in reversed(_RULES):
                self._request(namespace, "del", family, rule)
        self.write_sysctl(namespace, _MARKED_WAY_BACK, "0")

    def _request(self, namespace: _netlink_read.Namespace, command: str, family: int, rule: dict[str, Any]) -> None:
        self.call(
            f"{command} the rule of preference {rule['priority']}",
            namespace,
            lambda handle: handle.netlink.rule(command, family=family, **rule),
            tolerated=[errno.EEXIST] if command == "add" else [errno.ENOENT, errno.EAFNOSUPPORT],
        )

    def _missing(self, namespace: _netlink_read.Namespace, family: int) -> list[dict[str, Any]]:
        found = []
        for message in self.dump(namespace, lambda netlink: netlink.rule("dump", family=family)):
            shown = {key: message.get_attr(name) for key, name in _ATTRIBUTES.items()}
            found.append({**shown, "action": message["action"], "flags": message["flags"] & _INVERT})
        return [
            rule
            for rule in _RULES
            if {**dict.fromkeys(_ATTRIBUTES), "flags": 0, **rule, "action": _ACTIONS[rule["action"]]} not in found
        ]
