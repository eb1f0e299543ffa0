# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What the kinds that live in a namespace share."""

from __future__ import annotations

import os
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._nft import NETNS_DIRECTORY


def namespace_exists(name: Optional[str]) -> bool:
    """Tell whether there is a network namespace of that name; the root one (None) always is.

    A name without the namespace mounted on it, as after a reboot or a half-done removal, does not count.
    """
    if name is None:
        return True
    try:
        # All namespaces live on one file system, nsfs.
        return os.stat(os.path.join(NETNS_DIRECTORY, name)).st_dev == os.stat("/proc/self/ns/net").st_dev
    except OSError:
        return False
