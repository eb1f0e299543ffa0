# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The marks of an owner's bridges and ports, as the last run left them.

Other tools clear ``external_ids``. Rows of Open vSwitch have identifiers that nobody can change, so that a row that we
marked is known again, and a row that somebody made anew under its name is not taken for ours.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors, _mended, _node
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files

Marks = dict[str, dict[str, str]]
"""The keys of ``external_ids`` that are ours, by the UUID of the row."""


def path(owner: str) -> str:
    """Return the file that holds them."""
    return f"{_node.RUN_DIRECTORY}/marks-{_mended.stem(owner)}.json"


def read(owner: str) -> Marks:
    """Return what was remembered; nothing where that cannot be used."""
    try:
        file = _files.Files().read(path(owner))
        found: Any = json.loads(file.text.partition("\n")[2]) if file is not None else {}
        return {str(row): {str(key): str(value) for key, value in marks.items()} for row, marks in found.items()}
    except (_errors.NetvirtError, AttributeError, ValueError):
        return {}


def remember(owner: str, marks: Marks) -> None:
    """Keep these instead. Where they cannot be written, the run is none the worse for it."""
    files = _files.Files()
    with contextlib.suppress(_errors.NetvirtError):
        if marks:
            files.write(path(owner), _files.header(owner) + json.dumps(marks, indent=1, sort_keys=True) + "\n", 0o600)
            files.commit()
        else:
            files.remove(path(owner))
