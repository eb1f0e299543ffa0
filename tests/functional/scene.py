# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node with something on it, made by hand: what the samples in netvirt_testing/samples.py refer to."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from engine import SLOWNESS
from netlink_node import clean, ip, namespaces

_FILES = {
    "/var/lib/netvirt": "uplinks/*",
    "/etc/systemd/network": "00-netvirt-*",
    "/etc/NetworkManager/conf.d": "netvirt-*",
    "/etc/network/interfaces.d": "netvirt-*",
}


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=30 * SLOWNESS)


def make() -> None:
    """Make bridges, interfaces and a namespace."""
    _run("ovs-vsctl", "add-br", "nvtbr0", "--", "set", "Bridge", "nvtbr0", "datapath_type=netdev")
    ip("netns", "add", "nvtns")
    ip("link", "add", "nvtx0", "type", "veth", "peer", "name", "nvtx1", "netns", "nvtns")
    ip("link", "add", "nvtx2", "type", "veth", "peer", "name", "nvtx3", "netns", "nvtns")
    ip("link", "add", "nvtl0", "type", "veth", "peer", "name", "nvtl1", namespace="nvtns")
    ip("link", "add", "nvtlbr", "type", "bridge")
    ends = (("nvtx0", None), ("nvtlbr", None), ("nvtx1", "nvtns"), ("nvtl0", "nvtns"), ("nvtl1", "nvtns"))
    for name, namespace in ends:
        ip("link", "set", name, "up", namespace=namespace)
    for address in ("10.5.0.1/24", "2001:db8:5::1/64"):
        ip("address", "add", address, "dev", "nvtl0", "nodad", namespace="nvtns")


def _links() -> set[str]:
    return {item["ifname"] for item in ip("link", "show")}


def remove(kept: set[str]) -> None:
    """Remove all of it, and what was made on top of it: every bridge, link and namespace but those that are kept."""
    _run("ovs-vsctl", "clear", "Open_vSwitch", ".", "bridges")
    subprocess.run(["nft", "flush", "ruleset"], check=False)
    for name in set(namespaces()) - kept:
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    for name in _links() - kept:
        ip("link", "delete", name, check=False)
    for directory, pattern in _FILES.items():
        for path in Path(directory).glob(pattern):
            path.unlink()
    clean()


@contextlib.contextmanager
def scene() -> Iterator[None]:
    """Have it for a while."""
    remove(kept={*namespaces(), *_links()})  # with what a run that was killed has left
    kept = {*namespaces(), *_links()}
    make()
    try:
        yield
    finally:
        remove(kept)
