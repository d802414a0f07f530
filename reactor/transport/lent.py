"""What a protocol may have of its connection's socket. Law: nothing here closes, reads or writes."""

from __future__ import annotations

import socket
from typing import Any


def lend(sock: socket.socket) -> Any:
    """Return what a protocol may have of its socket."""
    return LentSocket(sock) if sock.fileno() >= 0 else sock


class LentSocket:
    """A connection's socket for looking at and for setting options: closing, reading and writing are its owner's.

    Whoever closed it would leave its number to the next file that is opened, and the connection would go on with that.
    """

    _OWNERS = frozenset(
        [
            "accept",
            "bind",
            "close",
            "connect",
            "connect_ex",
            "detach",
            "listen",
            "makefile",
            "recv",
            "recv_into",
            "recvfrom",
            "recvfrom_into",
            "recvmsg",
            "recvmsg_into",
            "send",
            "sendall",
            "sendfile",
            "sendmsg",
            "sendmsg_afalg",
            "sendto",
            "setblocking",
            "settimeout",
        ]
    )

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        if name in self._OWNERS:
            raise AttributeError(f"{name}() is for the transport, which owns this socket")
        if name.startswith("__"):  # copy() asks before there is a socket; and `with` would close it
            raise AttributeError(name)
        return getattr(self._sock, name)

    def __repr__(self) -> str:
        return f"<LentSocket {self._sock!r}>"
