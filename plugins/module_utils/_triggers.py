# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Why a rebuild is started, and why it looks once more while it runs."""

from __future__ import annotations

import os
import time
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _mended
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters import _nft_events

BOOT = "the node was booted"
SWITCH = "Open vSwitch was started anew"
FILTER = "an nft table was removed or edited"
OVERFLOW = "nft changed more often than can be followed"
ASKED = "the unit was started"
NOTHING = ""
"""Something happened, which does not concern what is kept here, such as another program's change of its nft table."""

_LOOK_SECONDS = 0.5  # between two looks at what the kernel does not report
_FIRST_DESCRIPTOR = 3  # sd_listen_fds(3)


class Triggers:
    """What systemd has handed over, and what was seen so far."""

    def __init__(self, stem: str, owner: str, ovsdb: str) -> None:
        self._stem, self._owner, self._ovsdb = stem, owner, ovsdb
        self._seen = _mended.known_switch(stem)
        handed = int(os.environ.get("LISTEN_FDS", "0")) if os.environ.get("LISTEN_PID") == str(os.getpid()) else 0
        self._listener = _nft_events.Listener(_FIRST_DESCRIPTOR) if handed else None

    def first(self) -> str:
        """Return why this was started."""
        found = self._nft()
        switch = _mended.switch(self._ovsdb)
        if self._seen is None:
            self._seen = switch
            return BOOT
        if switch and switch != self._seen:
            self._seen = switch
            return SWITCH
        if not switch and self._seen:
            return NOTHING  # it was stopped, which starts this, too
        return ASKED if found is None else found

    def wait(self, seconds: float) -> Optional[str]:
        """Wait until something happens and return it, or None when nothing that concerns us did for so long."""
        until = time.monotonic() + seconds
        while True:
            switch = _mended.switch(self._ovsdb)
            if switch and switch != self._seen:
                self._seen = switch
                return SWITCH
            found = self._nft()
            if found:
                return found
            left = until - time.monotonic()
            if left <= 0:
                return None
            if self._listener is None or found == NOTHING:  # others may change their tables without end
                time.sleep(min(left, _LOOK_SECONDS))
            else:
                self._listener.wait(min(left, _LOOK_SECONDS))

    def seen_as_told(self) -> None:
        """Remember that the node was found, or made, as told since Open vSwitch was started."""
        if self._seen is not None:
            _mended.know_switch(self._stem, self._owner, self._seen)

    def _nft(self) -> Optional[str]:
        news = self._listener.drain() if self._listener is not None else _nft_events.News()
        if news.lost:
            return FILTER
        if news.overflow:
            return OVERFLOW
        return NOTHING if news.any else None
