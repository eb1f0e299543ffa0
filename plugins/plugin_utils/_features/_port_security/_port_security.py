# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Port security: a guest sends with its own addresses, and never as a router or a DHCP server."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network, ip_network

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._addresses import Address, Subnet
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._engines._ovs import _names
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._assigned import addresses_of
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._dhcp._model import ranges
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._feature import Feature
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Nic
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._networks._model import Network
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._port_security import _flows, _model
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._plan import Plan
from ansible_collections.netvirt.fabric.plugins.plugin_utils._plan._site import Site
from ansible_collections.netvirt.fabric.plugins.plugin_utils._verify._checks import Case, Check, Leg, asked_who_has

LINK_LOCAL = IPv6Network("fe80::/64")


class PortSecurityFeature(Feature):
    """``port_security`` and ``allowed_addresses`` of NICs."""

    name = "port security"
    extends = {"nic": _model.read}
    extra_keys = {"nic": _model.KEYS}

    def build(self, site: Site, plan: Plan) -> None:
        """Say that br-int lets on what guests may send, and nothing while it does not know what that is.

        All other ports, and what port security lets on, are forwarded by the MAC address table.
        """
        plan.bridge(_names.INTEGRATION, fail_mode="secure")
        flows = [*_flows.common()]
        for tap, number, nic in numbered(site):
            plan.say("ovs_port_vlan", name=tap, ofport_request=number)
            network = site.document.network(nic.network)
            if network and _model.of(nic).enabled:
                pairs = _pairs(site.document, network, nic)
                flows += _flows.classify(number, [pair.mac for pair in pairs])
                flows += _flows.addresses(number, pairs)
        plan.flows(_names.INTEGRATION, "port security", flows)

    def prove(self, case: Case, leg: Leg) -> Iterator[Check]:
        """A canary asks for a neighbour with its own addresses, which is answered, and with others, which is not."""
        own, subnet = leg.address(4), leg.network.subnet(4)
        here = [item for item in case.legs if item.network.name == leg.network.name and item.address(4)]
        others = [item for item in here if item is not leg and not item.silent]
        neighbour = next((item for item in others if item.namespace), None) or next(iter(others), None)
        target = neighbour.address(4) if neighbour else None
        if not leg.namespace or not _model.of(leg.nic).enabled or not own or not subnet or not neighbour or not target:
            return
        known = {own, leg.network.gateway, *(item.address(4) for item in here)}
        last = min(subnet.num_addresses - 1, len(known) + 2)
        unused: list[Address] = [item for item in (subnet[number] for number in range(1, last)) if item not in known]
        flipped = f"{leg.nic.mac[:-1]}{int(leg.nic.mac[-1], 16) ^ 1:x}"
        yield asked_who_has(leg, target, [neighbour.nic.mac], f"{neighbour.guest} by its own addresses")
        yield asked_who_has(leg, target, [], f"not {neighbour.guest} by another MAC address", mac=flipped)
        for address in unused[:1]:
            yield asked_who_has(leg, target, [], f"not {neighbour.guest} by another IP address", address)


def numbered(site: Site) -> Iterator[tuple[str, int, Nic]]:
    """Yield the ports of the node's guests, with their numbers.

    A number follows from the network, too: in another one a port sends nothing until it has the flows for it.
    """
    ports: dict[bool, dict[str, tuple[str, Nic]]] = {True: {}, False: {}}
    for guest in site.document.guests_on(site.node):
        for index, nic in enumerate(guest.nics):
            tap = _names.tap(guest.name, index)
            ports[_model.of(nic).enabled][f"{nic.network} {tap}"] = tap, nic
    for enabled, first in ((True, _names.SECURED), (False, _names.OPEN)):
        numbers = _names.port_numbers(ports[enabled], first)
        yield from ((tap, numbers[name], nic) for name, (tap, nic) in ports[enabled].items())


def _pairs(document: Document, network: Network, nic: Nic) -> list[_flows.Pair]:
    """Return the MAC addresses of a NIC, the own one first, each with its networks.

    Where neither the document nor its DHCP server gives a guest an address, nobody can tell which one it has.
    """
    own = {address.version for address in addresses_of(document, network, nic)}
    any4 = 4 not in own and not ranges(network, 4)
    any6 = 6 not in own and (not network.subnets() or (bool(network.cidr6) and network.dhcp is None))
    return [
        _flows.Pair(mac, None if any4 and mac == nic.mac else of4, None if any6 and mac == nic.mac else of6)
        for mac, (of4, of6) in addresses(document, network, nic).items()
    ]


def addresses(document: Document, network: Network, nic: Nic) -> dict[str, tuple[list[Subnet], list[Subnet]]]:
    """Return by MAC address, the own one first, the addresses of a NIC that the document knows, by family."""
    own = addresses_of(document, network, nic)
    networks4: list[Subnet] = [ip_network(address) for address in own if address.version == 4]
    networks6: list[Subnet] = [ip_network(address) for address in own if address.version == 6]
    networks6.append(ip_network(interface_address(LINK_LOCAL, nic.mac)))
    if network.cidr6 and not ranges(network, 6):
        networks6.append(ip_network(interface_address(network.cidr6, nic.mac)))
    by_mac: dict[str, tuple[list[Subnet], list[Subnet]]] = {nic.mac: (networks4, networks6)}
    for item in _model.of(nic).allowed:
        pair = by_mac.setdefault(item.mac or nic.mac, ([], []))
        if item.subnet:
            pair[item.subnet.version == 6].append(item.subnet)
    return by_mac


def interface_address(prefix: IPv6Network, mac: str) -> IPv6Address:
    """Return the address that a host gives itself from its MAC address (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return prefix[int.from_bytes(identifier, "big")]
