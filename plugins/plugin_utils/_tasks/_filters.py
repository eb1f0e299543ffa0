# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the filter plugins have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ansible.errors import AnsibleFilterError

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError


@contextmanager
def filter_errors() -> Iterator[None]:
    """Turn the faults of a document into the error of a filter, one line for each."""
    try:
        yield
    except FabricError as error:
        count = len(error.faults)
        heading = f"the fabric document has {count} fault{'s' if count > 1 else ''}:"
        raise AnsibleFilterError("\n".join([heading, *(f"  {fault}" for fault in error.faults)])) from None
