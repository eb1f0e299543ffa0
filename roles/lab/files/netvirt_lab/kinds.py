# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of nodes: a module for each, with what makes one differ from another."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, cast

from . import container, rootfs, vm, vmimage
from .model import Lab, Machine


class Kind(Protocol):
    """What the rest of the program asks of a kind."""

    BOOT_AGAIN: int
    """The status with which the process of a node ends that asks to be booted again."""

    def create(self, machine: Machine, lab: Lab) -> None:
        """Lay out the directory of a new node."""

    def surroundings(self, machine: Machine) -> list[str]:
        """Return the words that ``boot`` is started with."""

    def boot(self, machine: Machine) -> None:
        """Become the node."""

    def pid(self, machine: Machine) -> int | None:
        """Return the process whose end cuts the node's power, or None if the node is off."""

    def boot_id(self, machine: Machine) -> str | None:
        """Return what tells this boot from others, or None if the node does not answer."""

    def ready(self, machine: Machine) -> bool:
        """Tell whether the node has booted, with every service started."""

    def ask(self, machine: Machine, what: str) -> None:
        """Ask the node to go off (``off``) or to boot again (``reboot``)."""

    def execute(self, machine: Machine, argv: list[str]) -> int:
        """Run a command inside the node with this process's input and output; return its exit status."""


class ImageOf(Protocol):
    """What the nodes of a kind are copied from."""

    def image(self, lab: Lab, suite: str) -> Path:
        """Return where the image of a suite is, or will be."""

    def build(self, lab: Lab, suite: str, target: Path) -> None:
        """Build it."""


KINDS = {"container": cast(Kind, container), "vm": cast(Kind, vm)}
IMAGES = {"container": cast(ImageOf, rootfs), "vm": cast(ImageOf, vmimage)}


def of(machine: Machine) -> Kind:
    """Return the kind of a node."""
    return KINDS[machine.kind]
