# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The legs of nodes' bonds, eth3 and eth4, and the two switches of the lab that they go to."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from netvirt_testing.lab import LEGS, Lab, LabError

NICS = ("eth3", "eth4")


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until something is so; raise LabError when it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {seconds} seconds")
        time.sleep(0.5)


def in_lab(lab: Lab, *argv: str) -> None:
    """Run a command where the lab's switches are."""
    subprocess.run(["nsenter", f"--net=/run/netns/nvlab-{lab.name}", "--", *argv], check=True, timeout=30)


@contextmanager
def joined(lab: Lab) -> Iterator[None]:
    """Have the two switches joined."""
    in_lab(lab, "ip", "link", "add", LEGS[0], "type", "veth", "peer", "name", LEGS[1])
    try:
        for leg in LEGS:
            in_lab(lab, "ip", "link", "set", "dev", leg, "master", f"br-{leg}", "up")
        yield
    finally:
        in_lab(lab, "ip", "link", "delete", LEGS[0])


@contextmanager
def passing_lacp(lab: Lab, nodes: Sequence[str]) -> Iterator[None]:
    """Have the switches be wires for some nodes: they pass on what ends at a switch, the frames of LACP."""

    def forward(mask: str) -> None:
        for node in nodes:
            for nic in NICS:
                in_lab(lab, "ip", "link", "set", f"{node}.{nic}", "type", "bridge_slave", "group_fwd_mask", mask)

    forward("4")
    try:
        yield
    finally:
        forward("0")


@contextmanager
def pulled(lab: Lab, nic: str, nodes: Sequence[str]) -> Iterator[None]:
    """Have a leg without a carrier at some nodes. That of an emulated NIC does not follow: there it is switched off."""

    def switch(state: str) -> None:
        for node in nodes:
            if lab.is_vm(node):
                lab.run(node, ["ip", "link", "set", nic, state])
            else:
                in_lab(lab, "ip", "link", "set", f"{node}.{nic}", state)

    switch("down")
    try:
        yield
    finally:
        switch("up")


def sent(lab: Lab, node: str) -> dict[str, int]:
    """Return how many packets have left a node by each leg."""
    shown = {nic: lab.json(node, ["ip", "-j", "-s", "link", "show", nic])[0] for nic in NICS}
    return {nic: link["stats64"]["tx"]["packets"] for nic, link in shown.items()}


def busy_leg(lab: Lab, node: str) -> str:
    """Return the leg by which most packets leave a node now."""
    before = sent(lab, node)
    time.sleep(1)
    after = sent(lab, node)
    return max(NICS, key=lambda nic: after[nic] - before[nic])
