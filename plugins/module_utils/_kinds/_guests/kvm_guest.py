# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``kvm_guest``: a virtual machine, which QEMU runs in a unit of its own (qemu-system-x86_64(1)).

What QEMU was started with is recorded beside the unit, and both are only written when it does not run, or when it need
not know. So a guest whose restart is not allowed stays wholly as it is, also when it crashes, and is told as pending.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._guests import _disks, _qemu
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _accounts, _files, _systemd
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests import _guest_files as files
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests import _guest_taps as taps
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests import _guest_values as guest
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_RUNNING = "running"
_OFF = ("inactive", "failed")
_SOUND: Spec = {"edited": [], "service": _RUNNING, "enabled": False, "taps": [], "lost": [], "disk": ""}


class KvmGuest(_engine.Kind):
    """See plugins/modules/kvm_guest.py for the meaning of the options."""

    name = "kvm_guest"
    turn = _engine.Turn.SERVICE
    options = {
        "name": _options.Option(required=True, canonical=values.guest_name, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        "uuid": _options.Option(canonical=guest.guest_uuid),
        "memory": _options.Option(type="int", canonical=values.integer(16, 2**24)),
        "vcpus": _options.Option(type="int", canonical=values.integer(1, 1024)),
        "interfaces": _options.Option(
            type="list", elements="dict", options=guest.INTERFACE, canonical=guest.interfaces
        ),
        "image": _options.Option(canonical=guest.file_path),
        "kernel": _options.Option(canonical=guest.file_path),
        "initrd": _options.Option(canonical=guest.file_path),
        "cmdline": _options.Option(canonical=values.text),
        "accelerator": _options.Option(choices=guest.ACCELERATORS),
        "stop_timeout": _options.Option(type="int", canonical=values.integer(1, 3600)),
        "allow_restart": _options.Option(type="bool", default=False, role=_options.Role.PERMISSION),
    }

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the options that the guest was started with; the MTUs are those of its devices."""
        name = want["name"]
        found = {short: node.files.read(path) for short, path in files.paths(name).items()}
        if not any(found.values()):
            return None
        told = self._told(name, getattr(found[files.RECORD], "text", ""))
        texts = files.render(told, _owner(node, name) or "") if told else {}
        state = node.systemd.show(files.unit(name))
        user = _user(int(state["MainPID"] or 0)) or guest.account(name)
        return {
            "name": name,
            **told,
            **({"interfaces": taps.with_mtus(node, told["interfaces"])} if told else {}),
            "edited": sorted(
                short for short, file in found.items() if not told or not _is_sound(file, texts.get(short))
            ),
            "service": _service(state),
            "enabled": node.systemd.enabled(files.unit(name)),
            "user": user,
            "taps": taps.faults(node, name, told.get("interfaces", ())),
            "lost": taps.lost(name, told.get("interfaces", ())),
            "disk": _disk(name, user, told.get("image", "")),
        }

    def _told(self, name: str, text: str) -> Spec:
        """Return the recorded options, or none when there are none, or somebody made them unusable."""
        try:
            told = _options.validate(self.options, {**guest.NEW, **dict(files.parse_options(text))}, "")
        except (_errors.InvalidValue, TypeError, ValueError):
            return {}
        told = {option: value for option, value in told.items() if option not in ("state", "allow_restart")}
        return told if told["name"] == name and None not in told.values() else {}

    def provides(self, want: Spec) -> Iterable[tuple[_references.Reference, Spec]]:
        """Its taps."""
        for item in want["interfaces"] or ():
            yield _references.tap(item["tap"]), item

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Return the options as they will be, of a guest that must not restart those that it has."""
        wanted = self._wanted(node, have, want)
        if want["allow_restart"] or not _reasons(have, wanted):
            return wanted
        return _kept(have or {}, wanted)

    def _wanted(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Return what was asked for; what cannot work is refused where it is asked for anew."""
        name = want["name"]
        former: Spec = have or {}
        wanted = {**guest.NEW, **super().desired(node, have, want), **_SOUND, "user": guest.account(name)}
        for option in guest.REQUIRED:
            if option not in wanted:
                raise _errors.InvalidValue(f"{option} is required")
        _qemu.require()
        if wanted["accelerator"] == "auto":
            keep = former.get("service") == _RUNNING and former.get("accelerator")
            wanted["accelerator"] = keep or _qemu.accelerator("auto")
        _accounts.find(wanted["user"], guest.comment(name))
        taps.check(node, name, wanted["interfaces"])
        if wanted["image"] != former.get("image", ""):
            _check_disk(name, wanted["image"])
        for option in ("kernel", "initrd"):
            path = wanted[option]
            if path and path != former.get(option) and not os.path.isfile(path):
                raise _errors.Conflict(f"{option} {path} does not exist on the node; put it there first")
        return wanted

    def pending(self, node: Node, have: Optional[Spec], want: Spec) -> Iterable[str]:
        """Give what the guest would have to be restarted for, where that is not allowed."""
        if want["allow_restart"] or want["state"] == "absent":
            return ()
        return _reasons(have, self._wanted(node, have, want))

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """Stop, devices, start: a guest that need not stop is only given what it can have while it runs."""
        spec = desired or have
        if spec is None:
            return
        name = spec["name"]
        running = have is not None and have["service"] == _RUNNING
        restart = running and (desired is None or any(_reasons(have, desired)))
        if have is not None and (restart or (not running and not have["service"].startswith(_OFF))):
            limit = int(have.get("stop_timeout", guest.NEW["stop_timeout"]) or 0) + files.STOP_GRACE
            stop = partial(node.systemd.stop_together, files.unit(name), limit)
            yield _engine.Operation(_engine.Stage.STOP_SERVICE, "stop", stop)
        if desired is None:
            yield _engine.Operation(_engine.Stage.DROP_LINK, "delete", partial(_delete, node, name))
            return
        changes = _engine.differences(have, desired)
        if not running or restart:
            action = "create" if have is None else "restart" if restart else "start"
            yield from taps.operations(node, name, desired["interfaces"])
            start = partial(_start, node, have, desired)
            yield _engine.Operation(_engine.Stage.SERVICE, action, start, changes)
        else:
            yield _engine.Operation(_engine.Stage.SERVICE, "update", partial(_update, node, have, desired), changes)

    def problems(self, node: Node, want: Spec) -> Iterable[str]:
        """Report a guest that does not run, with the last that was said."""
        unit = files.unit(want["name"])
        state = _service(node.systemd.show(unit))
        if state != _RUNNING:
            words = node.systemd.last_words(unit)
            yield f"{unit} is {state}" + (f": {words}" if words else "")

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the guests whose files name the owner, also those of which only some files are there."""
        found = [*node.files.names(_systemd.UNIT_DIRECTORY), *node.files.names(files.DIRECTORY)]
        for name in sorted(set(map(files.guest, found)) - {""}):
            if _owner(node, name) == owner:
                yield {"name": name, "state": "absent"}

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner that the files name."""
        return _owner(node, want["name"]) or ""

    def adopt(self, node: Node, want: Spec) -> None:
        """Write the owner into the files as they are; the guest need not know."""
        for path in files.paths(want["name"]).values():
            file = node.files.read(path)
            if file is not None and file.owner is not None:
                text = files.of_owner(file.text, want["name"], file.owner, node.settings.owner)
                node.files.write(path, text, file.mode)
        node.systemd.reread()


def _owner(node: Node, name: str) -> Optional[str]:
    """Return the owner that the files name."""
    return next(filter(None, map(node.files.owner, files.paths(name).values())), None)


def _is_sound(file: Optional[_files.File], text: Optional[str]) -> bool:
    """Tell whether a file is as it should be, which may be not at all."""
    return file is None if text is None else file is not None and (file.text, file.mode) == (text, files.MODE)


def _user(pid: int) -> str:
    """Return the user of a process, nothing where there is none."""
    try:
        return _accounts.name_of(os.stat(f"/proc/{pid}").st_uid) if pid else ""
    except OSError:
        return ""


def _service(state: dict[str, str]) -> str:
    """Return "running", or what the unit does instead."""
    if state["ActiveState"] == "active":
        return _RUNNING
    result = f" ({state['Result']})" if state["Result"] not in ("", "success") else ""
    return ("starts again and again" if state["SubState"] == "auto-restart" else state["ActiveState"]) + result


def _disk(name: str, user: str, image: str) -> str:
    """Return what is wrong with who can get at the guest's disk, or nothing."""
    disk = _disks.find(name)
    if disk is None:
        return ""
    if not disk.private:
        return "in directories that are not root's"
    account = _accounts.find(user, guest.comment(name)) if user == guest.account(name) else None
    return "not its user's alone" if image and account and not disk.belongs_to(account.pw_uid) else ""


def _check_disk(name: str, image: str) -> None:
    """Raise Conflict where a guest cannot have a disk on this image."""
    made_on = _disks.made_on(name)
    if image and made_on and made_on != os.path.realpath(image):
        raise _errors.Conflict(
            f"its disk {_disks.path(name)} was made on {values.called(made_on)}, not on {image}, and holds what the "
            "guest wrote; move it away to start anew, or name the former image"
        )
    if image:
        _disks.image_format(image)


def _reasons(have: Optional[Spec], desired: Spec) -> list[str]:
    """Return what a running guest would have to be restarted for."""
    return list(guest.reasons(have, desired)) if have is not None and have["service"] == _RUNNING else []


def _kept(have: Spec, wanted: Spec) -> Spec:
    """Return a running guest that is not restarted: what it can have while it runs is as wanted, the rest as it is."""
    live: Spec = {**have, "enabled": False, "disk": ""}
    if "uuid" in have:
        mtus = {item["tap"]: item["mtu"] for item in wanted["interfaces"]}
        taps_left = [tap for tap in have["taps"] if tap in have["lost"]]
        live.update({"edited": [], "taps": taps_left, "stop_timeout": wanted["stop_timeout"]})
        live["interfaces"] = [{**item, "mtu": mtus.get(item["tap"], item["mtu"])} for item in have["interfaces"]]
    return live


def _options_of(spec: Spec) -> Spec:
    return {name: value for name, value in spec.items() if name in KvmGuest.options}


def _start(node: Node, have: Optional[Spec], desired: Spec) -> None:
    """Write the files and start the guest, which does not run now."""
    name = desired["name"]
    account = _accounts.add(guest.account(name), guest.comment(name), node.settings.timeout)
    _disks.prepare()
    if desired["image"]:
        if _disks.find(name) is None:
            if have is not None and have.get("image") == desired["image"]:
                raise _errors.Conflict(
                    f"its disk {_disks.path(name)} is gone; put it back, or remove the guest first to start anew"
                )
            _disks.make(name, desired["image"], node.settings.timeout)
        _disks.hand_over(name, account.pw_uid, account.pw_gid)
    _write(node, have, desired)
    node.systemd.restart(files.unit(name))


def _update(node: Node, have: Optional[Spec], desired: Spec) -> None:
    """Give a running guest what it can have while it runs."""
    name = desired["name"]
    if "uuid" in desired:
        taps.tune(node, desired["interfaces"])
        _write(node, have, desired)
    if have is not None and have["disk"]:
        _disks.secure(name)
        account = (
            _accounts.find(desired["user"], guest.comment(name)) if desired["user"] == guest.account(name) else None
        )
        if account:
            _disks.hand_over(name, account.pw_uid, account.pw_gid)
    if have is not None and have["enabled"]:
        node.systemd.disable(files.unit(name))


def _write(node: Node, have: Optional[Spec], desired: Spec) -> None:
    name = desired["name"]
    texts = files.render(_options_of(desired), _owner(node, name) or node.settings.owner)
    edited = have["edited"] if have is not None else list(texts)
    for short, path in files.paths(name).items():
        if short not in edited and getattr(node.files.read(path), "text", None) == texts.get(short):
            continue
        if short in texts:
            node.files.write(path, texts[short], files.MODE)
            node.systemd.reread()
        else:
            node.files.remove(path)
    if have is not None and have["enabled"]:
        node.systemd.disable(files.unit(name))


def _delete(node: Node, name: str) -> None:
    """Remove what the guest had, once it is off. Its disk stays, as root's, since another user may get the number."""
    taps.delete(node, name)
    _disks.hand_over(name, 0, 0)
    _accounts.remove(guest.account(name), guest.comment(name), node.settings.timeout)
    if node.systemd.enabled(files.unit(name)):
        node.systemd.disable(files.unit(name))
    node.systemd.reset(files.unit(name))
    for path in reversed(list(files.paths(name).values())):
        node.files.remove(path)
        node.files.remove_if_empty(os.path.dirname(path))
    node.systemd.reread_late()
