# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Files that belong to the collection: written atomically, with an explicit mode."""

from __future__ import annotations


class Netlink:
    """Placeholder until the kinds that write files land."""

    def commit(self) -> None:
        """Nothing is collected."""

    def forget(self) -> None:
        """Nothing is cached."""

    def close(self) -> None:
        """Nothing is open."""
