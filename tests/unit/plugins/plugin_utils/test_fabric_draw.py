# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drawings of a document."""

from __future__ import annotations

from fabric_samples import changed, sample

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._draw._drawing import dot, mermaid

MERMAID = """\
flowchart TB
  subgraph node0["compute1"]
    guest_vm1["vm1"]
  end
  subgraph node1["compute2"]
    guest_vm2["vm2"]
  end
  subgraph node2["network1"]
    router_r1(["r1"])
  end
  segment_public[("public<br/>eth2")]
  network_blue{{"blue<br/>nat, VLAN 10<br/>10.0.10.0/24"}}
  router_r1 ---|"10.0.10.254"| network_blue
  router_r1 ---|"203.0.113.10/24"| segment_public
  guest_vm1 ---|"10.0.10.11"| network_blue
  guest_vm2 ---|"10.0.10.12"| network_blue
"""


def test_mermaid() -> None:
    assert mermaid(validate(sample())) == MERMAID


def test_dot() -> None:
    lines = dot(validate(sample())).splitlines()
    assert lines[0] == "graph fabric {"
    assert lines[-1] == "}"
    assert '    "guest_vm1" [shape=box, label="vm1"];' in lines
    assert '  "network_blue" [shape=hexagon, label="blue\\nnat, VLAN 10\\n10.0.10.0/24"];' in lines
    assert '  "router_r1" -- "segment_public" [label="203.0.113.10/24"];' in lines


def test_a_dhcp_server_that_stands_alone_is_drawn() -> None:
    red = {"name": "red", "mode": "isolated", "vlan": 20, "cidr": "10.0.20.0/24", "dhcp": {"node": "network1"}}
    drawing = mermaid(validate(changed(sample(), {"fabric_networks[1]": red})))
    assert 'dhcp_red ---|"10.0.20.1"| network_red' in drawing


def test_names_of_nodes_are_quoted() -> None:
    document = validate(changed(sample(), {"fabric_guests[0].node": 'a "b" <c>'}))
    assert '["a #quot;b#quot; #lt;c#gt;"]' in mermaid(document)
    assert 'label="a \\"b\\" <c>";' in dot(document)
