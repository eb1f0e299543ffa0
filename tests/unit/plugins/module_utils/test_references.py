# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kinds provide is what messages tell users to declare, and nothing is required that no kind provides."""

from __future__ import annotations

from ansible_collections.netvirt.fabric.plugins.module_utils import _registry
from ansible_collections.netvirt.fabric.plugins.module_utils._references import MAKERS, Sort
from netvirt_testing.samples import KINDS

RESOURCES = _registry.parse([{kind: sample} for kind, samples in KINDS.items() for sample in samples])


def test_makers_are_the_kinds_that_provide_a_sort() -> None:
    provided = {
        (item.kind.name, reference.sort) for item in RESOURCES for reference, _options in item.kind.provides(item.want)
    }
    assert {sort for _kind, sort in provided} == set(Sort)
    for sort, kinds in MAKERS.items():
        assert set(kinds) == {kind for kind, other in provided if other is sort}


def test_nothing_is_required_that_no_message_has_a_remedy_for() -> None:
    required = {reference.sort for item in RESOURCES if not item.absent for reference in item.kind.requires(item.want)}
    assert required == set(MAKERS)
