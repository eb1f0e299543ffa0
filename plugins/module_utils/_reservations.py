# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What a DHCP server keeps for whom, in few bytes: of use to the node that has it and to the controller."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any


def digest(hosts: Iterable[Mapping[str, Any]]) -> str:
    """Return the same text for the same reservations, each with ``mac`` and maybe ``address``, in any order."""
    lines = sorted(f"{host['mac']} {host.get('address') or ''}" for host in hosts)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
