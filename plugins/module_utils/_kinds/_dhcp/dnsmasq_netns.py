# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Kind ``dnsmasq_netns``: DHCP, DNS and PXE for a network, by a dnsmasq of its own in a namespace (dnsmasq(8)).

What it was told is kept in ``options.json`` beside its configuration. Findings beside the options are files that are
not what these render to, a service that does not do its work, and reserved addresses that others have by a lease.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _engine, _errors, _options, _references
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._dhcp import _dnsmasq, _leases
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files, _systemd
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp import _dnsmasq_checks as checks
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp import _dnsmasq_files as files
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp import _dnsmasq_values as dnsmasq
from ansible_collections.netvirt.fabric.plugins.module_utils._node import Node
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

_MODE = 0o644  # dnsmasq reads hosts and opts again after it gave up root's rights
_RUNNING = "running"
_SOUND: Spec = {"edited": [], "service": _RUNNING, "enabled": True, "taken": []}
_NEW: Spec = {
    "ranges": [],
    "hosts": [],
    "router": "",
    "ra_router": True,
    "dns_servers": [],
    "dns_forwarders": [],
    "domain": "",
    "mtu": 0,
    "options": [],
    "tftp_root": "",
    "boot_file": "",
    "boot_server": "",
}

_addresses = values.unique(values.address)


class DnsmasqNetns(_engine.Kind):
    """See plugins/modules/dnsmasq_netns.py for the meaning of the options."""

    name = "dnsmasq_netns"
    turn = _engine.Turn.SERVICE
    options = {
        "name": _options.Option(required=True, canonical=values.word, role=_options.Role.IDENTITY),
        "state": _options.STATE,
        "namespace": _options.Option(canonical=values.object_name),
        "interface": _options.Option(canonical=values.interface_name),
        "ranges": _options.Option(type="list", elements="dict", options=dnsmasq.RANGE, canonical=dnsmasq.ranges),
        "hosts": _options.Option(type="list", elements="dict", options=dnsmasq.HOST, canonical=dnsmasq.hosts),
        "router": _options.Option(canonical=dnsmasq.ipv4),
        "ra_router": _options.Option(type="bool"),
        "dns_servers": _options.Option(type="list", elements="str", canonical=_addresses),
        "dns_forwarders": _options.Option(type="list", elements="str", canonical=_addresses),
        "domain": _options.Option(canonical=lambda name: name and values.hostname(name)),
        "mtu": _options.Option(type="int", canonical=dnsmasq.mtu),
        "options": _options.Option(
            type="list", elements="dict", options=dnsmasq.DHCP_OPTION, canonical=dnsmasq.dhcp_options
        ),
        "tftp_root": _options.Option(canonical=dnsmasq.path),
        "boot_file": _options.Option(canonical=lambda name: name and dnsmasq.plain(name)),
        "boot_server": _options.Option(canonical=dnsmasq.ipv4),
        "leases": _options.Option(
            type="list",
            elements="dict",
            options=dnsmasq.LEASE,
            canonical=dnsmasq.leases,
            role=_options.Role.PERMISSION,
        ),
    }

    def observe(self, node: Node, want: Spec) -> Optional[Spec]:
        """Return the options that the instance was told, with what its files and its service lack of them."""
        name = want["name"]
        found = {short: node.files.read(path) for short, path in files.paths(name).items()}
        if not any(found.values()) and not os.path.lexists(files.state_directory(name)):
            return None
        told = self._told(name, getattr(found[files.RECORD], "text", ""))
        texts = files.render(told, _owner(node, name) or "", _dnsmasq.account()) if told else {}
        edited = [short for short, file in found.items() if not told or not _is_sound(file, texts.get(short))]
        return {
            "name": name,
            **told,
            "edited": sorted(edited),
            "service": self._service(node, told, name),
            "enabled": node.systemd.enabled(files.unit(name)),
            "taken": self._taken(name, told.get("hosts", []), want.get("hosts")),
        }

    def _told(self, name: str, text: str) -> Spec:
        """Return the options in options.json, or none when somebody made them unusable."""
        try:
            told = _options.validate(self.options, {**_NEW, **dict(files.parse_options(text))}, "")
        except (_errors.InvalidValue, TypeError, ValueError):
            return {}
        del told["state"], told["leases"]
        whole = told["name"] == name and None not in told.values() and all("prefix" in item for item in told["ranges"])
        return told if whole else {}

    def _taken(self, name: str, told: list[Spec], wanted: Optional[list[Spec]]) -> list[str]:
        """Return the reserved addresses that others have by a lease, for which dnsmasq keeps them (its dhcp.c).

        A lease of IPv6 names no MAC address, so that it is another's where the address was reserved for another.
        """
        before = _reserved(told)
        after = before if wanted is None else _reserved(wanted)
        found = []
        for _end, holder, address, _name, _client in _leases.read(files.state_directory(name)):
            mac = after.get(address)
            holds = before.get(address, mac) if ":" in address else holder.lower()
            if mac is not None and mac != holds:
                found.append(address)
        return sorted(found)

    def _service(self, node: Node, told: Spec, name: str) -> str:
        """Return "running" for a service that does its work, otherwise what it does instead."""
        state = node.systemd.show(files.unit(name))
        if state["ActiveState"] != "active":
            result = f" ({state['Result']})" if state["Result"] not in ("", "success") else ""
            return state["ActiveState"] + result
        if not told or not _dnsmasq.is_inside(int(state["MainPID"] or 0), told["namespace"]):
            return "running in a former namespace"
        link = node.netlink.link(told["namespace"], told["interface"])
        port = files.dhcp_port(told["ranges"])
        if link is None or (port and not _dnsmasq.listens(told["namespace"], port, link.index or -1)):
            return "running on a former interface"
        return _RUNNING

    def desired(self, node: Node, have: Optional[Spec], want: Spec) -> Spec:
        """Ranges get their prefix from the interface; what is wrong is refused before anything changes."""
        result = {**super().desired(node, {**_NEW, **(have or {})}, want), **_SOUND}
        for option in ("namespace", "interface"):
            if option not in result:
                raise _errors.InvalidValue(f"{option} is required")
        namespace, interface = result["namespace"], result["interface"]
        _references.require(node, _references.interface(namespace, interface))  # be they asked for or not
        try:
            former = (have or {}).get("ranges", [])
            result["ranges"] = checks.with_prefixes(result["ranges"], former, _cidrs(node, namespace, interface))
        except ValueError as error:
            raise _errors.InvalidValue(f"ranges {error}") from error
        checks.check(result)
        if result["tftp_root"] and not os.path.isdir(result["tftp_root"]):
            raise _errors.Conflict(f"the directory {result['tftp_root']} does not exist; make it first")
        if result != have:
            texts = files.render(_options_of(result), node.settings.owner, _dnsmasq.account())
            _dnsmasq.test(files.testable(texts), node.settings.timeout)
        return result

    def operations(self, node: Node, have: Optional[Spec], desired: Optional[Spec]) -> Iterable[_engine.Operation]:
        """One operation, named after what the clients of the service notice of it."""
        spec = desired or have
        if spec is None:
            return
        name = spec["name"]
        if desired is None:
            yield _engine.Operation(_engine.Stage.STOP_SERVICE, "delete", partial(_delete, node, name))
            return
        owner = _owner(node, name) or node.settings.owner
        texts = files.render(_options_of(desired), owner, _dnsmasq.account())
        edited = have["edited"] if have is not None else []
        changed = {
            short: texts.get(short)
            for short, path in files.paths(name).items()
            if short in edited or getattr(node.files.read(path), "text", None) != texts.get(short)
        }
        taken = have["taken"] if have is not None else []
        action = _action(have, changed)
        leases = node.asked(self.name, name).get("leases") or []
        apply = partial(_apply, node, name, changed, action, have is None or not have["enabled"], taken, leases)
        yield _engine.Operation(_engine.Stage.SERVICE, action, apply, _engine.differences(have, desired))

    def problems(self, node: Node, want: Spec) -> Iterable[str]:
        """Report a service that does not run, with the last it said."""
        unit = files.unit(want["name"])
        state = node.systemd.show(unit)["ActiveState"]
        if state != "active":
            words = node.systemd.last_words(unit)
            yield f"{unit} is {state}" + (f": {words}" if words else "")

    def owned(self, node: Node, owner: str) -> Iterable[Spec]:
        """Return the instances whose files name the owner, also those of which only some files are there."""
        units = map(files.instance, node.files.names(_systemd.UNIT_DIRECTORY))
        for name in sorted({*node.files.names(files.DIRECTORY), *units} - {""}):
            if _owner(node, name) == owner:
                yield {"name": name, "state": "absent"}

    def owner_of(self, node: Node, want: Spec) -> str:
        """Return the owner that the files name."""
        return _owner(node, want["name"]) or ""

    def adopt(self, node: Node, want: Spec) -> None:
        """Write the owner into the files; the service need not know."""
        for path in files.paths(want["name"]).values():
            node.files.adopt(path, node.settings.owner)
        node.systemd.reread()


def _owner(node: Node, name: str) -> Optional[str]:
    """Return the owner that the files name."""
    return next(filter(None, map(node.files.owner, files.paths(name).values())), None)


def _is_sound(file: Optional[_files.File], text: Optional[str]) -> bool:
    """Tell whether a file is as it should be, which may be not at all."""
    return file is None if text is None else file is not None and (file.text, file.mode) == (text, _MODE)


def _reserved(hosts: Iterable[Spec]) -> dict[str, str]:
    """Return the MAC addresses by the addresses that are reserved for them."""
    return {host["address"]: host["mac"] for host in hosts if "address" in host}


def _options_of(spec: Spec) -> Spec:
    return {name: value for name, value in spec.items() if name not in _SOUND}


def _action(have: Optional[Spec], changed: Iterable[str]) -> str:
    if have is None:
        return "create"
    if have["service"].startswith(_RUNNING):
        if have["service"] != _RUNNING or have["taken"] or set(changed) & set(files.RESTARTING):
            return "restart"
        return "reload" if set(changed) & set(files.RELOADING) else "update"
    return "start"


def _apply(
    node: Node,
    name: str,
    texts: dict[str, Optional[str]],
    action: str,
    enable: bool,
    taken: list[str],
    leases: list[Spec],
) -> None:
    """Have the files written, then the service take them over, then the options recorded.

    dnsmasq has its leases in memory: it stands still while those of ``taken`` addresses go.

    A run that is killed in between leaves files that differ from what the recorded options render to, so that the next
    one does all of it again.
    """
    unit, paths = files.unit(name), files.paths(name)
    node.files.make_directory(files.configuration_directory(name))
    if leases and action in ("create", "start"):
        node.files.make_directory(files.state_directory(name))
        _leases.begin(files.state_directory(name), leases)
    if taken:
        node.systemd.halt(unit)
        _leases.drop(files.state_directory(name), taken)
    for short, text in texts.items():
        if text is None:
            node.files.remove(paths[short])
        elif short != files.RECORD:
            node.files.write(paths[short], text, _MODE)
    if "unit" in texts:
        node.systemd.reread()
    if enable:
        node.systemd.enable(unit)
    if action == "reload":
        node.systemd.reload(unit)
    elif action != "update":
        node.systemd.restart(unit)
    record = texts.get(files.RECORD)
    if record is not None:
        node.systemd.afterwards(partial(_record, node, paths[files.RECORD], record))


def _record(node: Node, path: str, text: str) -> None:
    node.files.write(path, text, _MODE)
    node.files.commit()


def _delete(node: Node, name: str) -> None:
    node.systemd.stop(files.unit(name))
    # Before the files, by which a later run sees that a killed one was not done.
    node.files.remove_directory(files.state_directory(name))
    for path in files.paths(name).values():
        node.files.remove(path)
    for place in (files.configuration_directory(name), os.path.dirname(files.paths(name)["program"])):
        node.files.remove_if_empty(place)
    node.files.remove_if_empty(os.path.dirname(files.state_directory(name)))
    node.systemd.reread_late()


def _cidrs(node: Node, namespace: str, interface: str) -> list[str]:
    """Return the interface's addresses, and those that this run gives it."""
    cidrs = [address.cidr for address in node.netlink.addresses(namespace, interface)]
    for item in node.coming(_references.settings(namespace, interface)):
        cidrs.extend(item["addresses"] or [])
    return sorted(set(cidrs))
