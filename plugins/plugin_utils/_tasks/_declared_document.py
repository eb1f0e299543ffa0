# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document that a host's declared variables make, a whole one or that of one network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._one_network import network_document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import MODES
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks import _known

STATES = ("present", "absent")
PARTS = (
    *("fabric_owner", "fabric_underlay", "fabric_nodes", "fabric_physical_networks", "fabric_networks"),
    *("fabric_routers", "fabric_floating_ips", "fabric_guest_defaults", "fabric_guests", "fabric_owner_was"),
    *("fabric_security_groups", "fabric_address_groups"),
)
"""The variables that a document consists of."""
CHECKED = ("fabric", "guest", "hypervisor", "verify")
"""The roles of which each run knows all variables."""


class Variables(Protocol):
    """See _declared.Declared."""

    def names(self, prefix: str) -> list[str]:
        """Return the names of all variables that begin with this."""

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a variable."""

    def all(self, prefix: str) -> dict[str, Any]:
        """Return the values of all variables that begin with this, by name."""


@dataclass(frozen=True)
class Declaration:
    """What the operators want: the variables of a document, and what is to be done with it."""

    document: dict[str, Any]
    owner: str
    owner_was: str
    state: str
    timeout: int
    allow_removal: bool


def declaration(variables: Variables) -> Declaration:
    """Return what the variables declare; raises FabricError."""
    mode = variables.get("fabric_mode")
    if mode is not None and mode not in MODES:
        raise FabricError([f"fabric_mode: must be one of {', '.join(MODES)}, not {_values.shown(mode)}"])
    faults = list(_known.unknown(variables.names(""), [*CHECKED, *([mode] if mode else [])]))
    if faults:
        raise FabricError(faults)
    values = {name: variables.get(name, default) for name, default in _known.defaults("fabric").items()}
    state, document = values["fabric_state"], {name: values.get(name, variables.get(name)) for name in PARTS}
    if mode:
        given = {**_known.defaults(mode), **variables.all(f"{mode}_")}
        state = given[f"{mode}_state"] if state == "present" else state
        limited = state == "present" and variables.get("ansible_limit") is not None
        document = {
            **network_document(mode, given, variables.get("ansible_play_hosts_all"), limited),
            "fabric_owner_was": document["fabric_owner_was"],
        }
    if state not in STATES:
        name = f"{mode or 'fabric'}_state"
        raise FabricError([f"{name}: must be {' or '.join(STATES)}, not {_values.shown(state)}"])
    try:
        timeout = _values.integer(1, 3600)(values["fabric_timeout"])
    except ValueError as error:
        raise FabricError([f"fabric_timeout: {error}"]) from None
    former = str(document["fabric_owner_was"] or "")
    allowed = values["fabric_allow_removal"]
    if not isinstance(allowed, bool):
        try:
            allowed = boolean(allowed)
        except TypeError:
            message = f"must be true or false, not {_values.shown(allowed)}"
            raise FabricError([f"fabric_allow_removal: {message}"]) from None
    return Declaration(document, str(document["fabric_owner"]), former, state, timeout, allowed)
