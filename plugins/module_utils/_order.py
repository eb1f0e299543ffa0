# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The two orders of a run: that in which kinds are planned, and that in which operations run."""

from __future__ import annotations

import enum


class Stage(enum.IntEnum):
    """The order of an apply: what is removed goes from the services down, what is made goes from the links up.

    Packet filters and translations are tightened before anything else changes, and loosened or removed when all of it
    has changed. So nothing passes in between that neither the old state nor the new one allows, and nothing is
    forwarded where their load fails.

    All of OVSDB is in the middle: a transaction that removes ports, then one for all else. A bridge that goes with it
    may have the addresses that its port is to have, so that those that are only added come before it, where they can.
    What the node keeps for its next boot is written before any of it. Marks of other owners are replaced at the end.
    """

    KEEP = 0
    STOP_SERVICE = 1
    NAMESPACE = 2
    TIGHTEN = 3
    DROP_FLOW = 4
    DROP_ADDRESS = 5
    DROP_LINK = 6
    DROP_NAMESPACE = 7
    BRIDGE = 8
    LINK = 9
    BOND = 10
    VLAN = 11
    TAKE_ADDRESS = 12
    OVSDB = 13
    INTERFACE = 14
    ADDRESS = 15
    ROUTE = 16
    FLOW = 17
    LOOSEN = 18
    SERVICE = 19
    ADOPT = 20


class Turn(enum.IntEnum):
    """The order in which kinds are planned, which is not the order in which operations run.

    A plan sees what operations that were planned before it predict. So what others need, or lose together with it,
    comes first.
    """

    BOOT = 0
    COLUMNS = 1  # those who ask for columns of the database, before all who read it
    PAIR = 2
    BOND = 3  # of what is there by then
    LINK = 4  # VLAN interfaces of any of these, and bridges that any of these may be ports of
    SWITCH = 5
    NAMESPACE = 6  # takes interfaces in
    SETTINGS = 7
    FLOW = 8
    FILTER = 9
    SERVICE = 10
