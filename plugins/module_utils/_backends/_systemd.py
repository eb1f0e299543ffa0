# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Files that belong to the collection: written atomically, with an explicit mode."""

from __future__ import annotations


class Systemd:
    """Placeholder until the kinds that write files land."""

    def __init__(self, timeout: int) -> None:
        self.timeout = timeout

    def commit(self) -> None:
        """Nothing is collected."""

    def forget(self) -> None:
        """Nothing is cached."""

    def close(self) -> None:
        """Nothing is open."""
