# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interpreter of programs that outlive a run."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.netvirt.fabric.plugins.module_utils import _program

ASK = f"from {_program.__name__} import python; print(python())"
SYSTEM = "/usr/bin/python3"


def chosen(interpreter: Path | str) -> str:
    environment = {**os.environ, "PYTHONPATH": _program.__file__.split("/ansible_collections/", maxsplit=1)[0]}
    return subprocess.run(
        [str(interpreter), "-c", ASK], env=environment, check=True, capture_output=True, text=True, cwd="/"
    ).stdout.strip()


def test_a_virtual_environment_is_kept_to_where_it_has_the_libraries(tmp_path: Path) -> None:
    if not os.path.exists(SYSTEM):
        pytest.skip(f"needs {SYSTEM}")
    subprocess.run([SYSTEM, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    interpreter = tmp_path / "bin/python3"
    assert chosen(interpreter) == SYSTEM
    (packages,) = tmp_path.glob("lib/python3*/site-packages")
    (packages / "pyroute2.py").touch()
    assert chosen(interpreter) == str(interpreter)
    assert chosen(SYSTEM) == SYSTEM


def test_an_archive_has_all_that_its_code_imports() -> None:
    sources = dict(_program._sources("entry"))
    package = _program.__name__.rpartition(".")[0]
    for path, content in sources.items():
        for node in ast.walk(ast.parse(content)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package):
                for name in (str(node.module), *(f"{node.module}.{item.name}" for item in node.names)):
                    assert name not in _program._LEFT_OUT, path
    assert all(f"{name.replace('.', '/')}.py" not in sources for name in _program._LEFT_OUT)
