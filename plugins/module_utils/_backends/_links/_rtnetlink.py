# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: BSD-2-Clause

"""Addresses and routes as the kernel's own messages (rtnetlink(7)), to be given back to it for another interface.

A message keeps every property of what it describes: lifetimes, flags, metrics, encapsulations, and those that nobody
thought of. Only the index of the interface is put in anew. The messages are plain data, fit for JSON.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Optional

from ansible_collections.netvirt.fabric.plugins.module_utils import _errors

_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22  # linux/rtnetlink.h
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_ERROR, _DONE = 2, 3  # linux/netlink.h
_REQUEST, _ACK, _CREATE, _APPEND, _DUMP = 0x1, 0x4, 0x400, 0x800, 0x300
_DUMP_INTERRUPTED = 0x10
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_ATTRIBUTE = struct.Struct("=HH")  # nlattr
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
_HOP = struct.Struct("=HBBi")  # rtnexthop: length, flags, weight, index
_TYPE = 0x3FFF  # NLA_TYPE_MASK

_IFA_ADDRESS, _IFA_LOCAL, _IFA_LABEL, _IFA_CACHEINFO, _IFA_FLAGS = 1, 2, 3, 6, 8
_FOREVER = 0xFFFFFFFF  # ifa_valid of an address without a lifetime
_IFA_F_TEMPORARY = 0x01  # of IPv6; of IPv4 it is IFA_F_SECONDARY, which follows from the order
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_MULTIPATH = 1, 4, 5, 6, 7, 9
_RTA_CACHEINFO, _RTA_TABLE, _RTA_EXPIRES, _RTA_NH_ID = 12, 15, 23, 30
_TABLE_LOCAL, _UNICAST, _ONLINK = 255, 1, 0x4
_PROTOCOL = 5  # its place in rtmsg
_FROM_KERNEL, _FROM_ADVERTISEMENT = 2, 9  # RTPROT_KERNEL, RTPROT_RA
_HERTZ = 100  # USER_HZ
_TIMEOUT = 10.0  # seconds for an answer of the kernel
_ATTEMPTS = 10  # of a dump that the kernel says has changed under it

Attributes = Mapping[int, bytes]
Hop = tuple[tuple[int, int, int, int], Attributes]  # rtnexthop as above, and its attributes


@dataclass(frozen=True)
class Record:
    """An address or a route: the fixed part of its message as numbers, and its attributes by number, in hex."""

    kind: str  # "address" or "route"
    header: tuple[int, ...]
    attributes: tuple[tuple[int, str], ...]
    interface: int  # the index; of a route with several hops, of the first

    @property
    def values(self) -> Attributes:
        """The attributes as bytes."""
        return {number: bytes.fromhex(value) for number, value in self.attributes}

    def _ip(self, number: int) -> Optional[str]:
        value = self.values.get(number)
        return str(ipaddress.ip_address(value)) if value else None

    @property
    def local(self) -> str:
        """Of an address: the host's own."""
        return self._ip(_IFA_LOCAL) or self._ip(_IFA_ADDRESS) or ""

    @property
    def cidr(self) -> str:
        """Of an address: with its prefix length."""
        return f"{self.local}/{self.header[1]}"

    @property
    def destination(self) -> str:
        """Of a route: what is reached."""
        return f"{self._ip(_RTA_DST) or ('::' if self.header[0] == socket.AF_INET6 else '0.0.0.0')}/{self.header[1]}"

    @property
    def gateways(self) -> list[str]:
        """Of a route: the next hops that are of its own family."""
        found = [self._ip(_RTA_GATEWAY)]
        for _hop, values in _hops(self.values.get(_RTA_MULTIPATH, b"")):
            gateway = values.get(_RTA_GATEWAY)
            found.append(str(ipaddress.ip_address(gateway)) if gateway else None)
        return [gateway for gateway in found if gateway]

    @property
    def source(self) -> Optional[str]:
        """Of a route: the source address that it asks for."""
        return self._ip(_RTA_PREFSRC)

    @property
    def text(self) -> str:
        """Of a route: the words by which it is known, those that the kernel tells routes apart by."""
        values = self.values
        metric = struct.unpack("=I", values.get(_RTA_PRIORITY, bytes(4)))[0]
        table = struct.unpack("=I", values[_RTA_TABLE])[0] if _RTA_TABLE in values else self.header[4]
        via = "".join(f" via {gateway}" for gateway in self.gateways)
        return f"{self.destination}{via} metric {metric} table {table}"

    @property
    def lasts(self) -> bool:
        """Whether it stays until it is deleted, and may be made again after a boot: it has neither a lifetime nor hops
        by other interfaces, and it is no route from a router advertisement.
        """
        values = self.values
        if self.kind == "address":
            valid = struct.unpack_from("=I", values.get(_IFA_CACHEINFO, b"\xff" * 8), 4)[0]
            return bool(valid == _FOREVER)
        hops = {hop[3] for hop, _values in _hops(values.get(_RTA_MULTIPATH, b""))} | {self.interface}
        return len(hops) == 1 and self.header[_PROTOCOL] != _FROM_ADVERTISEMENT

    def works_with(self, addresses: Iterable[str]) -> bool:
        """Of a route: whether it can be made on an interface that has these addresses, given as CIDRs."""
        own = [ipaddress.ip_interface(address) for address in addresses]
        if self.source and self.source not in [str(address.ip) for address in own]:
            return False
        if self.gateways:
            gateways = [ipaddress.ip_address(gateway) for gateway in self.gateways]
            known = all(any(gateway in address.network for address in own) for gateway in gateways)
            return known or bool(self.header[-1] & _ONLINK)
        network = ipaddress.ip_network(self.destination)
        return self.header[_PROTOCOL] != _FROM_KERNEL or network in [address.network for address in own]

    @property
    def key(self) -> tuple[object, ...]:
        """Of what there can be one at a time: an address, or a route to a destination by table and metric."""
        if self.kind == "address":
            return ("address", self.cidr)
        metric = self.text.partition(" metric ")[2]
        return ("route", self.destination, metric)

    @property
    def uses_nexthop_object(self) -> bool:
        """Of a route: whether it refers to a nexthop object (ip-nexthop(8)), which names the interface in its stead."""
        return _RTA_NH_ID in self.values

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes it the same object: for an address, its numbers; for a route, all but what changes by itself.

        The weight of a hop that is alone does not count: the kernel tells it only of a hop among others.
        """
        if self.kind == "address":
            return (self.interface, self.header[0], self.header[1], self.local, self._ip(_IFA_ADDRESS))
        values = {number: value for number, value in self.values.items() if number != _RTA_CACHEINFO}
        hops = list(_hops(values.get(_RTA_MULTIPATH, b"")))
        header = self.header
        if len(hops) == 1:
            (((_length, flags, _weight, index), inner),) = hops
            del values[_RTA_MULTIPATH]
            values = {**values, **inner, _RTA_OIF: struct.pack("=I", index)}
            header = (*header[:-1], flags)
        return (header, tuple(sorted(values.items())))

    def over(self, old: int, new: int, name: str = "") -> Record:
        """Return it over another interface; the label of an IPv4 address takes over that interface's ``name``."""
        attributes = self.values
        if self.kind == "address":
            if _IFA_LABEL in attributes:
                label = attributes[_IFA_LABEL].rstrip(b"\0").decode()
                suffix = ":" + label.partition(":")[2] if ":" in label else ""
                label = name + suffix if len(name + suffix) <= 15 else name
                attributes = {**attributes, _IFA_LABEL: label.encode() + b"\0"}
        elif _RTA_MULTIPATH in attributes:
            hops = _hops(attributes[_RTA_MULTIPATH])
            attributes = {**attributes, _RTA_MULTIPATH: b"".join(_hop(hop, old, new) for hop in hops)}
        else:
            attributes = {**attributes, _RTA_OIF: struct.pack("=I", new)}
        return replace(self, attributes=_plain(attributes), interface=new)


class Rtnetlink:
    """One socket to the kernel's tables of the root namespace."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.settimeout(_TIMEOUT)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def addresses(self, interface: int) -> list[Record]:
        """Return the addresses of an interface in their order, but link-local and temporary ones (RFC 8981)."""
        found = []
        for payload in self._dump(_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)):
            header, values = _ADDRESS.unpack_from(payload), _parse(payload[_ADDRESS.size :])
            if header[4] != interface:
                continue
            record = Record("address", header[:4], _plain(values), interface)
            flags = struct.unpack("=I", values.get(_IFA_FLAGS, struct.pack("=I", header[2])))[0]
            temporary = header[0] == socket.AF_INET6 and flags & _IFA_F_TEMPORARY
            if not temporary and not ipaddress.ip_address(record.local).is_link_local:
                found.append(record)
        return found

    def routes(self, *interfaces: int) -> list[Record]:
        """Return the unicast routes of all tables over these interfaces, but those to link-local addresses."""
        found = []
        for payload in self._dump(_GETROUTE, _ROUTE.pack(*bytes(9))):
            *header, flags = _ROUTE.unpack_from(payload)
            if header[4] == _TABLE_LOCAL or header[7] != _UNICAST:
                continue
            for values in _single_routes(header[0], _parse(payload[_ROUTE.size :])):
                index = _interface(values, interfaces)
                if index is None:
                    continue
                record = Record("route", (*header, flags & _ONLINK), _plain(values), index)
                if not ipaddress.ip_network(record.destination).is_link_local:
                    found.append(record)
        return found

    def add(self, record: Record) -> None:
        """Add an address or a route; that it is there already is fine."""
        body = self._body(record)
        number = _NEWADDR if record.kind == "address" else _NEWROUTE
        append = _APPEND if record.kind == "route" else 0
        self._do(record, "add", number, _CREATE | append, body, errno.EEXIST)

    def delete(self, record: Record) -> None:
        """Delete an address or a route; that it is gone already is fine."""
        number = _DELADDR if record.kind == "address" else _DELROUTE
        if record.kind == "route" and record.header[0] == socket.AF_INET6:
            # Of joined routes the kernel has told the first one's protocol; 0 is any.
            record = replace(record, header=(*record.header[:_PROTOCOL], 0, *record.header[_PROTOCOL + 1 :]))
        self._do(record, "delete", number, 0, self._body(record), errno.EADDRNOTAVAIL, errno.ESRCH)

    def interface_towards(self, address: str) -> Optional[int]:
        """Return the index of the interface by which packets to an address leave, or None without a route."""
        ip = ipaddress.ip_address(address)
        family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
        body = _ROUTE.pack(family, ip.max_prefixlen, *bytes(7)) + _attributes({_RTA_DST: ip.packed})
        try:
            (payload,) = self._ask(_GETROUTE, _REQUEST, body)
        except OSError:
            return None
        return _interface(_parse(payload[_ROUTE.size :]), ())

    def _body(self, record: Record) -> bytes:
        values = dict(record.values)
        if record.kind == "address":
            return _ADDRESS.pack(*record.header, record.interface) + _attributes(values)
        expiry = struct.unpack_from("=I", values.pop(_RTA_CACHEINFO, b""), 8)[0] if _RTA_CACHEINFO in values else 0
        if expiry and record.header[0] == socket.AF_INET6:
            values[_RTA_EXPIRES] = struct.pack("=I", expiry // _HERTZ)
        return _ROUTE.pack(*record.header) + _attributes(values)

    def _do(self, record: Record, verb: str, number: int, flags: int, body: bytes, *tolerated: int) -> None:
        try:
            self._ask(number, _REQUEST | _ACK | flags, body)
        except OSError as error:
            if error.errno not in tolerated:
                what = f"the address {record.cidr}" if record.kind == "address" else f"the route to {record.text}"
                raise _errors.Unavailable(f"cannot {verb} {what}: {os.strerror(error.errno or 0)}") from error

    def _dump(self, number: int, body: bytes) -> list[bytes]:
        for _attempt in range(_ATTEMPTS):
            try:
                return self._ask(number, _REQUEST | _DUMP, body)
            except InterruptedError:
                continue
        raise _errors.Unavailable("the addresses and routes change too fast to be read; run again")

    def _ask(self, number: int, flags: int, body: bytes) -> list[bytes]:
        """Send a request and return the bodies of the answer; raises OSError, InterruptedError for a changed dump."""
        self._sequence += 1
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), number, flags, self._sequence, 0) + body)
        found: list[bytes] = []
        changed = False
        while True:
            for kind, flag, sequence, payload in _messages(self._socket.recv(1 << 18)):
                if sequence != self._sequence:
                    continue
                changed = changed or bool(flag & _DUMP_INTERRUPTED)
                if kind == _ERROR:
                    code = -struct.unpack_from("=i", payload)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return found
                if kind == _DONE:
                    if changed:
                        raise InterruptedError
                    return found
                found.append(payload)
                if not flags & (_DUMP | _ACK):
                    return found


def _messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    position = 0
    while position + _HEADER.size <= len(data):
        length, kind, flags, sequence, _port = _HEADER.unpack_from(data, position)
        yield kind, flags, sequence, data[position + _HEADER.size : position + length]
        position += _aligned(length)


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _parse(data: bytes) -> dict[int, bytes]:
    found = {}
    position = 0
    while position + _ATTRIBUTE.size <= len(data):
        length, number = _ATTRIBUTE.unpack_from(data, position)
        found[number & _TYPE] = data[position + _ATTRIBUTE.size : position + length]
        position += _aligned(length)
    return found


def _attributes(values: Attributes) -> bytes:
    return b"".join(
        (_ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), number) + value).ljust(
            _aligned(_ATTRIBUTE.size + len(value)), b"\0"
        )
        for number, value in values.items()
    )


def _plain(values: Attributes) -> tuple[tuple[int, str], ...]:
    return tuple((number, value.hex()) for number, value in values.items())


def _hops(data: bytes) -> Iterator[Hop]:
    position = 0
    while position + _HOP.size <= len(data):
        length, flags, weight, index = _HOP.unpack_from(data, position)
        values = _parse(data[position + _HOP.size : position + length])
        yield (length, flags & _ONLINK, weight, index), values
        position += _aligned(length)


def _hop(hop: Hop, old: int = 0, new: int = 0) -> bytes:
    """Return one hop of RTA_MULTIPATH, from one interface put onto another."""
    (_length, flags, weight, index), values = hop
    body = _attributes(values)
    return _HOP.pack(_HOP.size + len(body), flags, weight, new if index == old else index) + body


def _single_routes(family: int, values: dict[int, bytes]) -> list[dict[int, bytes]]:
    """Return the attributes of each route in a message of the kernel.

    The kernel joins IPv6 routes to one destination with one metric and tells of them in one message, with what else the
    first of them has, but each is added and deleted by itself. IPv4 routes with several hops are one.
    """
    hops = [_hop(hop) for hop in _hops(values.get(_RTA_MULTIPATH, b""))]
    if not hops:
        return [values]
    return [{**values, _RTA_MULTIPATH: part} for part in (hops if family == socket.AF_INET6 else [b"".join(hops)])]


def _interface(values: Attributes, wanted: tuple[int, ...]) -> Optional[int]:
    """Return the interface of a route, the first of its hops that is wanted; None if none is. No wish: any."""
    found = [struct.unpack("=I", values[_RTA_OIF])[0]] if _RTA_OIF in values else []
    found += [hop[3] for hop, _values in _hops(values.get(_RTA_MULTIPATH, b""))]
    return next((index for index in found if index in wanted or not wanted), None)
