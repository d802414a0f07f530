"""Sockets for datagrams: made, taken over, and what their errors and addresses mean. Law: none is shared unasked.

So no SO_REUSEADDR: with it, two processes have one port on Linux, and who gets a datagram is chance.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from contextlib import suppress
from functools import lru_cache
from typing import Any

from ..loop.machine import THIS, Machine
from . import sockets
from .address import format_address
from .resolver import Endpoint, resolve_now, together

_GONE = {errno.EBADF, errno.ENOTSOCK}  # it is no socket any more: whatever is tried next fails, too
_FULL = {errno.ENOBUFS, errno.ENOMEM}  # what the BSDs say in place of EAGAIN, and Linux where it counts queues
_ERRORS = getattr(socket, "MSG_ERRQUEUE", 0) if sys.platform == "linux" else 0
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (41, 25)}  # of Linux, which Python doesn't name
_EXTENDED = struct.Struct("=IB")  # how struct sock_extended_err begins: an errno, and where it comes from
_FROM_ICMP = {2, 3}  # else it is one of our own, which the send has told
_MOST_ERRORS = 64  # to be taken at once
_SO_MEMINFO = 55  # of Linux, which Python doesn't name; nine numbers, the last of which is what was dropped
_MEMINFO = struct.Struct("=9I")


def bind(host: str | None, port: int, reuse_port: bool, broadcast: bool, machine: Machine = THIS) -> socket.socket:
    """Return a socket at the first address of a host that this machine has. Raises OSError naming the addresses."""
    errors: list[OSError] = []
    for family, sockaddr in resolve_now(host, port, passive=True, machine=machine):
        try:
            return _bind_at(family, sockaddr, reuse_port, broadcast, machine)
        except OSError as exc:
            errors.append(exc)
            if not sockets.is_not_there(exc):
                break
    raise together(errors or [OSError(f"no address for {host!r}")])


def _bind_at(family: int, sockaddr: Any, reuse_port: bool, broadcast: bool, machine: Machine) -> socket.socket:
    what = f"can't bind to {format_address(sockaddr)}"
    sock = _make(family, what, machine)
    try:
        if reuse_port:
            sockets.share_port(sock)
        if family == socket.AF_INET6:  # as listeners do: an IPv4 peer would come by two names
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        allow_broadcast(sock, broadcast)
        sock.bind(sockaddr)
    except OSError as exc:
        sock.close()
        raise sockets.named(exc, what) from None
    except BaseException:
        sock.close()
        raise
    return sock


def connect(endpoints: list[Endpoint], broadcast: bool, machine: Machine = THIS) -> socket.socket:
    """Return a socket that is connected to the first address to which there is a way. Raises OSError naming them."""
    errors: list[OSError] = []
    for family, sockaddr in endpoints:
        what = f"can't connect to {format_address(sockaddr)}"
        try:
            sock = _make(family, what, machine)
            try:
                allow_broadcast(sock, broadcast)
                sock.connect(sockaddr)
            except BaseException:
                sock.close()
                raise
            return sock
        except OSError as exc:
            errors.append(sockets.named(exc, what))
    raise together(errors or [OSError("no address to connect to")])


def _make(family: int, what: str, machine: Machine) -> socket.socket:
    try:
        sock: socket.socket = machine.socket(family, socket.SOCK_DGRAM)
    except OSError as exc:  # a family that this machine doesn't have
        raise sockets.named(exc, what) from None
    sock.setblocking(False)
    return sock


def adopt(sock: socket.socket, broadcast: bool) -> socket.socket:
    """Return a socket that somebody else made, ready for use."""
    allow_broadcast(sock, broadcast)
    sock.setblocking(False)
    return sock


def allow_broadcast(sock: socket.socket, broadcast: bool) -> None:
    if broadcast:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)


def peer_of(sock: Any) -> tuple[bool, Any]:
    """Tell whether a socket is connected, and to whom."""
    try:
        return True, sock.getpeername()
    except OSError:
        return False, None


def hear_of_errors(sock: Any) -> None:
    """Have a socket that isn't connected be told what receivers refuse: Linux does so where it is asked for."""
    option = _RECVERR.get(sock.family) if _ERRORS else None
    if option is not None:
        with suppress(OSError, AttributeError):
            sock.setsockopt(*option, 1)


def take_errors(sock: Any) -> list[tuple[OSError, Any]]:
    """Return what receivers have refused, each with its address. As long as some is left the socket seems readable."""
    taken: list[tuple[OSError, Any]] = []
    if not _ERRORS or sock.family not in _RECVERR:  # a Unix socket would give a datagram
        return taken
    with suppress(OSError, AttributeError):  # nothing is left; or there is no kernel below it
        for _ in range(_MOST_ERRORS):
            _, told, _, addr = sock.recvmsg(1, 512, _ERRORS)
            for *_, data in told:
                code, origin = _EXTENDED.unpack_from(data)
                if origin in _FROM_ICMP:
                    taken.append((OSError(code, os.strerror(code)), addr))
    return taken


def close(sock: Any) -> None:
    """Close, without a shutdown(2): it would silence the copies that other processes read from."""
    with suppress(OSError):
        sock.close()


def missed(sock: Any) -> int:
    """Return how many datagrams found the kernel's queue full, as far as the system tells."""
    if sys.platform != "linux":
        return 0
    try:
        return int(_MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[-1])
    except (OSError, TypeError, struct.error):  # a socket that is gone, or has no kernel below it
        return 0


def has_queue_per_receiver(family: int) -> bool:
    """Tell whether a send waits for its receiver, and not for the network: a Unix socket's, which may stop reading."""
    return family == sockets.AF_UNIX


# --- errors


def is_full(exc: OSError) -> bool:
    """Tell whether a datagram may go later."""
    return isinstance(exc, (BlockingIOError, InterruptedError)) or exc.errno in _FULL


def is_gone(exc: OSError) -> bool:
    """Tell whether a socket is of no use any more. Everything else is about one datagram, or one receiver."""
    return exc.errno in _GONE


def is_its_own(exc: OSError) -> bool:
    """Tell whether an error of a send is about this very datagram, and not about one that was sent before."""
    return exc.errno in {errno.EMSGSIZE, errno.EACCES, errno.EPERM, errno.EINVAL, None}


# --- addresses


def destination(family: int, addr: Any) -> Any:
    """Return where a datagram goes, as a socket takes it. A host must be numeric: looking a name up would block."""
    if addr is None:
        raise ValueError("sendto() needs an addr: the socket isn't connected")
    if family == sockets.AF_UNIX:
        return _path(addr)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return addr  # what it takes only its own system knows
    if not isinstance(addr, tuple):
        raise TypeError(f"addr is {addr!r}, it must be a tuple of host and port")
    return _internet(family, addr)


def _path(addr: Any) -> str | bytes:
    try:
        path: str | bytes = os.fspath(addr)
        os.fsencode(path)
    except TypeError:
        raise TypeError(f"addr is {addr!r}, it must be a path: a str, bytes or os.PathLike") from None
    except ValueError:
        raise ValueError(f"addr is {addr!r}, which can't be written as a path") from None
    return path


@lru_cache(maxsize=1024)  # peers come again and again: judging one costs three times as much as finding it here
def _internet(family: int, addr: tuple[Any, ...]) -> tuple[Any, ...]:
    most = 2 if family == socket.AF_INET else 4
    if (
        not 2 <= len(addr) <= most
        or not isinstance(addr[0], str)
        or not all(isinstance(each, int) for each in addr[1:])
    ):
        wanted = "(host, port)" if most == 2 else "(host, port) or (host, port, flowinfo, scope_id)"
        raise TypeError(f"addr is {addr!r}, it must be {wanted}")
    if not 0 <= addr[1] < 1 << 16:
        raise ValueError(f"addr is {addr!r}: a port is 0 to 65535")
    if family == socket.AF_INET and addr[0] == "<broadcast>":
        return ("255.255.255.255", addr[1])
    return _numeric(family, addr)


def _numeric(family: int, addr: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return an address whose host is numeric; a zone ("fe80::1%eth0") becomes a number, too."""
    host, _, zone = addr[0].partition("%")
    try:
        socket.inet_pton(family, host)
        if not zone:
            return addr
        found = socket.getaddrinfo(addr[0], addr[1], family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)
        return (host, *found[0][4][1:])
    except (OSError, ValueError):  # a NUL in it
        kind = "IPv4" if family == socket.AF_INET else "IPv6"
        raise ValueError(
            f"addr is {addr!r}: sendto() takes numeric {kind} hosts alone; connect_udp() looks up names"
        ) from None
