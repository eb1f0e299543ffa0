# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read mappings of a document key by key, and collect every fault with its path instead of stopping at the first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional, TypeVar

from ansible_collections.netvirt.fabric.plugins.module_utils._values import called, shown

T = TypeVar("T")
Extensions = Mapping[str, Sequence[Callable[["Reader"], Mapping[str, Any]]]]
"""By sort of object: what reads the keys that other features give it."""

_LONGEST_NAME = 253  # of a host (RFC 1035)


class Faults:
    """The faults found so far."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], None] = {}
        self._paths: set[str] = set()

    def add(self, path: str, message: str) -> None:
        """Note a fault at a path of the document."""
        self._found[path, message] = None
        self._paths.add(path)

    def add_if(self, path: str, message: Optional[str]) -> None:
        """Note a fault if there is one."""
        if message:
            self.add(path, message)

    def missing(self, path: str, name: str, found: object, what: str, section: str) -> None:
        """Note a name that a list of the document has nothing of, if that list could be read."""
        if name and found is None and not self.in_names(section):
            self.add(path, f"there is no {what} '{name}' in {section}")

    def at(self, *paths: str) -> bool:
        """Return whether one of these paths has a fault, so that what follows from it need not be reported, too."""
        return not self._paths.isdisjoint(paths)

    def below(self, path: str) -> bool:
        """Return whether a path or an item of the list there has a fault."""
        return any(found == path or found.startswith(f"{path}[") for found in self._paths)

    def in_names(self, section: str) -> bool:
        """Return whether the names in a list of the document could not all be read."""
        pattern = re.compile(rf"{section}(\[\d+\](\.name)?)?")
        return any(map(pattern.fullmatch, self._paths))

    def lines(self) -> list[str]:
        """Return one line for each fault."""
        return [f"{path}: {message}" for path, message in self._found]


class Reader:
    """One mapping of the document. ``done()`` reports the keys that nobody asked for."""

    def __init__(
        self, value: Mapping[Any, Any], path: str, faults: Faults, extensions: Optional[Extensions] = None
    ) -> None:
        self.path = path
        self.extensions = extensions or {}
        self.faults = faults
        self._known: list[str] = []
        self._values = {_key(key): item for key, item in value.items() if item is not None}

    def at(self, key: str) -> str:
        """Return the path of a key."""
        return f"{self.path}.{called(key)}" if self.path else called(key)

    def raw(self, key: str) -> Any:
        """Return the value as it stands, ``None`` where there is none."""
        self._known.append(key)
        return self._values.get(key)

    def get(self, key: str, convert: Callable[[Any], T], default: T, required: bool = False) -> T:
        """Return the converted value; the default where it is missing or ``convert`` refuses it by ``ValueError``."""
        value = self.raw(key)
        if value is None:
            if required:
                self.faults.add(self.at(key), "is required")
            return default
        try:
            return convert(value)
        except ValueError as error:
            self.faults.add(self.at(key), str(error))
            return default

    def located(self, key: str, convert: Callable[[Any], T]) -> list[tuple[str, T]]:
        """Return (path, converted item) of a list, without those that ``convert`` refuses."""
        result = []
        for index, value in enumerate(self.items(key)):
            path = f"{self.at(key)}[{index}]"
            try:
                result.append((path, convert(value)))
            except ValueError as error:
                self.faults.add(path, str(error))
        return result

    def values(self, key: str, convert: Callable[[Any], T]) -> tuple[T, ...]:
        """Return the converted items of a list, without those that ``convert`` refuses."""
        return tuple(value for _path, value in self.located(key, convert))

    def items(self, key: str) -> list[Any]:
        """Return a list as it stands, empty where there is none."""
        value = self.raw(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.faults.add(self.at(key), f"must be a list, not {shown(value)}")
            return []
        return value

    def children(self, key: str, read: Callable[[Reader], T]) -> tuple[T, ...]:
        """Return what ``read`` makes of each mapping in a list."""
        found = [self._read(value, f"{self.at(key)}[{index}]", read) for index, value in enumerate(self.items(key))]
        return tuple(item for item in found if item is not None)

    def child(self, key: str, read: Callable[[Reader], T]) -> T | None:
        """Return what ``read`` makes of a mapping, ``None`` where there is none."""
        value = self.raw(key)
        return None if value is None else self._read(value, self.at(key), read)

    def mapping(self, key: str, read: Callable[[Reader], T]) -> dict[str, T]:
        """Return what ``read`` makes of each mapping in a mapping; one that is null counts as empty."""
        value = self.raw(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.faults.add(self.at(key), f"must be a dictionary, not {shown(value)}")
            return {}
        found = {}
        for name, item in ((_key(name), item) for name, item in value.items()):
            path = f"{self.at(key)}.{called(name)}"
            if not (0 < len(name) <= _LONGEST_NAME and name.isprintable()):
                self.faults.add(path, f"must have a name of 1 to {_LONGEST_NAME} printable characters")
                continue
            found[name] = self._read({} if item is None else item, path, read)
        return {name: item for name, item in found.items() if item is not None}

    def extended(self, sort: str) -> dict[str, Any]:
        """Return what features other than its own read of an object of this sort, by name."""
        return {name: part for read in self.extensions.get(sort, ()) for name, part in read(self).items()}

    def keys_of(self, sort: str) -> list[str]:
        """Return the keys that features other than its own read of an object of this sort."""
        before = len(self._known)
        self.extended(sort)
        return self._known[before:]

    def _read(self, value: Any, path: str, read: Callable[[Reader], T]) -> T | None:
        if not isinstance(value, dict):
            self.faults.add(path, f"must be a dictionary, not {shown(value)}")
            return None
        return Reader(value, path, self.faults, self.extensions).finish(read)

    def finish(self, read: Callable[[Reader], T]) -> T:
        """Return what ``read`` makes of this mapping, and report the keys that it did not ask for."""
        result = read(self)
        for key in self._values:
            if key not in self._known:
                self.faults.add(self.at(key), f"is not known here; known are {', '.join(sorted(set(self._known)))}")
        return result


def _key(key: Any) -> str:
    """Return a key as text: YAML has keys of other types."""
    return key if isinstance(key, str) else shown(key)
