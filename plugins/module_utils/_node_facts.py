# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What a node is: its datapaths and interfaces. Read-only."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Sequence
from typing import Any

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors, _reservations, _values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._dhcp import _leases
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._guests import _disks
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs, _systemd
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._boot import _rebuild_files
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp import _dnsmasq_files
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._guests import _guest_files
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._openvswitch import _ovs
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node

RESOLVERS = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")
MOST_RESOLVERS = 3  # MAXNS of resolv.conf(5)
MOST_LEASES = 4096  # of one server that are told
_LONGEST = 65536
_STANDING = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap")

_KVM_GET_API_VERSION = 0xAE00  # linux/kvm.h
_KVM_API_VERSION = 12


def ovs_version(node: Node) -> str:
    """Return the version of Open vSwitch as its start script recorded it, or an empty string."""
    return "".join(node.ovsdb.root.ovs_version)


def bridges(node: Node) -> dict[str, dict[str, Any]]:
    """Return the bridges of Open vSwitch by name: ``owner``, empty for one that is not ours, and names of ``ports``."""
    return {
        row.name: {
            "owner": row.external_ids.get(_ovs.OWNER_KEY, ""),
            "ports": sorted(port.name for port in row.ports if port.name != row.name),
        }
        for row in node.ovsdb.rows("Bridge")
    }


def interfaces(node: Node) -> dict[str, dict[str, Any]]:
    """Return all interfaces of the root namespace by name: ``addresses`` (CIDR), ``leased``, ``mtu``, ``mac``, ``up``.

    Those ``leased`` are the IPv4 addresses with a lifetime. One that stands on another, as a VLAN interface does, has
    that as its ``parent``.
    A Linux bridge that filters VLANs says so with ``vlan_filtering``.
    IPv6 addresses with a lifetime come from router advertisements and go by themselves, so nothing is built on them.
    """
    result = _programs.run_program(["ip", "-j", "-d", "address", "show"], node.settings.timeout, "install iproute2")
    if result.returncode:
        raise _errors.Unavailable(f"the interfaces cannot be listed: {_programs.complaint(result)}")
    return {
        link["ifname"]: {
            "addresses": [
                f"{item['local']}/{item['prefixlen']}"
                for item in link["addr_info"]
                if "local" in item and not (item["family"] == "inet6" and item.get("dynamic"))
            ],
            "leased": [
                f"{item['local']}/{item['prefixlen']}"
                for item in link["addr_info"]
                if item["family"] == "inet" and item.get("dynamic")
            ],
            "mtu": link["mtu"],
            "mac": link.get("address", ""),
            "up": "UP" in link["flags"],
            **({"parent": link["link"]} if _stands_on_another(link) else {}),
            **({"vlan_filtering": True} if _filters_vlans(link) else {}),
        }
        for link in json.loads(result.stdout)
    }


def _stands_on_another(link: dict[str, Any]) -> bool:
    """Tell whether an interface is one that the host's network manager makes together with the one below it."""
    return "link" in link and (link.get("linkinfo") or {}).get("info_kind") in _STANDING


def _filters_vlans(link: dict[str, Any]) -> bool:
    info = link.get("linkinfo") or {}
    return info.get("info_kind") == "bridge" and bool((info.get("info_data") or {}).get("vlan_filtering"))


def resolvers(paths: Sequence[str] = RESOLVERS) -> list[str]:
    """Return the DNS servers of the node, of the first of the files that names any that others can ask, too.

    systemd-resolved lists in its own file those that it asks; resolv.conf(5) then has only its stub on loopback.
    """
    for path in paths:
        found = []
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as handle:
            for line in handle.read(_LONGEST).splitlines():
                words = line.split()
                with contextlib.suppress(ValueError):
                    if words[:1] == ["nameserver"] and len(words) > 1:
                        found.append(_values.resolver(words[1]))
        if found:
            return list(dict.fromkeys(found))[:MOST_RESOLVERS]
    return []


def dhcp_servers(node: Node) -> dict[str, dict[str, Any]]:
    """Return the DHCP servers by network: ``owner``, IPv4 ``ranges`` as pairs, and ``leases`` that have not ended.

    A lease has ``mac``, ``address`` and the ``seconds`` that are left of it, 0 for one that does not end.
    """
    result = {}
    for name in node.files.names(_dnsmasq_files.DIRECTORY):
        with contextlib.suppress(_errors.NetvirtError):  # another sort of file in its place
            record = node.files.read(_dnsmasq_files.paths(name)[_dnsmasq_files.RECORD])
            if record is not None:
                result[name] = {
                    "owner": record.owner or "",
                    "ranges": _dnsmasq_files.dynamic_ranges(record.text),
                    "leases": list(_leases.current(_dnsmasq_files.state_directory(name)))[:MOST_LEASES],
                }
    return result


def guests(node: Node) -> dict[str, dict[str, Any]]:
    """Return the guests by name: ``owner``, empty where only a disk is left, and whether it has a ``disk``."""
    units = {name: node.files.owner(_guest_files.paths(name)["unit"]) for name in _guest_units(node)}
    names = sorted({*units, *node.files.names(_disks.DIRECTORY)})
    return {name: {"owner": units.get(name) or "", "disk": os.path.lexists(_disks.path(name))} for name in names}


def reservations(node: Node) -> dict[str, str]:
    """Return a digest of what each DHCP server of the node keeps, by its name; an edited one is left out."""
    result = {}
    for name in node.files.names(_dnsmasq_files.DIRECTORY):
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError, _errors.NetvirtError):
            file = node.files.read(_dnsmasq_files.paths(name)[_dnsmasq_files.RECORD])
            told = json.loads(file.text.partition("\n")[2]) if file is not None else {}
            result[name] = _reservations.digest(told["hosts"])
    return result


def kept(node: Node) -> dict[str, dict[str, Any]]:
    """Return by owner what the node was last told to be: ``routers``, which are namespaces, ``guests``, ``addresses``.

    Guests have the VLANs of their ports. One that something else runs is known by the names of its ports. The
    addresses are those of the node's own interfaces, by name.
    """
    result = {}
    for name in node.files.names(_rebuild_files.LIST_DIRECTORY):
        with contextlib.suppress(_errors.Conflict, AttributeError, KeyError, TypeError, ValueError):
            file = node.files.read(os.path.join(_rebuild_files.LIST_DIRECTORY, name))
            if file is not None and file.owner is not None:
                result[file.owner] = _told(json.loads(file.text.partition("\n")[2])["resources"])
    return result


def _told(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    options = [(kind, found) for entry in entries for kind, found in entry.items()]
    ports = {found["name"]: found.get("tag") or 0 for kind, found in options if kind == "ovs_port_vlan"}
    waiting = [found["name"] for kind, found in options if found.get("device_required") is False]
    guests = {
        found["name"]: [ports[item["tap"]] for item in found["interfaces"] if item["tap"] in ports]
        for kind, found in options
        if kind == "kvm_guest"
    }
    taps = {item["tap"] for kind, found in options if kind == "kvm_guest" for item in found["interfaces"]}
    guests.update({name: [ports[name]] for name in waiting if name not in taps})
    return {
        "routers": sorted(found["name"] for kind, found in options if kind == "netns_router"),
        "guests": guests,
        "addresses": {
            found["name"]: found["addresses"]
            for kind, found in options
            if kind == "ip_interface" and found.get("addresses") and not found.get("namespace")
        },
    }


def _guest_units(node: Node) -> list[str]:
    return list(filter(None, map(_guest_files.guest, node.files.names(_systemd.UNIT_DIRECTORY))))


def kvm(device: str = "/dev/kvm") -> bool:
    """Tell whether the node offers KVM to root. It may still be too broken to boot a guest."""
    try:
        handle = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return fcntl.ioctl(handle, _KVM_GET_API_VERSION, 0) == _KVM_API_VERSION
    except OSError:
        return False
    finally:
        os.close(handle)
