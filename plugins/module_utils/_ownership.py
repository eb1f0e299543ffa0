# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Objects with the mark of another owner, which a run may only change where it takes them over."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node


def another(node: Node, owner: str) -> str:
    """Return the owner that a mark names, nothing for this run's own mark and for none."""
    return owner if owner != node.settings.owner else ""


def refusal(node: Node, title: str, other: str) -> str:
    """Return the line that says why an object is not changed, and how it can be."""
    return (
        f"{title} belongs to the owner {other}, and this run is of the owner {node.settings.owner}; run with "
        f"owner: {other} to change it, or with adopt: true to take it over (fabric_owner_was: {other} for a document)"
    )
