# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every code block of the documentation is tried, or says why not."""

from __future__ import annotations

import pytest
from code_blocks import Block, blocks, faults

BLOCKS = list(blocks())


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_block(block: Block) -> None:
    assert faults(block) == []


def test_blocks_are_found() -> None:
    assert {block.page for block in BLOCKS} >= {"README.md", "docs/docsite/rst/guide_models.rst", "roles/nat/README.md"}
    assert {block.language for block in BLOCKS} >= {"yaml", "yaml+jinja", "console", "mermaid"}


@pytest.mark.parametrize(
    ("language", "text", "fault"),
    [
        ("yaml", "fabric_networks: [{name: a}]", "fabric_networks[0].mode: is required"),
        ("yaml", "- name: x\n  netvirt.fabric.ovs_bridge: {nam: br0}", "unknown option nam"),
        ("yaml", "- name: x\n  netvirt.fabric.node_info: {fast: true}", "node_info has no option fast"),
        ("yaml", "- hosts: all\n  roles: [netvirt.fabric.natt]", "there is no role natt"),
        ("yaml", "lab_node: []", "did you mean lab_nodes?"),
        ("console", "$ ansible-playbook netvirt.fabric.sites", "there is no playbook netvirt.fabric.sites"),
        ("console", "# ./test unitt", "there is no group unitt"),
        ("console", "$ rm -rf x", "nobody tries rm"),
        ("xml", "<a/>", "nobody tries a block of xml"),
    ],
)
def test_what_is_wrong_is_found(language: str, text: str, fault: str) -> None:
    assert fault in "; ".join(faults(Block("page", 1, language, text, False)))
