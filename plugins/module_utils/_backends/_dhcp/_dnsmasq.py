# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What the node tells about dnsmasq: whether it accepts a configuration, and where a running one listens."""

from __future__ import annotations

import os
import pwd
import re
import socket
import struct
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._host import _programs
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces

DHCP_PORT, DHCPV6_PORT = 67, 547

_REMEDY = "install dnsmasq-base, or run the role netvirt.fabric.hypervisor"
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20  # sock_diag(7)
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST_DUMP = 0x301
_REQUEST = struct.Struct("=IHHII BBBBI 48x")  # struct nlmsghdr, struct inet_diag_req_v2
_HEADER = struct.Struct("=IHHII")
_SPORT, _IF = struct.Struct("!H"), struct.Struct("=I")
_SPORT_OFFSET, _IF_OFFSET = 4, 40  # in struct inet_diag_msg


def test(configuration: str, timeout: int) -> None:
    """Let dnsmasq read a configuration without acting on it; raises InvalidValue with its complaint."""
    result = _programs.run_program(["dnsmasq", "--test", "--conf-file=-"], timeout, _REMEDY, configuration)
    if result.returncode:
        message = _programs.complaint(result)
        found = re.search(r" at line ([0-9]+) of ", message)
        line = f" ({configuration.splitlines()[int(found[1]) - 1]})" if found else ""
        raise _errors.InvalidValue(f"dnsmasq does not accept this: {message}{line}")


def account() -> str:
    """Return the user that dnsmasq is to be."""
    try:
        return pwd.getpwnam("dnsmasq").pw_name
    except KeyError:
        return "nobody"


def is_inside(pid: int, namespace: str) -> bool:
    """Tell whether a process is in the namespace that has this name now, not in one that had it before."""
    try:
        process, named = os.stat(f"/proc/{pid}/ns/net"), os.stat(_namespaces.path_of(namespace))
    except OSError:
        return False
    return (process.st_dev, process.st_ino) == (named.st_dev, named.st_ino)


def listens(namespace: str, port: int, index: int) -> bool:
    """Tell whether a UDP socket on that port hears the interface of that index, also where the kernel cannot tell.

    dnsmasq binds its DHCP sockets to the interface when it starts. They stay bound to it when it is deleted, and hear
    nothing of another one that gets its name.
    """
    indexes = _bound_indexes(namespace, socket.AF_INET6 if port == DHCPV6_PORT else socket.AF_INET, port)
    return indexes is None or index in indexes or 0 in indexes


def _bound_indexes(namespace: str, family: int, port: int) -> Optional[set[int]]:
    """Return the interface indexes to which UDP sockets on a port are bound (0: to none), or None for "unknown"."""
    indexes: set[int] = set()
    try:
        with _namespaces.entered(namespace):
            diagnosis = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
        with diagnosis:
            diagnosis.settimeout(2)
            request = (_REQUEST.size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 1, 0, family, socket.IPPROTO_UDP, 0, 0)
            diagnosis.send(_REQUEST.pack(*request, 0xFFFFFFFF))
            while True:
                data = diagnosis.recv(1 << 16)
                while data:
                    length, kind, _flags, _sequence, _pid = _HEADER.unpack_from(data)
                    body, data = data[_HEADER.size : length], data[(length + 3) & ~3 :]
                    if kind == _NLMSG_ERROR:
                        return None
                    if kind == _NLMSG_DONE:
                        return indexes
                    if _SPORT.unpack_from(body, _SPORT_OFFSET)[0] == port:
                        indexes.add(_IF.unpack_from(body, _IF_OFFSET)[0])
    except OSError:
        return None
