# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files at the top of the collection say agrees with what is there."""

from __future__ import annotations

import pytest
import yaml

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
