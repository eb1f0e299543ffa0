# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``rebuild``: that a node keeps what one owner told it, and rebuilds it at boot. No module has it but ``apply``.

The node is told before anything else is done. A run that is cut off is completed at the next boot, and what was to be
removed does not come back then.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _mended, _options
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._boot import _rebuild_files as files
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_SOUND: Spec = {
    "stale": [],
    "enabled": True,
    "listening": True,
    "failure": "",
    "mended": "",
    "undone": False,
    "unmarked": [],
}


class Rebuild(_engine.Kind):
    """The object is one owner's list. Files that are not what it renders to are findings, and so is a failed unit."""

    name = "rebuild"
    turn = _engine.Turn.BOOT
    options = {
        "name": _options.Option(required=True, canonical=values.object_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        "resources": _options.Option(type="list", elements="dict", role=_options.Role.POLICY),
    }

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return which files are not as they should be, and what the node did by itself since the last run.

        ``undone`` tells of a move of an uplink, after which no rebuild does anything until the next run; ``unmarked``
        are bridges and ports of ours whose external_ids another tool has cleared.
        """
        name = want["name"]
        found = {short: node.files.read(path) for short, path in files.paths(name).items()}
        if not any(found.values()):
            return None
        wanted = files.render(name, want["resources"], node.settings)
        node.systemd.look(files.unit(name), *files.triggers(name))
        return {
            "name": name,
            "stale": sorted(short for short, file in found.items() if file != wanted[short]),
            "enabled": all(map(node.systemd.enabled, [files.unit(name), *files.triggers(name)])),
            "listening": all(node.systemd.show(unit)["ActiveState"] == "active" for unit in files.triggers(name)),
            "failure": _failure(node, files.unit(name)),
            "mended": _mended.counted(node.files, _mended.stem(name)),
            "unmarked": node.ovsdb.lost_marks(),
            "undone": os.path.exists(_mended.undone_path(_mended.stem(name))),
        }

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Files as rendered, and a unit that starts at boot."""
        return {"name": want["name"], **_SOUND}

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """One operation. The unit is not started: this run does what it would do."""
        if desired is None:
            yield _engine.Operation(_engine.Stage.KEEP, "delete", partial(_delete, node, (have or {})["name"]))
            return
        action = "create" if have is None else "update"
        yield _engine.Operation(
            _engine.Stage.KEEP, action, partial(_write, node, desired["name"], have), _engine.differences(have, desired)
        )
        if have is not None and have["unmarked"]:
            yield _engine.Operation(_engine.Stage.OVSDB, "mark", node.ovsdb.restore_marks)


def told(owner: str, resources: Sequence[_engine.Resource], keep: bool) -> _engine.Resource:
    """Return the resource by which the node keeps these under the owner's name, or nothing any more."""
    entries = [_entry(item) for item in resources]
    return _engine.resource(Rebuild(), {"name": owner, "state": _state(entries if keep else []), "resources": entries})


def with_uplinks(owner: str, resources: Sequence[_engine.Resource]) -> list[_engine.Resource]:
    """Return the resource by which the node keeps its uplinks beside what it keeps for the owner already.

    A host whose NIC is not moved again at boot may not be reached, so this is done without being asked for.
    """
    uplinks = [item for item in resources if item.kind.name == "bridge_uplink"]
    if not uplinks:
        return []
    bridges = {item.want["bridge"] for item in uplinks if not item.absent}
    moved = [
        item
        for item in resources
        if item in uplinks or (item.kind.name in ("linux_bridge", "ovs_bridge") and item.want["name"] in bridges)
    ]
    named = {(item.kind.name, item.want["name"]) for item in moved}
    try:
        file = _files.Files().read(files.paths(owner)["list"])
        before = json.loads(file.text.partition("\n")[2])["resources"] if file is not None else []
    except (KeyError, TypeError, ValueError):  # it was edited by hand, and would not be rebuilt
        before = []
    entries = [
        entry for entry in before if not any((kind, options.get("name")) in named for kind, options in entry.items())
    ]
    entries += [_entry(item) for item in moved if not item.absent]
    if all(kind in ("linux_bridge", "ovs_bridge") for entry in entries for kind in entry):
        entries = []  # bridges were kept for the sake of their uplinks
    return [_engine.resource(Rebuild(), {"name": owner, "state": _state(entries), "resources": entries})]


def _entry(item: _engine.Resource) -> dict[str, Spec]:
    """Return what is kept of a resource; what a run is permitted to do, no rebuild is."""
    options = item.kind.options
    kept = {name for name, option in options.items() if option.role is not _options.Role.PERMISSION}
    return {item.kind.name: {name: value for name, value in item.want.items() if value is not None and name in kept}}


def _state(entries: Sequence[Any]) -> str:
    return "present" if entries else "absent"


def warnings(result: _engine.Result) -> list[str]:
    """Return what the user should know of what the node did by itself before this run."""
    lines = []
    for item in result.changed:
        if item.kind.name == Rebuild.name and item.have is not None:
            unit = files.unit(item.want["name"])
            if item.have["failure"]:
                lines.append(f"{unit} failed: {item.have['failure']}")
            if item.have["mended"]:
                lines.append(f"the node mended itself {item.have['mended']}; see: journalctl -u {unit}")
    return lines


def _failure(node: Node, unit: str) -> str:
    """Return the last words of a unit that failed, or nothing."""
    state = node.systemd.show(unit)
    if state["ActiveState"] != "failed":
        return ""
    return node.systemd.last_words(unit) or state["Result"]


def _write(node: Node, name: str, have: Optional[Spec]) -> None:
    resources = (node.declared(Rebuild.name, name) or {})["resources"]
    wanted, stem = files.render(name, resources, node.settings), _mended.stem(name)
    stale = set(wanted) if have is None else set(have["stale"])
    for short in stale:
        node.files.write(files.paths(name)[short], wanted[short].text, wanted[short].mode)
    outdated = files.outdated(name)
    if os.path.exists(outdated):
        _remove(node, outdated)
        node.systemd.reread()
    units = [files.unit(name), *files.triggers(name)]
    if stale - {"list"} or not (have and have["enabled"] and have["listening"]):
        node.systemd.end(*units)  # one that runs waits for this run, and has code that is replaced
        node.systemd.reread()
        for unit in units:
            node.systemd.enable(unit)
        for unit in units[1:]:
            node.systemd.restart(unit)
    if have is not None and have["failure"]:
        node.systemd.reset(units[0])
    node.files.remove(_mended.count_path(stem))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_mended.undone_path(stem))
    _mended.know_switch(stem, node.settings.owner, _mended.switch(node.settings.ovsdb))


def _delete(node: Node, name: str) -> None:
    node.systemd.stop(files.unit(name), *files.triggers(name))
    stem = _mended.stem(name)
    for path in (*files.paths(name).values(), files.outdated(name)):
        _remove(node, path)
    for path in (_mended.count_path(stem), _mended.seen_path(stem)):
        node.files.remove(path)
    node.systemd.reread_late()


def _remove(node: Node, path: str) -> None:
    node.files.remove(path)
    node.files.remove_if_empty(os.path.dirname(path))
