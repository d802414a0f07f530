"""What every simulated socket has: a host, a name of its own, and a selector that is told when it changes.

Law: to a transport it is a socket without a descriptor, as those in memory are.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

IGNORED = {  # options that change nothing here
    (socket.SOL_SOCKET, socket.SO_REUSEADDR),
    (socket.SOL_SOCKET, getattr(socket, "SO_REUSEPORT", -1)),
    (socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE", -2)),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.SOL_SOCKET, socket.SO_BROADCAST),
    (socket.SOL_SOCKET, socket.SO_SNDBUF),
    (socket.SOL_SOCKET, socket.SO_RCVBUF),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY),
}


def error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


class SimFile:
    """A file of a simulated host."""

    def __init__(self, host: Any, family: int, kind: int) -> None:
        self.host = host
        self.family, self.type = family, kind
        self.name: Any = None  # as getsockname() says
        self.peer_name: Any = None
        self.selector: Any = None  # while it is registered
        self.on_end: Callable[[], object] | None = None
        self.failed = 0  # the errno that is still to be told
        self.closed = self.vanished = False  # vanished: with its host, without a word

    def fileno(self) -> int:
        """There is no kernel below it."""
        return -1

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""
        self._check_open()

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        self._check_open()
        if (level, option) not in IGNORED:
            raise error(errno.ENOPROTOOPT)

    def getsockname(self) -> Any:
        self._check_open()
        return self.name or _unbound(self.family)

    def getpeername(self) -> Any:
        self._check_open()
        if self.peer_name is None:
            raise error(errno.ENOTCONN)
        return self.peer_name

    def changed(self) -> None:
        """Tell the selector, which asks what it is ready for."""
        if self.selector is not None:
            self.selector.mark(self)

    def readiness(self, events: int = 3) -> int:
        """Return for which of these it is ready: 1 to be read, 2 to be written."""
        raise NotImplementedError

    def vanish(self) -> None:
        """Be gone with the host: nobody is told."""
        self.closed = self.vanished = True
        self.selector = self.on_end = None

    @property
    def label(self) -> str:
        """How the log calls it."""
        name = self.name
        where = f"{name[1]}" if isinstance(name, tuple) else str(name or "").replace("\0", "@")
        return f"{self.host.name}:{where}"

    def _check_open(self) -> None:
        if self.closed:
            raise error(errno.EBADF)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label}>"


def _unbound(family: int) -> Any:
    if family == socket.AF_INET:
        return ("0.0.0.0", 0)
    return ("::", 0, 0, 0) if family == socket.AF_INET6 else ""
