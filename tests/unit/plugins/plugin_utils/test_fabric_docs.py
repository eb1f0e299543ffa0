# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documentation of the document says is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from fabric_samples import ROOT, build, faults_of

import document_reference
from ansible_collections.netvirt.fabric.plugins.plugin_utils._nodes._mtu import inner_mtu

PAGE = (ROOT / "docs/fabric_document.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
FIRST = re.findall(r"```yaml\n(fabric_.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
MTUS = re.findall(r"^\| (\w+)[^|]*, IPv([46]) \| \d+ \| 4 \| (\d+) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("path", document_reference.FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_keys_are_described_as_their_features_have_them(path: Path) -> None:
    """If this fails, run tools/document_reference.py."""
    text = path.read_text(encoding="utf-8")
    assert document_reference.FILES[path](text) == text


DIRECTORIES = sorted(path.parent for path in (ROOT / "examples").glob("*/fabric.yml"))


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: path.name)
def test_every_example_is_described_and_run_by_a_test(directory: Path) -> None:
    """The tests that run it are named in its page, and name it themselves."""
    page = (directory / "README.md").read_text(encoding="utf-8")
    tests = re.findall(r"`(tests/integration/test_\w+\.py)`", page)
    assert tests
    assert all(re.search(rf"\b{directory.name}\b", (ROOT / test).read_text(encoding="utf-8")) for test in tests)
    assert f"(examples/{directory.name}/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [*FIRST, *EXAMPLES])
def test_examples_compile(text: str) -> None:
    assert faults_of(yaml.safe_load(text)) == []
    assert build(yaml.safe_load(text), "network1")


def test_the_readme_has_a_first_example() -> None:
    (text,) = FIRST
    assert yaml.safe_load(text).keys() >= {"fabric_networks", "fabric_routers", "fabric_guests"}


def test_the_table_of_mtus() -> None:
    assert len(MTUS) == 6
    for encapsulation, version, mtu in MTUS:
        assert inner_mtu(1500, encapsulation.lower(), int(version)) == int(mtu)


def test_the_names_in_the_picture_are_made() -> None:
    made = repr(build(yaml.safe_load(EXAMPLES[0]), "network1"))
    for name in ("br-phy", "patch-tun", "rl-blue", "nv-r1", "gw-blue", "ex-r1", "xl-r1", "br-ex"):
        assert f"'{name}'" in made
