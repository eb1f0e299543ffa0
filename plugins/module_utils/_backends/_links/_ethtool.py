# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""What is asked of a network device by ioctl: its index, and its transmit checksum offload (linux/ethtool.h)."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import socket
import struct

_SIOCGIFINDEX = 0x8933
_SIOCETHTOOL = 0x8946
_GET_TX_CHECKSUM = 0x16  # ETHTOOL_GTXCSUM
_SET_TX_CHECKSUM = 0x17  # ETHTOOL_STXCSUM


def index(handle: socket.socket, name: str) -> int:
    """Return the index of the interface in the namespace of the socket; raises OSError with ENODEV."""
    request = struct.pack("16si20x", name.encode(), 0)
    return int(struct.unpack("16si20x", fcntl.ioctl(handle, _SIOCGIFINDEX, request))[1])


def tx_checksum(handle: socket.socket, name: str) -> bool:
    """Tell whether the device computes checksums of what is sent, which for a veth means: leaves them out."""
    try:
        return bool(_ethtool(handle, name, _GET_TX_CHECKSUM, 0))
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return False
        raise


def set_tx_checksum(handle: socket.socket, name: str, on: bool) -> None:
    """Switch transmit checksum offload; the kernel switches off with it what depends on it, such as TSO."""
    _ethtool(handle, name, _SET_TX_CHECKSUM, int(on))


def _ethtool(handle: socket.socket, name: str, command: int, value: int) -> int:
    buffer = ctypes.create_string_buffer(struct.pack("II", command, value), 8)
    fcntl.ioctl(handle, _SIOCETHTOOL, struct.pack("16sP16x", name.encode(), ctypes.addressof(buffer)))
    return int(struct.unpack("II", buffer.raw)[1])
