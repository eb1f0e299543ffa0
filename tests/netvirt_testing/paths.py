# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are; ./test and ./demo set the environment, a bare ``pytest`` gets the same answers without it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE = Path(os.environ.get("STATE", ROOT))
CACHE = STATE / ".cache"
LOGS = CACHE / "logs"
VENV_BIN = STATE / ".venv" / "bin"


def environment() -> dict[str, str]:
    """Return the environment in which the tools of the venv find each other, Ansible's settings and the collection."""
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(CACHE / "collections"),
        "PATH": f"{VENV_BIN}:{os.environ['PATH']}",
    }


def source_files(*patterns: str) -> list[Path]:
    """Return the files of the checkout that git tracks or would track, relative to ROOT, sorted."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted({Path(name) for name in listing.split("\0") if name and (ROOT / name).is_file()})
