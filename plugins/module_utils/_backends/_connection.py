# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The SSH connection that this process was started over, as sshd(8) tells it in SSH_CONNECTION."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Optional

_VARIABLE = "SSH_CONNECTION"


def ends() -> Optional[tuple[str, str]]:
    """Return the addresses of the client and of this host, or None when no SSH session is above this process.

    Programs such as sudo(8) take the variable out of the environment, so that of their parents counts as well.
    """
    for environment in _environments():
        words = environment.get(_VARIABLE, "").split()
        if len(words) == 4:
            return words[0], words[2]
    return None


def _environments() -> Iterator[dict[str, str]]:
    yield dict(os.environ)
    process = os.getppid()
    while process > 1:
        try:
            with open(f"/proc/{process}/environ", "rb") as handle:
                items = handle.read().decode(errors="replace").split("\0")
            with open(f"/proc/{process}/status", encoding="utf-8") as handle:
                parent = re.search(r"^PPid:\s*([0-9]+)$", handle.read(), re.MULTILINE)
        except OSError:  # it has just ended
            return
        yield dict(item.split("=", 1) for item in items if "=" in item)
        process = int(parent[1]) if parent else 0
