# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells one node from another, whatever its kind: its name, keys and addresses, as files below its root."""

from __future__ import annotations

from pathlib import Path

from .model import Lab, Link, Machine, digest
from .system import run, write

IMAGES = "/var/lib/netvirt/images"


def files(machine: Machine) -> Path:
    """Return the directory below which they are kept on this machine."""
    return Path(machine.directory) / "upper"


def lay_out(machine: Machine, lab: Lab) -> None:
    """Write them for a new node."""
    top = files(machine)
    write(top / "etc/hostname", f"{machine.name}\n")
    write(top / "etc/machine-id", digest(f"{machine.lab}/{machine.name}")[:32] + "\n", 0o444)
    write(top / "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {machine.name}\n::1 localhost ip6-localhost\n")
    for link in machine.links:
        write(top / f"etc/systemd/network/10-{link.name}.network", _network_file(link))
    (top / "root").mkdir(mode=0o700)
    (top / "root/.ssh").mkdir(mode=0o700)
    write(top / "root/.ssh/authorized_keys", (lab.directory / "ssh/id_ed25519.pub").read_text(), 0o600)
    key = top / "etc/ssh/ssh_host_ed25519_key"
    key.parent.mkdir(parents=True)
    run(f"make the host key of {machine.name}",
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", machine.name, "-f", key])  # fmt: skip


def host_key(machine: Machine) -> str:
    """Return the node's public SSH host key: type and key."""
    text = (files(machine) / "etc/ssh/ssh_host_ed25519_key.pub").read_text(encoding="ascii")
    return " ".join(text.split()[:2])


def _network_file(link: Link) -> str:
    """Return networkd's settings of one link: static addresses or none, up in any case, and nothing automatic."""
    lines = ["[Match]", f"Name={link.name}", "",
             "[Link]", f"MTUBytes={link.mtu}", f"RequiredForOnline={'yes' if link.addresses else 'no'}", "",
             "[Network]", "DHCP=no", "LinkLocalAddressing=no", "IPv6AcceptRA=no", "LLDP=no",
             *(f"Address={address}" for address in link.addresses), ""]  # fmt: skip
    return "\n".join(lines)
