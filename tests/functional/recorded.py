# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A converged network node as data: recorded once with a release, and put onto an empty node for later ones.

``PYTHONPATH=/root python3 tests/functional/recorded.py > VERSION.json`` in a node of the lab, where the collection is
in ``/root/ansible_collections``, records it. What is replayed is what ovsdb-client, ip, sysctl, nft, ovs-ofctl and the
file system showed; no code of the collection takes part.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import output
from fabric_node import nics, resources, run
from netlink_node import ip

NAMESPACE = "nv-r1"
TABLES = ("Bridge", "Port", "Interface")
MEASURED = {
    *("_uuid", "_version", "datapath_id", "datapath_version", "ifindex", "link_resets", "link_speed", "link_state"),
    *("mac_in_use", "ofport", "statistics", "status", "duplex", "admin_state", "mtu", "error", "lacp_current"),
    *("rstp_status", "bond_active_slave", "bfd_status"),
}
TOPS = ("/etc/netvirt", "/etc/systemd/system", "/usr/local/lib/netvirt", "/var/lib/netvirt/dnsmasq")
SYSCTLS = re.compile(r"net\.(ipv4\.ip_forward|ipv[46]\.conf\.\S+\.(rp_filter|arp_ignore|arp_announce|forwarding)) = ")
EMPTY = ('["set", []]', '["map", []]', '""', "false")


def inside(*argv: str) -> str:
    """Run a command in the namespace and return what it prints."""
    command = ["ip", "netns", "exec", NAMESPACE, *argv]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout


def record() -> dict[str, Any]:
    """Return the node."""
    bridges = output("ovs-vsctl", "list-br").split()
    return {
        "resources": resources(),
        "database": _rows(),
        "flows": {bridge: _flows(bridge) for bridge in bridges},
        "links": {"": _links(None), NAMESPACE: _links(NAMESPACE)},
        "alias": ip("link", "show", "lo", namespace=NAMESPACE)[0]["ifalias"],
        "routes": [route for route in ip("route", namespace=NAMESPACE) if route["protocol"] == "78"],
        "sysctls": [line for line in inside("sysctl", "-a").splitlines() if SYSCTLS.match(line)],
        "nft": {"": _rules(output), NAMESPACE: _rules(inside)},
        "files": _files(),
    }


def _rows() -> list[dict[str, Any]]:
    """Return the inserts of a transaction (RFC 7047, 5.2.1) that makes the rows, and lists the bridges in the root."""
    inserts = []
    for table in TABLES:
        told = json.loads(output("ovs-vsctl", "--format=json", "list", table))
        for row in told["data"]:
            columns = dict(zip(told["headings"], row))
            kept = {
                name: value
                for name, value in columns.items()
                if name not in MEASURED and json.dumps(value) not in EMPTY
            }
            name = f"row{columns['_uuid'][1].replace('-', '')}"
            inserts.append({"op": "insert", "table": table, "row": kept, "uuid-name": name})
    text = re.sub(
        r'\["uuid", "([0-9a-f-]+)"\]',
        lambda found: f'["named-uuid", "row{found[1].replace("-", "")}"]',
        json.dumps(inserts),
    )
    made: list[dict[str, Any]] = json.loads(text)
    bridges = [["named-uuid", item["uuid-name"]] for item in made if item["table"] == "Bridge"]
    add = {"where": [], "mutations": [["bridges", "insert", ["set", bridges]], ["next_cfg", "+=", 1]]}
    return [*made, {"op": "mutate", "table": "Open_vSwitch", **add}]


def _flows(bridge: str) -> list[str]:
    dumped = output("ovs-ofctl", "-O", "OpenFlow14", "--no-stats", "--names", "dump-flows", bridge)
    return [line.strip() for line in dumped.splitlines() if "actions=" in line]


def _rules(execute: Callable[..., str]) -> list[Any]:
    listing: list[Any] = json.loads(execute("nft", "-j", "list", "ruleset"))["nftables"]
    return [item for item in listing if "metainfo" not in item]


def _links(namespace: str | None) -> list[dict[str, Any]]:
    """Return what was set on links: those of the namespace, and the bridges and veths of the root one."""
    found = []
    for item in ip("address", namespace=namespace):
        addresses = [f"{one['local']}/{one['prefixlen']}" for one in item["addr_info"] if one["scope"] != "link"]
        kept = {key: item[key] for key in ("ifname", "mtu", "address", "ifalias", "link") if key in item}
        up = "UP" in item["flags"]
        if item["ifname"] != "lo" and (namespace or item["ifname"].startswith(("br-", "rl-", "xl-", "nvt"))):
            found.append({**kept, "up": up, "addresses": addresses})
    return found


def _files() -> dict[str, Any]:
    """Return modes and texts; of the archive of the engine, which a release replaces, only the first line."""
    found: dict[str, Any] = {}
    for path in (path for top in TOPS for path in sorted(Path(top).rglob("*")) if "netvirt" in str(path)):
        if path.is_symlink():
            found[str(path)] = {"link": os.readlink(path)}
        elif path.is_file():
            text = path.read_bytes().partition(b"\n")[0] + b"\n" if path.suffix == ".pyz" else path.read_bytes()
            found[str(path)] = {"mode": path.stat().st_mode & 0o777, "text": text.decode()}
    return found


def replay(state: dict[str, Any]) -> None:
    """Put the recorded node onto one that has the NICs."""
    ip("netns", "add", NAMESPACE)
    ip("link", "set", "lo", "up", "alias", state["alias"], namespace=NAMESPACE)
    there = {link["ifname"]: link for link in state["links"][NAMESPACE]}
    for link in state["links"][""]:
        if link["ifname"].startswith(("rl-", "xl-")):
            (peer,) = (name for name in there if name.endswith(link["ifname"].partition("-")[2]))
            ip("link", "add", link["ifname"], "type", "veth", "peer", "name", peer, "netns", NAMESPACE)
    answer = json.loads(output("ovsdb-client", "transact", json.dumps(["Open_vSwitch", *state["database"]])))
    assert not [item for item in answer if "error" in item], answer
    output("ovs-vsctl", "--timeout=60", "set", "Open_vSwitch", ".", "external_ids:nvt-replayed=yes")
    output("ovs-vsctl", "remove", "Open_vSwitch", ".", "external_ids", "nvt-replayed")
    for namespace, links in state["links"].items():
        for link in links:
            _set_link(namespace or None, link)
    for key, _equals, value in (line.partition(" = ") for line in state["sysctls"]):
        inside("sysctl", "-q", "-w", f"{key}={value}")
    for route in state["routes"]:
        ip("route", "add", route["dst"], "via", route["gateway"], "proto", "78", namespace=NAMESPACE)
    for namespace, items in state["nft"].items():
        enter = ["ip", "netns", "exec", namespace] if namespace else []
        text = json.dumps({"nftables": [{"add": item} for item in items]})
        subprocess.run([*enter, "nft", "-j", "-f", "-"], input=text, check=True, text=True, timeout=60)
    for bridge, flows in state["flows"].items():
        output("ovs-ofctl", "-O", "OpenFlow14", "del-flows", bridge)
        for flow in flows:
            output("ovs-ofctl", "-O", "OpenFlow14", "add-flow", bridge, flow)
    _write_files(state["files"])


def _set_link(namespace: str | None, link: dict[str, Any]) -> None:
    name, up = link["ifname"], "up" if link["up"] else "down"
    if name.startswith("br-"):
        ip("link", "set", name, up, namespace=namespace)
    else:
        alias = ["alias", link["ifalias"]] if "ifalias" in link else []
        ip("link", "set", name, "mtu", str(link["mtu"]), "address", link["address"], *alias, up, namespace=namespace)
    if namespace:
        inside("ethtool", "-K", name, "tx", "off")
    ip("-4", "address", "flush", "dev", name, namespace=namespace)
    for address in link["addresses"]:
        ip("address", "add", address, "dev", name, namespace=namespace)


def _write_files(files: dict[str, Any]) -> None:
    for name, file in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if "link" in file:
            path.symlink_to(file["link"])
        else:
            path.write_text(file["text"], encoding="utf-8")
            path.chmod(file["mode"])
    output("systemctl", "daemon-reload")
    output("systemctl", "restart", "netvirt-dnsmasq-blue.service")


def main() -> None:
    """Build the node, record it, print that, and take it down again."""
    with contextlib.contextmanager(nics)():
        run(resources())
        parts = [f"{json.dumps(name)}: {json.dumps(part, sort_keys=True)}" for name, part in record().items()]
        sys.stdout.write("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    main()
