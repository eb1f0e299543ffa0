#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of a DHCP server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: leases_info
short_description: List the leases that the DHCP server of a network has given
version_added: 0.1.0
description:
  - Reads the leases of IPv4 that a server of the module M(netvirt.fabric.dnsmasq_netns) has given.
extends_documentation_fragment:
  - netvirt.fabric.attributes.info_module
options:
  name:
    description:
      - The name of the server, which in a fabric is that of its network.
    type: str
    required: true
seealso:
  - module: netvirt.fabric.dnsmasq_netns
requirements:
  - root on the node
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Read the leases of a network
  netvirt.fabric.leases_info:
    name: blue
"""

RETURN = r"""
leases:
  description: The leases; empty where the server has given none yet.
  returned: success
  type: list
  elements: dict
  contains:
    mac:
      description: The MAC address of the client.
      type: str
    address:
      description: Its IPv4 address.
      type: str
  sample: [{mac: "52:54:00:aa:bb:01", address: 10.0.10.11}]
"""

from collections.abc import Iterator

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netvirt.fabric.plugins.module_utils import _values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._dhcp import _leases
from ansible_collections.netvirt.fabric.plugins.module_utils._errors import NetvirtError
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp._dnsmasq_files import state_directory


def leases(name: str) -> Iterator[dict[str, str]]:
    """Yield the leases of IPv4; those of IPv6 have no MAC address. The file is written by what others can break."""
    for _end, mac, address, *_words in _leases.read(state_directory(_values.word(name))):
        try:
            yield {"mac": _values.mac(mac), "address": _values.address(address)}
        except ValueError:
            continue


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"name": {"type": "str", "required": True}}, supports_check_mode=True)
    try:
        found = list(leases(module.params["name"]))
    except ValueError as error:
        module.fail_json(msg=f"name {error}")
    except NetvirtError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, leases=found)


if __name__ == "__main__":
    main()
