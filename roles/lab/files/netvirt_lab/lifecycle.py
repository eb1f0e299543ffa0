# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab as a whole: up, down, and the power of its nodes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

from . import cgroups, checks, fabric, guest, identity, images, kinds, supervisor
from .model import Lab, Machine, machine, namespace
from .system import LabError, copy_program, exclusive, run, succeeds, wait_until, write

# Seconds. A machine under software emulation is slow, and slower where processors are scarce.
BOOT_TIMEOUT = {"container": 300, "vm": 900}
OFF_TIMEOUT = {"container": 10, "vm": 60}


def build(lab: Lab) -> dict[str, Any]:
    """Build the images that the lab needs and this machine lacks."""
    missing = [path for path in images.wanted(lab) if not path.exists()]
    checks.require(lab, build=bool(missing))
    return _result(images.ensure(lab))


def up(lab: Lab) -> dict[str, Any]:
    """Make the lab what its description says; return what changed, and where each node is."""
    checks.require(lab, build=False)
    with exclusive(lab.directory, "bring up the lab", timeout=300):
        changes = images.ensure(lab)
        copy_program(lab.directory)
        changes += _ensure_key(lab)
        changes += _remove_unlisted(lab)
        changes += fabric.ensure(lab)
        machines = _machines(lab)
        for item in machines:
            changes += _ensure_node(lab, item)
        for item in machines:
            _wait_ready(item)
        write(lab.directory / "ssh/known_hosts", "".join(_known_host(item) for item in machines))
    nodes = {item.name: {link.network: link.addresses for link in item.links} for item in machines}
    return {**_result(changes), "nodes": nodes}


def down(name: str, directory: Path) -> dict[str, Any]:
    """Remove everything that a lab made, whatever state it is in."""
    if os.geteuid() != 0:
        raise LabError("remove the lab: this needs root")
    changes = []
    for path in (directory / "ssh").glob("*"):
        if path.is_socket():  # A connection that somebody's SSH keeps open, which would never notice.
            succeeds(["ssh", "-O", "exit", "-S", path, "node"], timeout=5)
    if cgroups.kill(namespace(name)):
        changes.append("processes ended")
    changes += fabric.remove(name)
    if directory.exists():
        run("remove the lab's directory", ["rm", "-rf", "--one-file-system", directory], timeout=120)
        changes.append(f"{directory} removed")
    return _result(changes)


def status(directory: Path) -> dict[str, Any]:
    """Tell which nodes there are and which are on."""
    found = {}
    for path in sorted(directory.glob(f"nodes/*/{supervisor.MACHINE_FILE}")):
        item = supervisor.load(path.parent)
        addresses = {link.network: link.addresses for link in item.links}
        found[item.name] = {"kind": item.kind, "pid": kinds.of(item).pid(item), "addresses": addresses}
    return {"nodes": found}


def power(item: Machine, action: str) -> dict[str, Any]:
    """Switch a node on or off, cut its power, or reboot it; return when that is done."""
    kind = kinds.of(item)
    if action == "on":
        return _switch_on(item)
    if kind.pid(item) is None:
        if action == "reboot":
            raise LabError(f"node {item.name} is off; switch it on")
        return _result([])
    if action == "reboot":
        before = kind.boot_id(item)
        kind.ask(item, "reboot")
        wait_until(
            f"reboot {item.name}", lambda: kind.boot_id(item) not in (before, None), timeout=BOOT_TIMEOUT[item.kind]
        )
        _wait_ready(item)
        return _result([f"node {item.name} rebooted"])
    return _switch_off(item, gracefully=action == "off")


def _switch_on(item: Machine) -> dict[str, Any]:
    changes = [f"node {item.name} switched on"] if supervisor.start(item) else []
    _wait_ready(item)
    return _result(changes)


def _switch_off(item: Machine, *, gracefully: bool) -> dict[str, Any]:
    if gracefully:
        kinds.of(item).ask(item, "off")
        with contextlib.suppress(LabError):
            wait_until("power off", lambda: supervisor.pidfile(item).pid() is None, timeout=OFF_TIMEOUT[item.kind])
    pid = kinds.of(item).pid(item)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(f"cut the power of {item.name}", lambda: supervisor.pidfile(item).pid() is None, timeout=10)
    return _result([f"node {item.name} switched off"])


def _result(changes: list[str]) -> dict[str, Any]:
    return {"changed": bool(changes), "changes": changes}


def _ensure_key(lab: Lab) -> list[str]:
    key = lab.directory / "ssh/id_ed25519"
    if key.exists():
        return []
    key.parent.mkdir(mode=0o700, exist_ok=True)
    run("make the lab's SSH key", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", lab.namespace, "-f", key])
    return ["SSH key made"]


def _machines(lab: Lab) -> list[Machine]:
    """Return the nodes' machines. A node that exists keeps its number, and with it its addresses."""
    numbers: dict[str, int] = {}
    for path in lab.directory.glob(f"nodes/*/{supervisor.MACHINE_FILE}"):
        numbers[path.parent.name] = supervisor.load(path.parent).number
    shared = {"lab": str(guest.image(lab))} if lab.guest_image else {}
    found = []
    for node in lab.nodes:
        if node.name not in numbers:
            numbers[node.name] = next(n for n in range(1, len(numbers) + 2) if n not in numbers.values())
        found.append(machine(lab, node, numbers[node.name], kinds.IMAGES[node.kind].image(lab, node.suite), shared))
    return found


def _remove_unlisted(lab: Lab) -> list[str]:
    listed = {node.name for node in lab.nodes}
    changes = []
    for path in sorted((lab.directory / "nodes").glob("*")):
        if path.name not in listed:
            _remove_node(lab.namespace, path)
            changes.append(f"node {path.name} removed")
    return changes


def _remove_node(netns: str, directory: Path) -> None:
    try:
        item = supervisor.load(directory)
    except FileNotFoundError:  # It was never finished, so it was never switched on.
        item = None
    if item is not None:
        pid = supervisor.pidfile(item).pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        cgroups.kill(netns, item.name)
    run(f"remove node {directory.name}", ["rm", "-rf", "--one-file-system", directory], timeout=120)


def _ensure_node(lab: Lab, item: Machine) -> list[str]:
    directory = Path(item.directory)
    kept = directory / supervisor.MACHINE_FILE
    done = "created"
    if directory.exists():
        if kept.exists() and supervisor.load(directory) == item:
            return [f"node {item.name} switched on"] if supervisor.start(item) else []
        _remove_node(lab.namespace, directory)
        done = "made anew"
    kinds.of(item).create(item, lab)
    write(kept, json.dumps(item.to_dict(), indent=2) + "\n")
    supervisor.start(item)
    return [f"node {item.name} {done}"]


def _wait_ready(item: Machine) -> None:
    """Wait until the node has booted, with every service started, and answers on SSH."""

    def booted() -> bool:
        supervisor.require_on(item)
        return kinds.of(item).ready(item)

    try:
        wait_until(f"boot {item.name}", booted, timeout=BOOT_TIMEOUT[item.kind])
    except LabError as error:
        raise LabError(f"{error}; its console says: {supervisor.tail(item)}") from None
    address = item.links[0].addresses[0].split("/")[0]
    wait_until(f"reach {item.name} by SSH on {address}", lambda: _answers(address), timeout=60)


def _answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _known_host(item: Machine) -> str:
    address = item.links[0].addresses[0].split("/")[0]
    return f"{item.name},{address} {identity.host_key(item)}\n"
