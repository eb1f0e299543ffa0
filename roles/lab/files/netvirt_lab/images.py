# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are built once and kept: the nodes' root file systems and the guest image.

An image's directory is named after everything it is made from, so that a change of suite, package list, mirror or recipe
makes a new one. It is built beside and renamed, so that it is there whole or not at all.
"""

from __future__ import annotations

import concurrent.futures
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from .model import Lab, digest
from .system import exclusive, run, try_lock

FILES = Path(__file__).parent.parent
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
BUILD_TIMEOUT = 1200
APT_SETTINGS = re.compile(r"Acquire::(http|https|Retries|ForceIPv[46]|Check-)[^ ]* \"")

NODE_PACKAGES = [
    "systemd", "systemd-sysv", "dbus", "openssh-server", "procps", "iproute2", "iputils-ping", "ethtool",
    "openvswitch-switch", "dnsmasq-base", "nftables", "conntrack", "tcpdump", "iperf3", "curl", "busybox-static",
    "qemu-system-x86", "qemu-utils", "python3", "python3-apt", "python3-pyroute2", "python3-ovsdbapp",
    "python3-openvswitch", "python3-netaddr", "python3-yaml", "python3-pytest", "python3-hypothesis",
]  # fmt: skip
ENABLED_UNITS = ["systemd-networkd.service"]
# What a machine without internet, display and seat has no use for, and what would make boots differ.
MASKED_UNITS = [
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer",
    "systemd-timesyncd.service", "console-getty.service", "getty@.service",
]  # fmt: skip


def rootfs(lab: Lab, suite: str) -> Path:
    """Return where the root file system of a suite is, or will be."""
    packages = sorted({*NODE_PACKAGES, *lab.extra_packages})
    recipe = [suite, *packages, lab.mirror, lab.security_mirror, Path(__file__).read_text(encoding="utf-8")]
    recipe += [path.read_text(encoding="utf-8") for path in sorted(FILES.glob("rootfs/**/*")) if path.is_file()]
    return lab.cache / f"rootfs-{suite}-{digest(repr(recipe))[:12]}"


def build_rootfs(lab: Lab, suite: str, target: Path) -> None:
    """Build the root file system of a suite."""
    packages = sorted({*NODE_PACKAGES, *lab.extra_packages})
    # Excluding paths from the start would send every archive through a filter; from here on dpkg does it itself.
    exclude = f"upload {shlex.quote(str(FILES / 'dpkg.cfg'))} /etc/dpkg/dpkg.cfg.d/lab"
    bootstrap(lab, suite, target, ["--variant=apt", f"--include={','.join(packages)}", f"--extract-hook={exclude}"])
    shutil.copytree(FILES / "rootfs", target, dirs_exist_ok=True)
    for key in target.glob("etc/ssh/ssh_host_*"):
        key.unlink()
    (target / "etc/apt/apt.conf.d/99mmdebstrap").unlink(missing_ok=True)
    for name in ("etc/machine-id", "etc/resolv.conf"):
        (target / name).unlink(missing_ok=True)
        (target / name).touch()
    for verb, units in (("enable", ENABLED_UNITS), ("mask", MASKED_UNITS)):
        run(f"{verb} units of {suite}", ["chroot", target, "systemctl", "--quiet", verb, *units])


def bootstrap(lab: Lab, suite: str, target: Path, options: list[str]) -> None:
    """Run mmdebstrap with the distribution's mirror and this machine's settings of how to reach it."""
    argv = ["mmdebstrap", "--mode=root", "--format=directory", *options,
            '--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"',
            *(f"--aptopt={line}" for line in _apt_settings()), suite, str(target)]  # fmt: skip
    mirror, security = mirrors(lab)
    signed = f"[signed-by={KEYRING}]"
    argv += [f"deb {signed} {mirror} {suite} main", f"deb {signed} {mirror} {suite}-updates main",
             f"deb {signed} {security} {suite}-security main"]  # fmt: skip
    run(f"build {target.name.split('.')[0]}", argv, timeout=BUILD_TIMEOUT)


def mirrors(lab: Lab) -> tuple[str, str]:
    """Return the mirrors of Debian and of its security updates: those given, or this machine's own, or Debian's."""
    own: dict[str, str] = {}
    try:
        listed = run("list apt sources", ["apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT)"])
    except Exception:  # noqa: BLE001 - Whatever is wrong with the sources, the defaults will do.
        listed = ""
    for line in listed.splitlines():
        uri, _blank, component = line.partition(" ")
        for name in ("debian", "debian-security"):
            if component == "main" and name in uri.split("/"):
                own.setdefault(name, uri)
    return (
        lab.mirror or own.get("debian", "http://deb.debian.org/debian"),
        lab.security_mirror or own.get("debian-security", "http://deb.debian.org/debian-security"),
    )


def _apt_settings() -> list[str]:
    lines = run("read apt's settings", ["apt-config", "dump"]).splitlines()
    return [line for line in lines if APT_SETTINGS.match(line) and not line.endswith('"";')]


Builder = Callable[[Path], None]


def wanted(lab: Lab) -> dict[Path, Builder]:
    """Return the images that a lab needs, each with the function that builds it."""
    from . import guest

    found: dict[Path, Builder] = {}
    for suite in sorted({node.suite for node in lab.nodes}):
        found[rootfs(lab, suite)] = lambda target, suite=suite: build_rootfs(lab, suite, target)  # type: ignore[misc]
    if lab.guest_image:
        found[guest.image(lab)] = lambda target: guest.build(lab, target)
    return found


def ensure(lab: Lab) -> list[str]:
    """Build what is missing, side by side; return what was built."""
    lab.cache.mkdir(parents=True, exist_ok=True)
    if all(path.exists() for path in wanted(lab)):
        return []
    with exclusive(lab.cache, "build images", timeout=BUILD_TIMEOUT):
        for left in lab.cache.glob(".build-*"):
            shutil.rmtree(left)
        missing = {path: builder for path, builder in wanted(lab).items() if not path.exists()}
        with concurrent.futures.ThreadPoolExecutor() as pool:
            done = [pool.submit(_build, path, builder) for path, builder in missing.items()]
        for future in done:
            future.result()
        for path in missing:
            _remove_predecessors(path)
    return [f"{path.name} built" for path in missing]


def _build(path: Path, builder: Builder) -> None:
    with tempfile.TemporaryDirectory(prefix=".build-", dir=path.parent) as temporary:
        target = Path(temporary) / path.name
        target.mkdir()
        builder(target)
        target.chmod(0o755)
        target.rename(path)


def _remove_predecessors(path: Path) -> None:
    """Remove older images of the same sort, unless a node runs on one (see :func:`hold`)."""
    sort = path.name.rsplit("-", 1)[0]
    for other in path.parent.glob(f"{sort}-*"):
        handle = os.open(other, os.O_RDONLY)
        if other != path and try_lock(handle):
            subprocess.run(["rm", "-rf", "--one-file-system", str(other)], check=False, timeout=120)
        os.close(handle)


def hold(path: str) -> None:
    """Keep an image from being removed for as long as this process runs."""
    try_lock(os.open(path, os.O_RDONLY | os.O_CLOEXEC), shared=True)
