# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes' root file systems, and how a Debian tree is made on this machine."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from .model import Lab, digest
from .system import LabError, run

FILES = Path(__file__).parent.parent
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
BUILD_TIMEOUT = 1200  # seconds
# What mmdebstrap mounts and starts is gone with it, and it with the program that started it, also when they are killed.
CONFINED = ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
APT_SETTINGS = re.compile(r"Acquire::(http|https|Retries|ForceIPv[46]|Check-)[^ ]* \"")

NODE_PACKAGES = [
    "systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "procps", "iproute2", "iputils-ping", "ethtool",
    "openvswitch-switch", "dnsmasq-base", "nftables", "conntrack", "tcpdump", "iperf3", "curl", "busybox-static",
    "qemu-system-x86", "qemu-utils", "python3", "python3-apt", "python3-pyroute2", "python3-ovsdbapp",
    "python3-openvswitch", "python3-yaml", "python3-pytest", "python3-hypothesis",
]  # fmt: skip
ENABLED_UNITS = ["systemd-networkd.service"]
# What a machine without internet, display and seat has no use for, and what would make boots differ.
MASKED_UNITS = [
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer",
    "systemd-timesyncd.service", "console-getty.service", "getty@.service",
]  # fmt: skip


def image(lab: Lab, suite: str) -> Path:
    """Return where the root file system of a suite is, or will be."""
    packages = sorted({*NODE_PACKAGES, *lab.extra_packages})
    recipe = [suite, *packages, lab.mirror, lab.security_mirror, Path(__file__).read_text(encoding="utf-8")]
    recipe += [path.read_text(encoding="utf-8") for path in sorted(FILES.glob("rootfs/**/*")) if path.is_file()]
    return lab.cache / f"rootfs-{suite}-{digest(repr(recipe))[:12]}"


def build(lab: Lab, suite: str, target: Path) -> None:
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
    argv = [*CONFINED, "mmdebstrap", "--mode=root", "--format=directory", *options,
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
    except LabError:  # Whatever is wrong with the sources, the defaults will do.
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
