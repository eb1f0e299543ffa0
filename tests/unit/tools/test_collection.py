# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files at the top of the collection say agrees with what is there."""

from __future__ import annotations

import ast

import pytest
import yaml

from ansible_collections.netvirt.fabric.plugins.module_utils._registry import KINDS
from netvirt_testing import samples
from netvirt_testing.paths import ROOT, source_files

ON_THE_CONTROLLER = {"document", "known_variables", "proof", "run_module"}  # They need nothing but Ansible.
MODULES = [path.stem for path in source_files("plugins/modules/*.py")]


def test_the_action_group_has_all_modules() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert runtime["action_groups"] == {"fabric": sorted(MODULES)}


@pytest.mark.parametrize("module", sorted({*MODULES} - ON_THE_CONTROLLER))
def test_a_module_says_what_it_needs(module: str) -> None:
    text = (ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8")
    documentation = yaml.safe_load(text.split('DOCUMENTATION = r"""', 1)[1].split('"""', 1)[0])
    extended = documentation["extends_documentation_fragment"]
    needs = [name for name in extended if name.startswith("netvirt.fabric.needs_")]
    assert needs or documentation.get("requirements")


KIND_FILES = {
    path.stem: path.parent.name for path in (ROOT / "plugins/module_utils/_kinds").glob("*/*.py") if path.stem[0] != "_"
}


def test_each_kind_is_known_wherever_kinds_are_named() -> None:
    """A new kind is a file; this names what else has to know of it."""
    assert KINDS == KIND_FILES
    registry = (ROOT / "plugins/module_utils/_registry.py").read_text(encoding="utf-8")
    packed = {
        name.name
        for node in ast.walk(ast.parse(registry))
        if isinstance(node, ast.ImportFrom) and "._kinds." in (node.module or "")
        for name in node.names
    }
    assert packed == set(KINDS), "what Ansible packs for a list of resources, see _registry.py"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = {
        "modules": [name for name in KINDS if not (ROOT / f"plugins/modules/{name}.py").exists()],
        "README.md": [name for name in KINDS if f"`{name}`" not in readme],
        "samples": [name for name in KINDS if name not in samples.KINDS],
    }
    assert missing == {"modules": [], "README.md": [], "samples": []}
