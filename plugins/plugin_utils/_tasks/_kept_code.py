# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The code that modules run on a node, which is sent to a node that does not have it yet."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _sent

MODULE = "netvirt.fabric.engine"
_DIRECTORY = str(Path(_sent.__file__).parent)

Result = dict[str, Any]


def run(call: str, arguments: Result, execute: Callable[[str, Result], Result]) -> Optional[Result]:
    """Return what a module answers with the code that the node keeps; None where it can keep none.

    ``execute`` runs a module on the node.
    """
    asked: Result = {"hash": _sent.digest(_DIRECTORY), "call": call, "arguments": arguments}
    answer = execute(MODULE, asked)
    if answer.get("lacking_code"):
        answer = execute(MODULE, {**asked, "code": base64.b64encode(_sent.packed(_DIRECTORY)).decode()})
    return None if answer.get("lacking_code") else answer
