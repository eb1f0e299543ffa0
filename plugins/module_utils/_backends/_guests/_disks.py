# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Disks of guests, and the images below them.

A disk belongs to a guest's user, the directories above it to root: nobody but root can put something else in its place.
Nothing is followed here that such a user could have written, and what is looked at is held open while it is changed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files, _programs

DIRECTORY = "/var/lib/netvirt/guests"
NAME = "disk.qcow2"

_DIRECTORY_MODE, _DISK_MODE = 0o711, 0o600
_NEW = ".disk.qcow2.new"
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_QCOW2 = b"QFI\xfb"
_HEADER = struct.Struct(">4sIQI")  # magic, version, offset and size of the name of the backing file
_FEATURES = struct.Struct(">72xQ")  # the incompatible ones of version 3
_EXTERNAL_DATA = 0x4
_NAME_MAX = 1023  # of a backing file
_OTHERS = {  # formats that QEMU knows, by what their files begin with
    b"KDMV": "vmdk",
    b"COWD": "vmdk",
    b"# Disk DescriptorFile": "vmdk",
    b"vhdxfile": "vhdx",
    b"conectix": "vpc",
    b"QED\0": "qed",
    b"LUKS\xba\xbe": "luks",
    b"<<< ": "vdi",
}


@dataclass(frozen=True)
class Disk:
    """What is known of a guest's disk: its user and mode, and whether the directories above are root's."""

    uid: int
    mode: int
    private: bool

    def belongs_to(self, uid: int) -> bool:
        """Tell whether this user alone can read and write it."""
        return self.uid == uid and self.mode == _DISK_MODE


def directory(guest: str) -> str:
    """Return the directory of a guest's disk."""
    return f"{DIRECTORY}/{guest}"


def path(guest: str) -> str:
    """Return the path of a guest's disk."""
    return f"{directory(guest)}/{NAME}"


def find(guest: str) -> Optional[Disk]:
    """Return what is known of a guest's disk, None when it has none; raises Conflict for what is no disk of ours."""
    with _opened(guest) as (directories, disk):
        if disk is None:
            return None
        status = os.fstat(disk)
        return Disk(status.st_uid, stat.S_IMODE(status.st_mode), all(map(_is_private, directories)))


def made_on(guest: str) -> str:
    """Return the image that a disk says it was made on, nothing where it has none or none that can be read."""
    with _opened(guest) as (_directories, disk):
        head = os.pread(disk, _HEADER.size, 0) if disk is not None else b""
        if disk is None or len(head) < _HEADER.size or not head.startswith(_QCOW2):
            return ""
        _magic, _version, offset, size = _HEADER.unpack(head)
        return os.pread(disk, min(size, _NAME_MAX), offset).decode("utf-8", "replace") if offset < 2**62 else ""


def prepare() -> None:
    """Make the directory of all disks, which units of guests hide."""
    with _translated(DIRECTORY):
        _files.make_directories(DIRECTORY)
        os.chown(DIRECTORY, 0, 0)
        os.chmod(DIRECTORY, _DIRECTORY_MODE)


def secure(guest: str) -> None:
    """Give root the directories above a disk."""
    with _opened(guest) as (directories, _disk):
        for handle in directories:
            if not _is_private(handle):
                os.fchown(handle, 0, 0)
                os.fchmod(handle, _DIRECTORY_MODE)


def hand_over(guest: str, uid: int, gid: int) -> None:
    """Let this user alone read and write the disk; root's directories keep it where it is."""
    secure(guest)
    with _opened(guest) as (_directories, disk):
        if disk is not None:
            os.fchown(disk, uid, gid)
            os.fchmod(disk, _DISK_MODE)


def image_format(image: str) -> str:
    """Return raw or qcow2; raises Conflict for an image that a disk cannot be made on.

    The header is read here and not by qemu-img, which would open what a hostile one names.
    """
    real = os.path.realpath(image)
    if f"{real}/".startswith(f"{os.path.realpath(DIRECTORY)}/"):
        raise _errors.Conflict(f"the image {image} is the disk of a guest; name an image that no guest writes to")
    try:
        with open(os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as handle:
            if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
                raise _errors.Conflict(f"the image {image} is not a regular file; name one")
            head = handle.read(512)
    except OSError as error:
        raise _errors.Conflict(f"the image {image} cannot be read: {os.strerror(error.errno or 0)}") from error
    other = next((name for start, name in _OTHERS.items() if head.startswith(start)), "")
    if other:
        raise _errors.Conflict(
            f"the image {image} is {other}; convert it: qemu-img convert -f {other} -O qcow2 IMAGE NEW"
        )
    if not head.startswith(_QCOW2):
        return "raw"
    if _refers(head):
        raise _errors.Conflict(
            f"the image {image} refers to another file, which the guest could read; make one of both: "
            "qemu-img convert -O qcow2 IMAGE NEW"
        )
    return "qcow2"


def _refers(head: bytes) -> bool:
    """Tell whether a qcow2 image has a backing file or an external data file (QEMU, docs/interop/qcow2.txt)."""
    if len(head) < _FEATURES.size:
        return True
    _magic, version, offset, _size = _HEADER.unpack_from(head)
    (features,) = _FEATURES.unpack_from(head) if version >= 3 else (0,)
    return bool(offset) or bool(features & _EXTERNAL_DATA)


def make(guest: str, image: str, timeout: int) -> None:
    """Make the disk on top of an image, as root's; it takes its place when it is whole."""
    base, new = image_format(image), f"{directory(guest)}/{_NEW}"
    with _translated(directory(guest)):
        _files.make_directories(directory(guest))
        secure(guest)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", os.path.realpath(image), "-F", base, "--", new]
    result = _programs.run_program(argv, timeout, "install qemu-utils, or run the role netvirt.fabric.hypervisor")
    if result.returncode:
        complaint = values.quoted(_programs.complaint(result))
        raise _errors.Unavailable(f"qemu-img cannot make a disk on {image}: {complaint}")
    with _translated(new):
        os.replace(new, path(guest))


@contextlib.contextmanager
def _opened(guest: str) -> Iterator[tuple[list[int], Optional[int]]]:
    """Open the directories above a guest's disk and the disk, each from the one above, as far as they are there."""
    with contextlib.ExitStack() as stack, _translated(directory(guest)):

        def opened(name: str, flags: int, above: Optional[int] = None) -> int:
            handle = os.open(name, _OPEN | flags, dir_fd=above)
            stack.callback(os.close, handle)
            return handle

        directories: list[int] = []
        disk = None
        try:
            directories.append(opened(DIRECTORY, os.O_DIRECTORY))
            directories.append(opened(guest, os.O_DIRECTORY, directories[-1]))
            disk = opened(NAME, 0, directories[-1])
            status = os.fstat(disk)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise OSError(errno.ELOOP, "")
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
                raise
            raise _errors.Conflict(
                f"{path(guest)} is not a plain file in plain directories, as it was made; look at who changed it, "
                "and move it away"
            ) from error
        yield directories, disk


def _is_private(handle: int) -> bool:
    status = os.fstat(handle)
    return status.st_uid == 0 and stat.S_IMODE(status.st_mode) == _DIRECTORY_MODE


@contextlib.contextmanager
def _translated(place: str) -> Iterator[None]:
    """Turn an error of the system into Unavailable."""
    try:
        yield
    except OSError as error:
        raise _errors.Unavailable(f"{place} cannot be used: {os.strerror(error.errno or 0)}") from error
