# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts that are called like variables of the roles decide nothing, with the settings that Ansible has by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netvirt_testing.paths import environment

MODULE = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
facts = {"fabric_owner": "hostile", "mine": [], "fabric_state": "absent", "fabric_timeout": 9, "ansible_limit": "x"}
AnsibleModule(argument_spec={"more": {"type": "dict"}}).exit_json(ansible_facts=facts)
"""
INTERFACES = {"eth1": {"addresses": ["192.0.2.1/24"], "mtu": 1500, "mac": "02:00:00:00:00:01"}}
INVENTORY = {
    "fabric_owner": "honest",
    "mine": [{"name": "red", "mode": "isolated", "vlan": 5}],
    "fabric_networks": "{{ mine }}",
    "fabric_nodes": {"n1": {}},
    "fabric_guests": [{"name": "g1", "node": "n1", "network": "red"}],
}


@pytest.fixture
def play(tmp_path: Path) -> Any:
    """Return a function that plays tasks on a host of this machine, and returns what each task of that name said."""

    def played(*tasks: dict[str, Any]) -> str:
        (tmp_path / "hostile.py").write_text(MODULE)
        (tmp_path / "ansible.cfg").write_text("[defaults]\ncallback_result_format=json\n")
        host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (tmp_path / "inventory.yml").write_text(json.dumps({"all": {"hosts": {"n1": host}, "vars": INVENTORY}}))
        play = {"hosts": "all", "gather_facts": False, "tasks": list(tasks)}
        (tmp_path / "play.yml").write_text(json.dumps([play]))
        variables = {"ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"), "ANSIBLE_LIBRARY": str(tmp_path)}
        command = ["ansible-playbook", "-i", str(tmp_path / "inventory.yml"), str(tmp_path / "play.yml")]
        result = subprocess.run(
            command, env={**environment(), **variables}, capture_output=True, text=True, check=False
        )
        return result.stdout + result.stderr

    return played


def test_the_document_is_made_of_declared_variables(play: Any) -> None:
    facts = {"n1": {"datapath_types": ["netdev"], "interfaces": INTERFACES}}
    output = play(
        {"hostile": {}},
        {"ansible.builtin.debug": {"msg": "believed {{ fabric_owner }}"}},
        {"netvirt.fabric.document": {"facts": facts}, "register": "found"},
        {"ansible.builtin.debug": {"msg": "{{ [found.owner, found.state, found.timeout, found.guests[0].name] }}"}},
    )
    assert "believed hostile" in output
    assert json.dumps(["honest", "present", 8, "g1"]) in " ".join(output.split()).replace("[ ", "[").replace(" ]", "]")


def test_what_a_module_says_sets_nothing(play: Any) -> None:
    output = play(
        {"netvirt.fabric.run_module": {"module": "hostile"}},
        {"ansible.builtin.debug": {"msg": "believed {{ fabric_owner }}"}},
    )
    assert "believed honest" in output
