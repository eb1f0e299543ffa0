# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest image: a distribution kernel, and an initramfs that takes a lease and obeys the QEMU guest agent."""

from __future__ import annotations

import gzip
import re
import stat
import tempfile
from pathlib import Path

from . import rootfs
from .model import Lab, digest
from .system import LabError, run

SUITE = "bookworm"
PACKAGES = ["busybox-static", "linux-image-cloud-amd64", "qemu-guest-agent"]
# In the order in which they are loaded. What the kernel has built in is skipped.
MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "failover",
           "net_failover", "virtio_net", "virtio_blk", "virtio_console", "af_packet", "ipv6"]  # fmt: skip
LOADER = "/lib64/ld-linux-x86-64.so.2"
AGENT = "/usr/sbin/qemu-ga"


def image(lab: Lab) -> Path:
    """Return where the guest image is, or will be."""
    recipe = [SUITE, *PACKAGES, lab.mirror, lab.security_mirror, Path(__file__).read_text(encoding="utf-8")]
    recipe += [path.read_text(encoding="utf-8") for path in sorted(rootfs.FILES.glob("guest/*"))]
    return lab.cache / f"guest-{digest(repr(recipe))[:12]}"


def build(lab: Lab, target: Path) -> None:
    """Build ``vmlinuz`` and ``initrd.img``."""
    with tempfile.TemporaryDirectory(prefix="packages-", dir=target.parent) as temporary:
        tree = Path(temporary) / target.name
        rootfs.bootstrap(lab, SUITE, tree, ["--variant=extract", f"--include={','.join(PACKAGES)}"])
        kernel = next(tree.glob("boot/vmlinuz-*"))
        (target / "vmlinuz").write_bytes(kernel.read_bytes())
        (target / "initrd.img").write_bytes(gzip.compress(_initramfs(tree), 6))


def _initramfs(tree: Path) -> bytes:
    archive = Archive()
    for name in ("bin", "dev", "etc", "lib", "lib/modules", "lib64", "proc", "root", "run", "sys", "tmp", "usr", "www"):
        archive.directory(name)
    for name in ("sbin", "usr/bin", "usr/sbin"):
        archive.link(name, "/bin")
    archive.file("bin/busybox", (tree / "bin/busybox").read_bytes(), 0o755)
    for path in sorted(rootfs.FILES.glob("guest/*")):
        archive.file(f"etc/{path.name}", path.read_bytes(), 0o755)
    archive.link("bin/sh", "busybox")
    archive.link("init", "/etc/init")
    for program in ("shutdown", "getent"):
        archive.link(f"bin/{program}", f"/etc/{program}")
    archive.file("bin/qemu-ga", (tree / AGENT.lstrip("/")).read_bytes(), 0o755)
    for library in _libraries(tree):
        where = "lib64" if library == LOADER else "lib"
        archive.file(f"{where}/{Path(library).name}", (tree / library.lstrip("/")).read_bytes(), 0o755)
    for number, module in enumerate(_modules(tree)):
        archive.file(f"lib/modules/{number:02}-{module.name}", module.read_bytes())
    return archive.finish()


def _libraries(tree: Path) -> list[str]:
    """Return the shared libraries that the agent needs, its loader among them."""
    listed = run("find the agent's libraries", ["chroot", tree, LOADER, "--list", AGENT])
    return [LOADER, *re.findall(r"=> (/\S+)", listed)]


def _modules(tree: Path) -> list[Path]:
    top = next(tree.glob("lib/modules/*"))
    builtin = (top / "modules.builtin").read_text(encoding="ascii")
    found = []
    for name in MODULES:
        paths = list(top.glob(f"**/{name}.ko"))
        if not paths and f"/{name}.ko" not in builtin:
            raise LabError(f"build the guest image: {top.name} has no module {name}")
        found += paths
    return found


class Archive:
    """A cpio archive in the format that the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format)."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._inode = 0

    def directory(self, name: str) -> None:
        """Add a directory."""
        self._add(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """Add a regular file."""
        self._add(name, stat.S_IFREG | mode, content)

    def link(self, name: str, to: str) -> None:
        """Add a symbolic link."""
        self._add(name, stat.S_IFLNK | 0o777, to.encode())

    def finish(self) -> bytes:
        """Return the whole archive."""
        self._add("TRAILER!!!", 0, b"")
        return bytes(self._data)

    def _add(self, name: str, mode: int, content: bytes) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
        self._data += b"070701" + b"".join(b"%08X" % value for value in fields) + encoded
        self._pad()
        self._data += content
        self._pad()

    def _pad(self) -> None:
        self._data += b"\0" * (-len(self._data) % 4)
