# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What a node does at boot: it brings back what it was last told, from a file of its own, without Ansible.

This is the program in the archive that the kind ``rebuild`` installs. By hand it shows what is not as it was told:
``python3 /usr/local/lib/netvirt/rebuild-OWNER.pyz --check /etc/netvirt/rebuild/OWNER.json``.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors, _node, _options, _registry
from ansible_collections.netvirt.fabric.plugins.module_utils._backends import _files
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node

# Devices may be late, and what sets up the host's own links may undo something while the host boots.
HOLD_SECONDS = 60.0
PAUSE_SECONDS = 5.0


def main(arguments: Sequence[str]) -> int:
    """Rebuild, or with ``--check`` print as JSON what would be done; return the exit status."""
    check = list(arguments[:1]) == ["--check"]
    if len(arguments) != 1 + check:
        sys.stderr.write(f"usage: {sys.argv[0]} [--check] FILE\n")
        return 2
    try:
        if check:
            sys.stdout.write(json.dumps(_converge(arguments[-1], True), indent=1) + "\n")
        else:
            _hold(arguments[-1])
    except _errors.NetvirtError as error:
        sys.stderr.write(f"the virtual networks are not as this node was told: {error}\n")
        return 1
    return 0


def _hold(path: str) -> None:
    """Converge, tell systemd, and see to it for HOLD_SECONDS that it stays so; an error must last to be raised."""
    deadline = time.monotonic() + HOLD_SECONDS
    ready, said = False, ""
    while True:
        try:
            operations = _converge(path, False)
            text = f"{len(operations)} operations done" if operations or not ready else ""
            if not ready:
                _notify(f"READY=1\nSTATUS={text}")
            ready = True
        except _errors.InvalidValue:
            raise
        except _errors.NetvirtError as error:
            if time.monotonic() >= deadline:
                raise
            text = f"trying again: {error}"
        if text and text != said:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        said = text
        if time.monotonic() >= deadline:
            return
        time.sleep(PAUSE_SECONDS)


def _converge(path: str, check: bool) -> list[dict[str, Any]]:
    """Bring the node to what the file says and return the operations; none where nothing is kept any more."""
    text = _text(path)
    if text is None:
        return []
    resources, settings = _parse(path, text)
    node = Node(settings)
    try:
        if check:
            return _engine.converge(node, resources, True).operations
        with node.lock():
            if _text(path) != text:  # another run came first, and has told the node otherwise
                return []
            return _engine.converge(node, resources, False).operations
    finally:
        node.close()


def _text(path: str) -> Optional[str]:
    file = _files.Files().read(path)
    return file.text if file is not None else None


def _parse(path: str, text: str) -> tuple[list[_engine.Resource], _node.Settings]:
    """Return what is below the header; raises InvalidValue."""
    try:
        told = json.loads(text.partition("\n")[2])
        return _registry.parse(told["resources"]), _node.Settings(
            **_options.validate(_node.SETTINGS, told["settings"], "settings")
        )
    except (_errors.InvalidValue, KeyError, TypeError, ValueError) as error:
        raise _errors.InvalidValue(f"{path} cannot be used ({error}); run the playbook again") from error


def _notify(message: str) -> None:
    """Tell systemd, as sd_notify(3) does."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(message.encode(), address.replace("@", "\0", 1))
