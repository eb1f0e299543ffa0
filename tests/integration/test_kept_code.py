# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks run with code that the node keeps, and do the same as with code that Ansible sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netvirt_testing.lab import Lab

NODES = ("compute1",)
NODE = "compute1"
DIRECTORY = "/run/netvirt/engines"
RESOURCES = [{"ovs_bridge": {"name": "br-kept", "datapath_type": "netdev"}}]


@pytest.fixture
def apply(lab: Lab, tmp_path: Path) -> Iterator[Any]:
    """Return a function that applies a bridge and has the node keep it; asynchronous tasks send all of their code."""

    def applied(asynchronous: bool = False, state: str = "present") -> dict[str, Any]:
        present = state == "present"
        options = {"owner": "kept", "purge": True, "keep": present, "resources": RESOURCES if present else []}
        task = {"name": "Apply", "netvirt.fabric.apply": options, **({"async": 60, "poll": 1} if asynchronous else {})}
        path = tmp_path / "play.yml"
        path.write_text(json.dumps([{"hosts": NODE, "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
        result = lab.playbook(path)
        assert result.returncode == 0, result.output
        return result.of(NODE, "Apply")

    lab.run(NODE, ["rm", "-rf", DIRECTORY])
    yield applied
    applied(state="absent")


def engines(lab: Lab) -> list[str]:
    return lab.run(NODE, ["ls", DIRECTORY]).stdout.split()


def test_kept_code_and_sent_code_do_the_same(lab: Lab, apply: Any) -> None:
    assert apply()["changed"]
    (kept,) = engines(lab)
    assert apply()["operations"] == []
    assert apply(asynchronous=True)["operations"] == []  # not even another engine for the rebuild
    assert engines(lab) == [kept]


def test_code_that_was_changed_on_the_node_is_not_run(lab: Lab, apply: Any) -> None:
    apply()
    (kept,) = engines(lab)
    file = f"{DIRECTORY}/{kept}/_engine.py"
    lab.run(NODE, ["sh", "-c", f"echo 'raise SystemExit(1)' >> {file}"])
    assert apply()["operations"] == []
    assert "SystemExit(1)" not in lab.run(NODE, ["cat", file]).stdout
