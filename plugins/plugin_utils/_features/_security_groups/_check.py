# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check security groups: names that there are not, rules that contradict themselves, MAC addresses of several."""

from __future__ import annotations

from typing import Optional

from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._document import Document
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._reader import Faults
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._guests._model import Nic
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._port_security import _model as _port_security
from ansible_collections.netvirt.fabric.plugins.plugin_utils._features._security_groups import _model

_NAMES = {number: name for name, number in _model.NUMBERS.items()}
_ETHERTYPES = {4: "ipv4", 6: "ipv6"}
_REMOTES = ("remote_cidr", "remote_group", "remote_address_group")


def check(document: Document, faults: Faults) -> None:
    """Note every fault of groups, of their rules, and of NICs' groups."""
    for group in _model.declared(document) or ():
        for rule in group.rules:
            _check_rule(rule, faults)
            _check_names(document, rule, faults)
    seen: set[str] = set()
    for item in document.parts.get("address_groups", ()):
        if item.name and item.name in seen:
            faults.add(f"{item.path}.name", f"'{item.name}' is used twice")
        seen.add(item.name)
    known = _model.groups(document)
    for nic in document.nics():
        for path, name in _model.named_by(nic) or ():
            faults.missing(path, name, known.get(name), "security group", "fabric_security_groups")
        if _model.named_by(nic) is not None and not _port_security.of(nic).enabled:
            faults.add(f"{nic.path}.security_groups", "says nothing where port_security is false; take one of both out")
    if _model.declared(document) is not None:
        _check_macs(document, faults)


def _check_rule(rule: _model.Rule, faults: Faults) -> None:
    if faults.at(f"{rule.path}.protocol"):
        return
    protocol, version = _NAMES.get(rule.protocol, str(rule.protocol)), _ETHERTYPES.get(rule.version, "")
    if rule.ports and rule.protocol not in _model.WITH_PORTS:
        faults.add(f"{rule.path}.ports", f"{protocol} has no ports; give protocol tcp, udp or sctp")
    if rule.icmp_type is not None and rule.protocol not in _model.BOUND_TO:
        faults.add(f"{rule.path}.icmp_type", f"{protocol} has no ICMP types; give protocol icmp or icmpv6")
    if rule.icmp_code is not None and rule.icmp_type is None and not faults.at(f"{rule.path}.icmp_type"):
        faults.add(f"{rule.path}.icmp_code", "is of no type; give icmp_type")
    only = _ETHERTYPES.get(_model.BOUND_TO.get(rule.protocol, 0), "")
    if only and version and only != version:
        other = "icmp" if version == "ipv4" else "icmpv6"
        faults.add(f"{rule.path}.protocol", f"{protocol} is of {only}, and the rule of {version}; give {other}")
    given = [key for key in _REMOTES if getattr(rule, key)]
    if len(given) > 1:
        faults.add(f"{rule.path}.{given[1]}", f"cannot be combined with {given[0]}; make two rules")
    if rule.remote_cidr:
        has = _ETHERTYPES[rule.remote_cidr.version]
        if has != (version or only or has):
            meant = "ethertype" if version else "protocol"
            faults.add(
                f"{rule.path}.remote_cidr", f"{rule.remote_cidr} is of {has}, and the {meant} of {version or only}"
            )


def _check_names(document: Document, rule: _model.Rule, faults: Faults) -> None:
    path, name = f"{rule.path}.remote_group", rule.remote_group
    faults.missing(path, name, _model.groups(document).get(name), "security group", "fabric_security_groups")
    path, name = f"{rule.path}.remote_address_group", rule.remote_address_group
    group = _model.address_groups(document).get(name)
    faults.missing(path, name, group, "address group", "fabric_address_groups")
    if group is None or faults.below(f"{group.path}.addresses") or len(rule.versions()) > 1:
        return
    version = rule.versions()[0]
    if not any(item.version == version for item in group.addresses):
        faults.add(path, f"'{name}' has no address of {_ETHERTYPES[version]}")


def _check_macs(document: Document, faults: Faults) -> None:
    """A frame is known to be for a NIC by its MAC address alone. NICs that share one must be alike."""
    first: dict[str, Nic] = {}
    for nic in document.nics():
        pairs = [(nic.mac, f"{nic.path}.mac")]
        pairs += [(item.mac, f"{item.path}.mac") for item in _port_security.of(nic).allowed if item.mac]
        for mac, path in pairs:
            other = first.setdefault(mac, nic)
            if not faults.at(path):
                faults.add_if(path, _unlike(document, nic, other, mac))


def _unlike(document: Document, nic: Nic, other: Nic, mac: str) -> Optional[str]:
    if nic is other:
        return None
    if nic.network != other.network:
        return f"{mac} is used in network '{other.network}' as well; take another one"
    if _model.of(document, nic) != _model.of(document, other):
        return f"{mac} is used by {other.path} as well; give both the same security_groups"
    return None
