# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The files of one dnsmasq instance, rendered from options: unit, configuration, and the options themselves.

What dnsmasq reads again on SIGHUP is in ``hosts``, ``opts`` and ``names``; a change of the rest takes a restart.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable
from typing import Any, Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _program
from ansible_collections.netvirt.fabric.plugins.module_utils import _values as values
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._dhcp import _dnsmasq
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _files, _systemd
from ansible_collections.netvirt.fabric.plugins.module_utils._kinds._dhcp import _dnsmasq_checks, _dnsmasq_socket
from ansible_collections.netvirt.fabric.plugins.module_utils._options import Spec

RESTARTING = ("unit", "program", "dnsmasq.conf")
RELOADING = ("hosts", "opts", "names")
RECORD = "options.json"
DIRECTORY = "/etc/netvirt/dnsmasq"
_MAX_LEASES = 65536  # a client that makes up MAC addresses fills no more memory than this many leases

_UNIT = """
[Unit]
Description=DHCP and DNS of the network {name}
After=network.target
# Without the namespace there is nothing to serve: after a boot it is made first, then this unit is started.
ConditionPathIsMountPoint=/run/netns/{namespace}
StartLimitIntervalSec=60
StartLimitBurst=10

[Service]
Type=forking
PIDFile=/run/netvirt-dnsmasq-{name}/pid
RuntimeDirectory=netvirt-dnsmasq-{name}
StateDirectory=netvirt/dnsmasq/{name}
NetworkNamespacePath=/run/netns/{namespace}
ExecStartPre=+sysctl --quiet --write net.ipv4.ip_unprivileged_port_start=53
ExecStartPre=dnsmasq --test --conf-file={conf}
{socket}ExecStart={starter}dnsmasq --conf-file={conf} --pid-file=/run/netvirt-dnsmasq-{name}/pid
Restart=on-failure
RestartSec=500ms
UMask=0022
# Its capabilities are those of a user namespace of its own: it cannot change the router that it serves.
User={account}
PrivateUsers=yes
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service{calls}

[Install]
WantedBy=multi-user.target
"""

# dnsmasq 2.90 does not start without CAP_NET_ADMIN, also where it has no use for it (dhcp-broadcast, no-ping). In a
# user namespace of its own it has the capabilities that it asks for, and none over the namespace that it serves.
# Router advertisements and DHCPv6 also take a raw socket of the namespace itself, which is opened for dnsmasq.
_SOCKET = """\
NotifyAccess=exec
FileDescriptorStoreMax=1
ExecStartPre=+{python} -I {program} open{interface}
"""


def unit(name: str) -> str:
    """Return the name of the instance's unit."""
    return f"netvirt-dnsmasq-{name}.service"


def instance(file: str) -> str:
    """Return the name of the instance that has a unit file of that name, empty for other files."""
    found = re.fullmatch(r"netvirt-dnsmasq-(.+)\.service", file)
    return found[1] if found else ""


def configuration_directory(name: str) -> str:
    """Return the directory of the instance's configuration."""
    return f"{DIRECTORY}/{name}"


def state_directory(name: str) -> str:
    """Return the directory in which the instance keeps its leases."""
    return f"/var/lib/netvirt/dnsmasq/{name}"


def paths(name: str) -> dict[str, str]:
    """Return the paths of the files that an instance may have, by their short names."""
    directory = configuration_directory(name)
    return {
        "unit": f"{_systemd.UNIT_DIRECTORY}/{unit(name)}",
        "program": f"/usr/local/lib/netvirt/dnsmasq-{name}.py",
        **{short: f"{directory}/{short}" for short in ("dnsmasq.conf", "hosts", "opts", "names", RECORD)},
    }


def render(spec: Spec, owner: str, account: str) -> dict[str, str]:
    """Return the files' texts by their short names. ``account`` is the user that dnsmasq is."""
    texts = {
        "unit": _unit(spec, account),
        "dnsmasq.conf": _lines(_configuration(spec, account)),
        "hosts": _lines(_hosts(spec)),
        "opts": _lines(_options(spec)),
        "names": _lines(_names(spec)),
        RECORD: json.dumps(spec, indent=1, sort_keys=True) + "\n",
    }
    if _serves_ipv6(spec):
        texts["program"] = _program.source(_dnsmasq_socket.__name__)
    return {short: _files.header(owner) + text for short, text in texts.items()}


def _unit(spec: Spec, account: str) -> str:
    files = paths(spec["name"])
    words = {key: spec[key] for key in ("name", "namespace")}
    words.update(conf=files["dnsmasq.conf"], account=account, socket="", starter="", calls="")
    if _serves_ipv6(spec):
        # A socket of a former interface is noticed by the port for DHCP. Where there is none, it is bound to none.
        interface = f" {spec['interface']}" if dhcp_port(spec["ranges"]) else ""
        python, program = _program.python(), files["program"]
        words["socket"] = _SOCKET.format(python=python, program=program, interface=interface)
        words.update(starter=f"{python} -I {program} run ", calls=" seccomp")
    return _UNIT.format(**words)


def dhcp_port(ranges: Iterable[Spec]) -> int:
    """Return a port on which dnsmasq listens for DHCP, or 0 when it only advertises routers."""
    ports: set[Any] = set()
    for item in ranges:
        if values.family(item["start"]) == 4:
            return _dnsmasq.DHCP_PORT
        ports.add(_dnsmasq.DHCPV6_PORT if item["mode"] in ("dynamic", "static", "ra-stateless") else 0)
    return max(ports, default=0)


def parse_options(text: str) -> Any:
    """Return what the file options.json holds below its header; raises ValueError when that is no JSON."""
    return json.loads(text.partition("\n")[2])


def dynamic_ranges(text: str) -> list[list[str]]:
    """Return first and last address of each IPv4 range in the file options.json, none where it cannot be read."""
    try:
        ranges = [item for item in parse_options(text)["ranges"] if "end" in item and ":" not in item["start"]]
        return [[str(ipaddress.IPv4Address(item[key])) for key in ("start", "end")] for item in ranges]
    except (KeyError, TypeError, ValueError):
        return []


def testable(texts: dict[str, str]) -> str:
    """Return one configuration with all that dnsmasq will read, for ``dnsmasq --test``, which follows no files."""
    parts = [texts["dnsmasq.conf"]]
    for short, keyword in (("hosts", "dhcp-host"), ("opts", "dhcp-option")):
        parts.extend(f"{keyword}={line}\n" for line in texts[short].splitlines()[1:])
    return "".join(parts)


def _lines(items: Iterable[str]) -> str:
    return "".join(item + "\n" for item in items)


def _configuration(spec: Spec, account: str) -> Iterable[str]:
    interface, directory = spec["interface"], configuration_directory(spec["name"])
    yield from (f"user={account}", f"interface={interface}", "except-interface=lo", "bind-dynamic")
    yield from ("no-hosts", "no-resolv", "no-poll", "domain-needed", "bogus-priv", "stop-dns-rebind")
    yield from ("no-ident", "local=/bind/", "local=/server/")  # nothing about this server or those that it asks
    yield f"addn-hosts={directory}/names"
    if spec["domain"]:
        yield from (f"domain={spec['domain']}", f"local=/{spec['domain']}/", "expand-hosts")
    for address in spec["dns_forwarders"]:
        yield f"server={address}"
    # A name belongs to the host that the options give it to, and a MAC address has one address, whatever clients say.
    yield from ("dhcp-authoritative", "dhcp-ignore-names", "dhcp-ignore-clid", "dhcp-broadcast", "no-ping")
    yield f"dhcp-leasefile={state_directory(spec['name'])}/leases"
    yield from (f"dhcp-hostsfile={directory}/hosts", f"dhcp-optsfile={directory}/opts")
    yield f"dhcp-lease-max={_lease_max(spec)}"
    for item in spec["ranges"]:
        yield "dhcp-range=" + _range(item, interface)
    if _serves_ipv6(spec):
        yield "enable-ra"
        if spec["mtu"] or not spec["ra_router"]:
            mtu = [f"mtu:{spec['mtu']}"] if spec["mtu"] else []
            lifetime = [] if spec["ra_router"] else ["0"]
            yield "ra-param=" + ",".join([interface, *mtu, "0", *lifetime])
    if spec["tftp_root"]:
        yield from ("enable-tftp", f"tftp-root={spec['tftp_root']}")
    if spec["boot_file"]:
        yield "dhcp-boot=" + spec["boot_file"] + (f",,{spec['boot_server']}" if spec["boot_server"] else "")


def _serves_ipv6(spec: Spec) -> bool:
    return any(values.family(item["start"]) == 6 for item in spec["ranges"])


def _range(item: Spec, interface: str) -> str:
    words = [item[key] for key in ("start", "end") if key in item]
    if _dnsmasq_checks.constructed(item):
        words.append(f"constructor:{interface}")
    if item["mode"] != "dynamic":
        words.append(item["mode"])
    if values.family(item["start"]) == 4:
        words.append(str(ipaddress.ip_network(f"0.0.0.0/{item['prefix']}").netmask))
    else:
        words.append(str(item["prefix"]))
    return ",".join([*words, item["lease"]])


def _lease_max(spec: Spec) -> int:
    """Return room for every address of the subnets, since reservations may lie outside the ranges."""
    bits = [(32 if values.family(item["start"]) == 4 else 128) - item["prefix"] for item in spec["ranges"]]
    return min(sum(2 ** min(count, 16) for count in bits), _MAX_LEASES) or 1


def _hosts(spec: Spec) -> Iterable[str]:
    for host in spec["hosts"]:
        address = [_bracketed(host["address"])] if "address" in host else []
        yield ",".join([host["mac"], *address, *(host[key] for key in ("hostname", "lease") if key in host)])


def _names(spec: Spec) -> Iterable[str]:
    """Return the names of reserved addresses: they hold without a lease as well, whoever released it."""
    hosts = [host for host in spec["hosts"] if "address" in host and "hostname" in host]
    yield from (f"{host['address']} {host['hostname']}" for host in hosts)


def _options(spec: Spec) -> Iterable[str]:
    yield ",".join(["option:router", *([spec["router"]] if spec["router"] else [])])
    for family, keyword in ((4, "option"), (6, "option6")):
        servers = [_bracketed(address) for address in spec["dns_servers"] if values.family(address) == family]
        if servers:
            yield ",".join([f"{keyword}:dns-server", *servers])
    if spec["mtu"]:
        yield f"option:mtu,{spec['mtu']}"
    for item in spec["options"]:
        keyword = {4: "option:", 6: "option6:"}[item["family"]]
        if item["option"].isdecimal() and item["family"] == 4:
            keyword = ""
        texts = [_bracketed(text) if item["family"] == 6 else text for text in item["value"]]
        yield ",".join([keyword + item["option"], *texts])


def _bracketed(text: str) -> str:
    """Return IPv6 addresses in brackets, everything else as it is."""
    return f"[{text}]" if _is_ipv6(text) else text


def _is_ipv6(text: str) -> Optional[bool]:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False
