# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""The kernel's refusals as typed errors with a remedy: the one place where an errno of netlink is interpreted."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors
from ansible_collections.netvirt.fabric.plugins.module_utils._backends._links import _namespaces

_NOT_ON_LINK = "the gateway is not on-link; give the interface an address in its subnet, or the route onlink"
_MEANING: Mapping[int, tuple[type[_errors.NetvirtError], str]] = {
    errno.EPERM: (
        _errors.Missing,
        "the capability CAP_NET_ADMIN is needed; run as root, outside of a restricted container",
    ),
    errno.EACCES: (
        _errors.Missing,
        "the kernel denies it; if it is IPv6, see the sysctl disable_ipv6 of the interface",
    ),
    errno.EROFS: (_errors.Missing, "the file system is read-only; in a container, give it a writable /proc/sys/net"),
    errno.EOPNOTSUPP: (_errors.Missing, "this kernel or device cannot do it; a kernel module may be missing"),
    errno.EEXIST: (_errors.Conflict, "something of that name or value is there already"),
    errno.EBUSY: (_errors.Conflict, "something else uses it, such as a bridge or Open vSwitch"),
    errno.ENODEV: (_errors.Conflict, "the interface does not exist; run again if it was removed meanwhile"),
    errno.ENOENT: (_errors.Conflict, "it does not exist"),
    errno.EINVAL: (_errors.InvalidValue, "a value is not acceptable to the kernel or to the device"),
    errno.ERANGE: (_errors.InvalidValue, "a value is out of the device's range"),
    errno.EADDRNOTAVAIL: (_errors.InvalidValue, "the address is not acceptable on the interface"),
    errno.ENETUNREACH: (
        _errors.InvalidValue,
        "the gateway is not on-link; give the interface an address next to it, or onlink",
    ),
    errno.EHOSTUNREACH: (
        _errors.InvalidValue,
        "the gateway is not on-link; give the interface an address next to it, or onlink",
    ),
    errno.ENETDOWN: (_errors.InvalidValue, "the interface is down; set up: true"),
}


def refused(
    doing: str, namespace: Optional[str], code: Optional[int], remedies: Optional[Mapping[int, str]] = None
) -> _errors.NetvirtError:
    """Return the error for a request that the kernel refused with an errno.

    ``doing`` completes "cannot ..." and names the object; ``remedies`` by errno are those of the request itself.
    """
    code = code or 0
    error, remedy = _MEANING.get(code, (_errors.Unavailable, ""))
    remedy = (remedies or {}).get(code, remedy)
    text = f"cannot {doing}{_namespaces.where(namespace)}: {os.strerror(code)}"
    return error(f"{text}; {remedy}" if remedy else text)
