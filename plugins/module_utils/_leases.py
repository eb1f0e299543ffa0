# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The leases that a DHCP server has given. Read-only."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Iterator
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors, _values

_LARGEST = 16 * 2**20  # some 65536 leases, dnsmasq's limit, with long names

Lease = dict[str, str]


def leases(path: str) -> Optional[list[Lease]]:
    """Return the leases in a file of dnsmasq, None where there is no file.

    The file is in a directory of dnsmasq's user, so nothing but a plain file is read. Raises Unavailable.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _errors.Unavailable(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _errors.Unavailable(f"{path} is not a plain file")
        data = stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise _errors.Unavailable(f"{path} is larger than {_LARGEST} bytes")
    return list(_parsed(data.decode("ascii", "replace")))


def _parsed(text: str) -> Iterator[Lease]:
    """Yield the leases of IPv4: lines of time, MAC address, address, name, client identifier.

    Those of IPv6 follow a line with the server's DUID, and have no MAC address. Names are the clients' own words, and
    are passed over.
    """
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["duid"]:
            return
        try:
            yield {"mac": _values.mac(words[1]), "address": str(ipaddress.IPv4Address(words[2]))}
        except (IndexError, ValueError):
            continue
