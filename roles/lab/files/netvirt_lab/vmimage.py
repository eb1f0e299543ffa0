# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of nodes that are virtual machines: a disk, a distribution kernel, an initramfs that mounts the disk."""

from __future__ import annotations

import dataclasses
import gzip
import io
import lzma
import tarfile
import tempfile
from pathlib import Path

from . import rootfs
from .guest import Archive
from .model import Lab, digest
from .system import LabError, run

PACKAGES = ["linux-image-cloud-amd64", "initramfs-tools", "udev", "kmod", "qemu-guest-agent"]
# What it takes to mount the disk; ext4 asks for the checksum by a name that is not in modules.dep.
MODULES = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"]
DISK_SIZE = "4G"
# A console that nobody sits at, and what would wait for the internet.
MASKED_UNITS = ["serial-getty@.service", "systemd-networkd-wait-online.service"]


def image(lab: Lab, suite: str) -> Path:
    """Return where the image of a suite is, or will be."""
    recipe = [rootfs.image(lab, suite).name, *PACKAGES, Path(__file__).read_text(encoding="utf-8")]
    recipe += [path.read_text(encoding="utf-8") for path in sorted(rootfs.FILES.glob("vm/*"))]
    return lab.cache / f"vm-{suite}-{digest(repr(recipe))[:12]}"


def build(lab: Lab, suite: str, target: Path) -> None:
    """Build ``disk.img``, ``vmlinuz`` and ``initrd.img``."""
    with tempfile.TemporaryDirectory(prefix="tree-", dir=target.parent) as temporary:
        tree = Path(temporary) / target.name
        tree.mkdir()
        rootfs.build(dataclasses.replace(lab, extra_packages=(*lab.extra_packages, *PACKAGES)), suite, tree)
        run(f"mask units of {suite}", ["chroot", tree, "systemctl", "--quiet", "mask", *MASKED_UNITS])
        kernel = next(tree.glob("boot/vmlinuz-*"))
        (target / "vmlinuz").write_bytes(kernel.read_bytes())
        (target / "initrd.img").write_bytes(gzip.compress(_initramfs(tree), 6))
        for path in tree.glob("boot/initrd.img-*"):  # The node never boots from it.
            path.unlink()
        run(f"make the disk of {target.name}",
            ["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", tree, target / "disk.img", DISK_SIZE],
            timeout=rootfs.BUILD_TIMEOUT)  # fmt: skip


def _initramfs(tree: Path) -> bytes:
    archive = Archive()
    for name in ("bin", "modules"):
        archive.directory(name)
    archive.file("bin/busybox", (tree / "bin/busybox").read_bytes(), 0o755)
    archive.link("bin/sh", "busybox")
    archive.file("init", (rootfs.FILES / "vm/init").read_bytes(), 0o755)
    for number, path in enumerate(_modules(tree)):
        archive.file(f"modules/{number:02}-{path.name.split('.')[0]}.ko", _module(path))
    return archive.finish()


def _modules(tree: Path) -> list[Path]:
    """Return the modules and what they depend on, in the order in which they are loaded."""
    top = next(tree.glob("lib/modules/*"))
    needs = {}
    for line in (top / "modules.dep").read_text(encoding="ascii").splitlines():
        path, _colon, others = line.partition(":")
        needs[Path(path).name.split(".")[0]] = [*reversed(others.split()), path]
    builtin = {Path(line).stem for line in (top / "modules.builtin").read_text(encoding="ascii").splitlines()}
    found: dict[str, None] = {}
    for name in MODULES:
        if name not in needs and name not in builtin:
            raise LabError(f"build the image of virtual machines: {top.name} has no module {name}")
        found.update(dict.fromkeys(needs.get(name, [])))
    return [top / path for path in found]


def _module(path: Path) -> bytes:
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content


def first_files(directory: Path) -> bytes:
    """Return an archive for the kernel to unpack, from which a new disk gets the files in a directory."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(directory, arcname=".", filter=_owned_by_root)
    archive = Archive()
    archive.file("node.tar", packed.getvalue())
    return archive.finish()


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
