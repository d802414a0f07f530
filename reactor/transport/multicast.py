"""Multicast: groups joined and left, and how far datagrams to a group go. Law: a socket gets what it has joined alone.

Linux gives a socket by default what any other one of the machine has joined at its port; that is turned off.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

from .sockets import named

_LINUX = sys.platform == "linux"
_IP_MULTICAST_ALL, _IPV6_MULTICAST_ALL = 49, 29  # what Python doesn't name, as linux/in.h and in6.h do
_MCAST_JOIN_SOURCE, _MCAST_LEAVE_SOURCE = 46, 47
_STORAGE = 128  # sizeof(struct sockaddr_storage)


def join(sock: Any, group: str, interface: str | int | None, source: str | None) -> None:
    """Join a group, or the part of it that one source sends. Raises OSError naming the group."""
    _change(sock, True, group, interface, source)


def leave(sock: Any, group: str, interface: str | int | None, source: str | None) -> None:
    """Leave what was joined with the same arguments."""
    _change(sock, False, group, interface, source)


def _change(sock: Any, joins: bool, group: str, interface: str | int | None, source: str | None) -> None:
    family = _family_of(sock)
    packed, origin = _pack(family, "group", group), None if source is None else _pack(family, "source", source)
    what = f"can't {'join' if joins else 'leave'} {group}" + ("" if source is None else f" of {source}")
    try:
        where = _interface(family, interface)
        if _LINUX and joins:
            _refuse_others(sock, family)
        if origin is not None:
            _change_source(sock, family, joins, packed, where, origin)
        elif family == socket.AF_INET:
            option = socket.IP_ADD_MEMBERSHIP if joins else socket.IP_DROP_MEMBERSHIP
            sock.setsockopt(socket.IPPROTO_IP, option, packed + where)
        else:
            option = socket.IPV6_JOIN_GROUP if joins else socket.IPV6_LEAVE_GROUP
            sock.setsockopt(socket.IPPROTO_IPV6, option, packed + where)
    except OSError as exc:
        raise named(exc, what) from None


def _change_source(sock: Any, family: int, joins: bool, group: bytes, where: bytes, source: bytes) -> None:
    """Do what struct group_source_req says: an interface's index, a group, a source."""
    if not _LINUX:
        raise OSError(errno.EOPNOTSUPP, "source= is known on Linux alone")
    index = where[-4:]
    if family == socket.AF_INET and where[:4] != bytes(4):
        raise ValueError("interface must be a name or an index where a source is given")
    request = struct.pack("=4s4x", index) + _storage(family, group) + _storage(family, source)
    level = socket.IPPROTO_IP if family == socket.AF_INET else socket.IPPROTO_IPV6
    sock.setsockopt(level, _MCAST_JOIN_SOURCE if joins else _MCAST_LEAVE_SOURCE, request)


def _storage(family: int, packed: bytes) -> bytes:
    gap = bytes(2 if family == socket.AF_INET else 6)  # a port, and IPv6's flow label
    return (struct.pack("=H", family) + gap + packed).ljust(_STORAGE, b"\0")


def _refuse_others(sock: Any, family: int) -> None:
    with suppress(OSError):  # an old kernel
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)


def set_options(sock: Any, ttl: int | None, loop: bool | None, interface: str | int | None) -> None:
    """Set how datagrams to groups are sent; None leaves what is."""
    family = _family_of(sock)
    if ttl is not None and (not isinstance(ttl, int) or isinstance(ttl, bool) or not 0 <= ttl <= 255):
        raise ValueError(f"ttl is {ttl!r}, it must be an int, 0 to 255")
    if loop is not None and not isinstance(loop, (bool, int)):
        raise TypeError(f"loop is {loop!r}, it must be a bool")
    where = None if interface is None else _interface(family, interface)
    four = family == socket.AF_INET
    level = socket.IPPROTO_IP if four else socket.IPPROTO_IPV6
    values: list[tuple[int, Any]] = []
    if ttl is not None:
        values.append((socket.IP_MULTICAST_TTL if four else socket.IPV6_MULTICAST_HOPS, ttl))
    if loop is not None:
        values.append((socket.IP_MULTICAST_LOOP if four else socket.IPV6_MULTICAST_LOOP, int(loop)))
    if where is not None:
        values.append(
            (socket.IP_MULTICAST_IF if four else socket.IPV6_MULTICAST_IF, bytes(4) + where if four else where)
        )
    try:
        for option, value in values:
            sock.setsockopt(level, option, value)
    except OSError as exc:
        raise named(exc, "can't set how multicast is sent") from None


def _interface(family: int, interface: str | int | None) -> bytes:
    """Return an interface as the kernel takes it: for IPv4 an address and an index, for IPv6 an index.

    It is a name, an index, or for IPv4 an address that the interface has; None for the system's choice.
    """
    address, index = bytes(4), 0
    if isinstance(interface, int) and not isinstance(interface, bool):
        index = interface
    elif isinstance(interface, str):
        try:
            address = socket.inet_pton(socket.AF_INET, interface)
        except OSError:
            index = _index_of(interface)
        else:
            if family != socket.AF_INET:
                raise ValueError(f"interface is {interface!r}, it must be a name or an index where groups are IPv6")
    elif interface is not None:
        raise TypeError(f"interface is {interface!r}, it must be a name, an index, an IPv4 address, or None")
    if index < 0:
        raise ValueError(f"interface is {interface!r}: an index is 0 or more")
    packed = struct.pack("=I", index)
    return address + packed if family == socket.AF_INET else packed


def _index_of(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        raise OSError(errno.ENODEV, f"there is no interface {name!r}") from None


def _family_of(sock: Any) -> int:
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        raise RuntimeError("multicast needs a UDP socket")
    return int(sock.family)


def _pack(family: int, name: str, host: str) -> bytes:
    try:
        return socket.inet_pton(family, host)
    except (OSError, TypeError):
        kind = "IPv4" if family == socket.AF_INET else "IPv6"
        raise ValueError(f"{name} is {host!r}, it must be a numeric {kind} address, as the socket's") from None
