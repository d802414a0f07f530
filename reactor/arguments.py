"""What the doors are given, judged by name before a socket is made. Law: a `sock` is owned from the call on."""

from __future__ import annotations

import errno
import functools
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from .late import ssl
from .loop.handle import check_plain
from .transport.address import numeric_family
from .transport.limits import Backoff, Limits
from .transport.proxy import ProxyHeader
from .transport.resolver import Endpoint, resolve_now

_HAS_UNIX = hasattr(socket, "AF_UNIX")  # Windows' Python doesn't
_MOST_BACKLOG = (1 << 31) - 1  # a C int

Given = ParamSpec("Given")
Made = TypeVar("Made")


def owns_sock(door: Callable[Given, Made]) -> Callable[Given, Made]:
    """Have a door own its `sock` from the call on: whatever it raises for, the socket is closed."""

    @functools.wraps(door)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        try:
            return door(*args, **kwargs)
        except BaseException:
            _close(kwargs.get("sock"))
            raise

    return call


def owns_descriptor(door: Callable[Given, Made]) -> Callable[Given, Made]:
    """Have a door take a descriptor as its `sock`, too, and own it from the call on."""
    owning = owns_sock(door)

    @functools.wraps(door)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        if _is_int(kwargs.get("sock")):
            kwargs["sock"] = _socket_of(kwargs["sock"])
        return owning(*args, **kwargs)

    return call


def _socket_of(descriptor: Any) -> socket.socket:
    """Return the socket that a number stands for; what is no socket at all is left alone."""
    try:
        sock = socket.socket(fileno=descriptor)
    except (OSError, ValueError, OverflowError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise ValueError(f"sock is {descriptor!r}, which is no descriptor of a socket: {reason}") from None
    sock.set_inheritable(False)  # systemd's, for one: no program that is started has it, too
    return sock


def _close(sock: object) -> None:
    """Close what was given, if it is a socket: without a shutdown(2), for other processes may share it."""
    if isinstance(sock, socket.socket):
        with suppress(OSError):
            sock.close()


def check_door(factory: object, tls: object, limits: object) -> None:
    """Judge what every door is given."""
    if not callable(factory):
        raise TypeError(f"factory is {factory!r}, it must be callable and return a protocol: a class, or a function")
    check_plain("factory", factory)
    if tls is not None:
        _check_type("tls", tls, ssl.SSLContext, "an ssl.SSLContext")
    _check_type("limits", limits, Limits, "a Limits(...)")


def check_listening(host: object, backlog: Any, sock: object, proxy: object = None) -> None:
    """Judge what `listen_*` is given: `host` only where no socket is."""
    _check_type("proxy", proxy, ProxyHeader, "a ProxyHeader(...)")
    if not _is_int(backlog) or not 0 <= backlog <= _MOST_BACKLOG:
        raise ValueError(f"backlog is {backlog!r}, it must be an int, 0 or more")
    if sock is None:
        _check_type("host", host, str, "a str")
    else:
        _check_stream(sock)


def check_connecting(
    on_failure: object, retry: object, reconnect: object, server_hostname: object, sock: object
) -> None:
    """Judge what `connect_*` is given beside its address."""
    check_callable("on_failure", on_failure)
    _check_type("retry", retry, Backoff, "a Backoff(...)")
    _check_type("reconnect", reconnect, Backoff, "a Backoff(...)")
    _check_type("server_hostname", server_hostname, str, "a str")
    if sock is not None:
        _check_stream(sock)
        if reconnect is not None:
            raise ValueError(
                f"reconnect is {reconnect!r}, and a sock is given: that is there once, nothing can be dialled"
            )


def local_of(local_addr: Any, sock: object) -> Endpoint | None:
    """Return where to connect from, None for anywhere. Raises OSError for an IPv6 scope that isn't there."""
    if local_addr is None:
        return None
    if sock is not None:
        raise ValueError(f"local_addr is {local_addr!r}, and a sock is given: that is connected already")
    if not _is_local(local_addr):
        wanted = "(host, port): an IP address of this machine, and 0 to 65535, 0 for any"
        raise ValueError(f"local_addr is {local_addr!r}, it must be {wanted}")
    return resolve_now(*local_addr)[0]


def _is_local(address: Any) -> bool:
    if not isinstance(address, (tuple, list)) or len(address) != 2:
        return False
    host, port = address
    return isinstance(host, str) and numeric_family(host) is not None and _is_int(port) and 0 <= port < 1 << 16


def check_datagrams(on_failure: object, sock: object, **flags: object) -> None:
    """Judge what `bind_udp` and `connect_udp` are given beside their address."""
    check_callable("on_failure", on_failure)
    for name, flag in flags.items():
        if not isinstance(flag, (bool, int)):
            raise TypeError(f"{name} is {flag!r}, it must be a bool")
    if sock is not None:
        _check_socket(sock, socket.SOCK_DGRAM, "datagram")


def check_callable(name: str, value: object) -> None:
    """Refuse what can't be called and isn't None, and of which a call would run nothing."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} is {value!r}, it must be callable, or None")
    check_plain(name, value)


def check_host(host: object) -> None:
    if not isinstance(host, str):
        raise TypeError(f"host is {host!r}, it must be a str")


def path_of(path: Any) -> str:
    """Return a socket path as a str. Raises OSError where there are no such sockets."""
    if not _HAS_UNIX:
        raise OSError(errno.EAFNOSUPPORT, "this system has no Unix sockets, or Python doesn't know them")
    try:
        return os.fsdecode(path)
    except TypeError:
        raise TypeError(f"path is {path!r}, it must be a str, bytes or os.PathLike") from None


def _check_stream(sock: object) -> None:
    if type(sock) is not socket.socket and isinstance(sock, ssl.SSLSocket):
        raise TypeError("sock is an ssl.SSLSocket: give the plain socket, and the context as tls=")
    _check_socket(sock, socket.SOCK_STREAM, "stream")


def _check_socket(sock: object, kind: int, said: str) -> None:
    if not isinstance(sock, socket.socket):
        raise TypeError(f"sock is {sock!r}, it must be a socket.socket")
    if sock.type != kind:
        raise ValueError(f"sock is {sock!r}, it must be a {said} socket")


def _check_type(name: str, value: object, wanted: type, said: str) -> None:
    if value is not None and not isinstance(value, wanted):
        raise TypeError(f"{name} is {value!r}, it must be {said}, or None")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
