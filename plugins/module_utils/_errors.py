# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The errors of the collection.

Everything below a module raises one of these; only a module turns one into ``fail_json``. The text of an error is one
line that names the object, what was found and the remedy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _values

_SHOWN = 4  # operations on either side of a failure; the result has all of them


class NetvirtError(Exception):
    """Base of every error that is told to the user. Words of others may be in it, and a terminal may get it."""

    def __str__(self) -> str:
        return _values.printable(super().__str__())


class InvalidValue(NetvirtError):
    """An option has a value that can never work, whatever the node looks like."""


class Conflict(NetvirtError):
    """The node holds something that the declared state collides with."""


class Missing(NetvirtError):
    """A library, a program or a privilege that the work needs is not there."""


class Unavailable(NetvirtError):
    """A daemon does not run, does not answer in time, or refused the request."""


class LockTimeout(NetvirtError):
    """Another run holds the lock of this node."""


class Failed(NetvirtError):
    """An operation was tried and did not lead to the declared state.

    ``done`` and ``not_done`` are the operations (as result dictionaries) on either side of the failure; the message
    says so in short.
    """

    def __init__(
        self, message: str, done: Sequence[dict[str, Any]] = (), not_done: Sequence[dict[str, Any]] = ()
    ) -> None:
        self.done = list(done)
        self.not_done = list(not_done)
        super().__init__(f"{message}; {self._progress()}")

    def _progress(self) -> str:
        total = len(self.done) + len(self.not_done)
        if not total:
            return "nothing was changed"
        if not self.not_done:
            return f"all was done: {_listed(self.done)}"
        done = f"{_listed(self.done)} done" if self.done else "nothing done"
        return f"of {total} operations: {done}, not done or not wholly: {_listed(self.not_done)}; run again to finish"


def _listed(operations: Sequence[dict[str, Any]]) -> str:
    """Return the first operations in words, and how many more there are."""
    words = [f"{item['action']} {item['kind']} {item['name']}" for item in operations[:_SHOWN]]
    more = len(operations) - _SHOWN
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")
