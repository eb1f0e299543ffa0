#!/usr/bin/python
# Copyright: (c) 2026, netvirt.fabric contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module of the kind nat_masquerade."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nat_masquerade
short_description: Translate the source addresses of what leaves a network
version_added: 0.1.0
description:
  - Manages source address translation (NAT) with nftables, in a network namespace or in the root one.
  - The rules are in one table of their own, C(inet netvirt_NAME). It is replaced as a whole in one transaction;
    packets meet the old rules or the new ones. Other tables are never touched.
  - A rule that somebody added to that table or removed from it shows as a difference and is repaired.
  - The ports that translated connections get are random.
  - After translation, packets that still have an address of the sources are dropped, such as those that connection
    tracking calls invalid. Nothing leaves untranslated.
  - After a change, connections that are translated in another way now are forgotten, and no others.
extends_documentation_fragment:
  - netvirt.fabric.attributes
  - netvirt.fabric.kind
  - netvirt.fabric.settings
  - netvirt.fabric.needs_netlink
  - netvirt.fabric.needs_nft
options:
  name:
    description:
      - The name of the translation. Several may be in one namespace.
      - A table of that name without the collection's mark is an error, and stays as it is.
    type: str
    default: nat
  namespace:
    description:
      - The network namespace. Without it, the root namespace.
    type: str
  sources:
    description:
      - The exact set of IPv4 and IPv6 networks whose packets are translated. Required for a new translation.
    type: list
    elements: str
  exclude_destinations:
    description:
      - The exact set of networks that see the sources' own addresses.
      - For a new translation the default is the sources themselves. As long as both are equal, they stay equal
        when only O(sources) is given.
    type: list
    elements: str
  out_interface:
    description:
      - The interface by which packets have to leave to be translated. An empty string is any interface.
    type: str
  to_source:
    description:
      - The addresses to translate to, at most one IPv4 and one IPv6 address.
      - A family without an address here gets the address of the interface by which the packet leaves (masquerade).
      - An address of a family of which there are no O(sources) is not used.
    type: list
    elements: str
  inbound:
    description:
      - What happens to packets that come in by O(out_interface) for the sources without belonging to a connection
        which the sources began. Translation alone lets them pass, so that a neighbour on the outer segment who
        sets a route to the sources reaches them.
      - V(drop) drops them, and packets for the router's own addresses in the sources, but for connections whose
        destination was translated on purpose (DNAT). It needs O(out_interface).
      - A new translation has V(accept).
    type: str
    choices: [accept, drop]
seealso:
  - module: netvirt.fabric.netns_router
  - name: nft(8)
    description: The rules of nftables.
    link: https://www.netfilter.org/projects/nftables/manpage.html
author:
  - netvirt.fabric contributors (@netvirt)
"""

EXAMPLES = r"""
- name: Translate a network to the router's fixed address, and keep neighbours out
  netvirt.fabric.nat_masquerade:
    namespace: router-r1
    sources: [10.0.10.0/24]
    out_interface: ext
    to_source: [203.0.113.10]
    inbound: drop

- name: Translate two networks to whatever address the interface has, but not towards the office
  netvirt.fabric.nat_masquerade:
    name: office
    sources: [10.0.10.0/24, 'fd00:10::/64']
    exclude_destinations: [10.0.0.0/8, 'fd00::/8']
    out_interface: eth0

- name: No translation
  netvirt.fabric.nat_masquerade:
    name: office
    state: absent
"""

RETURN = r"""
before:
  description:
    - The translation as it was, in the module's options; O(state) is V(absent) when there was none.
  returned: success
  type: dict
  sample: {name: nat, namespace: router-r1, state: absent}
after:
  description:
    - The translation as it is now, or in check mode as it would be. It can be fed back in.
  returned: success
  type: dict
  sample:
    name: nat
    namespace: router-r1
    sources: [10.0.10.0/24]
    exclude_destinations: [10.0.10.0/24]
    out_interface: ext
    to_source: [203.0.113.10]
    inbound: drop
operations:
  description:
    - What was done, or in check mode would be done. The change C(edits) is what was changed in the table by hand.
  returned: always
  type: list
  elements: dict
  sample: [{kind: nat_masquerade, name: nat, namespace: router-r1, action: create}]
"""

from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._filters.nat_masquerade import NatMasquerade
from ansible_collections.netvirt.fabric.plugins.module_utils._module import run_kind


def main() -> None:
    """Run the module."""
    run_kind(NatMasquerade())


if __name__ == "__main__":
    main()
