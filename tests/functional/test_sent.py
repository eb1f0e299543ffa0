# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code that a node keeps from one task to the next: only what is whole and root's is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.netvirt.fabric.plugins.module_utils import _sent


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, bytes]:
    """Return the hash of some code and the code; the node keeps what there is in a directory of the test's own."""
    monkeypatch.setattr(_sent, "ABOVE", str(tmp_path / "run"))
    monkeypatch.setattr(_sent, "DIRECTORY", str(tmp_path / "run/engines"))
    sources = tmp_path / "sources"
    (sources / "inner").mkdir(parents=True)
    (sources / "first.py").write_text("FIRST = 1\n", encoding="utf-8")
    (sources / "inner/second.py").write_text("SECOND = 2\n", encoding="utf-8")
    (sources / "first.txt").write_text("no code\n", encoding="utf-8")
    return _sent.digest(str(sources)), _sent.packed(str(sources))


def test_code_is_kept_once(code: tuple[str, bytes]) -> None:
    wanted, content = code
    assert _sent.found(wanted) is None
    path = _sent.keep(wanted, content)
    assert path is not None
    assert _sent.found(wanted) == _sent.keep(wanted, content) == path
    assert sorted(str(file.relative_to(path)) for file in Path(path).rglob("*.*")) == ["first.py", "inner/second.py"]
    assert Path(path).stat().st_mode & 0o777 == 0o700


def test_what_is_not_whole_is_not_used_but_replaced(code: tuple[str, bytes]) -> None:
    wanted, content = code
    path = _sent.keep(wanted, content)
    assert path is not None
    for name, text in (("first.py", "FIRST = 3\n"), ("third.py", "THIRD = 3\n")):
        Path(path, name).write_text(text, encoding="utf-8")
        assert _sent.found(wanted) is None
        assert _sent.keep(wanted, content) == path
        assert _sent.found(wanted) == path
    assert _sent.keep("0" * 64, content) is None


def test_what_others_can_change_is_not_used(code: tuple[str, bytes], tmp_path: Path) -> None:
    wanted, content = code
    path = _sent.keep(wanted, content)
    assert path is not None
    for directory in (Path(path), Path(path).parent, tmp_path / "run"):
        mode = directory.stat().st_mode
        directory.chmod(0o777)
        assert _sent.found(wanted) is None
        directory.chmod(mode)
    assert _sent.found(wanted) == path
    Path(path).rename(tmp_path / "elsewhere")
    Path(path).symlink_to(tmp_path / "elsewhere")
    assert _sent.found(wanted) is None


@pytest.mark.parametrize("content", [b"", b"PK no zip file"])
def test_what_cannot_be_unpacked_leaves_nothing(code: tuple[str, bytes], content: bytes) -> None:
    assert _sent.keep(code[0], content) is None
    assert list(Path(_sent.DIRECTORY).iterdir()) == []
