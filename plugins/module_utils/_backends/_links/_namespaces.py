# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Network namespaces: those that ip-netns(8) knows, and visits to them by the calling thread.

A namespace is an nsfs file mounted at ``/run/netns/NAME``. A name alone proves nothing: a regular file may be left
there. The root namespace is that of the calling process; everywhere in the collection it is None.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from typing import Callable, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files

DIRECTORY = "/run/netns"

_OWN = "/proc/thread-self/ns/net"
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_NS_GET_NSTYPE = 0xB703  # linux/nsfs.h, ioctl_ns(2)
_MS_BIND, _MS_REC, _MS_SHARED = 0x1000, 0x4000, 0x100000  # linux/mount.h
_MNT_DETACH = 2
_LEFTOVER = b"netvirt\n"  # content of the file under the mount, so that a run that was killed is told from others

_libc = ctypes.CDLL(None, use_errno=True)


def where(namespace: Optional[str]) -> str:
    """Return " in namespace NAME" for messages, or nothing for the root namespace."""
    return f" in namespace {namespace}" if namespace else ""


def path_of(namespace: str) -> str:
    """Return where the namespace of that name is mounted."""
    return os.path.join(DIRECTORY, namespace)


def exists(namespace: Optional[str]) -> bool:
    """Tell whether there is such a network namespace; raises Conflict when something else has its place."""
    if namespace is None:
        return True
    try:
        handle = os.open(path_of(namespace), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _errors.Conflict(f"{path_of(namespace)} cannot be opened: {error.strerror}; remove it") from error
    try:
        if _is_network_namespace(handle):
            return True
        if os.read(handle, len(_LEFTOVER)) == _LEFTOVER:
            return False
    except OSError:
        pass
    finally:
        os.close(handle)
    raise _errors.Conflict(
        f"{path_of(namespace)} is no network namespace but a stale file; remove it: rm {path_of(namespace)}"
    )


def _is_network_namespace(handle: int) -> bool:
    try:
        return fcntl.ioctl(handle, _NS_GET_NSTYPE) == _CLONE_NEWNET
    except OSError:  # ENOTTY: no nsfs file
        return False


def names() -> list[str]:
    """Return the names of all network namespaces, sorted; what else lies in the directory is passed over."""
    found = []
    for name in sorted(os.listdir(DIRECTORY)) if os.path.isdir(DIRECTORY) else ():
        with contextlib.suppress(_errors.Conflict):
            if exists(name):
                found.append(name)
    return found


def vanished(namespace: Optional[str]) -> bool:
    """Tell whether a namespace that was found before is gone; others may remove theirs at any time."""
    return namespace is not None and namespace not in names()


@contextlib.contextmanager
def opened(namespace: Optional[str]) -> Iterator[int]:
    """Give a descriptor of the namespace; raises Conflict when there is none."""
    if not exists(namespace):
        raise _errors.Conflict(f"namespace {namespace} does not exist")
    handle = os.open(path_of(namespace) if namespace else _OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def same(handle: int, other: int) -> bool:
    """Tell whether two descriptors are of the same namespace."""
    return os.path.sameopenfile(handle, other)


@contextlib.contextmanager
def entered(namespace: Optional[str]) -> Iterator[None]:
    """Have the calling thread inside the namespace: for its sockets, and for the /proc/sys/net it sees."""
    if namespace is None:
        yield
        return
    with opened(namespace) as target, _returning():
        _check(_libc.setns(target, _CLONE_NEWNET), f"enter namespace {namespace}")
        yield


@contextlib.contextmanager
def _returning() -> Iterator[None]:
    """Bring the calling thread back to the namespace it is in now."""
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        try:
            _check(_libc.setns(home, _CLONE_NEWNET), "return to the root namespace")
        finally:
            os.close(home)


def create(namespace: str, prepare: Callable[[], None]) -> None:
    """Make a namespace as ip-netns(8) does. ``prepare`` is called inside it before others can find it by its name."""
    path = path_of(namespace)
    _share_directory()
    if not exists(namespace):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    with _returning():
        _check(_libc.unshare(_CLONE_NEWNET), f"create namespace {namespace}")
        prepare()
        _reserve(path)
        try:
            _mount(_OWN, path, _MS_BIND, f"create namespace {namespace}")
        except _errors.NetvirtError:
            os.unlink(path)
            raise


def _share_directory() -> None:
    """Make the directory one whose mounts all mount namespaces share, as ip-netns(8) does."""
    try:
        _files.make_directories(DIRECTORY)
        if _libc.mount(b"", DIRECTORY.encode(), b"none", _MS_SHARED | _MS_REC, None) == 0:
            return
    except OSError as error:
        raise _errors.Unavailable(f"{DIRECTORY} cannot be made: {error.strerror}") from error
    _mount(DIRECTORY, DIRECTORY, _MS_BIND | _MS_REC, f"share {DIRECTORY}")
    _mount("", DIRECTORY, _MS_SHARED | _MS_REC, f"share {DIRECTORY}")


def _reserve(path: str) -> None:
    """Put a file there to mount upon; it appears whole or not at all."""
    draft = os.path.join(DIRECTORY, ".netvirt")  # no name of a namespace begins with a dot
    try:
        with open(draft, "wb") as handle:
            handle.write(_LEFTOVER)
        os.link(draft, path)
        os.unlink(draft)
    except FileExistsError as error:
        raise _errors.Conflict(f"{path} appeared meanwhile; run again") from error
    except OSError as error:
        raise _errors.Unavailable(f"{path} cannot be made: {error.strerror}") from error


def delete(namespace: str) -> None:
    """Remove the name of a namespace. The namespace itself ends when the last process in it does."""
    path = path_of(namespace)
    with contextlib.suppress(_errors.Conflict):  # a link to a namespace elsewhere is not mounted here
        _check(_libc.umount2(path.encode(), _MNT_DETACH), f"unmount {path}")
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _errors.Conflict(f"{path} cannot be removed: {error.strerror}; see: findmnt {path}") from error


def _mount(source: str, target: str, flags: int, doing: str) -> None:
    _check(_libc.mount(source.encode(), target.encode(), b"none", flags, None), doing)


def _check(status: int, doing: str) -> None:
    """Raise a typed error when a call to the C library failed."""
    if status == 0:
        return
    code = ctypes.get_errno()
    if code == errno.EPERM:
        raise _errors.Missing(f"the kernel does not permit to {doing}; the capability CAP_SYS_ADMIN is needed")
    if code == errno.EINVAL:
        raise _errors.Conflict(f"cannot {doing}: it is no network namespace or no mount")
    raise _errors.Unavailable(f"cannot {doing}: {os.strerror(code)}")
