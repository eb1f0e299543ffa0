# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The code that runs now as a program of its own, for what must go on when the module that started it has ended."""

from __future__ import annotations

import io
import os
import pkgutil
import sys
import zipfile
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors

_PACKAGE = __name__.rpartition(".")[0]
_LIBRARIES = ("pyroute2", "ovsdbapp", "ovs")
_LEFT_OUT = {
    f"{_PACKAGE}.{name}"
    for name in (
        "_apply",
        "_backends._links._netns_probes",
        "_guest_agent",
        "_look",
        "_module",
        "_node_facts",
        "_preflight",
        "_reservations",
        "_sent",
        "_wanted",
    )
}
"""What needs Ansible, or is for looks alone."""
_MAIN = """\
import sys

from {entry} import main

sys.exit(main(sys.argv[1:]))
"""


def python() -> str:
    """Return the interpreter that runs now, by the name that a new release of the distribution does not change.

    That of a virtual environment is another where the libraries are in there, which the distribution's own cannot find.
    """
    default = "/usr/bin/python3"
    same = os.path.realpath(default) == os.path.realpath(sys.executable)
    return default if same and not any(map(_in_environment, _LIBRARIES)) else sys.executable


def _in_environment(library: str) -> bool:
    """Tell whether the library is in the virtual environment that this runs in, if any."""
    found = find_spec(library) if sys.prefix != sys.base_prefix else None
    return found is not None and str(found.origin).startswith(sys.prefix + os.sep)


def archive(entry: str) -> str:
    """Return a Python archive, for a text file, that calls ``main(arguments)`` in the module ``entry``.

    Python finds an archive from its end, so it may have our header before it, as zipapp puts a line there.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        for path, content in sorted(_sources(entry)):
            target.writestr(zipfile.ZipInfo(path), content)
    return stream.getvalue().decode("utf-8", "surrogateescape")


def _sources(entry: str) -> Iterator[tuple[str, bytes]]:
    """Return path and content of the package's files, wherever it was imported from, less what needs Ansible."""
    yield "__main__.py", _MAIN.format(entry=entry).encode()
    parts = _PACKAGE.split(".")
    for depth in range(1, len(parts) + 1):
        yield "/".join([*parts[:depth], "__init__.py"]), b""
    for found in pkgutil.walk_packages(import_module(_PACKAGE).__path__, f"{_PACKAGE}."):
        if found.name not in _LEFT_OUT:
            path = found.name.replace(".", "/")
            yield f"{path}{'/__init__' if found.ispkg else ''}.py", source(found.name).encode()


def source(name: str) -> str:
    """Return the text that a module is loaded from, be it in a file or in Ansible's archive; raises Unavailable."""
    spec = find_spec(name)
    read = getattr(spec and spec.loader, "get_source", None)
    text = read(name) if read else None
    if text is None:
        raise _errors.Unavailable(f"the code of this run cannot be copied: {name} was not loaded from a file")
    return str(text)
