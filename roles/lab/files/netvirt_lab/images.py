# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are built once and kept: the nodes' root file systems and the guest image.

An image's directory is named after everything it is made from, so that a change of suite, package list, mirror or
recipe makes a new one. It is built beside and renamed, so that it is there whole or not at all.
"""

from __future__ import annotations

import concurrent.futures
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from . import guest, kinds, rootfs
from .model import Lab
from .system import exclusive, run, try_lock

Builder = Callable[[Path], None]


def wanted(lab: Lab) -> dict[Path, Builder]:
    """Return the images that a lab needs, each with the function that builds it."""
    found: dict[Path, Builder] = {}
    for kind, suite in sorted({(node.kind, node.suite) for node in lab.nodes}):
        made_by = kinds.IMAGES[kind]
        found[made_by.image(lab, suite)] = partial(made_by.build, lab, suite)
    if lab.guest_image:
        found[guest.image(lab)] = partial(guest.build, lab)
    return found


def ensure(lab: Lab) -> list[str]:
    """Build what is missing, side by side; return what was built."""
    lab.cache.mkdir(parents=True, exist_ok=True)
    if all(path.exists() for path in wanted(lab)):
        return []
    with exclusive(lab.cache, "build images", timeout=rootfs.BUILD_TIMEOUT):
        for left in lab.cache.glob(".build-*"):
            _remove(left)
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
            _remove(other)
        os.close(handle)


def _remove(path: Path) -> None:
    run(f"remove {path}", ["rm", "-rf", "--one-file-system", path], timeout=120)


def hold(path: str) -> None:
    """Keep an image from being removed for as long as this process runs."""
    try_lock(os.open(path, os.O_RDONLY | os.O_CLOEXEC), shared=True)
