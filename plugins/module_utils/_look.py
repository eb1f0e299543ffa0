# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""All of the module node_info but its documentation."""

from __future__ import annotations

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netvirt.fabric.plugins.module_utils import _node_facts, _wanted
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import NetvirtError
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _datapath
from ansible_collections.netvirt.fabric.plugins.module_utils._node import SETTINGS, Node, Settings
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Option, argument_spec, validate
from ansible_collections.netvirt.fabric.plugins.module_utils._preflight import preflight_warnings

SETTINGS_HERE = {name: SETTINGS[name] for name in ("ovsdb", "timeout")}
OPTIONS = {**SETTINGS_HERE, "wanted": Option(type="dict", options=_wanted.OPTIONS), "known": Option(type="dict")}


def main(make: type[AnsibleModule] = AnsibleModule) -> None:
    """Run the module."""
    module = make(argument_spec=argument_spec(OPTIONS), supports_check_mode=True)
    node = None
    facts: dict[str, Any] = {}
    try:
        given = validate(OPTIONS, {name: module.params[name] for name in OPTIONS}, "settings")
        node = Node(Settings(**{name: given[name] for name in SETTINGS_HERE}))
        node.require_root()
        if given["wanted"]:
            facts["lacking"] = _wanted.lacking(given["wanted"], node.settings.timeout)
        facts |= {
            "interfaces": _node_facts.interfaces(node),
            "resolvers": _node_facts.resolvers(),
            "dhcp_servers": _node_facts.dhcp_servers(node),
            "guests": _node_facts.guests(node),
            "reservations": _node_facts.reservations(node),
            "kept": _node_facts.kept(node),
            "datapath_types": [],
            "bridges": {},
        }
        types = _datapath.types(node)
        facts.update(
            datapath_types=types,
            datapath_type=types[0] if types else "",
            ovs_version=_node_facts.ovs_version(node),
            bridges=_node_facts.bridges(node),
            kvm=_node_facts.kvm(),
            kernel=os.uname().release,
            preflight_warnings=preflight_warnings(node.settings.timeout),
        )
    except NetvirtError as error:
        module.fail_json(msg=str(error), **facts)
    finally:
        if node is not None:
            node.close()
    module.exit_json(changed=False, **facts)
