# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Declared options: one declaration serves the module's argument spec and the validation of an apply list."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values

Spec = dict[str, Any]
"""Options of one resource: canonical values by option name; None means that the user left the option out."""

_TRUE = frozenset(("1", "on", "t", "true", "y", "yes"))
_FALSE = frozenset(("0", "off", "f", "false", "n", "no"))
_EXPECTED = {
    "str": "a string",
    "bool": "true or false",
    "int": "a whole number",
    "list": "a list",
    "dict": "a dictionary",
}


class Role(enum.Enum):
    """What an option is for."""

    IDENTITY = "identity"  # says which object is meant
    STATE = "state"  # says how the object should be; compared and shown
    POLICY = "policy"  # says how to get there; never compared
    PERMISSION = "permission"  # is for this run alone, as what it may do; never compared, and not kept for a rebuild


@dataclass(frozen=True)
class Option:
    """One option: Ansible's argument spec, the canonical form of its value, and its role.

    ``canonical`` gets a value of the right type and returns its canonical form or raises ``ValueError("must be ...")``.
    """

    type: str = "str"
    canonical: Optional[Callable[[Any], Any]] = None
    role: Role = Role.STATE
    required: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()
    elements: Optional[str] = None
    options: Optional[Mapping[str, Option]] = None
    partial: bool = False  # suboptions that the user leaves out are left alone; otherwise a value is compared whole
    public: bool = False  # no secret, although its name makes Ansible think so

    def argument(self) -> dict[str, Any]:
        """Return this option as an entry of an Ansible argument spec."""
        entry: dict[str, Any] = {"type": self.type}
        if self.required:
            entry["required"] = True
        if self.default is not None:
            entry["default"] = self.default
        if self.choices:
            entry["choices"] = list(self.choices)
        if self.elements:
            entry["elements"] = self.elements
        if self.public:
            entry["no_log"] = False
        if self.options is not None:
            entry["options"] = argument_spec(self.options)
        return entry


STATE = Option(choices=("present", "absent"), default="present", role=Role.POLICY)


def argument_spec(options: Mapping[str, Option]) -> dict[str, Any]:
    """Return the Ansible argument spec of these options."""
    return {name: option.argument() for name, option in options.items()}


def validate(options: Mapping[str, Option], given: Any, where: str) -> Spec:
    """Return every option's canonical value, None for what was left out.

    Raises InvalidValue with all faults in one line; ``where`` names the object, as in "ovs_bridge br0".
    """
    faults: list[str] = []
    result = _validate_options(options, given, "", faults)
    if faults:
        raise _errors.InvalidValue("; ".join(f"{where}: {fault}" for fault in faults))
    return result


def _validate_options(options: Mapping[str, Option], given: Any, path: str, faults: list[str]) -> Spec:
    if not isinstance(given, dict):
        faults.append(f"{path.rstrip('.') or 'the options'} must be a dictionary, not {values.shown(given)}")
        return {}
    known = ", ".join(options)
    faults.extend(
        f"unknown option {path}{values.called(name)} (known: {known})" for name in given if name not in options
    )
    result: Spec = {}
    for name, option in options.items():
        value = given.get(name)
        if value is None:
            value = option.default
        if value is None:
            if option.required:
                faults.append(f"{path}{name} is required")
            result[name] = None
            continue
        result[name] = _validate_value(option, value, path + name, faults)
    return result


def _validate_value(option: Option, value: Any, path: str, faults: list[str]) -> Any:
    earlier = len(faults)
    try:
        value = _typed(option.type, value)
        if option.elements and option.options is None:
            value = [_typed(option.elements, item) for item in value]
        if option.options is not None:
            if option.type == "dict":
                value = _validate_options(option.options, value, path + ".", faults)
            else:
                value = [
                    _validate_options(option.options, item, f"{path}[{index}].", faults)
                    for index, item in enumerate(value)
                ]
            if len(faults) > earlier:
                return None
        if option.canonical is not None:
            value = option.canonical(value)
        if option.choices and value not in option.choices:
            raise ValueError(f"must be one of {', '.join(map(str, option.choices))}, not {values.shown(value)}")
    except ValueError as error:
        faults.append(f"{path} {error}")
        return None
    return value


def _typed(kind: str, value: Any) -> Any:
    """Return the value as the declared type. Text stands in for numbers and booleans, since templates yield text."""
    if kind == "raw" or (kind == "dict" and isinstance(value, dict)):
        return value
    if kind == "list" and isinstance(value, (list, tuple)):
        return list(value)
    if kind == "str" and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(values.written(value))
    if kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if kind == "int" and isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,20}\s*", value):
        return int(value)
    if kind == "bool" and (isinstance(value, str) or value in (0, 1)):
        word = str(value).lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    raise ValueError(f"must be {_EXPECTED[kind]}, not {values.shown(value)}")
