"""Names to addresses, off the loop. Law: a numeric address never waits for a thread, and nothing waits for a name."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..late import futures
from ..loop import EventLoop
from ..loop.machine import THIS, Machine
from .address import TCPAddress, numeric_family
from .sockets import close, is_not_there, listen_on, named

_FREE_PORT_TRIES = 10  # a port that is free in one family may be taken in the other


class Endpoint(NamedTuple):
    """Where a stream socket can be bound or connected to."""

    family: int
    sockaddr: Any


def resolve_now(host: str | None, port: int, passive: bool = False, machine: Machine = THIS) -> list[Endpoint]:
    """Return the endpoints of a host, blocking if it is a name. Raises OSError naming the host."""
    check_port(port)
    flags = socket.AI_PASSIVE if passive else 0
    if host and numeric_family(host) is not None:
        flags |= socket.AI_NUMERICHOST
    try:
        found = machine.getaddrinfo(host or None, port, socket.SOCK_STREAM, flags)
    except UnicodeError as exc:  # a label that is empty or longer than 63 bytes (RFC 1035)
        raise socket.gaierror(socket.EAI_NONAME, f"can't resolve {host!r}: {exc}") from None
    except OSError as exc:
        raise named(exc, f"can't resolve {host!r}") from None
    return list(dict.fromkeys(Endpoint(family, sockaddr) for family, _, _, _, sockaddr in found))


def check_port(port: int) -> None:
    """Refuse a port that can't be: getaddrinfo() of glibc takes 70000 for 4464, and "http" for a service."""
    if not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"port is {port!r}, it must be an int, 0 to 65535")
    if not 0 <= port < 1 << 16:
        raise ValueError(f"port is {port!r}, it must be 0 to 65535")


def listen_on_all(
    host: str | None, port: int, backlog: int, reuse_port: bool, machine: Machine = THIS
) -> list[socket.socket]:
    """Listen on every address of a host that this machine has, all with one port. Raises OSError naming the addresses.

    Without IPv6 `localhost` may still have an IPv6 address: what isn't there is passed over while another one is.
    """
    for tries_left in reversed(range(_FREE_PORT_TRIES)):
        try:
            endpoints = resolve_now(host, port, passive=True, machine=machine)
            return _listen_on_each(endpoints, port, backlog, reuse_port, machine)
        except OSError as exc:
            if port or exc.errno != errno.EADDRINUSE or not tries_left:
                raise
    raise AssertionError("unreachable")


def _listen_on_each(
    endpoints: list[Endpoint], port: int, backlog: int, reuse_port: bool, machine: Machine
) -> list[socket.socket]:
    socks: list[socket.socket] = []
    errors: list[OSError] = []
    try:
        for family, sockaddr in endpoints:
            if socks and port == 0:
                sockaddr = (sockaddr[0], socks[0].getsockname()[1], *sockaddr[2:])
            try:
                socks.append(listen_on(family, sockaddr, backlog, reuse_port, machine))
            except OSError as exc:
                if not is_not_there(exc):  # a port in use, for one: whoever has it would get part of the peers
                    errors.insert(0, exc)
                    break
                errors.append(exc)
        if errors and not (socks and is_not_there(errors[0])):
            raise together(errors, first_decides=True)
    except BaseException:
        for sock in socks:
            close(sock, reset=False)
        raise
    return socks


def resolve(
    loop: EventLoop, address: TCPAddress, on_done: Callable[[futures.Future[list[Endpoint]]], object]
) -> futures.Future[list[Endpoint]]:
    """Call `on_done(future)` with the endpoints: in the next turn if the host is numeric, else from a thread's work.

    Returns the future: cancelling it gives up the place of a name that waits to be looked up.
    """
    if numeric_family(address.host) is None:
        return loop.run_in_daemon(resolve_now, address.host, address.port, False, loop.machine, on_done=on_done)
    future: futures.Future[list[Endpoint]] = futures.Future()
    try:
        future.set_result(resolve_now(address.host, address.port, False, loop.machine))
    except Exception as exc:  # an IPv6 scope that isn't there
        future.set_exception(exc)
    loop.call_soon(on_done, future)
    return future


def together(errors: Sequence[OSError], first_decides: bool = False) -> OSError:
    """Return one error whose text tells of all; one alone stays itself. They are its cause, from Python 3.11 on.

    It has the errno, and by it the class, that all have; with `first_decides` the first one's.
    """
    first = errors[0]
    if len(errors) == 1:
        return first
    text = "; ".join(each.strerror or str(each) for each in errors)
    same = first_decides or all(each.errno == first.errno for each in errors)
    error = OSError(first.errno, text) if same and first.errno is not None else OSError(text)
    if sys.version_info >= (3, 11):
        error.__cause__ = ExceptionGroup("every address failed", list(errors))  # noqa: F821
    return error
