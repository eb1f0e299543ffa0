# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The node that a run works on: its backends, opened when first needed, and the lock that serialises runs."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Optional, TextIO

from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _connection, _files, _programs
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import LockTimeout, Missing, Unavailable
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Option, Role, Spec
from ansible_collections.netvirt.fabric.plugins.module_utils._values import integer, object_name, text

if TYPE_CHECKING:
    from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters._conntrack import Conntrack
    from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters._nft import Nft
    from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host._files import Files
    from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host._link_managers import LinkManagers
    from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host._systemd import Systemd
    from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links._netlink import Netlink
    from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch._openflow import Openflow
    from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch._ovsdb import Ovsdb
    from ansible_collections.netvirt.fabric.plugins.module_utils._engine import Resource
    from ansible_collections.netvirt.fabric.plugins.module_utils._references import Reference, Sort

RUN_DIRECTORY = "/run/netvirt"
PENDING = f"{RUN_DIRECTORY}/uplink.json"
"""State of a move of an uplink that is under way; it is there until the move is confirmed or undone."""

MARK_PREFIX = "netvirt-"
"""Prefix of the external_ids keys of Open vSwitch that are the collection's own. Users neither see nor set them."""

MARK_OWNER = MARK_PREFIX + "owner"

SETTINGS = {
    "owner": Option(canonical=object_name, default="netvirt", role=Role.POLICY),
    "ovsdb": Option(canonical=text, default="unix:/var/run/openvswitch/db.sock", role=Role.POLICY),
    "timeout": Option(type="int", canonical=integer(1, 600), default=8, role=Role.POLICY),
    "lock_timeout": Option(type="int", canonical=integer(0, 3600), default=60, role=Role.POLICY),
    "adopt": Option(type="bool", default=False, role=Role.PERMISSION),
}
"""Options of a whole run; every module has them."""

OWNER_WAS = {"owner_was": Option(canonical=object_name, role=Role.PERMISSION)}
"""An option of a run that has the whole list of an owner."""


@dataclass(frozen=True)
class Settings:
    """The values of SETTINGS: owner of what is made, OVSDB endpoint, seconds to wait for daemons and for the lock.

    ``adopt`` allows the run to take over what bears the mark of any other owner, ``owner_was`` what bears that one's.
    """

    owner: str = "netvirt"
    ovsdb: str = "unix:/var/run/openvswitch/db.sock"
    timeout: int = 8
    lock_timeout: int = 60
    adopt: bool = False
    owner_was: str = ""

    def lasting(self) -> dict[str, Any]:
        """Return what is kept for a rebuild, which takes nothing over."""
        return {name: getattr(self, name) for name, option in SETTINGS.items() if option.role is not Role.PERMISSION}


class Node:
    """One node during one run. Close it to release sockets."""

    def __init__(self, settings: Settings, unattended: bool = False) -> None:
        self.settings = settings
        self.unattended = unattended  # a rebuild, which leaves alone what another owner has taken over
        self._declared: dict[tuple[Any, ...], Spec] = {}
        self._coming: dict[Reference, list[Spec]] = {}
        self._going: set[Reference] = set()
        self._locked = False
        self.unconfirmed = ""  # token of a move made by this run that waits for its confirmation

    @cached_property
    def ovsdb(self) -> Ovsdb:
        from ansible_collections.netvirt.fabric.plugins.module_utils import _marks
        from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch._ovsdb import Ovsdb

        return Ovsdb(self.settings.ovsdb, self.settings.timeout, _marks.read(self.settings.owner))

    @cached_property
    def netlink(self) -> Netlink:
        from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links._netlink import Netlink

        return Netlink()

    @cached_property
    def nft(self) -> Nft:
        from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters._nft import Nft

        return Nft(self.settings.timeout)

    @cached_property
    def conntrack(self) -> Conntrack:
        from ansible_collections.netvirt.fabric.plugins.module_utils._backends._filters._conntrack import Conntrack

        return Conntrack()

    @cached_property
    def openflow(self) -> Openflow:
        from ansible_collections.netvirt.fabric.plugins.module_utils._backends._openvswitch._openflow import Openflow

        return Openflow(self.settings.ovsdb, self.settings.timeout)

    @cached_property
    def files(self) -> Files:
        from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host._files import Files

        return Files()

    @cached_property
    def systemd(self) -> Systemd:
        from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host._systemd import Systemd

        return Systemd(self.settings.timeout)

    @cached_property
    def link_managers(self) -> LinkManagers:
        from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host._link_managers import LinkManagers

        return LinkManagers(self.systemd, self.settings.timeout)

    @cached_property
    def connections(self) -> Optional[list[_connection.Ends]]:
        """The connections of which one started this run; None: there is one that cannot be told; empty: none."""
        return _connection.connections()

    @property
    def _opened(self) -> list[Any]:
        """The backends in use, in the order in which their transactions are committed."""
        return [
            self.__dict__[name]
            for name in ("netlink", "ovsdb", "nft", "conntrack", "openflow", "files", "systemd")
            if name in self.__dict__
        ]

    def takes(self, owner: str) -> bool:
        """Tell whether the run may take over what bears this other owner's mark; nothing stands for no mark."""
        return bool(owner) and (self.settings.adopt or owner == self.settings.owner_was)

    def ours(self, owner: str) -> bool:
        """Tell whether a mark is this run's, or one that it takes over."""
        return owner == self.settings.owner or self.takes(owner)

    def declare(self, resources: Sequence[Resource]) -> None:
        """Remember what the run declares, for kinds that need one another."""
        self._declared = {item.identity: item.want for item in resources}
        self._coming, self._going = {}, set()
        for item in resources:
            for reference, options in item.kind.provides(item.want):
                if item.absent:
                    self._going.add(reference)
                else:
                    self._coming.setdefault(reference, []).append(options)

    def coming(self, reference: Reference) -> list[Spec]:
        """Return what objects that this run makes say of a thing that they provide; nothing: none provides it."""
        return self._coming.get(reference, [])

    def all_coming(self, sort: Sort) -> Iterable[tuple[Reference, Spec]]:
        """Return everything of a sort that objects of this run provide."""
        for reference, found in self._coming.items():
            if reference.sort is sort:
                yield from ((reference, options) for options in found)

    def going(self, reference: Reference) -> bool:
        """Tell whether this run removes an object that provides a thing; another one may provide it anew."""
        return reference in self._going

    def declared(self, *identity: Any) -> Optional[Spec]:
        """Return the options of an object that this run makes, e.g. ``declared("ovs_bridge", "br-int")``, or None.

        A kind asks so for objects of its own. For those of other kinds there is ``coming``.
        """
        spec = self._declared.get(identity)
        return spec if spec is not None and spec["state"] == "present" else None

    def asked(self, *identity: Any) -> Spec:
        """Return the options of an object that this run declares, present or absent."""
        return self._declared.get(identity, {})

    def declarations(self, kind: str) -> list[Spec]:
        """Return the options of all objects of a kind that this run makes."""
        specs = (spec for identity, spec in self._declared.items() if identity[0] == kind)
        return [spec for spec in specs if spec["state"] == "present"]

    def removed(self, *identity: Any) -> bool:
        """Tell whether this run declares the object absent."""
        return self._declared.get(identity, {}).get("state") == "absent"

    def commit(self, last: bool) -> None:
        """Make the changes that the backends have collected; the last time in a run, also those that could wait."""
        for backend in self._opened:
            backend.commit()
        if last and "systemd" in self.__dict__:
            self.systemd.settle()

    def remember(self) -> None:
        """Note what the run has marked, by which it is known again when another tool clears the marks."""
        if "ovsdb" in self.__dict__:
            from ansible_collections.netvirt.fabric.plugins.module_utils import _marks

            marks = self.ovsdb.marks(MARK_PREFIX, MARK_OWNER, self.settings.owner)
            if marks is not None and marks != self.ovsdb.remembered:
                _marks.remember(self.settings.owner, marks)
            former = self.settings.owner_was
            if former and marks is not None:
                _marks.remember(former, self.ovsdb.marks(MARK_PREFIX, MARK_OWNER, former) or {})

    def forget(self) -> None:
        """Drop what was read, so that it is read again."""
        for backend in self._opened:
            backend.forget()

    def close(self) -> None:
        """Release the backends' sockets."""
        for backend in self._opened:
            backend.close()

    def announce(self) -> None:
        """Tell neighbours of the addresses that have moved to this node."""
        if "netlink" in self.__dict__:
            self.netlink.announce()

    def require_daemons(self) -> None:
        """Raise Unavailable when a daemon does not run that the backends in use leave the work to."""
        if "ovsdb" in self.__dict__:
            self.ovsdb.require_switch()

    def require_root(self) -> None:
        """Raise Missing unless the process has root's rights."""
        if os.geteuid() != 0:
            raise Missing(f"root is needed on the node, not uid {os.geteuid()}; run the task with become: true")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the node's lock; raises LockTimeout when another run keeps it for longer than lock_timeout seconds.

        A run that holds it may ask for it again. The move of an uplink that waits for its confirmation counts as a run.
        """
        if self._locked:
            yield
            return
        path = os.path.join(RUN_DIRECTORY, "lock")
        deadline = time.monotonic() + self.settings.lock_timeout
        with _lock_file(path) as handle:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise LockTimeout(
                            f"another run holds {path} for more than {self.settings.lock_timeout} s; "
                            "wait for it to end or raise lock_timeout"
                        ) from None
                time.sleep(0.1)
            while os.path.exists(PENDING):
                if time.monotonic() >= deadline:
                    raise LockTimeout(
                        f"a move of an uplink waits for more than {self.settings.lock_timeout} s to be confirmed or "
                        "undone; see: systemctl status 'netvirt-uplink-*'"
                    )
                time.sleep(0.1)
            self._locked = True
            _programs.held.add(handle.fileno())
            try:
                yield
            finally:
                self._locked = False
                _programs.held.discard(handle.fileno())

    def is_locked(self) -> bool:
        """Tell whether any run holds the node's lock."""
        with _lock_file(os.path.join(RUN_DIRECTORY, "lock")) as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


def _lock_file(path: str) -> TextIO:
    """Open the lock, which nobody but root can open, since who opens it can hold it; raises Unavailable."""
    try:
        _files.make_directories(os.path.dirname(path))
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        remedy = "; it is a link, remove it" if error.errno == errno.ELOOP else ""
        raise Unavailable(f"the lock {path} cannot be opened: {os.strerror(error.errno or 0)}{remedy}") from error
    if stat.S_IMODE(os.fstat(handle).st_mode) != 0o600:  # made by release 0.1.0
        os.fchmod(handle, 0o600)
    return os.fdopen(handle, "r+", encoding="utf-8")
